from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor

from raytrain.data.journal import generate_journal
from raytrain.errors import ConfigError
from raytrain.losses import SommerfeldConsistencyLoss
from raytrain.losses.film_number import film_number, has_film_number
from raytrain.losses.sommerfeld_consistency import (
    FILM_SEVERITY,
    expected_severity,
    mixed_film_share,
    sommerfeld_consistency,
)
from raytrain.physics import FaultSignatureDatabase, sommerfeld_number
from raytrain.types import Batch

CLASSES = FaultSignatureDatabase.journal().classes
K = len(CLASSES)


def batch_of(sommerfeld: Tensor) -> Batch:
    count = len(sommerfeld)
    return Batch(torch.zeros(count, 1, 8), torch.zeros(count, dtype=torch.int64), {"sommerfeld_number": sommerfeld})


def test_the_loss_is_the_formula() -> None:
    generator = torch.Generator().manual_seed(0)
    logits = torch.randn(6, K, generator=generator, dtype=torch.float64) * 2
    sommerfeld = torch.tensor([0.01, 0.08, 0.3, 1.0, 5.0, 0.1], dtype=torch.float64)
    each = []
    for scores, number in zip(logits.numpy(), sommerfeld.numpy(), strict=True):
        share = np.exp(scores) / np.exp(scores).sum()
        expected = sum(share[c] * FILM_SEVERITY[name] for c, name in enumerate(CLASSES))
        each.append((expected - 1 / (1 + (number / 0.2) ** 1.5)) ** 2)
    loss = SommerfeldConsistencyLoss(CLASSES, transition=0.2, steepness=1.5)
    assert loss(logits, batch_of(sommerfeld)).item() == pytest.approx(np.mean(each), rel=1e-9)


@given(number=st.floats(1e-4, 1e4), transition=st.floats(1e-3, 10.0), steepness=st.floats(0.1, 4.0))
def test_mixed_film_share_is_the_closed_form(*, number: float, transition: float, steepness: float) -> None:
    share = mixed_film_share(
        torch.tensor(number, dtype=torch.float64), transition=transition, steepness=steepness
    ).item()
    assert share == pytest.approx(1 / (1 + (number / transition) ** steepness), rel=1e-9, abs=1e-12)


def test_mixed_film_share_falls_smoothly_from_boundary_to_full_film() -> None:
    number = torch.logspace(-4, 4, 200, dtype=torch.float64)
    share = mixed_film_share(number, transition=0.1, steepness=1.0)
    assert (share.diff() < 0).all()
    assert share[0] > 0.99
    assert share[-1] < 0.01
    assert mixed_film_share(torch.tensor(0.1), transition=0.1, steepness=3.0) == 0.5


def test_gradient_is_that_of_finite_differences() -> None:
    generator = torch.Generator().manual_seed(1)
    logits = torch.randn(4, K, generator=generator, dtype=torch.float64, requires_grad=True)
    implied = torch.rand(4, generator=generator, dtype=torch.float64)
    severity = torch.tensor(list(FILM_SEVERITY.values()), dtype=torch.float64)
    known = torch.tensor([True, False, True, True])
    assert torch.autograd.gradcheck(
        lambda scores: sommerfeld_consistency(expected_severity(scores, severity), implied, known=known), logits
    )


@pytest.mark.parametrize(("number", "gains", "loses"), [(0.005, "lubrication", "healthy"), (5.0, "healthy", "wear")])
def test_one_step_goes_towards_the_regime(number: float, gains: str, loses: str) -> None:
    """The direction: a starved film raises the failing classes, a thick one those that leave it whole."""
    logits = torch.zeros(1, K, requires_grad=True)
    SommerfeldConsistencyLoss(CLASSES)(logits, batch_of(torch.tensor([number]))).backward()
    assert logits.grad is not None
    stepped = torch.softmax(logits.detach() - logits.grad, dim=-1)[0]
    assert stepped[CLASSES.index(gains)] > 1 / K + 1e-3
    assert stepped[CLASSES.index(loses)] < 1 / K - 1e-3


def test_a_lower_number_asks_for_more_severity() -> None:
    """The loss of a prediction of severity s is least at the S whose regime implies s."""
    loss = SommerfeldConsistencyLoss(["healthy", "lubrication"])
    for share in (0.1, 0.5, 0.9):
        logits = torch.log(torch.tensor([[1 - share, share]]))
        number = 0.1 * (1 - share) / share
        values = [loss(logits, batch_of(torch.tensor([number * factor]))).item() for factor in (0.5, 1.0, 2.0)]
        assert values[1] == pytest.approx(0.0, abs=1e-12)
        assert min(values[0], values[2]) > 1e-4


@pytest.mark.parametrize("unknown", [math.nan, math.inf, 0.0, -1.0])
def test_samples_of_unknown_number_add_nothing_to_the_mean(unknown: float) -> None:
    logits = torch.randn(4, K, generator=torch.Generator().manual_seed(0))
    loss = SommerfeldConsistencyLoss(CLASSES)
    value = loss(logits, batch_of(torch.tensor([0.1, unknown, 2.0, unknown])))
    torch.testing.assert_close(value, loss(logits[::2], batch_of(torch.tensor([0.1, 2.0]))) / 2)


def test_without_any_number_the_loss_is_exactly_zero_with_a_graph() -> None:
    logits = torch.randn(3, K, requires_grad=True)
    value = SommerfeldConsistencyLoss(CLASSES)(logits, batch_of(torch.full((3,), math.nan)))
    value.backward()
    assert value.item() == 0
    assert logits.grad is not None
    assert not logits.grad.any()


def test_the_number_is_that_of_revolutions_per_second() -> None:
    """Generated recordings carry it in the unit of `physics.sommerfeld_number`; in rad/s it would be 2 pi larger."""
    for recording in generate_journal(recordings_per_class=1, duration_s=0.1)[:3]:
        expected = sommerfeld_number(
            recording.conditions["viscosity_pa_s"],
            recording.shaft_speed_rpm / 60,
            unit_load_pa=recording.conditions["load_fraction"] * 1.5e6,
            clearance_ratio=1.5e-3,
        )
        assert recording.conditions["sommerfeld_number"] == pytest.approx(float(expected), rel=1e-6)


def test_a_severity_that_the_model_states_is_judged_instead_of_the_classes() -> None:
    loss, numbers = SommerfeldConsistencyLoss(CLASSES), torch.tensor([0.02, 0.1, 3.0])
    logits, stated = torch.randn(3, K, requires_grad=True), torch.tensor([0.9, 0.2, 0.4], requires_grad=True)
    value = loss(logits, batch_of(numbers), severity=stated)
    implied = 1 / (1 + numbers.double().numpy() / 0.1)
    assert value.item() == pytest.approx(np.mean((stated.detach().numpy() - implied) ** 2), rel=1e-6)
    value.backward()
    assert logits.grad is None
    assert stated.grad is not None
    assert (stated.grad.sign() == torch.from_numpy(np.sign(stated.detach().numpy() - implied))).all()


def test_the_number_follows_from_the_film_of_each_sample() -> None:
    film = {
        "viscosity_pa_s": torch.tensor([0.02, 0.03, 0.01], dtype=torch.float64),
        "shaft_speed_rpm": torch.tensor([3600.0, 1500.0, math.nan], dtype=torch.float64),
        "unit_load_pa": torch.tensor([1.2e6, 0.8e6, 1.0e6], dtype=torch.float64),
        "clearance_ratio": torch.tensor([1e-3, 2e-3, 1e-3], dtype=torch.float64),
    }
    batch = Batch(torch.zeros(3, 1, 8), torch.zeros(3, dtype=torch.int64), film)
    found = film_number(batch)
    for row in range(2):
        one = {name: values[row].item() for name, values in film.items()}
        expected = sommerfeld_number(
            one["viscosity_pa_s"],
            one["shaft_speed_rpm"] / 60,
            unit_load_pa=one["unit_load_pa"],
            clearance_ratio=one["clearance_ratio"],
        )
        assert found[row].item() == pytest.approx(float(expected), rel=1e-12)
    logits = torch.randn(3, K, dtype=torch.float64)
    loss = SommerfeldConsistencyLoss(CLASSES)
    assert torch.equal(loss(logits, batch), loss(logits, batch_of(found)))
    assert loss(logits, batch).isfinite()
    assert has_film_number(film)
    assert not has_film_number(set(film) - {"unit_load_pa"})


def test_every_journal_class_has_a_severity_and_a_mixed_one_its_parents_larger() -> None:
    assert set(FILM_SEVERITY) == set(CLASSES)
    assert all(0 <= severity <= 1 for severity in FILM_SEVERITY.values())
    assert FILM_SEVERITY["healthy"] == 0
    for name, severity in FILM_SEVERITY.items():
        if name.startswith("mixed_"):
            first, second = name.removeprefix("mixed_").split("_")
            assert severity == max(FILM_SEVERITY[first], FILM_SEVERITY[second])


def test_rolling_element_bearings_are_refused() -> None:
    with pytest.raises(ConfigError, match="'inner' is a class of rolling bearings"):
        SommerfeldConsistencyLoss(["healthy", "inner"])


def test_a_batch_without_the_number_is_refused() -> None:
    batch = Batch(torch.zeros(1, 1, 8), torch.tensor([0]), {"shaft_speed_rpm": torch.tensor([3600.0])})
    with pytest.raises(ConfigError, match=r"condition sommerfeld_number, or viscosity_pa_s, .*; batches carry shaft_"):
        SommerfeldConsistencyLoss(CLASSES)(torch.zeros(1, K), batch)


@pytest.mark.parametrize("bad", [0.0, -1.0, math.nan, math.inf])
def test_impossible_settings_are_refused(bad: float) -> None:
    with pytest.raises(ConfigError, match=r"physics\.transition must be positive and finite, got"):
        SommerfeldConsistencyLoss(CLASSES, transition=bad)
    with pytest.raises(ConfigError, match=r"physics\.steepness must be positive and finite, got"):
        SommerfeldConsistencyLoss(CLASSES, steepness=bad)
