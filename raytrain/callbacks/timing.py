"""How long epochs and steps take."""

from __future__ import annotations

import time
from typing import Any

import torch

from raytrain.collective import sum_over_workers, world_size
from raytrain.types import Callback, FitState

__all__ = ["TimingCallback"]


class TimingCallback(Callback):
    """Add the wall-clock seconds of each epoch to its metrics, so that they are logged with the rest.

    `time/epoch_s` is the whole epoch with its evaluation; `time/step_s` the mean over its optimizer steps, each with
    the loading of its batches; `time/step_s_max` the longest. Over several workers each is their mean, so that every
    worker has the same. Nothing waits for a GPU: a step there ends when torch has queued its work, and in the mean
    that is the time it takes, once the queue is full.

    >>> from types import SimpleNamespace
    >>> from torch import nn
    >>> run = SimpleNamespace(model=nn.Linear(1, 1), metrics={})
    >>> timing = TimingCallback()
    >>> timing.on_epoch_start(run)
    >>> timing.on_step_end(run)
    >>> timing.on_epoch_end(run)
    >>> sorted(run.metrics)
    ['time/epoch_s', 'time/step_s', 'time/step_s_max']
    """

    def __init__(self) -> None:
        self._started = self._latest = 0.0
        self._steps, self._longest = 0, 0.0
        self._before = 0.0

    def on_fit_start(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Start the clock of an epoch that was interrupted, with the seconds it had."""
        self._latest = time.perf_counter()
        self._started = self._latest - self._before

    def on_epoch_start(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Start the clock."""
        self._started = self._latest = time.perf_counter()
        self._steps, self._longest = 0, 0.0

    def on_step_end(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Take the time since the step before."""
        now = time.perf_counter()
        self._longest = max(self._longest, now - self._latest)
        self._latest = now
        self._steps += 1

    def on_epoch_end(self, state: FitState) -> None:
        """Add the seconds to the metrics."""
        epoch = time.perf_counter() - self._started
        step = (self._latest - self._started) / max(1, self._steps)
        device = next(state.model.parameters()).device
        seconds = torch.tensor([epoch, step, self._longest], dtype=torch.float64, device=device)
        self._latest, self._steps, self._longest = self._started, 0, 0.0
        sum_over_workers(seconds)
        keys = ("time/epoch_s", "time/step_s", "time/step_s_max")
        state.metrics |= dict(zip(keys, (seconds / world_size()).tolist(), strict=True))

    def state_dict(self) -> dict[str, Any]:
        """Return the seconds and steps of the running epoch; those spent on a step that was lost do not count."""
        return {"seconds": self._latest - self._started, "steps": self._steps, "longest": self._longest}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them."""
        self._before, self._steps, self._longest = state["seconds"], state["steps"], state["longest"]
