"""An optimizer of two groups, and the learning rates it has while a scheduler is followed."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler

PEAK = 0.3


def make_optimizer(lr: float = PEAK) -> Optimizer:
    """Return SGD whose second group has half the learning rate of the first."""
    weights, biases = nn.Parameter(torch.ones(2)), nn.Parameter(torch.ones(2))
    groups: list[dict[str, Any]] = [{"params": [weights]}, {"params": [biases], "lr": lr / 2}]
    return torch.optim.SGD(groups, lr=lr, momentum=0.5)


def follow_scheduler(scheduler: LRScheduler, steps: int, metrics: Sequence[float] | None = None) -> list[list[float]]:
    """Return the learning rates of each group in each of the next steps."""
    rates = []
    for step in range(steps):
        groups = scheduler.optimizer.param_groups
        rates.append([float(group["lr"]) for group in groups])
        assert scheduler.get_last_lr() == rates[-1]
        scheduler.optimizer.step()
        if metrics is None:
            scheduler.step()
        else:
            scheduler.step(metrics[step])  # type: ignore[arg-type]
    return rates


@pytest.fixture(scope="session")
def optimizer_of() -> Callable[..., Optimizer]:
    """Make an optimizer of the learning rates `lr` and `lr / 2`."""
    return make_optimizer


@pytest.fixture(scope="session")
def follow() -> Callable[..., list[list[float]]]:
    """Follow a scheduler for so many steps."""
    return follow_scheduler
