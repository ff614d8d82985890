from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from scipy.stats import chi2
from torch import Tensor, nn

from raytrain.data.preprocess import envelope
from raytrain.data.rolling import generate_rolling
from raytrain.errors import ConfigError
from raytrain.losses import FrequencyConsistencyLoss
from raytrain.losses.frequency_consistency import contradiction, expected_contradiction
from raytrain.physics import BEARINGS, FaultSignatureDatabase
from raytrain.types import Batch

FS_HZ = 12_000.0
RPM = 1800.0
SAMPLES = 4096
CLASSES = ("normal", "inner", "outer", "ball")
FAULTS = CLASSES[1:]
SIGNATURES = FaultSignatureDatabase.rolling(BEARINGS["6205"])
ORDERS = {fault: SIGNATURES.lookup(fault).orders[0] for fault in FAULTS}


def make_loss(**settings: Any) -> FrequencyConsistencyLoss:  # noqa: ANN401 - of several types
    return FrequencyConsistencyLoss(SIGNATURES, CLASSES, **{"sample_rate_hz": FS_HZ} | settings)


def impacts(order: float | None, *, rpm: float = RPM, samples: int = SAMPLES, seed: int = 0) -> Tensor:
    """Return a window `[1, samples]` of noise and, at `order` times per turn, impacts that ring at 3 kHz."""
    rng = np.random.default_rng(seed)
    signal = rng.standard_normal(samples)
    if order is not None:
        phase = np.arange(samples) * (order * rpm / 60 / FS_HZ) % 1
        elapsed_s = phase / (order * rpm / 60)
        signal += 4 * np.exp(-elapsed_s / 1e-3) * np.sin(2 * np.pi * 3000 * elapsed_s)
    return torch.from_numpy((signal - signal.mean()) / signal.std()).float()[None]


def batch_of(windows: Tensor, rpm: Tensor | float = RPM) -> Batch:
    speeds = rpm if isinstance(rpm, Tensor) else torch.full((len(windows),), rpm)
    return Batch(windows, torch.zeros(len(windows), dtype=torch.int64), {"shaft_speed_rpm": speeds})


ONE_OF_EACH = torch.stack([impacts(None), *(impacts(order) for order in ORDERS.values())])


def test_chance_is_fishers_combination_of_p_values() -> None:
    surprise = torch.rand(6, 4, generator=torch.Generator().manual_seed(0)) * 8
    lines = torch.tensor([[1.0, 0, 0], [0, 1, 0], [0, 1, 0], [0, 0, 1]])
    found = contradiction(surprise.double(), lines.double()).numpy()
    total = surprise.double().numpy() @ lines.double().numpy()
    chance = chi2.sf(2 * total, 2 * lines.sum(dim=0).numpy())
    np.testing.assert_allclose(found, 1.01 * chance / (chance + 0.01), rtol=1e-6)


def test_no_surprise_contradicts_fully_and_a_hundredth_half() -> None:
    lines = torch.ones(1, 1)
    degree = contradiction(torch.tensor([[0.0], [math.log(100)], [50.0]]), lines)[:, 0]
    assert degree.tolist() == pytest.approx([1.0, 0.505, 0.0], abs=1e-6)


def test_expected_contradiction_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(5, 3, generator=generator, dtype=torch.float64) * 3
    degree = torch.rand(5, 3, generator=generator, dtype=torch.float64)
    known = torch.tensor([True, False, True, True, False])
    each = []
    for scores, contradicted, counts in zip(logits.numpy(), degree.numpy(), known.numpy(), strict=True):
        share = np.exp(scores) / np.exp(scores).sum()
        each.append(counts * (share * contradicted).sum())
    assert expected_contradiction(logits, degree, known=known).item() == pytest.approx(np.mean(each), rel=1e-12)


def test_gradient_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(2)
    logits = torch.randn(4, 4, generator=generator, dtype=torch.float64, requires_grad=True)
    loss, batch = make_loss(), batch_of(ONE_OF_EACH)
    degree = loss.degree(batch.signal, speed_rpm=batch.conditions["shaft_speed_rpm"]).double()
    known = torch.tensor([True, True, False, True])
    assert torch.autograd.gradcheck(lambda scores: expected_contradiction(scores, degree, known=known), logits)


@pytest.mark.parametrize("fault", FAULTS)
def test_one_step_raises_the_class_whose_lines_are_there(fault: str) -> None:
    """The direction: down the gradient, the planted fault gains, and every other class loses to it."""
    logits = torch.zeros(1, 4, requires_grad=True)
    make_loss()(logits, batch_of(impacts(ORDERS[fault])[None])).backward()
    assert logits.grad is not None
    stepped = torch.softmax(logits.detach() - logits.grad, dim=-1)[0]
    own = CLASSES.index(fault)
    assert stepped[own] > 0.27
    assert stepped.argmax() == own
    assert logits.grad[0, own] < 0
    assert (logits.grad[0, [c for c in range(4) if c != own]] > 0).all()


def test_one_step_raises_health_where_there_are_no_lines() -> None:
    logits = torch.zeros(1, 4, requires_grad=True)
    make_loss()(logits, batch_of(impacts(None)[None])).backward()
    assert logits.grad is not None
    assert logits.grad[0].argmin() == 0
    assert logits.grad[0, 0] < -0.1


def test_the_model_gets_a_gradient() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(
        nn.Conv1d(1, 4, 16, stride=8), nn.ReLU(), nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(4, 4)
    )
    make_loss()(model(ONE_OF_EACH), batch_of(ONE_OF_EACH)).backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().max() > 1e-6, name


def test_the_gradient_stays_out_of_the_evidence() -> None:
    windows = ONE_OF_EACH.clone().requires_grad_()
    logits = torch.zeros(4, 4, requires_grad=True)
    make_loss()(logits, batch_of(windows)).backward()
    assert windows.grad is None


def test_each_sample_has_its_own_speed() -> None:
    """One window, two stated speeds: at the second, the outer race's line is where the inner race's would be."""
    window = impacts(ORDERS["outer"])
    slower = RPM * ORDERS["outer"] / ORDERS["inner"]
    degree = make_loss().degree(torch.stack([window, window]), speed_rpm=torch.tensor([RPM, slower]))
    assert degree[0].argmin() == CLASSES.index("outer")
    assert degree[0, CLASSES.index("inner")] > 0.5
    assert degree[1].argmin() == CLASSES.index("inner")


def test_health_is_contradicted_by_any_fault() -> None:
    degree = make_loss().degree(ONE_OF_EACH, speed_rpm=torch.full((4,), RPM))
    torch.testing.assert_close(degree[:, 0], 1 - degree[:, 1:].amin(dim=1))
    assert degree[0, 0] < 0.2
    assert (degree[1:, 0] > 0.99).all()
    assert ((degree >= 0) & (degree <= 1)).all()


def test_columns_follow_the_order_of_the_classes() -> None:
    shuffled = ("ball", "normal", "outer", "inner")
    speeds = torch.full((4,), RPM)
    ours = make_loss().degree(ONE_OF_EACH, speed_rpm=speeds)
    theirs = FrequencyConsistencyLoss(SIGNATURES, shuffled, sample_rate_hz=FS_HZ).degree(ONE_OF_EACH, speed_rpm=speeds)
    torch.testing.assert_close(theirs, ours[:, [CLASSES.index(name) for name in shuffled]])


@pytest.mark.parametrize("scale", [1e-3, 1e3])
def test_scale_changes_nothing(scale: float) -> None:
    speeds = torch.full((4,), RPM)
    loss = make_loss()
    torch.testing.assert_close(
        loss.degree(ONE_OF_EACH * scale, speed_rpm=speeds),
        loss.degree(ONE_OF_EACH, speed_rpm=speeds),
        rtol=1e-3,
        atol=1e-3,
    )


@pytest.mark.parametrize("unknown", [math.nan, math.inf, 0.0, -1800.0])
def test_samples_of_unknown_speed_add_nothing_to_the_mean(unknown: float) -> None:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0))
    speeds = torch.tensor([RPM, unknown, RPM, unknown])
    loss = make_loss()
    value = loss(logits, batch_of(ONE_OF_EACH, speeds))
    torch.testing.assert_close(value, loss(logits[::2], batch_of(ONE_OF_EACH[::2])) / 2)


def test_the_measured_windows_are_looked_at_whatever_the_model_sees() -> None:
    logits, loss = torch.randn(4, 4, generator=torch.Generator().manual_seed(0)), make_loss()
    plain = batch_of(ONE_OF_EACH)
    changed = replace(plain, inputs={"stft": torch.zeros(4, 1, 8, 8)}, waveform=ONE_OF_EACH)
    assert torch.equal(loss(logits, changed), loss(logits, plain))
    assert not torch.equal(loss(logits, replace(plain, waveform=ONE_OF_EACH.flip(0))), loss(logits, plain))


def test_without_any_speed_the_loss_is_exactly_zero_with_a_graph() -> None:
    logits = torch.randn(4, 4, requires_grad=True)
    value = make_loss()(logits, batch_of(ONE_OF_EACH, math.nan))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_a_tiny_window_of_unknown_speed_is_left_out_too() -> None:
    value = make_loss()(torch.zeros(2, 4), batch_of(torch.randn(2, 1, 16), math.nan))
    assert value.item() == 0


def test_half_precision_scores_are_summed_in_full() -> None:
    logits = torch.randn(4, 4, generator=torch.Generator().manual_seed(0)).bfloat16()
    value = make_loss()(logits, batch_of(ONE_OF_EACH))
    assert value.dtype == torch.float32
    assert value == make_loss()(logits.float(), batch_of(ONE_OF_EACH))


def test_channels_are_averaged() -> None:
    speeds = torch.full((4,), RPM)
    both = make_loss().degree(ONE_OF_EACH.expand(-1, 2, -1), speed_rpm=speeds)
    torch.testing.assert_close(both, make_loss().degree(ONE_OF_EACH, speed_rpm=speeds))
    one_silent = torch.cat([ONE_OF_EACH, torch.zeros_like(ONE_OF_EACH)], dim=1)
    assert (make_loss().degree(one_silent, speed_rpm=speeds)[1:].argmin(dim=1) == torch.tensor([1, 2, 3])).all()


@pytest.mark.parametrize("fault", FAULTS)
def test_windows_that_are_envelopes_are_not_demodulated_again(fault: str) -> None:
    window = torch.from_numpy(envelope(impacts(ORDERS[fault]).numpy(), FS_HZ)).float()
    degree = make_loss(demodulate=False).degree(window[None], speed_rpm=torch.tensor([RPM]))
    assert degree[0].argmin() == CLASSES.index(fault)


def test_what_two_faults_would_share_is_not_looked_for() -> None:
    """In a 6205, twice BPFI (10.83) lies on three times BPFO (10.75), three times 2 x BSF (14.14) near four (14.34)."""
    orders = make_loss(harmonics=3)._orders.tolist()
    multiples = {fault: [order / ORDERS[fault] for order in orders] for fault in FAULTS}
    used = {fault: [round(one) for one in many if abs(one - round(one)) < 1e-5] for fault, many in multiples.items()}
    assert used == {"inner": [1, 3], "outer": [1, 2], "ball": [1, 2]}
    assert sorted(make_loss(harmonics=1)._orders.tolist()) == pytest.approx(sorted(ORDERS.values()))


def test_windows_too_short_to_tell_faults_apart_are_refused_with_the_length_that_would_do() -> None:
    loss = make_loss()
    with pytest.raises(ConfigError, match=r"windows\.length must be at least \d+ at 12000 Hz") as caught:
        loss.degree(ONE_OF_EACH[..., :1024], speed_rpm=torch.full((4,), RPM))
    assert "at 1800 rpm, got 1024" in str(caught.value)
    needed = int(str(caught.value).split("at least ")[1].split()[0])
    gap = ORDERS["inner"] - ORDERS["ball"] - 0.02 * (ORDERS["inner"] + ORDERS["ball"])
    assert needed == math.ceil(2 * FS_HZ / (gap * RPM / 60))
    loss.degree(ONE_OF_EACH[..., :needed], speed_rpm=torch.full((4,), RPM))
    with pytest.raises(ConfigError, match=r"windows\.length must be"):
        loss.degree(ONE_OF_EACH[..., : needed - 1], speed_rpm=torch.full((4,), RPM))


def test_speeds_can_be_checked_before_the_first_batch() -> None:
    make_loss().check_speeds(torch.tensor([RPM, math.nan]), samples=2048)
    with pytest.raises(ConfigError, match="at 600 rpm, got 2048"):
        make_loss().check_speeds(torch.tensor([RPM, 600.0]), samples=2048)


def test_one_slow_sample_is_enough_to_refuse_but_an_unknown_one_is_not() -> None:
    loss = make_loss()
    loss.degree(ONE_OF_EACH, speed_rpm=torch.tensor([RPM, RPM, math.nan, RPM]))
    with pytest.raises(ConfigError, match="at 300 rpm, got 4096"):
        loss.degree(ONE_OF_EACH, speed_rpm=torch.tensor([RPM, RPM, 300.0, RPM]))


def test_lines_beyond_the_envelopes_bandwidth_are_refused() -> None:
    with pytest.raises(
        ConfigError, match=r"windows\.sample_rate_hz must be at least \d+ .* 60000 rpm, got 12000"
    ) as caught:
        make_loss().degree(ONE_OF_EACH, speed_rpm=torch.full((4,), 60_000.0))
    needed = float(str(caught.value).split("at least ")[1].split()[0])
    make_loss(sample_rate_hz=needed).degree(ONE_OF_EACH, speed_rpm=torch.full((4,), 60_000.0))


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"tolerance": 0.0}, "physics.tolerance must be above 0 and below 0.5, got 0"),
        (
            {"tolerance": 0.07},
            "tolerance must be below 0.0693, or the bands of inner and ball overlap, got 0.07",
        ),
        ({"harmonics": 0}, "physics.harmonics must be at least 1, got 0"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError) as caught:
        make_loss(**settings)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("signatures", "classes", "message"),
    [
        (FaultSignatureDatabase.journal(), ("healthy", "wear"), "a healthy journal bearing shows its faults' lines"),
        (SIGNATURES, ("normal", "wear"), "'wear' is a class of journal bearings"),
        (SIGNATURES, ("normal",), "physics.lambda_freq needs a class that is a fault, got normal"),
    ],
)
def test_classes_that_do_not_fit_are_refused(
    signatures: FaultSignatureDatabase, classes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(ConfigError) as caught:
        FrequencyConsistencyLoss(signatures, classes, sample_rate_hz=FS_HZ)
    assert message in str(caught.value)


def test_batches_without_speed_or_of_images_are_refused() -> None:
    with pytest.raises(ConfigError, match="needs the operating condition shaft_speed_rpm; batches carry nothing"):
        make_loss()(torch.zeros(4, 4), Batch(ONE_OF_EACH, torch.zeros(4, dtype=torch.int64)))
    with pytest.raises(ConfigError, match=r"needs windows \[B, C, T\], got 4 dimensions"):
        make_loss()(torch.zeros(4, 4), batch_of(ONE_OF_EACH[..., None]))


def test_generated_recordings_contradict_their_own_class_least() -> None:
    """Of windows of a third of a second with clear faults (6 dB), nine in ten, and hardly one of no fault."""
    recordings = generate_rolling(recordings_per_class=6, duration_s=1.0, fs_hz=FS_HZ, snr_db=6.0, seed=3)
    hits, mean_own, mean_others = [], [], []
    loss = make_loss()
    for recording in recordings:
        windows = torch.from_numpy(recording.signal.copy()).unfold(1, SAMPLES, SAMPLES // 2).permute(1, 0, 2)
        degree = loss.degree(windows, speed_rpm=torch.full((len(windows),), recording.shaft_speed_rpm))
        own = CLASSES.index(recording.fault_type)
        hits += (degree.argmin(dim=1) == own).tolist()
        mean_own.append(degree[:, own].mean().item())
        mean_others.append((degree.sum(dim=1) - degree[:, own]).mean().item() / 3)
    assert np.mean(hits) > 0.8
    assert np.mean(mean_own) < 0.25
    assert np.mean(mean_others) > 0.75
