"""One window before and after each augmentation: what the gallery shows."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Any

import torch
from torch import Tensor, nn

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.build import AUGMENTATIONS, create_augmentation
from raytrain.data.recording import Recording
from raytrain.data.windows import zscore_
from raytrain.models.wdcnn import WDCNN
from raytrain.objectives.supervised import Supervised
from raytrain.tfr.short_time_fourier import Stft
from raytrain.types import Batch, Progress

__all__ = ["Example", "ShownWindows", "make_examples", "settings_to_show", "take_windows"]

_STRONG = {"probability": 1.0, "magnitude": 6.0}
_SHOWN: Mapping[str, Sequence[Mapping[str, Any]]] = MappingProxyType(
    {
        "adversarial": ({"epsilon": 0.1},),
        "amplitude_scaling": ({"low": 0.5, "high": 1.5},),
        "auto_augment": ({"policy": {"both": {"amplitude_scaling": _STRONG, "time_masking": _STRONG}}},),
        "compose": ({"steps": [{"name": "time_shift"}, {"name": "gaussian_noise", "snr_db": 10.0}]},),
        "cutmix": ({"alpha": 1.0},),
        "gaussian_noise": ({"std": 0.3},),
        "mixup": ({"alpha": 1.0},),
        "none": (),
        "patch": tuple({"preset": preset, "patch_length": 64} for preset in ("light", "medium", "heavy")),
        "rand_augment": ({"operations": 2, "magnitude": 5.0},),
        "spec_augment": ({"time_mask_param": 10, "freq_mask_param": 10},),
        "time_masking": ({"max_share": 0.3},),
        "time_shift": ({"max_share": 0.5},),
    }
)
"""Name -> settings that can be seen, a picture for each; one picture with the defaults for every other name."""

_NOTES = {"adversarial": "against an untrained WDCNN", "spec_augment": "before"}


@dataclass(frozen=True, slots=True)
class ShownWindows:
    """The window that is augmented, and the one it is mixed with.

    Attributes:
        signal: Both, standardised, float32 `[2, 1, T]`.
        fs_hz: Sampling rate.
        classes: Their fault types.
        caption: What they are, for people.
    """

    signal: Tensor
    fs_hz: float
    classes: tuple[str, str]
    caption: str


@dataclass(frozen=True, slots=True)
class Example:
    """One augmentation at work.

    Attributes:
        title: Its name and settings.
        note: What the picture cannot show, e.g. how the label is shared; may be empty.
        before: Signal `[T]`, or image in dB `[F, T']`.
        after: The same, augmented.
    """

    title: str
    note: str
    before: Tensor
    after: Tensor


def settings_to_show() -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Yield name and settings of each picture: every augmentation of the table at least once, but for `none`."""
    for name in AUGMENTATIONS:
        for settings in _SHOWN.get(name, ({},)):
            yield name, settings


def take_windows(own: Recording, partner: Recording, *, length: int) -> ShownWindows:
    """Return the first window of one recording and the last of the other, of their first channels."""
    pair = [own.signal[0, :length], partner.signal[0, -length:]]
    signal = torch.stack([torch.from_numpy(one.copy()) for one in pair])[:, None]
    speed = f"{own.shaft_speed_rpm:.0f} rpm"
    known = ", ".join(part for part in (own.fault_type, own.severity, speed) if part)
    return ShownWindows(
        signal=zscore_(signal),
        fs_hz=own.fs_hz,
        classes=(own.fault_type, partner.fault_type),
        caption=f"{own.recording_id}, channel {own.channels[0]} ({known})",
    )


def make_examples(windows: ShownWindows, *, seed: int) -> list[Example]:
    """Return each augmentation of `settings_to_show` applied to the first window; every one draws from `seed` anew."""
    model, objective = _untrained_model(seed), Supervised(nn.CrossEntropyLoss())
    examples = []
    for name, settings in settings_to_show():
        augmentation = create_augmentation(name, settings=settings)
        augmentation.bind(model, objective)
        before = Batch(_view(windows, augmentation), targets=torch.arange(2))
        after = augmentation(before, Progress(0, 0, 0.0), torch.Generator().manual_seed(seed))
        note = _NOTES.get(name, "") or _label(after, windows.classes)
        title = ", ".join([name, *(_worded(key, value) for key, value in settings.items())])
        examples.append(Example(title, note, before.signal[0, 0], after.signal[0, 0]))
    return examples


def _untrained_model(seed: int) -> WDCNN:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        return WDCNN(1, 2)


def _view(windows: ShownWindows, augmentation: Augmentation) -> Tensor:
    return windows.signal if augmentation.domain == "signal" else Stft(windows.fs_hz).transform(windows.signal)


def _worded(key: str, value: float | str | list[dict[str, Any]] | dict[str, Any]) -> str:
    """Return a setting in words, e.g. `low 0.5`; the steps of a pipeline or a policy by their names."""
    if isinstance(value, list):
        return " then ".join(step["name"] for step in value)
    if isinstance(value, dict):
        return " or ".join(" and ".join(operations) for operations in value.values())
    return f"{key} {value:g}" if isinstance(value, float) else f"{key} {value}"


def _label(batch: Batch, classes: tuple[str, str]) -> str:
    if batch.mixture is None:
        return ""
    own = float(batch.mixture.weight[0])
    return f"label: {own:.0%} {classes[0]}, {1 - own:.0%} {classes[1]}"
