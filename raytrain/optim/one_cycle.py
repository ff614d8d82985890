"""The one-cycle policy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from torch.optim import Optimizer
from torch.optim.lr_scheduler import LRScheduler, OneCycleLR

from raytrain.errors import ConfigError
from raytrain.optim.rules import require

__all__ = ["create_onecycle_scheduler"]


def create_onecycle_scheduler(
    optimizer: Optimizer,
    max_lr: float | Sequence[float],
    *,
    total_steps: int,
    pct_start: float = 0.3,
    anneal_strategy: Literal["cos", "linear"] = "cos",
    cycle_momentum: bool = True,
    div_factor: float = 25.0,
    final_div_factor: float = 1e4,
) -> LRScheduler:
    """Create the one-cycle policy (Smith & Topin 2019); step it once per optimizer step.

    torch's `OneCycleLR`: up from `max_lr / div_factor` to `max_lr`, then down to `max_lr / div_factor /
    final_div_factor` at the last step. Past that it stays there, where torch's raises.

    Args:
        optimizer: Its learning rates are replaced.
        max_lr: The peak, of all groups or of each.
        total_steps: Steps of the run.
        pct_start: Share of the steps that rise.
        anneal_strategy: Along a cosine or a straight line.
        cycle_momentum: Move momentum (or Adam's beta1) the other way, between 0.95 and 0.85, whatever it was.
        div_factor: The peak over the first learning rate.
        final_div_factor: The first learning rate over the last.

    Raises:
        ConfigError: A value is impossible, or the run is too short to rise.

    >>> import torch
    >>> optimizer = torch.optim.AdamW([torch.zeros(1)])
    >>> schedule = create_onecycle_scheduler(optimizer, max_lr=0.1, total_steps=10, anneal_strategy="linear")
    >>> rates = []
    >>> for _ in range(12):
    ...     rates.append(round(optimizer.param_groups[0]["lr"], 3))
    ...     optimizer.step()
    ...     schedule.step()
    >>> rates
    [0.004, 0.052, 0.1, 0.086, 0.071, 0.057, 0.043, 0.029, 0.014, 0.0, 0.0, 0.0]
    """
    peaks = [max_lr] * len(optimizer.param_groups) if isinstance(max_lr, float | int) else list(max_lr)
    require("schedule.max_lr", max_lr, "above 0", holds=all(peak > 0 for peak in peaks))
    require("schedule.pct_start", pct_start, "above 0 and below 1", holds=0 < pct_start < 1)
    require("schedule.div_factor", div_factor, "at least 1", holds=div_factor >= 1)
    require("schedule.final_div_factor", final_div_factor, "at least 1", holds=final_div_factor >= 1)
    # torch rises over pct_start * total_steps - 1 steps: with none, it starts on the way down or divides by zero.
    if pct_start * total_steps <= 1:
        raise ConfigError(
            f"schedule.pct_start: {pct_start:g} of {total_steps} steps leaves none to rise; "
            "raise it, or use another schedule for so short a run"
        )
    if cycle_momentum and any(group.get("momentum") == 0 for group in optimizer.param_groups):
        raise ConfigError("schedule.cycle_momentum needs an optimizer with momentum; use cycle_momentum: false")
    return _OneCycle(
        optimizer,
        max_lr=peaks,
        total_steps=total_steps,
        pct_start=pct_start,
        anneal_strategy=anneal_strategy,
        cycle_momentum=cycle_momentum,
        div_factor=div_factor,
        final_div_factor=final_div_factor,
    )


class _OneCycle(OneCycleLR):
    """torch's, held at its last learning rate."""

    def get_lr(self) -> list[float]:  # type: ignore[override]  # torch allows tensors too; raytrain's are floats
        if self.last_epoch >= self.total_steps:
            return [group["min_lr"] for group in self.optimizer.param_groups]
        return [float(rate) for rate in super().get_lr()]
