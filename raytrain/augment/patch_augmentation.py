"""A pipeline of patch operations, by preset or one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from types import MappingProxyType
from typing import Literal, TypeAlias

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_not_negative, check_share
from raytrain.augment.draws import own_indices, rows_of_all
from raytrain.augment.patch import (
    MixedPatches,
    patch_cutout,
    patch_dropout,
    patch_jitter,
    patch_mixup,
    patch_permutation,
    patch_temporal_shift,
)
from raytrain.errors import ConfigError, nearest
from raytrain.types import Batch, Mixture, Progress

__all__ = ["PATCH_PRESETS", "PatchAugmentation", "PatchStrengths", "Preset"]

Preset: TypeAlias = Literal["light", "medium", "heavy"]


@dataclass(frozen=True, slots=True)
class PatchStrengths:
    """How strong each patch operation is; 0 leaves it out.

    Attributes:
        mixup: Largest share of the patches that is exchanged with a partner, in [0, 1].
        shift: Largest circular shift as a share of the patches, in [0, 1].
        permutation: Share of the patches whose order is drawn anew, in [0, 1].
        jitter: Standard deviation of the noise in units of the signal.
        cutout: Longest run of hidden patches as a share of them, in [0, 1].
        dropout: Probability with which each patch is hidden, in [0, 1].

    Raises:
        ConfigError: A value is impossible.

    >>> PatchStrengths(jitter=0.1).mixup
    0.0
    """

    mixup: float = 0.0
    shift: float = 0.0
    permutation: float = 0.0
    jitter: float = 0.0
    cutout: float = 0.0
    dropout: float = 0.0

    def __post_init__(self) -> None:
        for name, value in asdict(self).items():
            check = check_not_negative if name == "jitter" else check_share
            check(name, value)


PATCH_PRESETS: Mapping[Preset, PatchStrengths] = MappingProxyType(
    {
        "light": PatchStrengths(shift=0.1, jitter=0.02, dropout=0.05),
        "medium": PatchStrengths(shift=0.25, jitter=0.05, cutout=0.1, dropout=0.1),
        "heavy": PatchStrengths(mixup=0.5, shift=0.5, permutation=0.25, jitter=0.1, cutout=0.2, dropout=0.15),
    }
)
"""Strengths by name. Only `heavy` exchanges patches, and so labels, and breaks up the order of time."""


class PatchAugmentation(Augmentation):
    """Patches exchanged, shifted, reordered, disturbed and hidden, in this order, as a preset or settings say.

    A signal `[B, C, T]` is cut into `P = floor(T / patch_length)` stretches of all its channels, `[B, P, C L]`, which
    are put back afterwards; the `T - P L` samples that are left at the end stay as they are. Models that take patches
    give them to `augment_patches`. A sample's own class has the share of the window's samples that stay its own,
    `1 - n L / T` where n patches are exchanged; hiding patches changes no label.

    Source: the pipeline is ours; that of each operation is named by its function (`patch_mixup`,
    `patch_temporal_shift`, `patch_permutation`, `patch_jitter`, `patch_cutout`, `patch_dropout`).

    Args:
        preset: Strength of the operations that no setting names: `light` shifts a little, adds little noise and drops
            few patches; `medium` does more and hides a run too; `heavy` exchanges and reorders patches as well.
        patch_length: Samples per patch L, at least 1; windows must hold two patches.
        mixup: Largest share of the patches exchanged with a partner, which then shares the label; 0 is none.
        shift: Largest circular shift as a share of the patches; 0 is none.
        permutation: Share of the patches whose order is drawn anew; 0 is none.
        jitter: Standard deviation of added noise in units of the signal; 0 is none.
        cutout: Longest run of hidden patches as a share of them; 0 is none.
        dropout: Probability with which each patch is hidden; 0 is none.

    Attributes:
        strengths: Those of the preset and the settings together.
        mixes_labels: Whether patches are exchanged.

    Raises:
        ConfigError: A value is impossible, or a window holds fewer than two patches.

    >>> light = PatchAugmentation(preset="light", patch_length=16, dropout=1.0)
    >>> signal = torch.ones(1, 1, 40)
    >>> light.augment(signal, generator=torch.Generator().manual_seed(0)).unique_consecutive(return_counts=True)[1]
    tensor([32,  8])
    """

    def __init__(
        self,
        *,
        preset: Preset = "medium",
        patch_length: int = 64,
        mixup: float | None = None,
        shift: float | None = None,
        permutation: float | None = None,
        jitter: float | None = None,
        cutout: float | None = None,
        dropout: float | None = None,
    ) -> None:
        if preset not in PATCH_PRESETS:
            raise ConfigError(f"augmentation.preset: there is no preset {preset!r}; {nearest(preset, PATCH_PRESETS)}")
        if patch_length < 1:
            raise ConfigError(f"augmentation.patch_length must be at least 1, got {patch_length}")
        named = {
            "mixup": mixup,
            "shift": shift,
            "permutation": permutation,
            "jitter": jitter,
            "cutout": cutout,
            "dropout": dropout,
        }
        given = {name: value for name, value in named.items() if value is not None}
        self.strengths = replace(PATCH_PRESETS[preset], **given)
        self.patch_length = patch_length
        self.mixes_labels = self.strengths.mixup > 0

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch with augmented inputs `[B, C, T]`, and with `mixture` where patches are exchanged."""
        signal = batch.signal
        mixed = self.augment_patches(self._cut(signal), generator=generator)
        changed = replace(batch, inputs=self._join(mixed.patches, signal))
        if not self.mixes_labels:
            return changed
        of_patches = mixed.patches.shape[1] * self.patch_length / signal.shape[-1]
        weight = 1 - of_patches * (1 - mixed.weight)
        targets = rows_of_all(batch.targets, generator=generator)
        return replace(changed, mixture=Mixture(targets[mixed.partners], weight))

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return augmented inputs `[B, C, T]`; where patches are exchanged, call it with a batch, which has labels."""
        if self.mixes_labels:
            return super().augment(inputs, generator=generator)
        return self._join(self.augment_patches(self._cut(inputs), generator=generator).patches, inputs)

    def augment_patches(self, patches: Tensor, *, generator: torch.Generator) -> MixedPatches:
        """Return augmented patches `[B, P, D]`; each sample is its own partner where none are exchanged."""
        strengths = self.strengths
        if strengths.mixup:
            mixed = patch_mixup(patches, max_share=strengths.mixup, generator=generator)
        else:
            own = own_indices(patches, generator=generator)
            mixed = MixedPatches(patches, own, weight=torch.ones(len(patches), device=patches.device))
        patches = mixed.patches
        if strengths.shift:
            patches = patch_temporal_shift(patches, max_share=strengths.shift, generator=generator)
        if strengths.permutation:
            patches = patch_permutation(patches, share=strengths.permutation, generator=generator)
        if strengths.jitter:
            patches = patch_jitter(patches, std=strengths.jitter, generator=generator)
        if strengths.cutout:
            patches = patch_cutout(patches, max_share=strengths.cutout, generator=generator)
        if strengths.dropout:
            patches = patch_dropout(patches, probability=strengths.dropout, generator=generator)
        return mixed._replace(patches=patches)

    def _cut(self, signal: Tensor) -> Tensor:
        """Return the patches `[B, P, C L]` of a signal `[B, C, T]`."""
        size, channels, samples = signal.shape
        length = self.patch_length
        count = samples // length
        if count < 2:
            raise ConfigError(
                f"augmentation.patch_length must be at most half of the window's {samples} samples, got {length}"
            )
        return signal[..., : count * length].reshape(size, channels, count, length).transpose(1, 2).flatten(2)

    def _join(self, patches: Tensor, signal: Tensor) -> Tensor:
        """Return the signal `[B, C, T]` of the patches `[B, P, C L]`, with the rest of `signal` after it."""
        size, channels, _ = signal.shape
        joined = patches.reshape(size, -1, channels, self.patch_length).transpose(1, 2).flatten(2)
        return torch.cat([joined, signal[..., joined.shape[-1] :]], dim=-1)
