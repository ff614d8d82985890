"""The physics losses together, each with its weight."""

from __future__ import annotations

import math
from collections.abc import Mapping

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.frequency_consistency import FrequencyConsistencyLoss
from raytrain.losses.sommerfeld_consistency import SommerfeldConsistencyLoss
from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss
from raytrain.types import Batch

__all__ = ["PhysicalConstraintLoss"]


class PhysicalConstraintLoss(nn.Module):
    """Weighted sum of the physics losses that fit the machine: lines, film, and smoothness in time.

    `L = w_f L_frequency + w_s L_sommerfeld + w_t L_temporal`, over those that are given: a rolling-element bearing has
    no Sommerfeld number, a journal bearing no ball passing frequency. `terms` gives each by itself.

    Source: physics-guided losses, Karpatne et al., IEEE Trans. Knowl. Data Eng. 29 (2017) 2318-2331.

    >>> loss = PhysicalConstraintLoss(sommerfeld=SommerfeldConsistencyLoss(["healthy", "wear"]), sommerfeld_weight=2.0)
    >>> batch = Batch(torch.zeros(1, 1, 8), torch.tensor([0]), {"sommerfeld_number": torch.tensor([0.1])})
    >>> logits = torch.tensor([[20.0, 0.0]])
    >>> {name: round(term.item(), 4) for name, term in loss.terms(logits, batch).items()}
    {'sommerfeld': 0.25}
    >>> round(loss(logits, batch).item(), 4)
    0.5

    Args:
        frequency: Consistency with the lines of the envelope spectrum; absent if None.
        sommerfeld: Consistency with the lubrication regime; absent if None.
        temporal: Smoothness between neighbouring windows; absent if None.
        frequency_weight: Weight of the first.
        sommerfeld_weight: Weight of the second.
        temporal_weight: Weight of the third.

    Raises:
        ConfigError: All three are absent, or a weight is negative or not finite.
    """

    def __init__(
        self,
        *,
        frequency: FrequencyConsistencyLoss | None = None,
        sommerfeld: SommerfeldConsistencyLoss | None = None,
        temporal: TemporalSmoothnessLoss | None = None,
        frequency_weight: float = 1.0,
        sommerfeld_weight: float = 0.5,
        temporal_weight: float = 0.1,
    ) -> None:
        super().__init__()
        parts = {
            "frequency": (frequency, frequency_weight),
            "sommerfeld": (sommerfeld, sommerfeld_weight),
            "temporal": (temporal, temporal_weight),
        }
        for name, (_, weight) in parts.items():
            if not 0 <= weight < math.inf:
                raise ConfigError(f"loss.{name}_weight must be at least 0 and finite, got {weight:g}")
        self.constraints = nn.ModuleDict({name: part for name, (part, _) in parts.items() if part is not None})
        if not self.constraints:
            raise ConfigError("a physical constraint needs a frequency, a sommerfeld or a temporal loss")
        self.weights = {name: weight for name, (part, weight) in parts.items() if part is not None}

    def terms(self, logits: Tensor, batch: Batch, *, severity: Tensor | None = None) -> dict[str, Tensor]:
        """Return each constraint's loss of `logits` `[B, K]` by its name, a scalar with its graph, without its weight.

        Args:
            logits: Class scores `[B, K]`.
            batch: Its measured windows and its operating conditions are looked at, never what the model sees.
            severity: Severity that the model states, `[B]`; that of the predicted classes where it states none.

        Raises:
            ConfigError: The batch lacks an operating condition that one needs.
        """
        return {
            name: constraint(logits, batch, severity=severity)
            if isinstance(constraint, SommerfeldConsistencyLoss)
            else constraint(logits, batch)
            for name, constraint in self.constraints.items()
        }

    def combine(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum of what `terms` returned."""
        return torch.stack([weight * terms[name] for name, weight in self.weights.items()]).sum()

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the weighted sum of the constraints, a scalar."""
        return self.combine(self.terms(logits, batch))
