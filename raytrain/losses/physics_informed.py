"""A data loss and the physics losses that fit the machine, in one criterion."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.physical_constraint import PhysicalConstraintLoss
from raytrain.types import Batch

__all__ = ["PhysicsInformedLoss"]


class PhysicsInformedLoss(nn.Module):
    """Weighted sum of a data loss and a physics loss: `L = w_d L_data + w_p L_physics`.

    Source: Raissi, Perdikaris & Karniadakis, J. Comput. Phys. 378 (2019) 686-707; for classifiers, Karpatne et al.,
    IEEE Trans. Knowl. Data Eng. 29 (2017) 2318-2331.

    >>> import torch
    >>> from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss
    >>> physics = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(hop_samples=4, lambda_smooth=1.0))
    >>> loss = PhysicsInformedLoss(nn.CrossEntropyLoss(), physics, physics_weight=0.5)
    >>> place = {"recording": torch.tensor([0, 0]), "window_start": torch.tensor([0, 4])}
    >>> batch = Batch(torch.zeros(2, 1, 8), torch.tensor([0, 0]), place)
    >>> terms = loss.terms(torch.tensor([[0.0, 0.0], [20.0, 0.0]]), batch)
    >>> {name: round(term.item(), 4) for name, term in terms.items()}
    {'data': 0.3466, 'temporal': 0.25}
    >>> round(loss.combine(terms).item(), 4)
    0.3591

    Args:
        data: Called with class scores `[B, K]` and class indices `[B]`; returns their mean loss over samples.
        physics: Called with class scores and the batch.
        data_weight: Weight of the first.
        physics_weight: Weight of the second.

    Raises:
        ConfigError: A weight is negative or not finite.
    """

    def __init__(
        self,
        data: nn.Module,
        physics: PhysicalConstraintLoss,
        *,
        data_weight: float = 1.0,
        physics_weight: float = 0.1,
    ) -> None:
        super().__init__()
        for name, weight in (("data", data_weight), ("physics", physics_weight)):
            if not 0 <= weight < math.inf:
                raise ConfigError(f"loss.{name}_weight must be at least 0 and finite, got {weight:g}")
        self.data, self.physics = data, physics
        self.data_weight, self.physics_weight = data_weight, physics_weight

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the scalar loss of `logits` `[B, K]` on `batch`."""
        return self.combine(self.terms(logits, batch))

    def terms(self, logits: Tensor, batch: Batch) -> dict[str, Tensor]:
        """Return `data` and each physics loss by its name, scalars with their graph, none weighted.

        Raises:
            ConfigError: The batch lacks what a physics loss needs.
        """
        return {"data": self.data(logits, batch.targets), **self.physics.terms(logits, batch)}

    def combine(self, terms: Mapping[str, Tensor]) -> Tensor:
        """Return the weighted sum of what `terms` returned."""
        return self.data_weight * terms["data"] + self.physics_weight * self.physics.combine(terms)
