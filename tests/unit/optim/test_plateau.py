from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from torch.optim import Optimizer

from raytrain.errors import ConfigError
from raytrain.optim import create_plateau_scheduler


def reductions(losses: Sequence[float], *, patience: int, cooldown: int, threshold: float) -> list[int]:
    """Count the reductions made before each epoch, by the rule."""
    best, bad, rest, done, counts = float("inf"), 0, 0, 0, []
    for loss in losses:
        counts.append(done)
        if loss < best * (1 - threshold):
            best, bad = loss, 0
        else:
            bad += 1
        if rest > 0:
            rest, bad = rest - 1, 0
        if bad > patience:
            done, bad, rest = done + 1, 0, cooldown
    return counts


@given(
    losses=st.lists(st.floats(0.01, 10.0), min_size=1, max_size=40),
    rule=st.fixed_dictionaries({"patience": st.integers(0, 4), "cooldown": st.integers(0, 3)}),
    mode=st.sampled_from(["min", "max"]),
)
def test_follows_the_rule_over_a_whole_run(
    optimizer_of: Callable[..., Optimizer],
    follow: Callable[..., list[list[float]]],
    losses: list[float],
    rule: dict[str, int],
    mode: Literal["min", "max"],
) -> None:
    """A metric that should rise is one over a loss that should fall, with no threshold between."""
    scheduler = create_plateau_scheduler(optimizer_of(0.3), mode=mode, factor=0.5, threshold=0.0, **rule)
    actual = follow(scheduler, len(losses), losses if mode == "min" else [-loss for loss in losses])
    counts = reductions(losses, threshold=0.0, **rule)
    assert actual == [[0.3 * 0.5**count, 0.15 * 0.5**count] for count in counts]


def test_an_improvement_within_the_threshold_does_not_count(
    optimizer_of: Callable[..., Optimizer], follow: Callable[..., list[list[float]]]
) -> None:
    losses = [1.0, 0.95, 0.91, 0.85, 0.8, 0.79]
    scheduler = create_plateau_scheduler(optimizer_of(0.3), factor=0.5, patience=1, threshold=0.1)
    counts = reductions(losses, patience=1, cooldown=0, threshold=0.1)
    assert counts == [0, 0, 0, 1, 1, 1]
    assert follow(scheduler, 6, losses) == [[0.3 * 0.5**count, 0.15 * 0.5**count] for count in counts]


def test_stops_at_the_floor_and_not_before(
    optimizer_of: Callable[..., Optimizer], follow: Callable[..., list[list[float]]]
) -> None:
    """torch's own eps would leave learning rates below 1e-8 as they are."""
    scheduler = create_plateau_scheduler(optimizer_of(1e-8), patience=0, min_lr=1e-12)
    actual = follow(scheduler, 9, [1.0] * 9)
    assert [first for first, _ in actual[1:6]] == pytest.approx([1e-8, 1e-9, 1e-10, 1e-11, 1e-12])
    assert actual[-1] == [1e-12, 1e-12]


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"mode": "low"}, "schedule.mode must be min or max, got low"),
        ({"factor": 1.0}, "schedule.factor must be above 0 and below 1, got 1"),
        ({"factor": 0.0}, "schedule.factor"),
        ({"patience": -1}, "schedule.patience must be at least 0, got -1"),
        ({"threshold": -0.1}, "schedule.threshold must be at least 0, got -0.1"),
        ({"cooldown": -1}, "schedule.cooldown must be at least 0, got -1"),
        ({"min_lr": -1.0}, "schedule.min_lr must be at least 0, got -1"),
    ],
)
def test_impossible_values_are_refused(
    optimizer_of: Callable[..., Optimizer], settings: dict[str, Any], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        create_plateau_scheduler(optimizer_of(), **settings)
