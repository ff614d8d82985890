"""An average of the weights over the latest steps, evaluated instead of the weights themselves."""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.optim.swa_utils import get_ema_multi_avg_fn

from raytrain.errors import ConfigError
from raytrain.types import Callback, FitState

__all__ = ["ExponentialMovingAverage", "decay_at"]


def decay_at(update: int, *, decay: float, warmup: bool) -> float:
    """Return the share of the old average that update number `update` (0 is the first) keeps.

    The first takes the weights as they are. With warm-up the share is at most `(1 + n) / (10 + n)` after n updates, so
    that an average of few steps is not mostly the untrained weights (as in TensorFlow's ExponentialMovingAverage).

    >>> [round(decay_at(update, decay=0.5, warmup=True), 3) for update in (0, 1, 2, 30)]
    [0.0, 0.182, 0.25, 0.5]
    >>> [decay_at(update, decay=0.5, warmup=False) for update in (0, 1, 2)]
    [0.0, 0.5, 0.5]
    """
    if update == 0:
        return 0.0
    return min(decay, (1 + update) / (10 + update)) if warmup else decay


class ExponentialMovingAverage(Callback):
    """Average the weights after every optimizer step, and have the average evaluated, judged and stored.

    After each step `average = d average + (1 - d) weights`, with the decay d (Polyak & Juditsky 1992; in this form
    Szegedy et al. 2016, section 8). The running statistics of BatchNorm and its kind are averaged likewise, since those
    of the newest weights do not fit averaged ones; every other buffer is copied. Training itself is not changed.

    Args:
        decay: Share of the average that each step keeps, in [0, 1); about `1 / (1 - decay)` steps count.
        warmup: Whether the first steps keep less, see `decay_at`.

    Raises:
        ConfigError: `decay` is impossible.

    >>> from types import SimpleNamespace
    >>> model = nn.Linear(1, 1, bias=False)
    >>> run = SimpleNamespace(model=model)
    >>> average = ExponentialMovingAverage(decay=0.75, warmup=False)
    >>> average.on_fit_start(run)
    >>> for weight in (1.0, 2.0, 4.0):
    ...     _ = nn.init.constant_(model.weight, weight)
    ...     average.on_step_end(run)
    >>> run.averaged_model.weight.item()  # 0.75 (0.75 * 1 + 0.25 * 2) + 0.25 * 4
    1.9375
    """

    def __init__(self, *, decay: float = 0.999, warmup: bool = True) -> None:
        if not 0 <= decay < 1:
            raise ConfigError(f"callbacks.ema.decay must be at least 0 and below 1, got {decay:g}")
        self.decay = decay
        self.warmup = warmup
        self._updates = 0
        self._model: nn.Module | None = None
        self._saved: dict[str, Tensor] | None = None
        self._averaged: tuple[list[Tensor], list[Tensor]] = ([], [])
        self._copied: tuple[list[Tensor], list[Tensor]] = ([], [])

    def on_fit_start(self, state: FitState) -> None:
        """Begin with a copy of the model, or with the average of the run being resumed."""
        self._model = copy.deepcopy(state.model).requires_grad_(requires_grad=False)
        if self._saved is not None:
            self._model.load_state_dict(self._saved)
        # Listed once: walking a model's modules at every step costs more than averaging does.
        own, theirs = _parts(self._model), _parts(state.model)
        self._averaged, self._copied = (own[0], theirs[0]), (own[1], theirs[1])
        state.averaged_model = self._model

    @torch.no_grad()
    def on_step_end(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Take in the weights of the step."""
        if self._averaged[0]:
            decay = decay_at(self._updates, decay=self.decay, warmup=self.warmup)
            average = get_ema_multi_avg_fn(decay)  # type: ignore[no-untyped-call]
            average(*self._averaged, self._updates)
        for own, current in zip(*self._copied, strict=True):
            own.copy_(current)
        self._updates += 1

    def state_dict(self) -> dict[str, Any]:
        """Return the average and the number of updates."""
        return {"updates": self._updates, "average": self._saved if self._model is None else self._model.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them; the average is taken up when the run starts."""
        self._updates, self._saved, self._model = state["updates"], state["average"], None


def _parts(model: nn.Module) -> tuple[list[Tensor], list[Tensor]]:
    """Return the tensors that are averaged and those that are copied.

    Of the buffers only running statistics are averaged: an average of integers would be cut off, and one of the
    infinities in a mask is NaN.
    """
    statistics = {
        id(buffer)
        for module in model.modules()
        if isinstance(module, _NormBase)
        for buffer in (module.running_mean, module.running_var)
        if buffer is not None
    }
    buffers = list(model.buffers())
    averaged = [*model.parameters(), *(buffer for buffer in buffers if id(buffer) in statistics)]
    return [tensor.detach() for tensor in averaged], [buffer for buffer in buffers if id(buffer) not in statistics]
