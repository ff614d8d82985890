"""The augmentations by name."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from typing import Any

from raytrain.augment.adversarial import AdversarialAugmentation
from raytrain.augment.augmentation import Augmentation
from raytrain.augment.auto_augment import AutoAugment, RandAugment
from raytrain.augment.compose import Compose
from raytrain.augment.cut_mix import CutMixAugmentation
from raytrain.augment.masking import TimeMasking
from raytrain.augment.mixup import MixupAugmentation
from raytrain.augment.no_augmentation import NoAugmentation
from raytrain.augment.noise import GaussianNoise
from raytrain.augment.patch_augmentation import PatchAugmentation
from raytrain.augment.resize import SCHEDULE, ProgressiveResize
from raytrain.augment.scaling import AmplitudeScaling
from raytrain.augment.shift import TimeShift
from raytrain.augment.spec_augment import SpecAugment
from raytrain.errors import ConfigError, nearest

__all__ = ["AUGMENTATIONS", "RESIZES", "compose", "create_augmentation", "create_resize"]


def compose(*, steps: Sequence[Mapping[str, Any]] = ()) -> Compose:
    """Several augmentations, one after another; at most one of them may mix labels.

    Args:
        steps: What is applied, in order: each the name of an augmentation with its settings beside it.

    Raises:
        ConfigError: A step is unknown or impossible, or two mix labels.

    >>> both = compose(steps=[{"name": "time_shift"}, {"name": "mixup", "alpha": 0.4}])
    >>> [type(step).__name__ for step in both.steps], both.mixes_labels
    (['TimeShift', 'MixupAugmentation'], True)
    """
    return Compose([_step(index, step) for index, step in enumerate(steps)])


def _step(index: int, step: Mapping[str, Any]) -> Augmentation:
    if not isinstance(step.get("name"), str):
        raise ConfigError(f"augmentation.steps.{index} must have a name, got {dict(step)}")
    try:
        return create_augmentation(step["name"], settings={key: step[key] for key in step if key != "name"})
    except ConfigError as error:
        raise ConfigError(f"augmentation.steps.{index}: {error}") from error


AUGMENTATIONS: dict[str, Callable[..., Augmentation]] = {
    "adversarial": AdversarialAugmentation,
    "amplitude_scaling": AmplitudeScaling,
    "auto_augment": AutoAugment,
    "compose": compose,
    "cutmix": CutMixAugmentation,
    "gaussian_noise": GaussianNoise,
    "mixup": MixupAugmentation,
    "none": NoAugmentation,
    "patch": PatchAugmentation,
    "rand_augment": RandAugment,
    "spec_augment": SpecAugment,
    "time_masking": TimeMasking,
    "time_shift": TimeShift,
}
"""Name -> class or function, called as `entry(settings...)`; every parameter is a setting and has a default."""


def create_augmentation(name: str, *, settings: Mapping[str, Any]) -> Augmentation:
    """Create the augmentation `name`.

    Args:
        name: A key of `AUGMENTATIONS`.
        settings: Its settings by name.

    Raises:
        ConfigError: No augmentation has this name, it has no such setting, or a setting is impossible.

    >>> create_augmentation("mixup", settings={"alpha": 0.2}).mixes_labels
    True
    """
    if name not in AUGMENTATIONS:
        raise ConfigError(f"augmentation.name: there is no augmentation {name!r}; {nearest(name, AUGMENTATIONS)}")
    _check_settings("augmentation", name, settings, known=inspect.signature(AUGMENTATIONS[name]).parameters)
    return AUGMENTATIONS[name](**settings)


def _interpolate(*, schedule: tuple[tuple[int, int], ...] = SCHEDULE) -> ProgressiveResize:
    """Windows resampled to the length of the stage, without aliasing; the effective sample rate changes with it.

    Args:
        schedule: Stages in order: samples of a window, and epochs with it.
    """
    return ProgressiveResize(schedule, method="interpolate")


def _truncate(*, schedule: tuple[tuple[int, int], ...] = SCHEDULE) -> ProgressiveResize:
    """The first samples of each window, as many as the stage has; the sample rate stays.

    Args:
        schedule: Stages in order: samples of a window, at most all of it, and epochs with it.
    """
    return ProgressiveResize(schedule, method="truncate")


def _pad(*, schedule: tuple[tuple[int, int], ...] = SCHEDULE) -> ProgressiveResize:
    """Windows with zeros appended up to the length of the stage; the sample rate stays.

    Args:
        schedule: Stages in order: samples of a window, at least all of it, and epochs with it.
    """
    return ProgressiveResize(schedule, method="pad")


RESIZES: dict[str, Callable[..., ProgressiveResize]] = {
    "interpolate": _interpolate,
    "pad": _pad,
    "truncate": _truncate,
}
"""Name -> function, called as `entry(settings...)`."""


def create_resize(name: str, *, settings: Mapping[str, Any]) -> ProgressiveResize:
    """Create the progressive resizing `name`.

    >>> create_resize("truncate", settings={"schedule": [[512, 5], [1024, 5]]}).lengths
    (512, 1024)

    Raises:
        ConfigError: No resizing has this name, it has no such setting, or a setting is impossible.
    """
    if name not in RESIZES:
        raise ConfigError(f"resize.name: there is no resizing {name!r}; {nearest(name, RESIZES)}")
    _check_settings("resize", name, settings, known=inspect.signature(RESIZES[name]).parameters)
    return RESIZES[name](**settings)


def _check_settings(field: str, name: str, settings: Iterable[str], *, known: Collection[str]) -> None:
    for setting in settings:
        if setting not in known:
            raise ConfigError(f"{field}.{setting}: {name!r} has no such setting; {nearest(setting, known)}")
