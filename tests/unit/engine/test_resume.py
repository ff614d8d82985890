"""2 N epochs are N epochs, a checkpoint, and N more: bit for bit."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.callbacks.metric_logger import MetricLogger
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.engine.checkpoint import read_checkpoint, write_checkpoint
from raytrain.engine.fit import Run, fit
from raytrain.engine.precision import Precision
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.errors import RunError
from raytrain.optim.build import OPTIMIZERS, create_optimizer
from raytrain.types import Batch, Callback, FitState, Progress, StepLoss

Make = Callable[..., Any]
Assemble = Callable[..., Training]
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


@pytest.fixture
def assemble(training: Make, network: Make, samples: Make, batches: Make) -> Assemble:
    """Make the run anew: dropout, BatchNorm, accumulation with a short last window, another order each epoch."""

    def make(
        optimizer: str = "adamw", *, callbacks: Sequence[Callback] = (), precision: Precision | None = None
    ) -> Training:
        seed_everything(3)
        run: Training = training(
            model=network(dropout=0.5, norm=True),
            train=batches(samples(23), [5, 5, 5, 5, 3], seed=1),
            validation=batches(samples(9, seed=2), [5, 4]),
            optimizer=lambda model: create_optimizer(optimizer, model, settings={"lr": 0.05}),
            epochs=2 * HALF,
            accumulation_steps=2,
            max_grad_norm=0.5,
            callbacks=callbacks,
            precision=precision,
        )
        return run

    return make


def after_half(training: Training, path: Path) -> dict[str, Any]:
    """Train half of the epochs, leave through a file, and disturb what the process shares."""
    run = Run(training)
    for _ in range(HALF):
        run.advance()
    write_checkpoint(path, run.state.snapshot())
    run.close()
    seed_everything(99)
    return read_checkpoint(path)


@pytest.mark.parametrize("optimizer", sorted(OPTIMIZERS))
def test_a_resumed_run_goes_on_exactly(assemble: Assemble, tmp_path: Path, optimizer: str) -> None:
    whole = fit(assemble(optimizer))
    snapshot = after_half(assemble(optimizer), tmp_path / "half.pt")
    other = assemble(optimizer)
    nn.init.zeros_(next(other.model.parameters()))
    resumed = fit(other, resume=snapshot)

    assert same(resumed.snapshot(), whole.snapshot())
    assert resumed.history == whole.history
    assert [row["train/lr"] for row in resumed.history][HALF:] == [row["train/lr"] for row in whole.history][HALF:]
    assert resumed.progress == whole.progress


def test_dropout_goes_on_with_the_masks_it_would_have_drawn(assemble: Assemble, tmp_path: Path) -> None:
    # The check of the check: without the random state, the second half differs.
    whole = fit(assemble())
    snapshot = after_half(assemble(), tmp_path / "half.pt")
    seed_everything(99)
    snapshot["random"]["cpu"] = torch.get_rng_state()
    assert fit(assemble(), resume=snapshot).history[HALF:] != whole.history[HALF:]


def test_early_stopping_counts_on(assemble: Assemble, tmp_path: Path) -> None:
    def watched() -> Training:
        # Never improves on the first epoch, so it stops after 1 + 4 epochs; a forgotten count would train all six.
        return assemble(callbacks=[EarlyStopping("val/loss", patience=4, min_delta=100.0)])

    whole = fit(watched())
    resumed = fit(watched(), resume=after_half(watched(), tmp_path / "half.pt"))
    assert len(resumed.history) == len(whole.history) == 5
    assert resumed.stop_reason == whole.stop_reason == "val/loss has not improved for 4 epochs"
    assert same(resumed.snapshot(), whole.snapshot())


def test_files_of_a_resumed_run_are_those_of_an_uninterrupted_one(assemble: Assemble, tmp_path: Path) -> None:
    def logged(folder: Path) -> Training:
        return assemble(
            callbacks=[ModelCheckpoint(folder, save_best_only=False), MetricLogger(folder / "metrics.jsonl")]
        )

    fit(logged(tmp_path / "whole"))
    run = Run(logged(tmp_path / "parts"))
    for _ in range(HALF):
        run.advance()
    resume = read_checkpoint(tmp_path / "parts" / "last.pt")
    run.advance()  # and is killed before it could have been told from a run that ended earlier
    fit(logged(tmp_path / "parts"), resume=resume)

    log, expected = tmp_path / "parts" / "metrics.jsonl", tmp_path / "whole" / "metrics.jsonl"
    assert log.read_text("utf-8") == expected.read_text("utf-8")
    for name in ("best.pt", "last.pt"):
        assert same(read_checkpoint(tmp_path / "parts" / name), read_checkpoint(tmp_path / "whole" / name))


def test_a_finished_run_resumes_to_its_end_at_once(assemble: Assemble, tmp_path: Path) -> None:
    class Stop(Callback):
        def on_epoch_end(self, state: FitState) -> None:
            state.stop_reason = "enough"

    snapshot = fit(assemble(callbacks=[Stop()])).snapshot()
    state = fit(assemble(callbacks=[Stop()]), resume=snapshot)
    assert (state.progress.epoch, state.stop_reason, len(state.history)) == (1, "enough", 1)


def test_the_scaler_and_the_skipped_steps_are_restored(assemble: Assemble, tmp_path: Path) -> None:
    def scaled() -> Training:
        # A loss 64 times as large overflows at this scale; the scaler halves it until it does not, and grows it again.
        precision = Precision("fp32", torch.device("cpu"))
        precision.scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126, growth_interval=3)
        run = assemble(precision=precision)

        def enlarged(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
            loss = run.objective(model, batch, progress)
            return StepLoss(64 * loss.total, loss.logits)

        return dataclasses.replace(run, objective=enlarged)

    whole = fit(scaled())
    resumed = fit(scaled(), resume=after_half(scaled(), tmp_path / "half.pt"))
    skipped = [row["train/skipped_steps"] for row in whole.history]
    assert 0 < skipped[HALF - 1] < skipped[-1] < whole.progress.step
    assert same(resumed.snapshot(), whole.snapshot())


def test_a_snapshot_of_another_version_is_refused(assemble: Assemble) -> None:
    snapshot = Run(assemble()).snapshot() | {"version": 0}
    message = r"^snapshot has version 0, this raytrain reads 3; resume with the release that wrote it$"
    with pytest.raises(RunError, match=message):
        Run(assemble(), resume=snapshot)


def test_a_snapshot_of_other_callbacks_is_refused_before_anything_is_loaded(assemble: Assemble) -> None:
    snapshot = Run(assemble(callbacks=[EarlyStopping()])).snapshot()
    training = assemble()
    nn.init.zeros_(next(training.model.parameters()))
    with pytest.raises(RunError, match=r"^snapshot has the state of 1 callbacks, the run has 0; resume with the call"):
        Run(training, resume=snapshot)
    assert not next(training.model.parameters()).any()
