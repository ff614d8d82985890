"""2 N epochs are N epochs, a checkpoint, and N more with every callback at once: bit for bit."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

import pytest
import torch
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR, ReduceLROnPlateau, StepLR

from raytrain.callbacks import (
    CallbackList,
    EarlyStopping,
    ExponentialMovingAverage,
    GradientMonitor,
    LearningRateMonitor,
    LearningRateScheduler,
    MetricLogger,
    ModelCheckpoint,
    NaNGuard,
    TensorBoardLogger,
)
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.fit import Run, fit
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.types import Callback

Make = Callable[..., Training]
HALF = 3


def same(left: object, right: object) -> bool:
    """Return whether two nested values are equal to the last bit."""
    if isinstance(left, torch.Tensor):
        return isinstance(right, torch.Tensor) and left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


SCHEDULERS: dict[str, Callable[[torch.optim.Optimizer], LearningRateScheduler]] = {
    "epoch": lambda optimizer: LearningRateScheduler(StepLR(optimizer, step_size=2, gamma=0.5)),
    "step": lambda optimizer: LearningRateScheduler(OneCycleLR(optimizer, 0.1, total_steps=40), unit="step"),
    "plateau": lambda optimizer: LearningRateScheduler(ReduceLROnPlateau(optimizer, patience=0), monitor="train_loss"),
}


@pytest.mark.parametrize("unit", SCHEDULERS)
def test_a_resumed_run_goes_on_exactly(training: Make, tmp_path: Path, unit: str) -> None:
    def assemble(folder: Path) -> Training:
        def callbacks(optimizer: torch.optim.Optimizer) -> Sequence[Callback]:
            return [
                SCHEDULERS[unit](optimizer),
                ExponentialMovingAverage(decay=0.9),
                CallbackList([GradientMonitor(log_interval=2), LearningRateMonitor(), NaNGuard(check_interval=3)]),
                EarlyStopping("val_loss", patience=5, min_delta=100.0),
                ModelCheckpoint(folder / "best.pt", save_best_only=False, save_top_k=2),
                MetricLogger(folder / "metrics.jsonl"),
                TensorBoardLogger(folder / "events", step_interval=2),
            ]

        return training(callbacks, epochs=2 * HALF)

    whole = fit(assemble(tmp_path / "whole"))
    run = Run(assemble(tmp_path / "parts"))
    for _ in range(HALF):
        run.advance()
    write_checkpoint(tmp_path / "half.pt", run.snapshot())
    run.advance()  # and is killed, with files that tell of an epoch the checkpoint does not know
    run.close()
    seed_everything(99)
    resumed = fit(assemble(tmp_path / "parts"), resume=read_checkpoint(tmp_path / "half.pt"))

    assert same(resumed.snapshot(), whole.snapshot())
    assert resumed.history == whole.history
    assert resumed.stop_reason == whole.stop_reason == "val_loss has not improved for 5 epochs"
    assert whole.averaged_model is not None
    assert resumed.averaged_model is not None
    assert same(dict(resumed.averaged_model.state_dict()), dict(whole.averaged_model.state_dict()))
    names = [sorted(path.name for path in (tmp_path / folder).glob("*.*")) for folder in ("whole", "parts")]
    assert names[0] == names[1]
    for name in ("metrics.jsonl", *(name for name in names[0] if name.endswith(".pt"))):
        if name.endswith(".pt"):
            assert same(read_checkpoint(tmp_path / "parts" / name), read_checkpoint(tmp_path / "whole" / name))
        else:
            assert (tmp_path / "parts" / name).read_text() == (tmp_path / "whole" / name).read_text()


def test_the_learning_rates_are_those_of_the_scheduler_alone(training: Make) -> None:
    def rates(scheduler: LRScheduler, steps: int) -> list[float]:
        seen = []
        for _ in range(steps):
            seen.append(float(scheduler.optimizer.param_groups[0]["lr"]))
            scheduler.optimizer.step()
            scheduler.step()
        return seen

    def alone() -> torch.optim.Optimizer:
        return torch.optim.SGD([torch.zeros(1)], lr=0.05)

    def history(unit: str) -> list[float]:
        state = fit(training(lambda optimizer: [SCHEDULERS[unit](optimizer), LearningRateMonitor()], epochs=8))
        return [row["lr/group_0"] for row in state.history]

    assert history("epoch") == rates(StepLR(alone(), step_size=2, gamma=0.5), 8)
    optimizer = alone()
    cycle = OneCycleLR(optimizer, 0.1, total_steps=40, cycle_momentum=False)
    assert history("step") == rates(cycle, 40)[::5]
