"""Several views of each window: loaders kept in step, and what each view counts."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import TypeGuard

import torch
from torch import Tensor, nn

from raytrain.data.adapter import AnyLoader, BatchAdapter
from raytrain.errors import ConfigError, DataError
from raytrain.models.multi_view import MultiViewNet, SharedViews
from raytrain.models.opinion_pool import normalised_weights
from raytrain.types import Batch, BatchTransform

__all__ = ["AlignedViews", "one_loader", "sees_views", "weights_of_views"]


class AlignedViews:
    """Loaders of one view each as one loader, whose batches hold all views of the same windows.

    Batches are matched by position, so all loaders give the same windows in the same order: unshuffled, or shuffled
    alike. Operating conditions are those of all loaders together. A view is an image of the window, as of
    `torch.utils.data.DataLoader` over images made before.

    >>> targets = torch.tensor([0, 1])
    >>> views = AlignedViews({"stft": [(torch.zeros(2, 1, 4, 5), targets)], "cwt": [(torch.ones(2, 1, 9, 9), targets)]})
    >>> {name: tuple(view.shape) for name, view in next(iter(views)).inputs.items()}
    {'stft': (2, 1, 4, 5), 'cwt': (2, 1, 9, 9)}

    Args:
        loaders: By the name of the view.

    Raises:
        DataError: There are none, their lengths differ, or, while iterating, their targets or kinds of input do.
    """

    def __init__(self, loaders: Mapping[str, AnyLoader]) -> None:
        lengths = {name: len(loader) for name, loader in loaders.items()}
        if len(set(lengths.values())) != 1:
            told = ", ".join(f"{name} has {count}" for name, count in lengths.items()) or "there are none"
            raise DataError(f"the loaders of all views must have the same number of batches: {told}")
        self._loaders = {name: BatchAdapter(loader) for name, loader in loaders.items()}

    @property
    def names(self) -> tuple[str, ...]:
        """The views."""
        return tuple(self._loaders)

    def set_epoch(self, epoch: int) -> None:
        """Tell every loader the epoch."""
        for loader in self._loaders.values():
            loader.set_epoch(epoch)

    def __len__(self) -> int:
        return len(next(iter(self._loaders.values())))

    def __iter__(self) -> Iterator[Batch]:
        for index, batches in enumerate(zip(*self._loaders.values(), strict=True)):
            yield _joined(dict(zip(self._loaders, batches, strict=True)), index)


def _joined(batches: Mapping[str, Batch], index: int) -> Batch:
    """Return the batches of all views as one."""
    name, first = next(iter(batches.items()))
    for other, batch in batches.items():
        if not isinstance(batch.inputs, Tensor):
            raise DataError(f"batch {index} of view {other} must hold one image per window, and holds several views")
        if not torch.equal(batch.targets, first.targets):
            raise DataError(
                f"batch {index}: the loaders of {name} and {other} give different targets, so not the same windows; "
                "do not shuffle them, or shuffle all by generators of the same seed"
            )
    conditions = {key: values for batch in batches.values() for key, values in batch.conditions.items()}
    inputs = {name: batch.signal for name, batch in batches.items()}
    return replace(first, inputs=inputs, conditions=conditions)


def one_loader(loader: AnyLoader | None, of_views: Mapping[str, AnyLoader] | None, *, name: str) -> AnyLoader | None:
    """Return the loader given, or that of all views in step; None where neither is given.

    Raises:
        ConfigError: Both are given.
    """
    if of_views is None:
        return loader
    if loader is not None:
        raise ConfigError(f"{name}_loader and {name}_loaders are both given; give one of the two")
    return AlignedViews(of_views)


def sees_views(model: nn.Module) -> TypeGuard[MultiViewNet | SharedViews]:
    """Return whether a model takes several views, and so has weights of its own."""
    return isinstance(model, MultiViewNet | SharedViews)


def weights_of_views(
    model: nn.Module, loader: AnyLoader, transform: BatchTransform | None, given: Mapping[str, float] | None
) -> dict[str, float]:
    """Return what each view counts, with sum one: as given, else as the model, the transform or equality has it.

    Raises:
        ConfigError: The model has weights of its own, which those given contradict, or no view is known.
    """
    own = model.view_weights if sees_views(model) else getattr(transform, "view_weights", None)
    weights = given or own or dict.fromkeys(getattr(loader, "names", ()), 1.0)
    if not weights:
        raise ConfigError("tfr_weights are needed to know the views, e.g. {'stft': 1.0, 'cwt': 1.0}")
    normalised = normalised_weights(tuple(weights), weights)
    if sees_views(model) and normalised != model.view_weights:
        raise ConfigError(
            f"tfr_weights are {_told(normalised)} and the model's are {_told(model.view_weights)}, to a sum of 1; "
            "give them to the model only"
        )
    return normalised


def _told(weights: Mapping[str, float]) -> str:
    return ", ".join(f"{name} {weight:g}" for name, weight in weights.items())
