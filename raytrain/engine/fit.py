"""The one training loop, an epoch at a time (`Run`) or as a whole (`fit`)."""

from __future__ import annotations

import math
from collections.abc import Iterable
from contextlib import ExitStack
from typing import Any

from torch import nn

from raytrain.collective import rank, share_buffers
from raytrain.engine.evaluate import evaluate
from raytrain.engine.running_epoch import RunningEpoch
from raytrain.engine.seeding import restore_random_state, save_random_state
from raytrain.engine.step import optimizer_step
from raytrain.engine.training import Training
from raytrain.engine.transforms import transformed
from raytrain.engine.workers import data_parallel
from raytrain.errors import RunError
from raytrain.metrics.reported import reported_metrics
from raytrain.types import Callback, FitState, Progress

__all__ = ["Run", "fit", "refuse_before_others"]

_SNAPSHOT_VERSION = 3


def fit(training: Training, *, resume: dict[str, Any] | None = None) -> FitState:
    """Train until the last epoch or until a callback asks for a stop.

    Args:
        training: The run's parts.
        resume: A snapshot of the same run; training goes on after it, within an epoch too, as if it had not been
            interrupted.

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
        self._running: RunningEpoch | None = None
        self._watchers = [callback for callback in training.callbacks if _watches_steps(callback)]
        self._untold = 0
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
        """Whether the last epoch is done, or a callback asked for a stop and the epoch it did so in is done."""
        if self._running is not None:
            return False
        return self.state.stop_reason is not None or self.state.progress.epoch >= self.training.epochs

    def advance(self) -> FitState:
        """Train and evaluate one epoch, or what is left of one that was interrupted."""
        with self.training.precision.active():
            return self._advance()

    def _advance(self) -> FitState:
        training, state = self.training, self.state
        if self._running is None:
            for callback in training.callbacks:
                callback.on_epoch_start(state)
            self._running = RunningEpoch(training, epoch=state.progress.epoch)
        state.metrics = self._train_epoch(self._running)
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
        self._running = None
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
        """Return all that is needed to go on exactly from here: after the last epoch, or within the running one.

        Its tensors are the run's own: write it, or copy it, before the run advances. In `on_step_end` all workers must
        ask, since the sums of the running epoch are then added up over them. In other places within an epoch, as after
        an error, they are this worker's own.

        Raises:
            RunError: In `on_step_end`, a callback with a state is yet to be told of the step.
        """
        training, state, running = self.training, self.state, self._running
        in_step = self._untold > 0
        refuse_before_others(self._watchers[len(self._watchers) - self._untold + 1 :] if in_step else ())
        objective = training.objective
        return {
            "version": _SNAPSHOT_VERSION,
            "model": training.model.state_dict(),
            "averaged_model": None if state.averaged_model is None else state.averaged_model.state_dict(),
            "objective": objective.state_dict() if isinstance(objective, nn.Module) else None,
            "optimizer": training.optimizer.state_dict(),
            "schedule": None if training.schedule is None else training.schedule.state_dict(),
            "scaler": training.precision.scaler.state_dict(),
            "epoch": state.progress.epoch,
            "step": state.progress.step,
            "batch": 0 if running is None else running.batches,
            "running": None if running is None else running.state_dict(over_workers=in_step),
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
        if isinstance(training.objective, nn.Module):
            training.objective.load_state_dict(snapshot["objective"])
        training.optimizer.load_state_dict(snapshot["optimizer"])
        # Else a schedule asked before the first step of this process warns that none was taken.
        training.optimizer._opt_called = snapshot["step"] > 0  # type: ignore[attr-defined]  # noqa: SLF001 - no other way
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
        if snapshot["running"] is not None:
            self._running = RunningEpoch(training, epoch=snapshot["epoch"], resume=snapshot["running"])
        restore_random_state(snapshot["random"])

    def _train_epoch(self, running: RunningEpoch) -> dict[str, float]:
        training, state = self.training, self.state
        epoch = state.progress.epoch
        training.model.train()
        for batches in running.windows() if state.stop_reason is None else ():
            rate = training.optimizer.param_groups[0]["lr"]
            step = optimizer_step(
                training,
                self._forward,
                [
                    transformed(batch.to(training.device), training.transforms, state.progress, running.generator)
                    for batch in batches
                ],
                progress=state.progress,
                sums=running.sums,
                parameters=self._parameters,
            )
            running.batches, running.rate = running.batches + len(batches), rate
            self._skipped_steps += not step.taken
            state.progress = self._progress(epoch=epoch, step=state.progress.step + 1)
            state.step_loss, state.gradient_norm = step.loss, step.gradient_norm
            self._tell_step()
            if state.stop_reason is not None:
                break
        metrics = {**running.sums.metrics(), "train/lr": float(running.rate)}
        if training.precision.scaler.is_enabled():
            metrics["train/skipped_steps"] = float(self._skipped_steps)
        return metrics

    def _tell_step(self) -> None:
        self._untold = len(self._watchers)
        try:
            for callback in self._watchers:
                callback.on_step_end(self.state)
                self._untold -= 1
        finally:
            self._untold = 0

    def _progress(self, *, epoch: int, step: int) -> Progress:
        return Progress(epoch, step, min(1.0, step / (self._steps_per_epoch * self.training.epochs)))


def _check_losses(state: FitState) -> None:
    if state.stop_reason is not None:  # a callback ended the epoch, and says why
        return
    epoch = state.progress.epoch + 1
    for key in ("train/loss", "val/loss"):
        if not math.isfinite(state.metrics.get(key, 0.0)):
            raise RunError(f"{key} is {state.metrics[key]} in epoch {epoch}; lower optimizer.lr or max_grad_norm")


def refuse_before_others(untold: Iterable[Callback]) -> None:
    """Refuse a snapshot within an epoch that callbacks with a state are yet to learn from the step of.

    Args:
        untold: The callbacks whose `on_step_end` is still to come.

    Raises:
        RunError: One of them watches steps and has a state.
    """
    for callback in untold:
        if _watches_steps(callback) and type(callback).state_dict is not Callback.state_dict:
            raise RunError(
                f"a checkpoint within an epoch would miss what {type(callback).__name__} learns from the step; put "
                "the callback that writes it after all others"
            )


def _watches_steps(callback: Callback) -> bool:
    return getattr(callback.on_step_end, "__func__", None) is not Callback.on_step_end
