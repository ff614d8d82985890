"""What may be done to patches: hidden, moved, reordered, disturbed, exchanged between samples.

Patches are `[B, P, D]`: P stretches of a window in the order of time, each of D values. Everything is drawn per sample.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import torch
from torch import Tensor

from raytrain.augment.checks import check_not_negative, check_share
from raytrain.augment.draws import (
    draw_normal,
    draw_partners,
    draw_uniform,
    own_indices,
    rows_of_all,
    whole_number,
)

__all__ = [
    "MixedPatches",
    "patch_cutout",
    "patch_dropout",
    "patch_jitter",
    "patch_mixup",
    "patch_permutation",
    "patch_temporal_shift",
]


class MixedPatches(NamedTuple):
    """Patches of which some may be from another sample.

    Attributes:
        patches: `[B, P, D]`.
        partners: Which sample of the global batch the foreign patches of each are from, int64 `[B]`.
        weight: Share of each sample's patches that are its own, in [0, 1], float32 `[B]`.

    >>> MixedPatches(torch.zeros(2, 4, 8), partners=torch.tensor([1, 0]), weight=torch.tensor([0.75, 1.0])).weight
    tensor([0.7500, 1.0000])
    """

    patches: Tensor
    partners: Tensor
    weight: Tensor


def patch_dropout(patches: Tensor, *, probability: float = 0.1, generator: torch.Generator) -> Tensor:
    """Return the patches, each set to zero with `probability`, independently of the others.

    Zero is the mean of a standardised window. The patches that stay are not scaled up: amplitude is evidence. Sources:
    N. Srivastava et al., "Dropout", JMLR 15:1929, 2014; of patches, Y. Liu et al., "PatchDropout", WACV 2023, which
    leaves them out where this sets them to zero.

    Args:
        patches: `[B, P, D]`.
        probability: With which a patch is hidden, in [0, 1].
        generator: Draws which, on the patches' device.

    Raises:
        ConfigError: The probability is none.
        DataError: The patches have other dimensions.

    >>> dropped = patch_dropout(torch.ones(1, 8, 2), probability=0.5, generator=torch.Generator().manual_seed(0))
    >>> dropped[0, :, 0]
    tensor([1., 1., 0., 1., 1., 1., 0., 0.])
    """
    check_share("probability", probability)
    return patches * (_per_patch(patches, generator=generator) >= probability)


def patch_cutout(patches: Tensor, *, max_share: float = 0.2, generator: torch.Generator) -> Tensor:
    """Return each sample with one run of neighbouring patches set to zero.

    The run's length is uniform on 0 .. `floor(max_share P)` patches, then its start uniform on all places where it
    fits. Source: T. DeVries, G. Taylor, "Improved regularization of convolutional neural networks with cutout", 2017.

    Args:
        patches: `[B, P, D]`.
        max_share: Longest run as a share of the patches, in [0, 1].
        generator: Draws lengths and starts, on the patches' device.

    Raises:
        ConfigError: The share is none.
        DataError: The patches have other dimensions.

    >>> cut = patch_cutout(torch.ones(1, 8, 2), max_share=0.5, generator=torch.Generator().manual_seed(0))
    >>> cut[0, :, 0]
    tensor([1., 1., 1., 0., 0., 0., 0., 1.])
    """
    most, count = _most(patches, max_share), patches.shape[1]
    for_length, for_start = draw_uniform(patches, 2, generator=generator)
    length = whole_number(for_length, most + 1)
    start = whole_number(for_start, count - length + 1)
    position = torch.arange(count, device=patches.device)[:, None]
    return patches * ((position < start) | (position >= start + length))


def patch_temporal_shift(patches: Tensor, *, max_share: float = 0.25, generator: torch.Generator) -> Tensor:
    """Return each sample's patches shifted in time by a whole number of patches, circularly.

    Every shift from -m to m, `m = floor(max_share P)`, is equally likely. Where patches are neighbouring stretches of
    a signal, its magnitude spectrum stays as it is (a circular shift turns phases only). Source: A. Oppenheim,
    R. Schafer, "Discrete-Time Signal Processing", section 8.6.2 (circular shift).

    Args:
        patches: `[B, P, D]`.
        max_share: Largest shift to either side as a share of the patches, in [0, 1].
        generator: Draws the shifts, on the patches' device.

    Raises:
        ConfigError: The share is none.
        DataError: The patches have other dimensions.

    >>> ramp = torch.arange(6.0).view(1, 6, 1)
    >>> patch_temporal_shift(ramp, max_share=0.5, generator=torch.Generator().manual_seed(0))[0, :, 0]
    tensor([3., 4., 5., 0., 1., 2.])
    """
    most, count = _most(patches, max_share), patches.shape[1]
    (uniform,) = draw_uniform(patches, 1, generator=generator)
    shift = whole_number(uniform, 2 * most + 1) - most
    source = (torch.arange(count, device=patches.device)[:, None] - shift) % count
    return _take(patches, _own(patches), source)


def patch_permutation(patches: Tensor, *, share: float = 0.25, generator: torch.Generator) -> Tensor:
    """Return each sample with some of its patches, drawn at random, in a random order among themselves.

    Of the P patches `round(share P)` take part; every choice of them and every order is equally likely, so some may
    stay where they are. What a patch holds is kept, and with it the energy and any resonance shorter than a patch;
    repetition that spans patches, such as that of fault impacts, is broken up. Source: T. T. Um et al., "Data
    augmentation of wearable sensor data for Parkinson's disease monitoring using convolutional neural networks",
    ICMI 2017 ("permutation").

    Args:
        patches: `[B, P, D]`.
        share: Share of the patches that take part, in [0, 1].
        generator: Draws which and their order, on the patches' device.

    Raises:
        ConfigError: The share is none.
        DataError: The patches have other dimensions.

    >>> ramp = torch.arange(6.0).view(1, 6, 1)
    >>> patch_permutation(ramp, share=0.5, generator=torch.Generator().manual_seed(0))[0, :, 0]
    tensor([0., 2., 4., 3., 1., 5.])
    """
    moved = round(check_share("share", share) * patches.shape[1])
    chosen = _per_patch(patches, generator=generator).argsort(dim=1)[:, :moved]
    source = torch.arange(patches.shape[1], device=patches.device)[:, None].repeat(len(patches), 1, 1)
    source.scatter_(1, chosen.sort(dim=1).values, chosen)
    return _take(patches, _own(patches), source)


def patch_jitter(patches: Tensor, *, std: float = 0.05, generator: torch.Generator) -> Tensor:
    """Return the patches with white Gaussian noise added to every value.

    `std^2` is added to the expected periodogram at every frequency. Source: T. T. Um et al., "Data augmentation of
    wearable sensor data for Parkinson's disease monitoring using convolutional neural networks", ICMI 2017
    ("jittering").

    Args:
        patches: `[B, P, D]`.
        std: Standard deviation of the noise in units of the patches, at least 0.
        generator: Draws the noise, on the patches' device.

    Raises:
        ConfigError: The deviation is none.

    >>> still = torch.zeros(4, 32, 64)
    >>> round(float(patch_jitter(still, std=0.5, generator=torch.Generator().manual_seed(0)).std()), 2)
    0.5
    """
    check_not_negative("std", std)
    return torch.add(patches, draw_normal(patches, generator=generator), alpha=std)


def patch_mixup(patches: Tensor, *, max_share: float = 0.5, generator: torch.Generator) -> MixedPatches:
    """Return each sample with some patches, drawn at random, exchanged for those of a partner in the same places.

    The number n exchanged is uniform on 0 .. `floor(max_share P)`. The label is shared as the patches are: the
    sample's own class has `1 - n / P`, that of its partner `n / P`. Everybody's partner is another sample (except in
    a batch of one). Sources: H. Zhang et al., "mixup: beyond empirical risk minimization", ICLR 2018; by patches and
    their share, J. Liu et al., "TokenMix", ECCV 2022, and S. Yun et al., "CutMix", ICCV 2019.

    Args:
        patches: `[B, P, D]`.
        max_share: Largest share of the patches that is exchanged, in [0, 1].
        generator: Draws partners, numbers and places, on the patches' device.

    Raises:
        ConfigError: The share is none.
        DataError: The patches have other dimensions.

    >>> two = torch.tensor([0.0, 1.0]).view(2, 1, 1).expand(2, 4, 1)
    >>> mixed = patch_mixup(two, max_share=1.0, generator=torch.Generator().manual_seed(0))
    >>> mixed.patches[..., 0], mixed.weight
    (tensor([[1., 1., 1., 1.],
            [0., 0., 0., 1.]]), tensor([0.0000, 0.2500]))
    """
    most, count = _most(patches, max_share), patches.shape[1]
    (uniform,) = draw_uniform(patches, 1, generator=generator)
    foreign = whole_number(uniform, most + 1)
    partners = draw_partners(patches, generator=generator)
    rank = _per_patch(patches, generator=generator).argsort(dim=1).argsort(dim=1)
    own = own_indices(patches, generator=generator)
    sample = torch.where(rank < foreign, partners[:, None, None], own[:, None, None])
    everybodys = rows_of_all(patches, generator=generator)
    mixed = _take(everybodys, sample, torch.arange(count, device=patches.device)[:, None])
    return MixedPatches(mixed, partners, weight=1 - foreign.flatten().float() / count)


def _per_patch(patches: Tensor, *, generator: torch.Generator) -> Tensor:
    """Return a uniform draw from [0, 1) per patch, float64 `[B, P, 1]`."""
    return draw_uniform(patches, patches.shape[1], generator=generator).squeeze(-1).transpose(0, 1)


def _own(patches: Tensor) -> Tensor:
    """Return the index of each sample, `[B, 1, 1]`."""
    return torch.arange(len(patches), device=patches.device)[:, None, None]


def _take(patches: Tensor, sample: Tensor, place: Tensor) -> Tensor:
    """Return the patches of these samples and places, whose indices broadcast to `[B, P, 1]`.

    Whole rows are copied, many times faster than `gather`, which looks up every value by itself.
    """
    rows = sample * patches.shape[1] + place
    return patches.flatten(0, 1).index_select(0, rows.flatten()).view(*rows.shape[:2], -1)


def _most(patches: Tensor, max_share: float) -> int:
    return math.floor(check_share("max_share", max_share) * patches.shape[1])
