"""Stop a run whose loss or gradient is no longer a number."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.nn.utils import get_total_norm

from raytrain.collective import sum_over_workers
from raytrain.errors import ConfigError
from raytrain.types import Callback, FitState

__all__ = ["NaNGuard"]


class NaNGuard(Callback):
    """Ask for a stop in the step in which the loss or the gradient becomes NaN or infinite, on all workers alike.

    A NaN that reaches the weights never leaves them (arithmetic of IEEE 754-2019). The run then ends in order, with the
    reason in `stop_reason` and the checkpoints of the epochs before; without the guard the engine raises at the end of
    the epoch. A gradient that a float16 loss scaler refused has left the weights as they were and is part of ordinary
    training: it counts only where it reached the weights.

    Args:
        check_interval: Steps between looks. A look waits for the device and for all workers; in between, what happened
            is noted on the device. What happens after the last look of an epoch is left to the engine.

    Raises:
        ConfigError: `check_interval` is impossible.

    >>> from types import SimpleNamespace
    >>> from torch import tensor
    >>> progress = SimpleNamespace(epoch=2, step=70)
    >>> run = SimpleNamespace(step_loss=tensor(0.5), gradient_norm=tensor(1.0), progress=progress, stop_reason=None)
    >>> guard = NaNGuard()
    >>> guard.on_step_end(run)
    >>> run.stop_reason
    >>> run.step_loss = tensor(float("nan"))
    >>> guard.on_step_end(run)
    >>> run.stop_reason
    'the loss was NaN or infinite in epoch 3, at step 70 or shortly before; lower optimizer.lr or max_grad_norm'
    """

    def __init__(self, *, check_interval: int = 1) -> None:
        if check_interval < 1:
            raise ConfigError(f"callbacks.nan_guard.check_interval must be at least 1, got {check_interval}")
        self.check_interval = check_interval
        self._seen: Tensor | None = None
        self._steps = 0

    def on_epoch_start(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Forget what was seen: the epoch before ended with finite losses."""
        self._seen, self._steps = None, 0

    def on_step_end(self, state: FitState) -> None:
        """Note what the step was like, and look when it is time."""
        if state.step_loss is None:
            return
        norm = _gradient_norm(state)
        seen = torch.stack([~torch.isfinite(state.step_loss), ~torch.isfinite(norm)]).float()
        self._seen = seen if self._seen is None else self._seen.to(seen) + seen
        self._steps += 1
        if self._steps % self.check_interval == 0:
            self._look(state, self._seen)
            self._seen = None

    def state_dict(self) -> dict[str, Any]:
        """Return what was noted since the latest look, by this worker, and the steps of the running epoch."""
        return {"seen": self._seen, "steps": self._steps}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them."""
        self._seen, self._steps = state["seen"], state["steps"]

    def _look(self, state: FitState, seen: Tensor) -> None:
        sum_over_workers(seen)
        loss, gradient = seen.tolist()
        if loss:
            what = "the loss"
        elif gradient and not _weights_are_finite(state):
            what = "the gradient"
        else:
            return
        progress = state.progress
        state.stop_reason = (
            f"{what} was NaN or infinite in epoch {progress.epoch + 1}, at step {progress.step} or shortly before; "
            "lower optimizer.lr or max_grad_norm"
        )


def _gradient_norm(state: FitState) -> Tensor:
    """Return the gradient's norm, the same on every worker: the engine's, or where it clips nothing our own."""
    if state.gradient_norm is not None:
        return state.gradient_norm
    return get_total_norm([weight.grad for weight in state.model.parameters() if weight.grad is not None])


def _weights_are_finite(state: FitState) -> bool:
    return bool(torch.isfinite(get_total_norm([weight.detach() for weight in state.model.parameters()])))
