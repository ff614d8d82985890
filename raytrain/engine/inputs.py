"""What makes signals, images and several views of a window fit together in one list of transforms."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import torch
from torch import Tensor, nn

from raytrain.augment.augmentation import Augmentation
from raytrain.tfr.cache import Images
from raytrain.types import Batch, Progress

__all__ = ["EachView", "KeepMeasured", "OnSignals"]


class KeepMeasured:
    """Keep the windows as they were measured beside what transforms make of them: physics looks at these.

    >>> batch = Batch(torch.ones(2, 1, 8), torch.tensor([0, 1]))
    >>> KeepMeasured()(batch, Progress(0, 0, 0.0), torch.Generator()).waveform is batch.inputs
    True

    Attributes:
        in_evaluation: True.
    """

    in_evaluation: bool = True

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:  # noqa: ARG002
        """Return the batch with its waveform, where its inputs are one; nothing is drawn."""
        if batch.waveform is not None or not isinstance(batch.inputs, Tensor):
            return batch
        return replace(batch, waveform=batch.inputs)


class EachView:
    """An augmentation of images applied to each view of a window by itself, with draws of its own.

    >>> from raytrain.augment.spec_augment import SpecAugment
    >>> hide = SpecAugment(time_mask_param=2, freq_mask_param=0, num_time_masks=1)
    >>> batch = Batch({"stft": torch.ones(2, 1, 4, 5), "cwt": torch.ones(2, 1, 9, 9)}, torch.tensor([0, 1]))
    >>> hidden = EachView(hide)(batch, Progress(0, 0, 0.0), torch.Generator()).inputs
    >>> {name: tuple(view.shape) for name, view in hidden.items()}
    {'stft': (2, 1, 4, 5), 'cwt': (2, 1, 9, 9)}

    Args:
        augmentation: Of images `[B, C, F, T']`; batches of one image reach it as they are.

    Attributes:
        in_evaluation: False.
    """

    in_evaluation: bool = False

    def __init__(self, augmentation: Augmentation) -> None:
        self._augmentation = augmentation

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        """Return the batch with each view augmented."""
        if isinstance(batch.inputs, Tensor):
            return self._augmentation(batch, progress, generator)
        views = {name: self._augmentation.augment(view, generator=generator) for name, view in batch.inputs.items()}
        return replace(batch, inputs=views)


class OnSignals(nn.Module):
    """A model of images as one of signals, for an augmentation that asks it before the images are made.

    >>> from raytrain.tfr.wigner_ville import Wvd
    >>> images, classify = Wvd(12_000), nn.Sequential(nn.Flatten(), nn.Linear(128 * 64, 3))
    >>> OnSignals(classify, images)(torch.ones(2, 1, 2048)).shape
    torch.Size([2, 3])

    Args:
        model: Called with what `images` makes.
        images: Makes one image `[B, C, F, T']` of signals `[B, C, T]`, or several by name.
    """

    def __init__(self, model: nn.Module, images: Images) -> None:
        super().__init__()
        self.model = model
        self._images = images

    def forward(self, signal: Tensor, *, detailed: bool = False) -> Any:  # noqa: ANN401 - what the model returns
        """Return what the model says of the images of signals `[B, C, T]`; only a detailed answer is asked for so."""
        inputs = self._images.transform(signal)
        return self.model(inputs, detailed=True) if detailed else self.model(inputs)
