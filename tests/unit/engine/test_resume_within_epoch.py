"""A run that is killed after any step and resumed is the run that was not: history and weights, bit for bit."""

from __future__ import annotations

import dataclasses
import io
import random
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import OneCycleLR, ReduceLROnPlateau, StepLR
from torch.utils.data import DataLoader, TensorDataset

from raytrain.callbacks import (
    CallbackList,
    EarlyStopping,
    ExponentialMovingAverage,
    GradientMonitor,
    LearningRateMonitor,
    MetricLogger,
    ModelCheckpoint,
    NaNGuard,
)
from raytrain.data.adapter import BatchAdapter
from raytrain.engine.checkpoint import read_checkpoint
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.errors import RunError
from raytrain.optim.build import create_optimizer
from raytrain.optim.schedule import Schedule
from raytrain.types import Batch, Callback, FitState, Progress, StepLoss

Make = Callable[..., Any]
Assemble = Callable[..., Training]
EPOCHS = 2
STEPS = 3 * EPOCHS  # 23 samples in batches of 5, 5, 5, 5, 3; two batches a step, so that each epoch's last has one


def same(left: object, right: object) -> bool:
    """Return whether two nested values are equal to the last bit."""
    if isinstance(left, Tensor):
        return isinstance(right, Tensor) and left.dtype == right.dtype and torch.equal(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


class Adaptive(nn.Module):
    """Cross-entropy and a penalty whose weight follows the losses, as adaptive objectives balance theirs."""

    weight: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("weight", torch.tensor(0.1))

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        scores = model(batch.inputs)
        data, penalty = nn.functional.cross_entropy(scores, batch.targets), scores.square().mean()
        if model.training:
            self.weight.mul_(0.9).add_(0.1 * (data / (penalty + 1)).detach())
        return StepLoss(data + self.weight * penalty, scores, {"penalty": penalty.detach()})


class Noise:
    """Augmentation that draws from the engine's generator."""

    in_evaluation = False

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        noise = torch.randn(batch.signal.shape, generator=generator)
        return dataclasses.replace(batch, inputs=batch.signal + 0.1 * noise)


class UsersNoise(Callback):
    """A user's part that draws from the generators of NumPy and Python."""

    def on_step_end(self, state: FitState) -> None:
        with torch.no_grad():
            next(state.model.parameters()).add_(1e-3 * np.random.randn() * random.random())  # noqa: NPY002


SCHEDULES: dict[str, Callable[[torch.optim.Optimizer], Schedule]] = {
    "step": lambda optimizer: Schedule(OneCycleLR(optimizer, 0.1, total_steps=STEPS + 1, cycle_momentum=False), "step"),
    "epoch": lambda optimizer: Schedule(StepLR(optimizer, step_size=1, gamma=0.5), "epoch"),
    "plateau": lambda optimizer: Schedule(
        ReduceLROnPlateau(optimizer, patience=0, threshold=10.0), "epoch", monitor="val/loss"
    ),
}


@pytest.fixture
def assemble(training: Make, network: Make, samples: Make, batches: Make) -> Assemble:
    """Make the run anew, with everything in it that draws or counts."""

    def make(
        *,
        optimizer: str = "adamw",
        schedule: str = "step",
        callbacks: Sequence[Callback] = (),
        loader: Callable[[], Any] | None = None,
    ) -> Training:
        seed_everything(3)
        run: Training = training(
            model=network(dropout=0.5, norm=True),
            train=batches(samples(23), [5, 5, 5, 5, 3], seed=1) if loader is None else loader(),
            validation=batches(samples(9, seed=2), [5, 4]),
            optimizer=lambda model: create_optimizer(optimizer, model, settings={"lr": 0.05}),
            epochs=EPOCHS,
            accumulation_steps=2,
            max_grad_norm=0.5,
            callbacks=callbacks,
        )
        return dataclasses.replace(
            run, objective=Adaptive(), schedule=SCHEDULES[schedule](run.optimizer), transforms=[Noise()]
        )

    return make


class Tape(Callback):
    """Keeps a snapshot of every step and of every epoch, each gone through the bytes of a file."""

    def __init__(self) -> None:
        self.snapshots: list[dict[str, Any]] = []

    def _keep(self, state: FitState) -> None:
        file = io.BytesIO()
        torch.save(state.snapshot(), file)
        file.seek(0)
        self.snapshots.append(torch.load(file, weights_only=True))

    def on_step_end(self, state: FitState) -> None:
        self._keep(state)

    def on_checkpoint(self, state: FitState) -> None:
        self._keep(state)


def everything() -> list[Callback]:
    return [
        ExponentialMovingAverage(decay=0.9),
        CallbackList([GradientMonitor(log_interval=2), LearningRateMonitor(), NaNGuard(check_interval=2)]),
        EarlyStopping("val_loss", patience=5),
        UsersNoise(),
    ]


def check_every_moment(assemble: Callable[[Sequence[Callback]], Training], tape: Tape) -> FitState:
    """Train once, then again from each snapshot taken on the way; return how the whole run ended."""
    whole = fit(assemble([*everything(), tape]))
    expected = whole.snapshot()
    snapshots, tape.snapshots = tape.snapshots, []
    for snapshot in snapshots:
        seed_everything(99)
        run = assemble([*everything(), tape])
        nn.init.zeros_(next(run.model.parameters()))
        resumed = fit(run, resume=snapshot)
        assert resumed.history == whole.history
        assert same(resumed.snapshot(), expected)
        assert resumed.averaged_model is not None
        assert whole.averaged_model is not None
        assert same(dict(resumed.averaged_model.state_dict()), dict(whole.averaged_model.state_dict()))
    assert same(tape.snapshots[-1], expected)
    return whole


@pytest.mark.parametrize(
    ("optimizer", "schedule"),
    [*((name, "step") for name in ("adam", "adamw", "rmsprop", "sgd")), ("adamw", "epoch"), ("sgd", "plateau")],
)
def test_from_every_step_the_run_goes_on_exactly(assemble: Assemble, optimizer: str, schedule: str) -> None:
    tape = Tape()
    state = check_every_moment(
        lambda callbacks: assemble(optimizer=optimizer, schedule=schedule, callbacks=callbacks), tape
    )
    assert (state.progress.step, len(state.history)) == (STEPS, EPOCHS)
    rates = [row["train/lr"] for row in state.history]
    assert rates[0] != rates[1]


def test_the_places_of_the_snapshots_are_every_step_and_every_epoch(assemble: Assemble) -> None:
    tape = Tape()
    fit(assemble(callbacks=[tape]))
    places = [(one["epoch"], one["step"], one["batch"]) for one in tape.snapshots]
    assert places == [(0, 1, 2), (0, 2, 4), (0, 3, 5), (1, 3, 0), (1, 4, 2), (1, 5, 4), (1, 6, 5), (2, 6, 0)]


@pytest.mark.parametrize("key", ["cpu", "numpy", "python"])
def test_without_one_of_the_generators_the_run_would_differ(assemble: Assemble, key: str) -> None:
    # The check of the check.
    tape = Tape()
    whole = fit(assemble(callbacks=[*everything(), tape]))
    middle = tape.snapshots[0]
    middle["random"][key] = tape.snapshots[-1]["random"][key]
    assert fit(assemble(callbacks=[*everything(), tape]), resume=middle).history != whole.history


@pytest.mark.parametrize("field", ["generator", "sums"])
def test_without_what_the_epoch_has_drawn_or_added_up_the_run_would_differ(assemble: Assemble, field: str) -> None:
    tape = Tape()
    whole = fit(assemble(callbacks=[tape]))
    tape.snapshots[0]["running"][field] = tape.snapshots[1]["running"][field]
    assert fit(assemble(callbacks=[tape]), resume=tape.snapshots[0]).history != whole.history


def test_the_weights_of_an_adaptive_objective_are_restored(assemble: Assemble) -> None:
    tape = Tape()
    whole = fit(assemble(callbacks=[tape]))
    assert tape.snapshots[0]["objective"]["weight"] != tape.snapshots[1]["objective"]["weight"]
    tape.snapshots[1]["objective"]["weight"] += 1
    assert fit(assemble(callbacks=[tape]), resume=tape.snapshots[1]).history != whole.history


def test_a_loader_of_torch_that_shuffles_by_the_global_generator_goes_on(assemble: Assemble, samples: Make) -> None:
    def loader() -> BatchAdapter:
        batch = samples(23)
        return BatchAdapter(DataLoader(TensorDataset(batch.inputs, batch.targets), batch_size=5, shuffle=True))

    check_every_moment(lambda callbacks: assemble(callbacks=callbacks, loader=loader), Tape())


def test_a_run_stopped_within_an_epoch_ends_that_epoch_when_it_is_resumed(assemble: Assemble) -> None:
    class Stop(Callback):
        def on_step_end(self, state: FitState) -> None:
            if state.progress.step == 2:
                state.stop_reason = "enough"

    def callbacks() -> list[Callback]:
        return [Stop(), Tape()]

    whole = fit(assemble(callbacks=callbacks()))
    assert (whole.progress.epoch, whole.progress.step, whole.stop_reason) == (1, 2, "enough")
    tape = Tape()
    fit(assemble(callbacks=[Stop(), tape]))
    for snapshot in tape.snapshots:
        resumed = fit(assemble(callbacks=callbacks()), resume=snapshot)
        assert resumed.history == whole.history
        assert same(resumed.snapshot(), whole.snapshot())


def test_an_epoch_does_not_begin_a_second_time(assemble: Assemble) -> None:
    class Begun(Callback):
        def __init__(self) -> None:
            self.epochs: list[int] = []

        def on_epoch_start(self, state: FitState) -> None:
            self.epochs.append(state.progress.epoch)

    tape, begun = Tape(), Begun()
    fit(assemble(callbacks=[Begun(), tape]))
    fit(assemble(callbacks=[begun, tape]), resume=tape.snapshots[1])
    assert begun.epochs == [1]


def test_files_are_those_of_an_uninterrupted_run(assemble: Assemble, tmp_path: Path) -> None:
    class Kill(Callback):
        def on_step_end(self, state: FitState) -> None:
            if state.progress.step == 5:
                raise KeyboardInterrupt

    def logged(folder: Path, *others: Callback) -> Training:
        checkpoint = ModelCheckpoint(folder, save_best_only=False, every_steps=1)
        return assemble(callbacks=[checkpoint, MetricLogger(folder / "metrics.jsonl"), *(others or [Callback()])])

    fit(logged(tmp_path / "whole"))
    with pytest.raises(KeyboardInterrupt):
        fit(logged(tmp_path / "parts", Kill()))
    fit(logged(tmp_path / "parts"), resume=read_checkpoint(tmp_path / "parts" / "last.pt"))
    names = [sorted(path.name for path in (tmp_path / folder).iterdir()) for folder in ("whole", "parts")]
    assert names == [["best.pt", "last-1.pt", "last.pt", "metrics.jsonl"]] * 2
    for name in names[0][:3]:
        assert same(read_checkpoint(tmp_path / "parts" / name), read_checkpoint(tmp_path / "whole" / name))
    assert (tmp_path / "parts" / names[0][3]).read_text() == (tmp_path / "whole" / names[0][3]).read_text()


def test_a_snapshot_of_another_kind_of_device_is_refused(assemble: Assemble) -> None:
    tape = Tape()
    fit(assemble(callbacks=[tape]))
    snapshot = tape.snapshots[0]
    snapshot["running"]["device"] = "cuda"
    message = r"^snapshot was taken within an epoch on device 'cuda', .* 'cpu' cannot draw; resume with device: cuda$"
    with pytest.raises(RunError, match=message):
        fit(assemble(callbacks=[tape]), resume=snapshot)
