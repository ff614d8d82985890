"""The physics losses of a run and how their weights change in training."""

from __future__ import annotations

from typing import Self

from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.lambda_schedule import LambdaSchedule, ramp
from raytrain.losses.physical_constraint import PhysicalConstraintLoss
from raytrain.losses.physics_informed import PhysicsInformedLoss
from raytrain.types import Batch, Progress

__all__ = ["PhysicsTerms"]


class PhysicsTerms(nn.Module):
    """Physics losses, each with its weight lambda, and when these count: what `PhysicsInformed` adds to a loss.

    Source: physics-guided losses, Karpatne et al., IEEE Trans. Knowl. Data Eng. 29 (2017) 2318-2331.

    >>> from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss
    >>> smooth = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(1.0, hop_samples=4), temporal_weight=0.1)
    >>> physics = PhysicsTerms(smooth, schedule="linear")
    >>> physics.weights(Progress(epoch=0, step=10, fraction=0.25))
    {'temporal': 0.05}

    Args:
        constraints: The losses and their full weights.
        scale: Factor of all weights.
        schedule: How the weights rise; see `raytrain.losses.lambda_schedule.ramp`.
        ramp_fraction: Share of training after which the full weights are reached, in (0, 1].
        gradient_interval: Optimizer steps from one measurement of the gradients' norms to the next.

    Raises:
        ConfigError: A value is impossible.
    """

    def __init__(
        self,
        constraints: PhysicalConstraintLoss,
        *,
        scale: float = 1.0,
        schedule: LambdaSchedule = "constant",
        ramp_fraction: float = 0.5,
        gradient_interval: int = 50,
    ) -> None:
        super().__init__()
        if not 0 < ramp_fraction <= 1:
            raise ConfigError(f"physics.ramp_fraction must be above 0 and at most 1, got {ramp_fraction:g}")
        if gradient_interval < 1:
            raise ConfigError(f"physics.gradient_interval must be at least 1, got {gradient_interval}")
        ramp(schedule, 0.0, ramp_fraction=ramp_fraction)
        self.constraints = constraints
        self.lambdas = {name: scale * weight for name, weight in constraints.weights.items()}
        self.schedule, self.ramp_fraction = schedule, ramp_fraction
        self.gradient_interval = gradient_interval

    @classmethod
    def of(cls, criterion: PhysicsInformedLoss) -> Self:
        """Return the physics of a criterion that holds data and physics in one, with constant weights."""
        return cls(criterion.physics, scale=criterion.physics_weight)

    def forward(self, logits: Tensor, batch: Batch, *, severity: Tensor | None = None) -> dict[str, Tensor]:
        """Return each loss by its name, a scalar with its graph, without its weight.

        Args:
            logits: Class scores `[B, K]`.
            batch: Its measured windows and its operating conditions are looked at, never what the model sees.
            severity: Severity that the model states, `[B]`; that of the predicted classes where it states none.

        Raises:
            ConfigError: The batch lacks an operating condition that one needs.
        """
        return self.constraints.terms(logits, batch, severity=severity)

    def weights(self, progress: Progress) -> dict[str, float]:
        """Return the weight of each constraint at a point of training, as far as that point decides it."""
        factor = ramp(self.schedule, progress.fraction, ramp_fraction=self.ramp_fraction)
        return {name: factor * weight for name, weight in self.lambdas.items()}
