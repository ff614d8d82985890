"""A data loss and the physics losses that fit the machine, in one criterion."""

from __future__ import annotations

import math
from collections.abc import Mapping

from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.frequency_consistency import FrequencyConsistencyLoss
from raytrain.losses.loss_data import ClassWeights, LossData
from raytrain.losses.physical_constraint import PhysicalConstraintLoss
from raytrain.losses.sommerfeld_consistency import SommerfeldConsistencyLoss
from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss
from raytrain.physics.signature_database import FaultSignatureDatabase
from raytrain.types import Batch

__all__ = ["PhysicsInformedLoss", "create_physics_informed"]

_JOURNAL = frozenset(FaultSignatureDatabase.journal().classes)


class PhysicsInformedLoss(nn.Module):
    """Weighted sum of a data loss and a physics loss: `L = w_d L_data + w_p L_physics`.

    Source: Raissi, Perdikaris & Karniadakis, J. Comput. Phys. 378 (2019) 686-707; for classifiers, Karpatne et al.,
    IEEE Trans. Knowl. Data Eng. 29 (2017) 2318-2331.

    >>> import torch
    >>> physics = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(hop_samples=4, lambda_smooth=1.0))
    >>> loss = PhysicsInformedLoss(nn.CrossEntropyLoss(), physics, physics_weight=0.5)
    >>> place = {"recording": torch.tensor([0, 0]), "window_start": torch.tensor([0, 4])}
    >>> batch = Batch(torch.zeros(2, 1, 8), torch.tensor([0, 0]), place)
    >>> terms = loss.terms(torch.tensor([[0.0, 0.0], [20.0, 0.0]]), batch)
    >>> {name: round(term.item(), 4) for name, term in terms.items()}
    {'data': 0.3466, 'temporal': 0.5}
    >>> round(loss.combine(terms).item(), 4)
    0.3716

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


def create_physics_informed(
    data: LossData,
    *,
    data_weight: float = 1.0,
    physics_weight: float = 0.1,
    frequency_weight: float | None = None,
    sommerfeld_weight: float | None = None,
    temporal_weight: float = 0.1,
    tolerance: float = 0.02,
    harmonics: int = 3,
    smoothing: float = 0.0,
    class_weights: ClassWeights = "balanced",
) -> PhysicsInformedLoss:
    """Cross-entropy, and how far the prediction contradicts the physics of the machine (Karpatne et al. 2017).

    Where the windows of a fault show no line of it, as most ball recordings of CWRU do not, the physics pulls towards
    healthy: let a sweep find `physics_weight`.

    Args:
        data: The training set.
        data_weight: Weight of the cross-entropy.
        physics_weight: Weight of the physics losses together.
        frequency_weight: Within these, of the bearing's lines in the envelope spectrum; null is 1 for rolling-element
            bearings, whose geometry must be known then, and 0 for journal bearings.
        sommerfeld_weight: Within these, of the lubrication regime; null is 0.5 for journal bearings, whose Sommerfeld
            number must be known then, and 0 for rolling-element bearings.
        temporal_weight: Within these, of the change from one window to the next.
        tolerance: Half-width of the band around a line, as a fraction of its frequency.
        harmonics: Multiples of a fault's frequency to look for.
        smoothing: Share of the cross-entropy's target spread evenly over all classes, in [0, 1).
        class_weights: Of the cross-entropy: `balanced` weighs each class by the inverse of its frequency; `none` weighs
            all samples alike.

    Raises:
        ConfigError: A physics loss that is asked for does not fit the training set, or all weigh nothing.
    """
    is_journal = _JOURNAL.issuperset(data.classes)
    frequency_weight = float(not is_journal) if frequency_weight is None else frequency_weight
    sommerfeld_weight = 0.5 * is_journal if sommerfeld_weight is None else sommerfeld_weight
    if not (frequency_weight or sommerfeld_weight or temporal_weight):
        raise ConfigError("loss: frequency_weight, sommerfeld_weight and temporal_weight are all 0; use cross_entropy")
    physics = PhysicalConstraintLoss(
        frequency=_frequency(data, tolerance=tolerance, harmonics=harmonics) if frequency_weight else None,
        sommerfeld=_sommerfeld(data) if sommerfeld_weight else None,
        temporal=TemporalSmoothnessLoss(hop_samples=data.hop_samples, lambda_smooth=1.0) if temporal_weight else None,
        frequency_weight=frequency_weight,
        sommerfeld_weight=sommerfeld_weight,
        temporal_weight=temporal_weight,
    )
    return PhysicsInformedLoss(
        LabelSmoothingCrossEntropy(smoothing, data.weights(class_weights)),
        physics,
        data_weight=data_weight,
        physics_weight=physics_weight,
    )


def _frequency(data: LossData, *, tolerance: float, harmonics: int) -> FrequencyConsistencyLoss:
    if _JOURNAL.issuperset(data.classes):
        raise ConfigError(
            "loss.frequency_weight must be 0 for a journal bearing, whose faults share lines with a healthy one"
        )
    if data.fault_orders is None:
        raise ConfigError(
            "loss.frequency_weight must be 0 where recordings are not all of one bearing of the catalogue: its "
            "frequencies are not known"
        )
    loss = FrequencyConsistencyLoss(
        FaultSignatureDatabase.from_fault_orders(data.fault_orders),
        data.classes,
        sample_rate_hz=data.sample_rate_hz,
        tolerance=tolerance,
        harmonics=harmonics,
        demodulate=data.input == "raw",
    )
    if data.shaft_speed_rpm is not None:
        loss.check_speeds(data.shaft_speed_rpm, samples=data.window_samples)
    return loss


def _sommerfeld(data: LossData) -> SommerfeldConsistencyLoss:
    if not _JOURNAL.issuperset(data.classes):
        others = ", ".join(sorted(set(data.classes) - _JOURNAL))
        raise ConfigError(
            f"loss.sommerfeld_weight must be 0 where a class is not of a journal bearing, and {others} is not"
        )
    if "sommerfeld_number" not in data.conditions:
        raise ConfigError(
            "loss.sommerfeld_weight must be 0 where recordings have no condition sommerfeld_number, and these have "
            f"{', '.join(sorted(data.conditions)) or 'none'}"
        )
    return SommerfeldConsistencyLoss(data.classes)
