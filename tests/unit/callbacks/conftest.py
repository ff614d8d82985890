"""A run as callbacks see it, told by its metrics; and a real one, small."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import nn
from torch.optim.lr_scheduler import LRScheduler

from raytrain.engine.precision import Precision
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.objectives.supervised import Supervised
from raytrain.optim.schedule import Schedule
from raytrain.types import Batch, Callback, FitState, Progress

CPU = torch.device("cpu")


def make_state(*, is_writer: bool = True) -> FitState:
    model = nn.Linear(1, 1)
    state = FitState(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        progress=Progress(epoch=0, step=0, fraction=0.0),
        metrics={},
        history=[],
        snapshot=lambda: {"epoch": state.progress.epoch},
        is_writer=is_writer,
    )
    return state


def tell(callback: Callback, state: FitState, epochs: Sequence[Mapping[str, float]]) -> int:
    """Call the hooks of each epoch with its metrics, until the callback asks for a stop; return the epochs told."""
    callback.on_fit_start(state)
    for metrics in epochs:
        callback.on_epoch_start(state)
        state.metrics = dict(metrics)
        callback.on_epoch_end(state)
        state.history.append(dict(state.metrics))
        state.progress = Progress(epoch=state.progress.epoch + 1, step=0, fraction=0.0)
        callback.on_checkpoint(state)
        if state.stop_reason is not None:
            break
    callback.on_fit_end(state)
    return len(state.history)


class Batches:
    """Random samples of three classes in four batches of five and a short one; another order each epoch."""

    def __init__(self, seed: int) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.inputs = torch.randn(23, 1, 6, generator=generator)
        self.targets = torch.randint(3, (23,), generator=generator)
        self.global_sizes = [5, 5, 5, 5, 3]
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self.global_sizes)

    def __iter__(self) -> Iterator[Batch]:
        order = torch.randperm(23, generator=torch.Generator().manual_seed(self._epoch))
        for indices in torch.split(order, self.global_sizes):
            yield Batch(self.inputs[indices], self.targets[indices], {"recording": indices % 4})


class Untouched(LRScheduler):
    """Leaves the learning rates alone."""

    def get_lr(self) -> list[float | torch.Tensor]:
        return [group["lr"] for group in self.optimizer.param_groups]


class Scaled(nn.CrossEntropyLoss):
    """Cross-entropy times a factor."""

    def __init__(self, factor: float) -> None:
        super().__init__()
        self.factor = factor

    def forward(self, input: torch.Tensor, target: torch.Tensor) -> torch.Tensor:  # noqa: A002 - torch's name
        return super().forward(input, target) * self.factor


def make_training(
    callbacks: Callable[[torch.optim.Optimizer], Sequence[Callback]],
    *,
    epochs: int = 4,
    max_grad_norm: float | None = 0.5,
    lr: float = 0.05,
    scaler: torch.amp.GradScaler | None = None,
    loss_factor: float = 1.0,
) -> Training:
    """Return a run of a perceptron with BatchNorm and dropout, five steps per epoch, made anew from fixed seeds."""
    seed_everything(3)
    model = nn.Sequential(nn.Flatten(), nn.Linear(6, 5), nn.BatchNorm1d(5), nn.Tanh(), nn.Dropout(0.3), nn.Linear(5, 3))
    optimizer = torch.optim.AdamW(model.parameters(), lr=lr)
    precision = Precision("fp32", CPU)
    if scaler is not None:
        precision.scaler = scaler
    return Training(
        model=model,
        objective=Supervised(Scaled(loss_factor)),
        train=Batches(1),
        validation=Batches(2),
        optimizer=optimizer,
        schedule=Schedule(Untouched(optimizer), "step"),
        precision=precision,
        device=CPU,
        epochs=epochs,
        num_classes=3,
        num_recordings=4,
        max_grad_norm=max_grad_norm,
        callbacks=callbacks(optimizer),
    )


@pytest.fixture(scope="session")
def fit_state() -> Callable[..., FitState]:
    """Make the state of a run that begins."""
    return make_state


@pytest.fixture(scope="session")
def told() -> Callable[..., Any]:
    """Tell a callback a run."""
    return tell


@pytest.fixture(scope="session")
def training() -> Callable[..., Training]:
    """Assemble a real run."""
    return make_training
