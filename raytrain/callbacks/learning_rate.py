"""The learning rate: set by a torch scheduler, and watched."""

from __future__ import annotations

from typing import Any, Literal

from torch.optim.lr_scheduler import LRScheduler, ReduceLROnPlateau

from raytrain.callbacks.early_stopping import monitored
from raytrain.errors import ConfigError
from raytrain.optim.schedule import Schedule
from raytrain.types import Callback, FitState

__all__ = ["LearningRateMonitor", "LearningRateScheduler"]


class LearningRateMonitor(Callback):
    """Add to each epoch's metrics the rate its first step had: `lr/group_0`, `lr/group_1`, ...

    The rates are those of the torch optimizer's groups, in its order. The engine's `train/lr` is the first group's rate
    in the epoch's last step; the two agree for a schedule that counts epochs.

    >>> import torch
    >>> from types import SimpleNamespace
    >>> groups = [{"params": [torch.zeros(2)], "lr": 0.1}, {"params": [torch.zeros(1)], "lr": 0.01}]
    >>> run = SimpleNamespace(optimizer=torch.optim.SGD(groups), metrics={"train/loss": 1.0})
    >>> monitor = LearningRateMonitor()
    >>> monitor.on_epoch_start(run)
    >>> monitor.on_epoch_end(run)
    >>> run.metrics
    {'train/loss': 1.0, 'lr/group_0': 0.1, 'lr/group_1': 0.01}
    """

    def __init__(self) -> None:
        self._rates: list[float] = []

    def on_epoch_start(self, state: FitState) -> None:
        """Note the rates, before a schedule changes them."""
        self._rates = [float(group["lr"]) for group in state.optimizer.param_groups]

    def on_epoch_end(self, state: FitState) -> None:
        """Add them to the metrics."""
        state.metrics |= {f"lr/group_{index}": rate for index, rate in enumerate(self._rates)}

    def state_dict(self) -> dict[str, Any]:
        """Return the rates of the running epoch."""
        return {"rates": list(self._rates)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them."""
        self._rates = list(state["rates"])


class LearningRateScheduler(Callback):
    """Step a torch scheduler of the run's optimizer after every epoch, or after every optimizer step.

    `ReduceLROnPlateau` is stepped with the monitored metric, which is reduced over all workers. The engine's own
    schedule must leave the rates alone. Steps that a float16 loss scaler skips are counted here; the engine's schedule,
    which does not count them, is the better place in such a run.

    Args:
        scheduler: Made with the run's optimizer.
        unit: What it counts: `epoch` or `step`.
        monitor: Metric key for `ReduceLROnPlateau`; `val_loss` is `val/loss`.

    Raises:
        ConfigError: The scheduler is of another optimizer; a plateau is to be found in steps; or, in the first epoch,
            the run does not report `monitor`.

    >>> import torch
    >>> from types import SimpleNamespace
    >>> optimizer = torch.optim.SGD([torch.zeros(1)], lr=0.8)
    >>> run = SimpleNamespace(optimizer=optimizer, metrics={})
    >>> halving = LearningRateScheduler(torch.optim.lr_scheduler.StepLR(optimizer, step_size=1, gamma=0.5))
    >>> optimizer.step()
    >>> halving.on_epoch_end(run)
    >>> optimizer.param_groups[0]["lr"]
    0.4
    """

    def __init__(
        self, scheduler: LRScheduler, *, unit: Literal["epoch", "step"] = "epoch", monitor: str = "val_loss"
    ) -> None:
        plateau = isinstance(scheduler, ReduceLROnPlateau)
        if plateau and unit == "step":
            raise ConfigError("unit must be epoch for ReduceLROnPlateau, whose metric is of an epoch; got 'step'")
        self._schedule = Schedule(scheduler, unit, monitor if plateau else None)

    def on_fit_start(self, state: FitState) -> None:
        """Refuse a scheduler that would change rates nobody uses."""
        if self._schedule.scheduler.optimizer is not state.optimizer:
            raise ConfigError("scheduler is of another optimizer than the run's; make it with the run's optimizer")

    def on_step_end(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Advance a scheduler that counts steps."""
        self._schedule.after_step()

    def on_epoch_end(self, state: FitState) -> None:
        """Advance a scheduler that counts epochs."""
        monitor = self._schedule.monitor
        self._schedule.after_epoch({} if monitor is None else {monitor: monitored(state.metrics, monitor)})

    def state_dict(self) -> dict[str, Any]:
        """Return the scheduler's state."""
        return self._schedule.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore the scheduler's state."""
        self._schedule.load_state_dict(state)
