"""Whether a model takes windows of every length that progressive resizing will show it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import accumulate

import torch
from torch import nn

from raytrain.data.adapter import AnyLoader
from raytrain.errors import ConfigError
from raytrain.models.classifier import Classifier
from raytrain.trainers.preparation import evaluation_scores, find_device, first_window, prepare_loader
from raytrain.types import BatchTransform, Progress

__all__ = ["check_stages"]

_REMEDY = "use a model that pools over all time, such as raytrain.models.wdcnn.WDCNN"


def check_stages(
    model: nn.Module,
    loader: AnyLoader,
    transforms: Sequence[BatchTransform],
    *,
    schedule: Sequence[tuple[int, int]],
    device: str | torch.device | None,
) -> None:
    """Refuse a model that does not take the windows of every stage, by showing it one of each.

    Args:
        model: It is moved to the device.
        loader: Its first window is shown.
        transforms: What windows go through, resizing first.
        schedule: Samples and epochs of each stage.
        device: Where the run will be.

    Raises:
        ConfigError: The model fixes its length, or refuses one of the stages'.
    """
    if isinstance(model, Classifier) and not model.any_length:
        rule = f": {model.length_rule}" if model.length_rule else ""
        raise ConfigError(f"{type(model).__name__} takes windows of the one length it was made for{rule}; {_REMEDY}")
    on = find_device(device)
    window = first_window(prepare_loader(loader), on)
    model.to(on)
    starts = accumulate((epochs for _, epochs in schedule), initial=0)
    for (length, _), epoch in zip(schedule, starts, strict=False):
        try:
            evaluation_scores(model, window, transforms, progress=Progress(epoch=epoch, step=0, fraction=0.0))
        except ConfigError as error:
            raise ConfigError(f"schedule: of the stage of {length} samples: {error}") from error
        except RuntimeError as error:
            raise ConfigError(
                f"{type(model).__name__} does not take the {length} samples of one stage of the schedule, because it "
                f"has no global pooling: {error}; {_REMEDY}"
            ) from error
