from __future__ import annotations

from typing import Any

import pytest

from raytrain.config.combinations import augmentation_steps
from raytrain.config.parts import TABLES, check_parts, settings_of
from raytrain.config.schema import TrainConfig
from raytrain.errors import ConfigError

IMAGES = {"tfr": {"name": "stft"}, "model": {"name": "cnn2d"}}


def views(settings: dict[str, Any]) -> dict[str, Any]:
    return {"tfr": {"name": "views", **settings}, "model": {"name": "multi_view"}}


def problems(**settings: Any) -> list[str]:  # noqa: ANN401 - any setting
    with pytest.raises(ConfigError) as caught:
        check_parts(TrainConfig.model_validate(settings))
    return str(caught.value).split("\n  ")


@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, table in TABLES.items() for name in table])
def test_every_setting_has_a_type_and_a_default(kind: str, name: str) -> None:
    for setting, parameter in settings_of(TABLES[kind][name]).items():
        assert parameter.annotation is not parameter.empty, setting
        assert parameter.kind is not parameter.VAR_KEYWORD


@pytest.mark.parametrize(
    ("settings", "line"),
    [
        ({"callbacks": {"emma": {}}}, "callbacks: 'emma' is unknown; did you mean 'ema'?"),
        (
            {"callbacks": {"ema": {"dekay": 0.9}}},
            "callbacks.ema.dekay: 'ema' has no such setting; did you mean 'decay'?",
        ),
        ({"callbacks": {"ema": {"decay": "x"}}}, "callbacks.ema.decay: Input should be a valid number (got 'x')"),
        ({"tfr": {"name": "sftf"}}, "tfr.name: 'sftf' is unknown; did you mean 'stft'?"),
        ({"tfr": {"hop": 3}}, "tfr.hop: 'none' has no such setting"),
        ({"augmentation": {"name": "mixupp"}}, "augmentation.name: 'mixupp' is unknown; did you mean 'mixup'?"),
        ({"augmentation": {"name": "mixup", "alpha": -1}}, "augmentation.alpha must be"),
        (
            {"augmentation": {"name": "compose", "steps": [{"name": "mixup", "alpha": "x"}]}},
            "augmentation.alpha: Input should be a valid number (got 'x')",
        ),
        (views({"stft": {"hop": "x"}}), "tfr.stft.hop: Input should be a valid integer (got 'x')"),
        (views({"cwt": {"hopp": 3}}), "tfr.cwt.hopp: 'cwt' has no such setting; did you mean 'hop'?"),
        (views({"wvd": {"name": "wvd"}}), "tfr.wvd.name: 'wvd' has no such setting; valid: "),
        (views({"wvd": {1: 2}}), "tfr.wvd.1: 'wvd' has no such setting; valid: "),
        (views({"smoothed_pseudo_wvd": {"hop": 1.5}}), "tfr.smoothed_pseudo_wvd.hop: Input should be a valid integer"),
        (views({"stft": 3}), "tfr.stft: Input should be"),
        (views({"sftf": {"hop": "x"}}), "tfr.sftf: 'views' has no such setting; did you mean 'stft'?"),
        (
            {"tfr": {"name": "stft"}},
            "model.name: 'wdcnn' takes signals, and tfr is 'stft'; tfr: {name: none}, or use cnn2d",
        ),
        (
            {"model": {"name": "cnn2d"}},
            "model.name: 'cnn2d' takes time-frequency images, and tfr is 'none'; name a transform in tfr, or use cnn1d",
        ),
        (
            {"augmentation": {"name": "spec_augment"}},
            "augmentation: SpecAugment is for time-frequency images; name a transform in tfr",
        ),
        (
            {"augmentation": {"name": "cutmix"}, "loss": {"name": "supcon"}},
            "augmentation: CutMixAugmentation mixes classes, and loss 'supcon' needs one class per sample",
        ),
        (
            {"tfr": {"name": "views"}, "model": {"name": "multi_view"}, "loss": {"name": "supcon"}},
            "loss.name: 'supcon' compares one embedding per window, and several views have one each",
        ),
        (
            {"model": {"name": "physics_hybrid"}, "resize": {"name": "interpolate", "schedule": [[2048, 2]]}},
            "resize.name: interpolate changes the sample rate, and 'physics_hybrid' goes by revolutions per sample",
        ),
        (
            {"model": {"name": "physics_hybrid"}, "augmentation": {"name": "adversarial"}},
            "augmentation: adversarial disturbs signals, and 'physics_hybrid' takes conditions with them",
        ),
        (
            IMAGES | {"distillation": {"name": "soft_targets"}, "augmentation": {"name": "adversarial"}},
            "augmentation: adversarial disturbs signals, and the teacher of distillation sees images; omit one",
        ),
        (
            {"resize": {"name": "truncate", "schedule": [[512, 2], [4096, 2]]}},
            "resize.schedule: windows of 2048 samples cannot be truncated to 4096; lower it to at most 2048",
        ),
        (
            {"resize": {"name": "interpolate", "schedule": [[64, 2], [2048, 2]]}},
            "resize.schedule: 64 samples are too few for model 'wdcnn' with these settings, which needs ",
        ),
        (
            {
                "augmentation": {"name": "compose", "steps": [{"name": "time_shift"}, {"name": "mixup"}]},
                "physics": {"name": "consistency"},
            },
            "augmentation: MixupAugmentation mixes classes, and physics 'consistency' needs one class per sample",
        ),
    ],
)
def test_what_cannot_be_met_is_told_by_field_and_rule(settings: dict[str, Any], line: str) -> None:
    [problem] = problems(**settings)
    assert problem.startswith(line)


def test_what_is_wrong_with_several_views_is_told_at_once() -> None:
    told = problems(**views({"stft": {"hop": "x", "window": 3}, "cwt": {"hop": None}, "wvd": None}))
    assert [line.partition(":")[0] for line in told] == ["tfr.stft.window", "tfr.stft.hop", "tfr.cwt.hop"]


def test_views_with_settings_of_the_right_types_are_fine() -> None:
    check_parts(TrainConfig.model_validate(views({"stft": {"hop": 64}, "cwt": None, "weights": {"stft": 1, "wvd": 2}})))


def test_an_image_too_small_for_the_model_is_refused_before_the_run() -> None:
    [problem] = problems(**IMAGES | {"windows": {"length": 256}, "model": {"name": "cnn2d", "depth": 6}})
    assert problem.startswith("windows.length: the image of 256 samples has ")


def test_steps_are_applied_in_the_domain_they_are_for() -> None:
    steps = [{"name": "spec_augment"}, {"name": "time_shift"}]
    config = TrainConfig.model_validate(IMAGES | {"augmentation": {"name": "compose", "steps": steps}})
    check_parts(config)
    assert [step.domain for step in augmentation_steps(config)] == ["image", "signal"]
