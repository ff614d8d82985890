"""The vocabulary every layer shares: batches, progress, losses, and the protocols that parts implement."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, Protocol, runtime_checkable

import torch
from torch import Tensor, nn

__all__ = [
    "FINAL",
    "Batch",
    "BatchTransform",
    "Callback",
    "FitState",
    "Loader",
    "Mixture",
    "Objective",
    "Progress",
    "Share",
    "StepLoss",
]


@dataclass(frozen=True, slots=True)
class Mixture:
    """The other half of each sample that was mixed with a partner (mixup, CutMix).

    Attributes:
        targets: Class indices of the partners, int64 `[B]`.
        weight: Share of the sample's own class, in [0, 1], `[B]`; its partner's class has the rest.
    """

    targets: Tensor
    weight: Tensor


@dataclass(frozen=True, slots=True)
class Share:
    """Which rows of a global batch, over all workers together, one worker has: `first` to `first + len(batch)`.

    Attributes:
        first: The first of its rows.
        total: Rows of the global batch.
    """

    first: int
    total: int


@dataclass(frozen=True, slots=True)
class Batch:
    """One batch of windows.

    Attributes:
        inputs: Signal `[B, C, T]`, image `[B, C, F, T']`, or a mapping of named views, each with leading dimension B.
        targets: Class indices, int64 `[B]`.
        conditions: Per-sample tensors `[B]`: `shaft_speed_rpm`, `load`, `recording` (index), `window_start`
            (sample within the recording), ...
        mixture: How samples were mixed; None when each is of the class in `targets` alone.
        waveform: The windows `[B, C, T]` as they were measured, where `inputs` were made of them by augmentation,
            resizing or a time-frequency transform and the objective needs them; None elsewhere.
        share: Which rows of the global batch these are; None when they are all of it.
    """

    inputs: Tensor | Mapping[str, Tensor]
    targets: Tensor
    conditions: Mapping[str, Tensor] = field(default_factory=dict)
    mixture: Mixture | None = None
    waveform: Tensor | None = None
    share: Share | None = None

    @property
    def measured(self) -> Tensor:
        """The windows as they were measured, `[B, C, T]`: what physics looks at, whatever the model sees."""
        return self.signal if self.waveform is None else self.waveform

    @property
    def total(self) -> int:
        """Samples of the global batch, over all workers together."""
        return len(self) if self.share is None else self.share.total

    @property
    def signal(self) -> Tensor:
        """The inputs, where they are one tensor and not a mapping of views.

        Raises:
            TypeError: They are a mapping of views.
        """
        if not isinstance(self.inputs, Tensor):
            raise TypeError(f"the batch has views {', '.join(self.inputs)} instead of one signal")
        return self.inputs

    def class_shares(self, num_classes: int) -> Tensor:
        """Return the share of each class in each sample: one-hot, or mixed, float32 `[B, K]`."""
        shares = torch.zeros(len(self), num_classes, device=self.targets.device)
        if self.mixture is None:
            return shares.scatter_(1, self.targets[:, None], 1.0)
        own = self.mixture.weight.to(shares.dtype)[:, None]
        return shares.scatter_add_(1, self.targets[:, None], own).scatter_add_(
            1, self.mixture.targets[:, None], 1 - own
        )

    def hits(self, predictions: Tensor) -> Tensor:
        """Return the share of each sample that `predictions` (class indices `[B]`) name rightly, `[B]`."""
        right = predictions == self.targets
        if self.mixture is None:
            return right
        weight = self.mixture.weight
        return weight * right + (1 - weight) * (predictions == self.mixture.targets)

    def __len__(self) -> int:
        return int(self.targets.shape[0])

    def to(self, device: torch.device) -> Batch:
        """Return this batch on `device`; itself when it is there already."""
        if self.targets.device == device:
            return self
        inputs = (
            self.inputs.to(device, non_blocking=True)
            if isinstance(self.inputs, Tensor)
            else {name: view.to(device, non_blocking=True) for name, view in self.inputs.items()}
        )
        conditions = {name: value.to(device, non_blocking=True) for name, value in self.conditions.items()}
        mixture = self.mixture and Mixture(self.mixture.targets.to(device), self.mixture.weight.to(device))
        waveform = None if self.waveform is None else self.waveform.to(device, non_blocking=True)
        targets = self.targets.to(device, non_blocking=True)
        return replace(self, inputs=inputs, targets=targets, conditions=conditions, mixture=mixture, waveform=waveform)


@dataclass(frozen=True, slots=True)
class Progress:
    """Where training stands; everything that changes during training is a pure function of this.

    Attributes:
        epoch: Epochs completed before the current one, from 0.
        step: Optimizer steps completed, from 0.
        fraction: `step` over the planned total, in [0, 1].
    """

    epoch: int
    step: int
    fraction: float


FINAL = Progress(epoch=sys.maxsize, step=sys.maxsize, fraction=1.0)
"""The end of training, as which everything is evaluated: what is judged is what would be deployed, and a validation
loss means the same in every epoch."""


@dataclass(frozen=True, slots=True)
class StepLoss:
    """What an objective returns for one batch.

    Attributes:
        total: The scalar to minimise, mean over the batch's samples, with its graph.
        logits: Class scores `[B, K]`, for the metrics.
        terms: Named parts of `total`, their weights and gradient norms, detached scalars, for the log.
        views: Class scores `[B, K]` of each view by itself, where the model has several.
        severity: Severity of the fault in [0, 1], `[B]`, where the model states one beside its scores.
    """

    total: Tensor
    logits: Tensor
    terms: Mapping[str, Tensor] = field(default_factory=dict)
    views: Mapping[str, Tensor] = field(default_factory=dict)
    severity: Tensor | None = None


@dataclass(slots=True)
class FitState:
    """What callbacks see of a run in progress.

    Only `stop_reason`, `metrics` and `averaged_model` are theirs to change.

    Attributes:
        model: The model being trained, without its DDP wrapper.
        optimizer: Its optimizer.
        progress: Where training stands.
        metrics: The metrics of the latest epoch, by key (`train/loss`, `val/macro_f1`, ...).
        history: One mapping of metrics per completed epoch.
        stop_reason: None while training should go on; a callback sets it to end training. Set after a step, it also
            ends the epoch there.
        is_writer: True on the one worker that may write files (rank 0).
        snapshot: Call it to get everything needed to resume exactly (model, optimizer, RNG, callbacks, ...). In
            `on_step_end` all workers must call it.
        step_loss: Mean loss of the latest step's samples on this worker, a scalar on the device; None before the first.
        gradient_norm: Norm of the latest step's gradient over all parameters and workers, before clipping, a scalar on
            the device; None before the first step and where nothing is clipped.
        averaged_model: Evaluated instead of `model`, and stored beside it, where a callback keeps one.
    """

    model: nn.Module
    optimizer: torch.optim.Optimizer
    progress: Progress
    metrics: dict[str, float]
    history: list[dict[str, float]]
    snapshot: Callable[[], dict[str, Any]]
    stop_reason: str | None = None
    is_writer: bool = True
    step_loss: Tensor | None = None
    gradient_norm: Tensor | None = None
    averaged_model: nn.Module | None = None


class Loader(Protocol):
    """A sized iterable of batches, shuffled by epoch as a pure function of (seed, epoch)."""

    def set_epoch(self, epoch: int) -> None:
        """Choose the order of epoch `epoch`, counted from 0."""
        ...

    def __len__(self) -> int:
        """Return the number of batches per epoch."""
        ...

    def __iter__(self) -> Iterator[Batch]:
        """Iterate over the batches of the current epoch."""
        ...


@runtime_checkable
class Objective(Protocol):
    """What one step minimises. It never calls backward."""

    def __call__(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        """Return the loss of `model` on `batch`."""
        ...


class BatchTransform(Protocol):
    """Augmentation or time-frequency transform of a batch, on the batch's device."""

    in_evaluation: bool

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        """Return the transformed batch."""
        ...


class Callback:
    """Base of all callbacks: six hooks that do nothing, and empty state. Override what is needed.

    A run that is resumed within an epoch does not begin that epoch again: `on_epoch_start` was before the interruption.

    ::

        on_fit_start
          for each epoch: on_epoch_start
            for each optimizer step: on_step_end   <- gradients are those of the step, unscaled and clipped
            (evaluation)
            on_epoch_end      <- may set state.stop_reason, may add to state.metrics
            on_checkpoint     <- metrics, history and stop decision of the epoch are final
        on_fit_end            <- always, also after an error
    """

    def on_fit_start(self, state: FitState) -> None:
        """Before the first (or first resumed) epoch."""

    def on_epoch_start(self, state: FitState) -> None:
        """Before the first step of an epoch."""

    def on_step_end(self, state: FitState) -> None:
        """After each optimizer step."""

    def on_epoch_end(self, state: FitState) -> None:
        """After the evaluation of an epoch, on every worker, with metrics reduced over workers."""

    def on_checkpoint(self, state: FitState) -> None:
        """After all `on_epoch_end`: save or report; nothing of the epoch changes any more."""

    def on_fit_end(self, state: FitState) -> None:
        """After the last epoch, also when it ended by an error."""

    def state_dict(self) -> dict[str, Any]:
        """Return what must survive an interruption; plain values and tensors only."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore what `state_dict` returned."""
