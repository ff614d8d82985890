"""A model on several workers: wrapped for DistributedDataParallel, with the batch statistics that were asked for."""

from __future__ import annotations

from torch import nn
from torch.nn.parallel import DistributedDataParallel

from raytrain.collective import world_size
from raytrain.engine.training import Training

__all__ = ["data_parallel"]


def data_parallel(training: Training) -> nn.Module:
    """Return what is called in training: the model, or with several workers its wrapper."""
    if world_size() == 1:
        return training.model
    devices = [training.device] if training.device.type == "cuda" else None
    return DistributedDataParallel(training.model, device_ids=devices)
