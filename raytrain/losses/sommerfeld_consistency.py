"""A physics loss: a journal bearing's predicted film damage should go with its lubrication regime."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from types import MappingProxyType

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.film_number import film_number
from raytrain.losses.full_precision import full_precision
from raytrain.physics.signature_database import FaultSignatureDatabase
from raytrain.types import Batch

__all__ = [
    "FILM_SEVERITY",
    "SommerfeldConsistencyLoss",
    "expected_severity",
    "mixed_film_share",
    "sommerfeld_consistency",
]

FILM_SEVERITY: Mapping[str, float] = MappingProxyType(
    {
        "healthy": 0.0,
        "oil_whirl": 0.0,
        "imbalance": 0.25,
        "looseness": 0.25,
        "cavitation": 0.25,
        "mixed_cavitation_looseness": 0.25,
        "misalignment": 0.5,
        "mixed_misalignment_imbalance": 0.5,
        "wear": 0.75,
        "lubrication": 1.0,
        "mixed_wear_lubrication": 1.0,
    }
)
"""Class -> how far its mechanism takes the film towards contact, in [0, 1].

An ordinal scale. 0: the film carries (whirl even needs a thick one, at a high Sommerfeld number). 0.25: the journal's
orbit or bursting bubbles thin it for moments. 0.5: it is thin at one edge for good. 0.75: clearance has grown by
rubbing. 1: asperities carry the load. A mixed class has the larger of its parents'.
"""


def mixed_film_share(sommerfeld: Tensor, *, transition: float, steepness: float) -> Tensor:
    """Return the share of the load that asperities carry, in (0, 1): `1 / (1 + (S / S0)^k)`.

    A logistic function of ln S: Stribeck's curve from boundary lubrication (low S) to a full film (high S), one half
    at the transition S0. Source: Stribeck, VDI-Zeitschrift 46 (1902); Hamrock, Schmid & Jacobson (2004), ch. 1.

    Args:
        sommerfeld: Sommerfeld number S, positive, any shape.
        transition: S0.
        steepness: k.
    """
    return torch.sigmoid(-steepness * torch.log(sommerfeld / transition))


def expected_severity(logits: Tensor, severity: Tensor) -> Tensor:
    """Return the severity to expect under the prediction, `sum_c p_c s_c`, `[B]`.

    Args:
        logits: Class scores `[B, K]`, whose softmax is p.
        severity: Severity s of each class, `[K]`.
    """
    probability = torch.softmax(full_precision(logits), dim=-1)
    return (probability * severity).sum(dim=-1)  # no matrix product, which autocast would round


def sommerfeld_consistency(severity: Tensor, implied: Tensor, *, known: Tensor) -> Tensor:
    """Return the sum of `(severity - implied)²` over the samples that are known, divided by the number of all samples.

    So means of workers or micro-batches weighted by size are exact; without a known sample it is exactly 0.

    Args:
        severity: Severity that the model states or its prediction means, `[B]`.
        implied: Severity that the regime implies, `[B]`.
        known: Which samples count, bool `[B]`.
    """
    return torch.where(known, full_precision(severity) - implied, 0.0).square().mean()


class SommerfeldConsistencyLoss(nn.Module):
    """Squared difference of the expected film severity under the prediction from what the Sommerfeld number implies.

    `L = mean_b (sum_c p_bc s_c - 1 / (1 + (S_b / S0)^k))²`, p the softmax of the logits, s from `FILM_SEVERITY`, and
    `S = (R/c)² mu N / P` with N in revolutions per second (Raimondi & Boyd's convention, `physics.sommerfeld_number`).
    Smooth and monotone: the lower S, the more the prediction is drawn towards failing films. A model that states a
    severity is judged by that instead of `sum_c p_bc s_c`. Samples of unknown S add 0 to the mean over samples.

    Source: Raimondi & Boyd, ASLE Trans. 1 (1958) 159-209; Karpatne et al., IEEE Trans. Knowl. Data Eng. 29 (2017).

    >>> loss = SommerfeldConsistencyLoss(["healthy", "lubrication"])
    >>> sure = torch.tensor([[20.0, 0.0], [0.0, 20.0]])  # of healthy, of lubrication
    >>> thin = Batch(torch.zeros(2, 1, 8), torch.tensor([0, 1]), {"sommerfeld_number": torch.tensor([0.1, 0.1])})
    >>> round(loss(sure, thin).item(), 4)
    0.25
    >>> film = Batch(torch.zeros(2, 1, 8), torch.tensor([0, 1]), {"sommerfeld_number": torch.tensor([9.9, 9.9])})
    >>> round(loss(sure, film).item(), 4)
    0.4901

    Args:
        classes: Names of the classes, K of them, in the order of the logits.
        transition: Sommerfeld number S0 at which half the load is carried by asperities.
        steepness: k: how quickly the regime changes with ln S.

    Raises:
        ConfigError: A class is not of a journal bearing, or a value is not positive.
    """

    _severity: Tensor

    def __init__(self, classes: Sequence[str], *, transition: float = 0.1, steepness: float = 1.0) -> None:
        super().__init__()
        for name, value in (("transition", transition), ("steepness", steepness)):
            if not 0 < value < math.inf:
                raise ConfigError(f"physics.{name} must be positive and finite, got {value:g}")
        database = FaultSignatureDatabase.journal()
        severity = [FILM_SEVERITY[database.lookup(name).name] for name in classes]
        self.transition, self.steepness = transition, steepness
        self.register_buffer("_severity", torch.tensor(severity), persistent=False)

    def forward(self, logits: Tensor, batch: Batch, *, severity: Tensor | None = None) -> Tensor:
        """Return the scalar loss of `logits` `[B, K]`, or of the `severity` in [0, 1], `[B]`, that the model states.

        `batch` has the condition `sommerfeld_number`, or those it follows from (`film_number`).
        """
        sommerfeld = film_number(batch)
        known = torch.isfinite(sommerfeld) & (sommerfeld > 0)
        implied = mixed_film_share(
            torch.where(known, sommerfeld, self.transition), transition=self.transition, steepness=self.steepness
        )
        stated = expected_severity(logits, self._severity) if severity is None else severity
        return sommerfeld_consistency(stated, implied, known=known)
