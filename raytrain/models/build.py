"""The models by name."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from raytrain.errors import ConfigError, nearest
from raytrain.models.classifier import Classifier
from raytrain.models.cnn1d import CNN1D
from raytrain.models.cnn2d import CNN2D
from raytrain.models.cnn_lstm import CNNLSTM
from raytrain.models.multi_scale_cnn import MultiScaleCNN
from raytrain.models.multi_view import MultiViewNet
from raytrain.models.patch_transformer import PatchTransformer
from raytrain.models.physics_hybrid import PhysicsHybrid
from raytrain.models.resnet1d import ResNet1D
from raytrain.models.resnet2d import ResNet2D
from raytrain.models.ticnn import TICNN
from raytrain.models.wdcnn import WDCNN

__all__ = ["MODELS", "create_model"]

MODELS: dict[str, type[Classifier]] = {
    "cnn1d": CNN1D,
    "cnn2d": CNN2D,
    "cnn_lstm": CNNLSTM,
    "multi_scale_cnn": MultiScaleCNN,
    "multi_view": MultiViewNet,
    "patch_transformer": PatchTransformer,
    "physics_hybrid": PhysicsHybrid,
    "resnet1d": ResNet1D,
    "resnet2d": ResNet2D,
    "ticnn": TICNN,
    "wdcnn": WDCNN,
}
"""Name -> class, called as `cls(in_channels, num_classes, *, settings...)`."""


def create_model(name: str, *, in_channels: int, num_classes: int, settings: Mapping[str, Any]) -> Classifier:
    """Create the model `name` for inputs `[B, in_channels, ...]` and `num_classes` classes.

    Weights are drawn from torch's global generator, which the caller seeds.

    >>> create_model("cnn2d", in_channels=2, num_classes=4, settings={"depth": 3}).input_domain
    'image'

    Raises:
        ConfigError: No model has this name, or a setting is impossible.
    """
    if name not in MODELS:
        raise ConfigError(f"model.name: there is no model {name!r}; {nearest(name, MODELS)}")
    return MODELS[name](in_channels, num_classes, **settings)
