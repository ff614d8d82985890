"""A model on several workers: wrapped for DistributedDataParallel, with layers that see the global batch."""

from __future__ import annotations

from collections.abc import Callable

import torch
from torch import nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from raytrain.collective import world_size
from raytrain.engine.batch_norm import SynchronizedBatchNorm
from raytrain.engine.dropout import DROPOUTS, SharedDropout
from raytrain.engine.training import Training
from raytrain.types import Batch

__all__ = ["DataParallel", "data_parallel"]


class DataParallel(DistributedDataParallel):
    """DistributedDataParallel whose dropout layers draw for the global batch (`SharedDropout`).

    Args:
        model: The model; its dropout layers are replaced in it.
        device: Where it is.
    """

    def __init__(self, model: nn.Module, device: torch.device) -> None:
        _replace(model, DROPOUTS, SharedDropout)
        super().__init__(model, device_ids=[device] if device.type == "cuda" else None)
        self._dropouts = [layer for layer in model.modules() if isinstance(layer, SharedDropout)]

    def place(self, batch: Batch) -> None:
        """Tell the layers what is about to come."""
        for layer in self._dropouts:
            layer.place(batch)


def data_parallel(training: Training) -> nn.Module:
    """Return what is called in training: the model, or with several workers its wrapper.

    Then layers that draw or normalise over a batch are replaced in the model by such as know the global batch;
    parameters and buffers, and their names, stay. Only `per_worker` batch normalisation keeps to a worker's own rows.
    """
    if world_size() == 1:
        return training.model
    if training.batch_norm == "synchronized":
        if training.device.type == "cuda":
            nn.SyncBatchNorm.convert_sync_batchnorm(training.model)  # type: ignore[no-untyped-call]
        else:
            _replace(training.model, (_BatchNorm,), SynchronizedBatchNorm)
    return DataParallel(training.model, training.device)


def _replace(model: nn.Module, kinds: tuple[type[nn.Module], ...], substitute: Callable[..., nn.Module]) -> None:
    """Put a substitute for each layer of these kinds in its place, one for a layer that has several places."""
    substitutes: dict[nn.Module, nn.Module] = {}
    for parent in list(model.modules()):
        if isinstance(parent, SharedDropout):
            continue
        for name, layer in parent.named_children():
            if isinstance(layer, kinds) and not isinstance(layer, SynchronizedBatchNorm):
                setattr(parent, name, substitutes.setdefault(layer, substitute(layer)))
