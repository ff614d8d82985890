"""The losses by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor, nn

from raytrain.errors import ConfigError, nearest
from raytrain.losses.cross_entropy import CrossEntropy

__all__ = ["LOSSES", "create_criterion"]

LOSSES: dict[str, type[nn.Module]] = {
    "cross_entropy": CrossEntropy,
}
"""Name -> class, called as `cls(targets, num_classes, *, settings...)` with the training targets."""


def create_criterion(name: str, *, settings: Mapping[str, Any], targets: Tensor, num_classes: int) -> nn.Module:
    """Create the loss `name`, whose `forward(logits, targets)` is a mean over samples.

    Args:
        name: A key of `LOSSES`.
        settings: Its keyword settings.
        targets: Class indices of the training samples, integers `[N]`, from which class weights are computed.
        num_classes: Number of classes K.

    Raises:
        ConfigError: No loss has this name, or a setting is impossible.
    """
    if name not in LOSSES:
        raise ConfigError(f"loss.name: there is no loss {name!r}; {nearest(name, LOSSES)}")
    return LOSSES[name](targets, num_classes, **settings)
