from __future__ import annotations

import io
from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch.optim import Optimizer
from torch.optim.lr_scheduler import ExponentialLR, LinearLR, LRScheduler, ReduceLROnPlateau, SequentialLR, StepLR

from raytrain.errors import ConfigError
from raytrain.optim import (
    WarmupScheduler,
    create_cosine_scheduler,
    create_cosine_warmrestarts_scheduler,
    create_exponential_scheduler,
    create_onecycle_scheduler,
    create_plateau_scheduler,
    create_step_scheduler,
)

Follow = Callable[..., list[list[float]]]
Make = Callable[..., Optimizer]
LOSSES = [3.0, 2.0, 1.0, 5.0, 5.0, 5.0, 5.0, 0.5, 5.0, 5.0, 5.0, 5.0, 5.0, 5.0]
BASES: dict[str, Callable[[Optimizer], LRScheduler]] = {
    "cosine": lambda optimizer: create_cosine_scheduler(optimizer, 8),
    "exponential": create_exponential_scheduler,
    "onecycle": lambda optimizer: create_onecycle_scheduler(optimizer, 0.3, total_steps=8),
    "plateau": lambda optimizer: create_plateau_scheduler(optimizer, patience=1),
    "restarts": lambda optimizer: create_cosine_warmrestarts_scheduler(optimizer, 3),
    "step": lambda optimizer: create_step_scheduler(optimizer, 2),
}


@pytest.mark.parametrize("base", [*BASES, None])
@pytest.mark.parametrize("warmup", [0, 1, 4])
def test_rises_in_a_straight_line_to_the_base_and_then_is_the_base(
    optimizer_of: Make, follow: Follow, base: str | None, warmup: int
) -> None:
    losses = LOSSES if base == "plateau" else None
    alone = [[0.3, 0.15]] * 10 if base is None else follow(BASES[base](optimizer_of(0.3)), 10, losses)
    optimizer = optimizer_of(0.3)
    scheduler = WarmupScheduler(optimizer, warmup, None if base is None else BASES[base](optimizer))
    actual = follow(scheduler, warmup + 10, losses and [9.0] * warmup + losses)
    for step, rates in enumerate(actual[:warmup]):
        assert rates == pytest.approx([start * (step + 1) / (warmup + 1) for start in alone[0]], rel=1e-12)
    assert actual[warmup:] == alone


@pytest.mark.parametrize("warmup", [1, 5])
def test_equals_torchs_sequence_of_linear_and_base(optimizer_of: Make, follow: Follow, warmup: int) -> None:
    optimizer = optimizer_of()
    rising = LinearLR(optimizer, 1 / (warmup + 1), total_iters=warmup)
    theirs = follow(SequentialLR(optimizer, [rising, StepLR(optimizer, 3)], [warmup]), 20)
    optimizer = optimizer_of()
    ours = follow(WarmupScheduler(optimizer, warmup, StepLR(optimizer, 3)), 20)
    for mine, rates in zip(ours, theirs, strict=True):
        assert mine == pytest.approx(rates, rel=1e-12)


def test_torchs_sequence_refuses_a_plateau(optimizer_of: Make) -> None:
    """Why this class exists."""
    optimizer = optimizer_of()
    with pytest.raises(ValueError, match="does not support `ReduceLROnPlateau`"):
        SequentialLR(optimizer, [LinearLR(optimizer), ReduceLROnPlateau(optimizer)], [5])


def test_a_plateau_sees_no_metric_of_the_warmup(optimizer_of: Make, follow: Follow) -> None:
    optimizer = optimizer_of(0.3)
    scheduler = WarmupScheduler(optimizer, 3, create_plateau_scheduler(optimizer, patience=0))
    actual = follow(scheduler, 5, [0.0, 0.0, 0.0, 1.0, 1.0])
    assert actual[3:] == [[0.3, 0.15]] * 2  # with the losses of 0 seen, the loss of 1 would be no improvement


@pytest.mark.parametrize("base", sorted(BASES))
@pytest.mark.parametrize("done", [0, 1, 3, 4, 9])
def test_a_resumed_run_has_exactly_the_same_rates(optimizer_of: Make, follow: Follow, base: str, done: int) -> None:
    def make() -> WarmupScheduler:
        optimizer = optimizer_of()
        return WarmupScheduler(optimizer, 4, BASES[base](optimizer))

    def losses(first: int) -> list[float] | None:
        return LOSSES[first:] if base == "plateau" else None

    whole = follow(make(), 14, losses(0))
    scheduler = make()
    follow(scheduler, done, losses(0))
    file = io.BytesIO()
    torch.save({"optimizer": scheduler.optimizer.state_dict(), "scheduler": scheduler.state_dict()}, file)
    file.seek(0)
    saved = torch.load(file, weights_only=True)
    resumed = make()
    resumed.optimizer.load_state_dict(saved["optimizer"])
    resumed.load_state_dict(saved["scheduler"])
    assert follow(resumed, 14 - done, losses(done)) == whole[done:]


def test_a_base_that_watches_needs_a_metric(optimizer_of: Make, follow: Follow) -> None:
    optimizer = optimizer_of()
    scheduler = WarmupScheduler(optimizer, 1, create_plateau_scheduler(optimizer))
    follow(scheduler, 1)
    with pytest.raises(ConfigError, match="WarmupScheduler over ReduceLROnPlateau is stepped with a metric"):
        follow(scheduler, 1)


def stranger(optimizer_of: Make) -> dict[str, Any]:
    return {"warmup": 2, "base": ExponentialLR(optimizer_of(), 0.9)}


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda _: {"warmup": -1}, "schedule.warmup must be at least 0, got -1"),
        (stranger, "must be a scheduler of the same optimizer"),
    ],
)
def test_impossible_values_are_refused(
    optimizer_of: Make, settings: Callable[[Make], dict[str, Any]], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        WarmupScheduler(optimizer_of(), **settings(optimizer_of))
