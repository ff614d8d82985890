from __future__ import annotations

import inspect

import pytest

from raytrain.augment import AUGMENTATIONS, Augmentation, MixupAugmentation, create_augmentation
from raytrain.errors import ConfigError


@pytest.mark.parametrize("name", sorted(AUGMENTATIONS))
def test_every_parameter_is_an_annotated_setting_with_a_default(name: str) -> None:
    parameters = inspect.signature(AUGMENTATIONS[name], eval_str=True).parameters.values()
    for parameter in parameters:
        assert parameter.default is not parameter.empty
        assert parameter.annotation is not parameter.empty
        assert f"{parameter.name}:" in (inspect.getdoc(AUGMENTATIONS[name]) or "")
    assert isinstance(create_augmentation(name, settings={}), Augmentation)


def test_settings_arrive() -> None:
    made = create_augmentation("mixup", settings={"alpha": 0.3, "probability": 0.5})
    assert isinstance(made, MixupAugmentation)
    assert (made.alpha, made.probability) == (0.3, 0.5)


def test_unknown_names_and_settings_name_the_nearest() -> None:
    with pytest.raises(ConfigError, match=r"augmentation.name: there is no augmentation 'cutmx'; did you mean"):
        create_augmentation("cutmx", settings={})
    with pytest.raises(ConfigError, match=r"augmentation.alhpa: 'mixup' has no such setting; did you mean 'alpha'"):
        create_augmentation("mixup", settings={"alhpa": 1})
