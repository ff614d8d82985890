"""Mixup: sums of two signals, with labels in the same shares."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_above_zero, check_share
from raytrain.augment.draws import draw_beta, draw_partners, draw_uniform, rows_of_all
from raytrain.augment.mixing import mixed_batch
from raytrain.types import Batch, Progress

__all__ = ["MixupAugmentation", "mixup"]


def mixup(signal: Tensor, partner: Tensor, *, weight: Tensor) -> Tensor:
    """Return `weight signal + (1 - weight) partner`, sample by sample, `[B, C, T]`.

    Being linear, it mixes the complex spectra in the same shares: both signals' lines are there, scaled.

    Args:
        signal: `[B, C, T]`.
        partner: `[B, C, T]`.
        weight: Share of `signal` in each sample, in [0, 1], `[B]`.
    """
    share = weight.view(-1, *[1] * (signal.dim() - 1))
    return signal * share + partner * (1 - share)


class MixupAugmentation(Augmentation):
    """Mixup: each sample plus a partner from its batch, in shares drawn from Beta(alpha, alpha).

    `x = w x_i + (1 - w) x_j` and the class shares are mixed alike (`Batch.mixture`), so the loss is
    `w loss(y_i) + (1 - w) loss(y_j)` and a prediction of y_i counts w in the training accuracy. Each sample has its
    own w and a partner other than itself, and each sample is partner once; a batch of one stays as it is. Conditions
    (shaft speed, load) stay those of sample i. Source: H. Zhang, M. Cisse, Y. Dauphin, D. Lopez-Paz, "mixup: Beyond
    empirical risk minimization", ICLR 2018 (which draws one w per batch).

    Args:
        alpha: Both parameters of the Beta distribution, above 0: small keeps to one of the two, 1 is uniform, large
            mixes half and half.
        probability: Share of samples that are mixed, in [0, 1].

    Raises:
        ConfigError: A value is impossible, or the batch is mixed already.

    >>> batch = Batch(torch.tensor([[[1.0, 1.0]], [[0.0, 0.0]]]), torch.tensor([0, 1]))
    >>> mixed = MixupAugmentation(alpha=1.0)(batch, Progress(0, 0, 0.0), torch.Generator().manual_seed(0))
    >>> mixed.signal[:, 0, 0], mixed.class_shares(2)[:, 0]
    (tensor([0.4162, 0.2542]), tensor([0.4162, 0.2542]))
    """

    mixes_labels = True

    def __init__(self, alpha: float = 1.0, *, probability: float = 1.0) -> None:
        self.alpha = check_above_zero("alpha", alpha)
        self.probability = check_share("probability", probability)

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch mixed with itself; inputs `[B, C, T]`."""
        signal = batch.signal
        weight = draw_beta(signal, alpha=self.alpha, generator=generator).flatten().to(signal.dtype)
        if self.probability < 1:
            (uniform,) = draw_uniform(signal, 1, generator=generator)
            weight = weight.masked_fill(uniform.flatten() >= self.probability, 1.0)
        partners = draw_partners(signal, generator=generator)
        partner = rows_of_all(signal, generator=generator).index_select(0, partners)
        mixed = mixup(signal, partner, weight=weight)
        return mixed_batch(batch, mixed, partners=partners, weight=weight, generator=generator)
