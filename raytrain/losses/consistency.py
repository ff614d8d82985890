"""The physics that fits a training set: which of its machine's laws a prediction may not contradict."""

from __future__ import annotations

import math
from typing import Literal

from raytrain.errors import ConfigError
from raytrain.losses.film_number import FILM_CONDITIONS, has_film_number
from raytrain.losses.frequency_consistency import FrequencyConsistencyLoss
from raytrain.losses.loss_data import LossData
from raytrain.losses.physical_constraint import PhysicalConstraintLoss
from raytrain.losses.physics_terms import PhysicsTerms
from raytrain.losses.random_orders import random_orders
from raytrain.losses.sommerfeld_consistency import SommerfeldConsistencyLoss
from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss
from raytrain.physics.signature_database import FaultSignatureDatabase

__all__ = ["create_consistency"]

_JOURNAL = frozenset(FaultSignatureDatabase.journal().classes)


def create_consistency(
    data: LossData,
    *,
    lambda_freq: float | None = None,
    lambda_sommerfeld: float | None = None,
    lambda_temporal: float = 0.1,
    adaptive_lambda: bool = True,
    lambda_schedule: Literal["linear", "exponential", "step", "grad_norm"] = "linear",
    ramp_fraction: float = 0.5,
    gradient_interval: int = 50,
    bands: Literal["bearing", "random"] = "bearing",
    bands_seed: int = 0,
    tolerance: float = 0.02,
    harmonics: int = 3,
) -> PhysicsTerms:
    """How far a prediction contradicts the lines, the oil film and the inertia of the machine (Karpatne et al. 2017).

    Where the windows of a fault show no line of it, as most ball recordings of CWRU do not, the lines pull towards
    healthy: let a sweep find `lambda_freq`.

    Args:
        data: The training set.
        lambda_freq: Weight of the bearing's lines in the envelope spectrum; null is 1 for rolling-element bearings,
            whose geometry must be known then, and 0 for journal bearings.
        lambda_sommerfeld: Weight of the lubrication regime; null is 0.5 for journal bearings, whose Sommerfeld number
            must be known then, and 0 for rolling-element bearings.
        lambda_temporal: Weight of the change from one window to the next.
        adaptive_lambda: Whether the weights change in training; false has the full weights from the first step.
        lambda_schedule: How they change: `linear`, `exponential` and `step` rise from 0 or nearly so; `grad_norm`
            follows the gradients (Wang et al. 2021).
        ramp_fraction: Share of training after which the full weights are reached.
        gradient_interval: Optimizer steps from one measurement of the gradients' norms to the next.
        bands: Whose lines: the bearing's, or `random` ones that no fault has, the control of a study.
        bands_seed: Chooses the random ones.
        tolerance: Half-width of the band around a line, as a fraction of its frequency.
        harmonics: Multiples of a fault's frequency to look for.

    Raises:
        ConfigError: A term that is asked for does not fit the training set, or all weigh nothing.

    >>> import torch
    >>> data = LossData(
    ...     torch.tensor([0, 1]), ("normal", "inner"), sample_rate_hz=12e3, window_samples=2048, hop_samples=1024,
    ...     fault_orders=(3.5848, 5.4152, 4.7135, 0.3983),
    ... )
    >>> create_consistency(data).lambdas
    {'frequency': 1.0, 'temporal': 0.1}
    """
    is_journal = _JOURNAL.issuperset(data.classes)
    if lambda_freq is None:
        lambda_freq = 0.0 if is_journal else 1.0
    if lambda_sommerfeld is None:
        lambda_sommerfeld = 0.5 if is_journal else 0.0
    weights = {"freq": lambda_freq, "sommerfeld": lambda_sommerfeld, "temporal": lambda_temporal}
    for name, weight in weights.items():
        if not 0 <= weight < math.inf:
            raise ConfigError(f"physics.lambda_{name} must be at least 0 and finite, got {weight:g}")
    if not any(weights.values()):
        raise ConfigError(f"physics: lambda_{', lambda_'.join(weights)} are all 0; use physics: {{name: none}}")
    orders = _fault_orders(data) if lambda_freq else None
    if orders is not None and bands == "random":
        orders = random_orders(orders, tolerance=tolerance, harmonics=harmonics, seed=bands_seed)
    constraints = PhysicalConstraintLoss(
        frequency=None if orders is None else _frequency(data, orders, tolerance=tolerance, harmonics=harmonics),
        sommerfeld=_sommerfeld(data) if lambda_sommerfeld else None,
        temporal=TemporalSmoothnessLoss(1.0, hop_samples=data.hop_samples) if lambda_temporal else None,
        frequency_weight=lambda_freq,
        sommerfeld_weight=lambda_sommerfeld,
        temporal_weight=lambda_temporal,
    )
    return PhysicsTerms(
        constraints,
        schedule=lambda_schedule if adaptive_lambda else "constant",
        ramp_fraction=ramp_fraction,
        gradient_interval=gradient_interval,
    )


def _fault_orders(data: LossData) -> tuple[float, float, float, float]:
    if _JOURNAL.issuperset(data.classes):
        raise ConfigError(
            "physics.lambda_freq must be 0 for a journal bearing, whose faults share lines with a healthy one"
        )
    if data.fault_orders is None:
        raise ConfigError(
            "physics.lambda_freq must be 0 where recordings are not all of one bearing of the catalogue: its "
            "frequencies are not known"
        )
    return data.fault_orders


def _frequency(
    data: LossData, orders: tuple[float, float, float, float], *, tolerance: float, harmonics: int
) -> FrequencyConsistencyLoss:
    loss = FrequencyConsistencyLoss(
        FaultSignatureDatabase.from_fault_orders(orders),
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
            f"physics.lambda_sommerfeld must be 0 where a class is not of a journal bearing, and {others} is not"
        )
    if not has_film_number(data.conditions):
        raise ConfigError(
            f"physics.lambda_sommerfeld must be 0 where recordings have no condition sommerfeld_number, nor all of "
            f"{', '.join(FILM_CONDITIONS)}, and these have {', '.join(sorted(data.conditions)) or 'none'}"
        )
    return SommerfeldConsistencyLoss(data.classes)
