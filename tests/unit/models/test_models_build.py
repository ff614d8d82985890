from __future__ import annotations

import pytest
from torch import nn

from raytrain.errors import ConfigError
from raytrain.models.build import create_model


def test_settings_reach_the_model() -> None:
    model = create_model("wdcnn", in_channels=2, num_classes=4, settings={"width": 8, "hidden": 20})
    first = next(layer for layer in model.modules() if isinstance(layer, nn.Conv1d))
    last = [layer for layer in model.modules() if isinstance(layer, nn.Linear)][-1]
    assert (first.in_channels, first.out_channels) == (2, 8)
    assert (last.in_features, last.out_features) == (20, 4)


def test_unknown_name_is_refused_with_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"model.name: there is no model 'wdcn'; did you mean 'wdcnn'\?"):
        create_model("wdcn", in_channels=1, num_classes=4, settings={})
