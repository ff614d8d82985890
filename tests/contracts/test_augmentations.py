"""What every augmentation of the table keeps, at its defaults, at its strongest, and for a share of the samples."""

from __future__ import annotations

import inspect
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from threading import Barrier
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn
from torch.nn import functional

from raytrain.augment import AUGMENTATIONS, Augmentation, create_augmentation, draws
from raytrain.errors import ConfigError
from raytrain.types import Batch, BatchTransform, Progress, Share, StepLoss

CLASSES = 3
META = torch.device("meta")
START = Progress(epoch=0, step=0, fraction=0.0)


@dataclass(frozen=True)
class Case:
    """An augmentation with settings, by a name for the test's report."""

    name: str
    settings: dict[str, Any] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.name}({', '.join(f'{key}={value}' for key, value in self.settings.items())})"


STRONGEST = (
    Case("adversarial", {"epsilon": 10.0}),
    Case("amplitude_scaling", {"low": 1e-3, "high": 1e3}),
    Case(
        "auto_augment", {"policy": {"all": {"time_shift": {}, "time_masking": {"probability": 0.5, "magnitude": 10}}}}
    ),
    Case("compose", {"steps": [{"name": "gaussian_noise"}, {"name": "mixup"}, {"name": "time_masking"}]}),
    Case("cutmix", {"alpha": 1e-3}),
    Case("gaussian_noise", {"snr_db": -20.0}),
    Case("mixup", {"alpha": 1e-3}),
    Case("patch", {"preset": "heavy", "patch_length": 4}),
    Case("rand_augment", {"operations": 4, "magnitude": 10.0}),
    Case("time_masking", {"max_share": 1.0}),
    Case("time_shift", {"max_share": 1.0}),
)
PARTLY = tuple(
    Case(name, {"probability": 0.5})
    for name, entry in sorted(AUGMENTATIONS.items())
    if "probability" in inspect.signature(entry).parameters
)
SHORT = {"patch": {"patch_length": 8}}
DEFAULTS = tuple(Case(name, SHORT.get(name, {})) for name in sorted(AUGMENTATIONS))
CASES = (*DEFAULTS, *STRONGEST, *PARTLY)
UNCHANGING = ("none", "compose()")


def network(channels: int, dtype: torch.dtype) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.AdaptiveAvgPool1d(4), nn.Flatten(), nn.Linear(4 * channels, CLASSES)).to(dtype)


def objective(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
    logits = model(batch.signal)
    return StepLoss(functional.cross_entropy(logits, batch.targets), logits)


def create(case: Case, *, channels: int = 1, dtype: torch.dtype = torch.float32) -> Augmentation:
    augmentation = create_augmentation(case.name, settings=case.settings)
    augmentation.bind(network(channels, dtype), objective)
    return augmentation


def make_batch(
    case: Case, *, size: int = 6, channels: int = 1, length: int = 48, dtype: torch.dtype = torch.float32
) -> Batch:
    generator = torch.Generator().manual_seed(1)
    image = create_augmentation(case.name, settings=case.settings).domain == "image"
    shape = (size, channels, 24, length) if image else (size, channels, length)
    inputs = 2 * torch.randn(shape, generator=generator, dtype=dtype)
    targets = torch.randint(CLASSES, (size,), generator=generator)
    return Batch(inputs, targets, {"shaft_speed_rpm": torch.arange(float(size))})


def apply(case: Case, batch: Batch, *, seed: int = 0) -> Batch:
    augmentation = create(case, channels=batch.signal.shape[1], dtype=batch.signal.dtype)
    with torch.no_grad():  # as the engine does
        return augmentation(batch, START, torch.Generator().manual_seed(seed))


def same(left: Batch, right: Batch) -> bool:
    if (left.mixture is None) != (right.mixture is None) or not torch.equal(left.signal, right.signal):
        return False
    if left.mixture is None or right.mixture is None:
        return True
    mixtures_targets = torch.equal(left.mixture.targets, right.mixture.targets)
    return mixtures_targets and torch.equal(left.mixture.weight, right.mixture.weight)


def assert_finite_like(result: Tensor, inputs: Tensor) -> None:
    assert result.shape == inputs.shape
    assert result.dtype == inputs.dtype
    assert result.device == inputs.device
    assert not result.requires_grad
    assert bool(torch.isfinite(result).all())


def test_every_entry_is_tried_at_its_strongest() -> None:
    assert {case.name for case in STRONGEST} == AUGMENTATIONS.keys() - {"none", "spec_augment"}
    assert len(PARTLY) >= 8


every_case = pytest.mark.parametrize("case", CASES, ids=str)


@every_case
def test_is_a_transform_of_training_alone(case: Case) -> None:
    transform: BatchTransform = create(case)
    assert transform.in_evaluation is False


@every_case
@settings(max_examples=8)
@given(
    size=st.integers(1, 9),
    channels=st.integers(1, 2),
    length=st.integers(16, 70),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 2**40),
)
def test_keeps_shape_and_dtype_and_gives_proper_shares(  # noqa: PLR0917 - drawn by name
    case: Case, size: int, channels: int, length: int, dtype: torch.dtype, seed: int
) -> None:
    batch = make_batch(case, size=size, channels=channels, length=length, dtype=dtype)
    result = apply(case, batch, seed=seed)
    assert_finite_like(result.signal, batch.signal)
    assert torch.equal(result.targets, batch.targets)
    assert result.conditions == batch.conditions
    assert (result.mixture is not None) == create(case).mixes_labels
    torch.testing.assert_close(result.class_shares(CLASSES).sum(dim=1), torch.ones(size))
    if result.mixture is not None:
        assert result.mixture.targets.shape == result.mixture.weight.shape == (size,)
        assert bool(((result.mixture.weight >= 0) & (result.mixture.weight <= 1)).all())


@every_case
@given(seed=st.integers(0, 2**40))
@settings(max_examples=3)
def test_the_generator_alone_decides(case: Case, seed: int) -> None:
    batch = make_batch(case)
    first = apply(case, batch, seed=seed)
    torch.manual_seed(seed + 1)  # the global generator has no say
    assert same(first, apply(case, batch, seed=seed))
    if case.name not in ("none", "adversarial") and str(case) not in UNCHANGING:
        assert not all(same(first, apply(case, batch, seed=seed + other)) for other in range(1, 8))


class Workers:
    """Threads that share a batch as processes do, and exchange their rows."""

    shares = (Share(0, 11), Share(4, 11), Share(8, 11))

    def __init__(self, whole: Batch) -> None:
        self._parts = [
            Batch(whole.signal[share.first :][:size], whole.targets[share.first :][:size], share=share)
            for share, size in zip(self.shares, (4, 4, 3), strict=True)
        ]
        self._sent: dict[int, Tensor] = {}
        self._meeting = Barrier(len(self.shares), timeout=10)

    def global_rows(self, rows: Tensor, *, first: int, total: int) -> Tensor:
        self._sent[first] = rows
        self._meeting.wait()
        whole = torch.cat([self._sent[share.first] for share in self.shares])
        self._meeting.wait()
        assert len(whole) == total
        return whole

    def apply(self, case: Case, *, seed: int) -> list[Batch]:
        augmentations = [create(case, dtype=torch.float64) for _ in self._parts]

        def one(augmentation: Augmentation, part: Batch) -> Batch:
            generator = draws.SharedGenerator()
            generator.manual_seed(seed)
            generator.share = part.share
            with torch.no_grad():
                return augmentation(part, START, generator)

        with ThreadPoolExecutor(len(self.shares)) as threads:
            return list(threads.map(one, augmentations, self._parts))


@every_case
def test_workers_together_do_what_one_does(case: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = make_batch(case, size=11, dtype=torch.float64)
    workers = Workers(whole)
    monkeypatch.setattr(draws, "global_rows", workers.global_rows)
    for seed in range(3):
        parts, expected = workers.apply(case, seed=seed), apply(case, whole, seed=seed)
        torch.testing.assert_close(torch.cat([part.signal for part in parts]), expected.signal)
        shares = [part.class_shares(CLASSES) for part in parts]
        torch.testing.assert_close(torch.cat(shares), expected.class_shares(CLASSES))


@every_case
def test_nothing_is_drawn_from_the_global_generator(case: Case) -> None:
    batch = make_batch(case)
    augmentation = create(case)
    before = torch.get_rng_state()
    augmentation(batch, START, torch.Generator().manual_seed(0))
    assert torch.equal(torch.get_rng_state(), before)


@every_case
def test_inputs_are_not_written_to(case: Case) -> None:
    batch = make_batch(case, size=32)
    kept = batch.signal.clone()
    changed = [apply(case, batch, seed=seed) for seed in range(4)]
    assert torch.equal(batch.signal, kept)
    differs = any(not torch.equal(one.signal, kept) for one in changed)
    assert differs == (str(case) not in ("none()", "compose()"))


@every_case
@pytest.mark.parametrize("value", [0.0, 3.5])
def test_constant_signals_stay_finite(case: Case, value: float) -> None:
    batch = make_batch(case)
    constant = Batch(torch.full_like(batch.signal, value), batch.targets, batch.conditions)
    assert_finite_like(apply(case, constant).signal, constant.signal)


@every_case
def test_everything_happens_on_the_device_and_never_waits_for_it(case: Case) -> None:
    """The meta device has no values: reading one, or a size that depends on one, or mixing devices is an error."""
    batch = make_batch(case).to(META)
    augmentation = create(case)
    augmentation.bind(network(1, torch.float32).to(META), objective)
    with torch.no_grad():
        result = augmentation(batch, START, torch.Generator())
    assert result.signal.device == META
    assert result.signal.shape == batch.signal.shape
    if result.mixture is not None:
        assert result.mixture.targets.device == result.mixture.weight.device == META


@every_case
def test_signals_that_are_views_are_augmented_alike(case: Case) -> None:
    batch = make_batch(case, length=96, dtype=torch.float64)
    view = Batch(batch.signal[..., ::2], batch.targets, batch.conditions)
    packed = Batch(view.signal.contiguous(), batch.targets, batch.conditions)
    torch.testing.assert_close(apply(case, view).signal, apply(case, packed).signal, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("case", PARTLY, ids=str)
@pytest.mark.parametrize("probability", [-0.1, 1.1])
def test_impossible_probabilities_are_refused(case: Case, probability: float) -> None:
    message = rf"augmentation\.probability must be from 0 to 1, got {probability:g}"
    with pytest.raises(ConfigError, match=message):
        create_augmentation(case.name, settings={"probability": probability})


@pytest.mark.parametrize("case", PARTLY, ids=str)
def test_probability_zero_changes_nothing(case: Case) -> None:
    batch = make_batch(case)
    result = apply(Case(case.name, {"probability": 0.0}), batch)
    assert torch.equal(result.signal, batch.signal)
    assert torch.equal(result.class_shares(CLASSES), batch.class_shares(CLASSES))
