"""A learning-rate scheduler together with the unit it counts in."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from raytrain.errors import ConfigError, nearest

__all__ = ["RunLength", "Schedule"]


@dataclass(frozen=True, slots=True)
class RunLength:
    """How long a run is planned to be.

    Attributes:
        steps_per_epoch: Optimizer steps of an epoch.
        epochs: Epochs of the run.

    >>> RunLength(steps_per_epoch=50, epochs=20).total_steps
    1000
    """

    steps_per_epoch: int
    epochs: int

    @property
    def total_steps(self) -> int:
        """Optimizer steps of the run."""
        return self.steps_per_epoch * self.epochs


@dataclass(frozen=True, slots=True)
class Schedule:
    """A torch scheduler and when the engine steps it.

    Attributes:
        scheduler: Sets the learning rates of the optimizer's groups.
        unit: `step`: after every optimizer step that was taken; `epoch`: after the evaluation of every epoch.
        monitor: Key of the metric, reduced over all workers, that `ReduceLROnPlateau` is stepped with; None for others.

    Raises:
        ConfigError: The scheduler is `ReduceLROnPlateau` and watches no metric, or counts steps.

    >>> import torch
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.1)
    >>> schedule = Schedule(torch.optim.lr_scheduler.StepLR(optimizer, step_size=1), "epoch")
    >>> optimizer.step()
    >>> schedule.after_step()  # not its unit
    >>> optimizer.param_groups[0]["lr"]
    0.1
    >>> schedule.after_epoch({"val/loss": 0.7})
    >>> round(optimizer.param_groups[0]["lr"], 6)
    0.01
    """

    scheduler: LRScheduler
    unit: Literal["step", "epoch"]
    monitor: str | None = None

    def __post_init__(self) -> None:
        if isinstance(self.scheduler, ReduceLROnPlateau) and (self.unit == "step" or self.monitor is None):
            raise ConfigError("schedule.monitor: ReduceLROnPlateau counts epochs and watches a metric; name one")

    def after_step(self) -> None:
        """Advance a schedule that counts steps."""
        if self.unit == "step":
            self.scheduler.step()

    def after_epoch(self, metrics: Mapping[str, float]) -> None:
        """Advance a schedule that counts epochs.

        Raises:
            ConfigError: It watches a metric that the run does not report.
        """
        if self.unit == "step":
            return
        if self.monitor is None:
            self.scheduler.step()
        elif self.monitor in metrics:
            self.scheduler.step(metrics[self.monitor])  # type: ignore[arg-type]  # those that watch take a metric here
        else:
            raise ConfigError(f"schedule.monitor: {self.monitor!r} is not reported; {nearest(self.monitor, metrics)}")

    def state_dict(self) -> dict[str, Any]:
        """Return the scheduler's state."""
        return self.scheduler.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the scheduler's state."""
        self.scheduler.load_state_dict(state)
