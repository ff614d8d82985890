"""The one training loop, an epoch at a time (`Run`) or as a whole (`fit`)."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from typing import Any

from raytrain.collective import rank, share_buffers
from raytrain.engine.evaluate import evaluate
from raytrain.engine.seeding import restore_random_state, save_random_state
from raytrain.engine.step import optimizer_step
from raytrain.engine.sums import EpochSums
from raytrain.engine.training import Training
from raytrain.engine.transforms import epoch_generator, transformed
from raytrain.engine.workers import data_parallel
from raytrain.errors import RunError
from raytrain.metrics.reported import reported_metrics
from raytrain.types import Batch, FitState, Progress

__all__ = ["Run", "fit"]

_SNAPSHOT_VERSION = 2


def fit(training: Training, *, resume: dict[str, Any] | None = None) -> FitState:
    """Train until the last epoch or until a callback asks for a stop.

    Args:
        training: The run's parts.
        resume: A snapshot of the same run; training goes on after it as if it had not been interrupted.

    Returns:
        The final state; `state.history` has the metrics of every epoch.

    Raises:
        RunError: A loss became NaN or infinite, or the snapshot is of another version or other callbacks.
    """
    run = Run(training, resume=resume)
    try:
        while not run.finished:
            run.advance()
    finally:
        run.close()
    return run.state


class Run:
    """A training run that advances by one epoch at a time.

    Sweeps drive it themselves, so that between two epochs no worker waits for another and a trial can be stopped,
    saved or replaced.
    """

    def __init__(self, training: Training, *, resume: dict[str, Any] | None = None) -> None:
        self.training = training
        self._forward = data_parallel(training)
        self._parameters = list(training.model.parameters())
        self._skipped_steps = 0
        self._steps_per_epoch = math.ceil(len(training.train) / training.accumulation_steps)
        self.state = FitState(
            model=training.model,
            optimizer=training.optimizer,
            progress=Progress(epoch=0, step=0, fraction=0.0),
            metrics={},
            history=[],
            snapshot=self.snapshot,
            is_writer=rank() == 0,
        )
        if resume is not None:
            self._restore(resume)
        try:
            for callback in training.callbacks:
                callback.on_fit_start(self.state)
        except BaseException:
            self.close()
            raise

    @property
    def finished(self) -> bool:
        """Whether the last epoch is done or a callback asked for a stop."""
        return self.state.stop_reason is not None or self.state.progress.epoch >= self.training.epochs

    def advance(self) -> FitState:
        """Train and evaluate one epoch."""
        training, state = self.training, self.state
        for callback in training.callbacks:
            callback.on_epoch_start(state)
        state.metrics = self._train_epoch()
        share_buffers(training.model)
        if training.validation is not None:
            model = training.model
            if state.averaged_model is not None:
                share_buffers(model := state.averaged_model)
            tracker = reported_metrics(training.num_classes, training.num_recordings, device=training.device)
            evaluate(
                model,
                training.validation,
                objective=training.objective,
                tracker=tracker,
                precision=training.precision,
                device=training.device,
                transforms=training.transforms,
            )
            state.metrics |= tracker.compute("val")
        _check_losses(state)
        for callback in training.callbacks:
            callback.on_epoch_end(state)
        if training.schedule is not None:
            training.schedule.after_epoch(state.metrics)
        state.history.append(dict(state.metrics))
        state.progress = self._progress(epoch=state.progress.epoch + 1, step=state.progress.step)
        for callback in training.callbacks:
            callback.on_checkpoint(state)
        return state

    def close(self) -> None:
        """End the run; every callback releases what it holds, also when one before it fails to."""
        with ExitStack() as stack:
            for callback in reversed(self.training.callbacks):
                stack.callback(callback.on_fit_end, self.state)

    def snapshot(self) -> dict[str, Any]:
        """Return all that is needed to go on exactly from the last completed epoch.

        Its tensors are the run's own: write it, or copy it, before the run advances.
        """
        training, state = self.training, self.state
        return {
            "version": _SNAPSHOT_VERSION,
            "model": training.model.state_dict(),
            "averaged_model": None if state.averaged_model is None else state.averaged_model.state_dict(),
            "optimizer": training.optimizer.state_dict(),
            "schedule": None if training.schedule is None else training.schedule.state_dict(),
            "scaler": training.precision.scaler.state_dict(),
            "epoch": state.progress.epoch,
            "step": state.progress.step,
            "skipped_steps": self._skipped_steps,
            "stop_reason": state.stop_reason,
            "metrics": dict(state.metrics),
            "history": [dict(row) for row in state.history],
            "callbacks": [callback.state_dict() for callback in training.callbacks],
            "random": save_random_state(),
        }

    def _restore(self, snapshot: dict[str, Any]) -> None:
        if snapshot.get("version") != _SNAPSHOT_VERSION:
            raise RunError(
                f"snapshot has version {snapshot.get('version')}, this raytrain reads {_SNAPSHOT_VERSION}; "
                "resume with the release that wrote it"
            )
        training, state = self.training, self.state
        if len(snapshot["callbacks"]) != len(training.callbacks):
            raise RunError(
                f"snapshot has the state of {len(snapshot['callbacks'])} callbacks, the run has "
                f"{len(training.callbacks)}; resume with the callbacks it was made with"
            )
        training.model.load_state_dict(snapshot["model"])
        training.optimizer.load_state_dict(snapshot["optimizer"])
        if training.schedule is not None:
            training.schedule.load_state_dict(snapshot["schedule"])
        training.precision.scaler.load_state_dict(snapshot["scaler"])
        for callback, saved in zip(training.callbacks, snapshot["callbacks"], strict=True):
            callback.load_state_dict(saved)
        self._skipped_steps = snapshot["skipped_steps"]
        state.stop_reason = snapshot["stop_reason"]
        state.metrics = dict(snapshot["metrics"])
        state.history = [dict(row) for row in snapshot["history"]]
        state.progress = self._progress(epoch=snapshot["epoch"], step=snapshot["step"])
        restore_random_state(snapshot["random"])

    def _train_epoch(self) -> dict[str, float]:
        training, state = self.training, self.state
        epoch = state.progress.epoch
        training.train.set_epoch(epoch)
        training.model.train()
        generator = epoch_generator(training.seed, epoch=epoch, device=training.device)
        sums = EpochSums(training.device)
        for batches in _windows(training.train, training.accumulation_steps):
            rate = training.optimizer.param_groups[0]["lr"]
            step = optimizer_step(
                training,
                self._forward,
                [
                    transformed(batch.to(training.device), training.transforms, state.progress, generator)
                    for batch in batches
                ],
                progress=state.progress,
                sums=sums,
                parameters=self._parameters,
            )
            self._skipped_steps += not step.taken
            state.progress = self._progress(epoch=epoch, step=state.progress.step + 1)
            state.step_loss, state.gradient_norm = step.loss, step.gradient_norm
            for callback in training.callbacks:
                callback.on_step_end(state)
            if state.stop_reason is not None:
                break
        metrics = {**sums.metrics(), "train/lr": float(rate)}
        if training.precision.scaler.is_enabled():
            metrics["train/skipped_steps"] = float(self._skipped_steps)
        return metrics

    def _progress(self, *, epoch: int, step: int) -> Progress:
        return Progress(epoch, step, min(1.0, step / (self._steps_per_epoch * self.training.epochs)))


def _check_losses(state: FitState) -> None:
    if state.stop_reason is not None:  # a callback ended the epoch, and says why
        return
    epoch = state.progress.epoch + 1
    for key in ("train/loss", "val/loss"):
        if not math.isfinite(state.metrics.get(key, 0.0)):
            raise RunError(f"{key} is {state.metrics[key]} in epoch {epoch}; lower optimizer.lr or max_grad_norm")


def _windows(batches: Iterable[Batch], size: int) -> Iterator[list[Batch]]:
    window: list[Batch] = []
    for batch in batches:
        window.append(batch)
        if len(window) == size:
            yield window
            window = []
    if window:
        yield window
