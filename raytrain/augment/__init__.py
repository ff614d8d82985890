"""Augmentation of batches on their device: signals, patches, spectrograms, labels."""

from __future__ import annotations

from raytrain.augment.adversarial import AdversarialAugmentation, adversarial_augmentation
from raytrain.augment.augmentation import Augmentation
from raytrain.augment.auto_augment import AutoAugment, RandAugment
from raytrain.augment.build import AUGMENTATIONS, RESIZES, create_augmentation, create_resize
from raytrain.augment.compose import Compose
from raytrain.augment.cut_mix import CutMixAugmentation, cutmix, cutmix_batch
from raytrain.augment.masking import TimeMasking, time_masking
from raytrain.augment.mixup import MixupAugmentation
from raytrain.augment.no_augmentation import NoAugmentation
from raytrain.augment.noise import GaussianNoise, gaussian_noise_augmentation
from raytrain.augment.patch import (
    patch_cutout,
    patch_dropout,
    patch_jitter,
    patch_mixup,
    patch_permutation,
    patch_temporal_shift,
)
from raytrain.augment.patch_augmentation import PatchAugmentation
from raytrain.augment.policy import rand_augment_policy
from raytrain.augment.resize import ProgressiveResize, resize_signal
from raytrain.augment.scaling import AmplitudeScaling, amplitude_scaling
from raytrain.augment.shift import TimeShift, time_shift
from raytrain.augment.spec_augment import SpecAugment

__all__ = [
    "AUGMENTATIONS",
    "RESIZES",
    "AdversarialAugmentation",
    "AmplitudeScaling",
    "Augmentation",
    "AutoAugment",
    "Compose",
    "CutMixAugmentation",
    "GaussianNoise",
    "MixupAugmentation",
    "NoAugmentation",
    "PatchAugmentation",
    "ProgressiveResize",
    "RandAugment",
    "SpecAugment",
    "TimeMasking",
    "TimeShift",
    "adversarial_augmentation",
    "amplitude_scaling",
    "create_augmentation",
    "create_resize",
    "cutmix",
    "cutmix_batch",
    "gaussian_noise_augmentation",
    "patch_cutout",
    "patch_dropout",
    "patch_jitter",
    "patch_mixup",
    "patch_permutation",
    "patch_temporal_shift",
    "rand_augment_policy",
    "resize_signal",
    "time_masking",
    "time_shift",
]
