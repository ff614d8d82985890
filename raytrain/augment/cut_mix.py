"""CutMix: a stretch of each signal replaced by a partner's, with labels in the shares of the samples."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_above_zero, check_share
from raytrain.augment.draws import draw_beta, draw_partners, draw_uniform, rows_of_all, whole_number
from raytrain.augment.mixing import mixed_batch
from raytrain.types import Batch, Progress

__all__ = ["CutMixAugmentation", "cutmix", "cutmix_batch"]


def cutmix(
    signal: Tensor, partner: Tensor, *, alpha: float = 1.0, probability: float = 1.0, generator: torch.Generator
) -> tuple[Tensor, Tensor]:
    """Return each signal with one stretch taken from its partner, and the share that is still its own.

    A draw from Beta(alpha, alpha) is the share to keep; the stretch has the rest of the T samples, rounded to whole
    ones, and starts anywhere. It is circular: what would pass the end goes on at the start, so nothing is clipped and
    every sample of the window is replaced equally often. All channels are cut alike. The share returned is counted
    from the cut made. Source: S. Yun et al., "CutMix: Regularization strategy to train strong classifiers with
    localizable features", ICCV 2019, in one dimension.

    Args:
        signal: `[B, C, T]`.
        partner: `[B, C, T]`.
        alpha: Both parameters of the Beta distribution, above 0.
        probability: Share of signals that are cut, in [0, 1].
        generator: Draws, on the signals' device.

    Returns:
        The mixed signals `[B, C, T]`, and the share of each that is its own, in [0, 1], `[B]`.

    Raises:
        ConfigError: `alpha` or `probability` is impossible.
        DataError: The signal has other dimensions.

    >>> mixed, own = cutmix(torch.ones(2, 1, 8), torch.zeros(2, 1, 8), generator=torch.Generator().manual_seed(0))
    >>> mixed[:, 0], own
    (tensor([[0., 0., 1., 1., 1., 0., 0., 0.],
            [1., 1., 1., 1., 1., 1., 0., 0.]]), tensor([0.3750, 0.7500]))
    """
    check_above_zero("alpha", alpha)
    check_share("probability", probability)
    keep = draw_beta(signal, alpha=alpha, generator=generator)
    for_start, for_choice = draw_uniform(signal, 2, generator=generator)
    length = signal.shape[-1]
    width = ((1 - keep) * length).round() * (for_choice < probability)
    position = torch.arange(length, device=signal.device)
    cut = (position - whole_number(for_start, length)) % length < width
    own = 1 - cut.sum(dim=-1).flatten().to(signal.dtype) / length
    return torch.where(cut, partner, signal), own


def cutmix_batch(batch: Batch, *, alpha: float = 1.0, probability: float = 1.0, generator: torch.Generator) -> Batch:
    """Return the batch, each sample cut (`cutmix`) with a partner from the batch, and labels in the same shares.

    Nobody is its own partner and each sample is partner once; a batch of one stays as it is. Conditions stay those
    of the sample itself. Source: as `cutmix`.

    Args:
        batch: With inputs `[B, C, T]`.
        alpha: Both parameters of the Beta distribution, above 0.
        probability: Share of samples that are cut, in [0, 1].
        generator: Draws, on the batch's device.

    Raises:
        ConfigError: `alpha` or `probability` is impossible, or the batch is mixed already.
        DataError: The inputs have other dimensions.

    >>> batch = Batch(torch.tensor([[[1.0] * 8], [[0.0] * 8]]), torch.tensor([0, 1]))
    >>> mixed = cutmix_batch(batch, generator=torch.Generator().manual_seed(4))
    >>> mixed.signal[:, 0].mean(dim=-1), mixed.class_shares(2)[:, 0]
    (tensor([0.3750, 0.6250]), tensor([0.3750, 0.6250]))
    """
    signal = batch.signal
    partners = draw_partners(signal, generator=generator)
    partner = rows_of_all(signal, generator=generator).index_select(0, partners)
    mixed, own = cutmix(signal, partner, alpha=alpha, probability=probability, generator=generator)
    return mixed_batch(batch, mixed, partners=partners, weight=own, generator=generator)


class CutMixAugmentation(Augmentation):
    """CutMix: a stretch of each sample replaced by a partner's, labels in the same shares (`cutmix_batch`).

    Args:
        alpha: Both parameters of the Beta distribution of the share kept, above 0; 1 is uniform.
        probability: Share of samples that are cut, in [0, 1].

    Raises:
        ConfigError: A value is impossible, or the batch is mixed already.

    >>> batch = Batch(torch.arange(16.0).view(2, 1, 8), torch.tensor([0, 1]))
    >>> mixed = CutMixAugmentation()(batch, Progress(0, 0, 0.0), torch.Generator().manual_seed(0))
    >>> own = (mixed.signal == batch.signal).float().mean(dim=-1).flatten()
    >>> own == mixed.mixture.weight
    tensor([True, True])
    """

    mixes_labels = True

    def __init__(self, alpha: float = 1.0, *, probability: float = 1.0) -> None:
        self.alpha = check_above_zero("alpha", alpha)
        self.probability = check_share("probability", probability)

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch mixed with itself; inputs `[B, C, T]`."""
        return cutmix_batch(batch, alpha=self.alpha, probability=self.probability, generator=generator)
