"""Whether the parts of a run can work together, found out before anything is read or trained."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.build import create_augmentation, create_resize
from raytrain.augment.resize import resize_signal
from raytrain.config.schema import TrainConfig
from raytrain.errors import ConfigError
from raytrain.models.build import MODELS, create_model
from raytrain.models.classifier import Classifier, InputDomain
from raytrain.tfr.build import create_transform
from raytrain.tfr.views import Views

__all__ = ["augmentation_steps", "check_model", "combination_problems", "create_network"]

_INPUTS: dict[InputDomain, str] = {
    "signal": "signals",
    "image": "time-frequency images",
    "views": "several time-frequency views",
    "signal_and_conditions": "signals and operating conditions",
}


def augmentation_steps(config: TrainConfig) -> list[Augmentation]:
    """Return the augmentations of a run, in order.

    Raises:
        ConfigError: A setting of one is impossible.
    """
    whole = create_augmentation(config.augmentation.name, settings=config.augmentation.settings)
    return list(getattr(whole, "steps", [whole]))


def create_network(config: TrainConfig, *, in_channels: int, num_classes: int) -> Classifier:
    """Create the model of a run; one of several views is told which ones the run makes, and their weights.

    Raises:
        ConfigError: A setting of it is impossible.
    """
    settings = dict(config.model.settings)
    transform = _transform(config) if MODELS[config.model.name].input_domain == "views" else None
    if isinstance(transform, Views):
        settings = {"views": tuple(transform.view_weights), "weights": transform.view_weights, **settings}
    return create_model(config.model.name, in_channels=in_channels, num_classes=num_classes, settings=settings)


def combination_problems(config: TrainConfig) -> Iterator[str]:
    """Yield what does not fit together, each with what would."""
    model, made = MODELS[config.model.name], _made(config)
    if made not in _taken(model):
        fitting = ", ".join(name for name, one in MODELS.items() if made in _taken(one))
        remedy = {"signal": "tfr: {name: none}", "image": "name a transform in tfr", "views": "tfr: {name: views}"}
        taker = f"'{config.model.name}' takes {_INPUTS[model.input_domain]}"
        yield f"model.name: {taker}, and tfr is '{config.tfr.name}'; {remedy[_taken(model)[0]]}, or use {fitting}"
    if config.resize.name != "none" and not model.any_length:
        yield (
            f"resize.name: '{config.model.name}' has no global pooling, so its size depends on the window's length; "
            f"use {', '.join(name for name, one in MODELS.items() if one.any_length and made in _taken(one))}"
        )
    if config.resize.name == "interpolate" and model.input_domain == "signal_and_conditions":
        yield (
            f"resize.name: interpolate changes the sample rate, and '{config.model.name}' goes by revolutions per "
            "sample; use truncate or pad"
        )
    if config.loss.name == "supcon" and made == "views":
        yield "loss.name: 'supcon' compares one embedding per window, and several views have one each; use another loss"
    yield from _augmentation_problems(config, imaged=made != "signal")


def _augmentation_problems(config: TrainConfig, *, imaged: bool) -> Iterator[str]:
    single = [
        f"{field} '{part.name}'"
        for field, part, names in (("loss", config.loss, ("supcon",)), ("physics", config.physics, ("consistency",)))
        if part.name in names
    ]
    for step in augmentation_steps(config):
        name = type(step).__name__
        if step.domain == "image" and not imaged:
            yield f"augmentation: {name} is for time-frequency images; name a transform in tfr"
        if step.mixes_labels and single:
            yield f"augmentation: {name} mixes classes, and {' and '.join(single)} needs one class per sample"
        if name == "AdversarialAugmentation":
            yield from _adversarial_problems(config, imaged=imaged)


def _adversarial_problems(config: TrainConfig, *, imaged: bool) -> Iterator[str]:
    """Yield why signals cannot be disturbed against a model or teacher that sees something made of them."""
    if MODELS[config.model.name].input_domain == "signal_and_conditions":
        yield f"augmentation: adversarial disturbs signals, and '{config.model.name}' takes conditions with them"
    if imaged and config.distillation.name != "none":
        yield "augmentation: adversarial disturbs signals, and the teacher of distillation sees images; omit one"


def _made(config: TrainConfig) -> InputDomain:
    """Return what the transforms of a run make of a signal."""
    if config.tfr.name == "none":
        return "signal"
    return "views" if config.tfr.name == "views" else "image"


def _taken(model: type[Classifier]) -> tuple[InputDomain, ...]:
    return ("signal",) if model.input_domain == "signal_and_conditions" else (model.input_domain,)


def check_model(config: TrainConfig) -> None:
    """Let the model itself refuse impossible settings and windows; on the meta device it holds no memory.

    Raises:
        ConfigError: A setting is impossible, or a window, or the image of one, is too small.
    """
    with torch.device("meta"):
        model: Any = create_network(config, in_channels=1, num_classes=2)
    for length in _lengths(config):
        _check_length(config, model, length)


def _lengths(config: TrainConfig) -> list[int]:
    """Return the lengths of windows that the model meets."""
    if config.resize.name == "none":
        return [config.windows.length]
    resize = create_resize(config.resize.name, settings=config.resize.settings)
    for length in resize.lengths:  # which refuses what it cannot reach from windows of this length
        resize_signal(torch.empty(1, 1, config.windows.length, device="meta"), length, method=resize.method)
    return sorted(set(resize.lengths))


def _check_length(config: TrainConfig, model: Any, length: int) -> None:  # noqa: ANN401 - minimum sizes depend on the domain
    taker = f"model '{config.model.name}' with these settings"
    field = "windows.length" if config.resize.name == "none" else "resize.schedule"
    if config.tfr.name == "none":
        shortest = model.minimum_length
        if length < shortest:
            raise ConfigError(f"{field}: {length} samples are too few for {taker}, which needs {shortest}")
        return
    transform = _transform(config)
    shapes = (
        transform.output_shapes(length) if isinstance(transform, Views) else {"image": transform.output_shape(length)}
    )
    least = (model.minimum_frequencies, model.minimum_times)
    for name, (rows, columns) in shapes.items():
        if rows < least[0] or columns < least[1]:
            raise ConfigError(
                f"{field}: the {name} of {length} samples has {rows} frequencies and {columns} times, too few for "
                f"{taker}, which needs {least[0]} and {least[1]}; change tfr, or the length"
            )


def _transform(config: TrainConfig) -> Any:  # noqa: ANN401 - Views are called like transforms, and are none
    """Return the transform without its limits in Hz, which depend on the data and change no shape."""
    return create_transform(config.tfr.name, sample_rate_hz=1.0, settings=_without_hz(config.tfr.settings))


def _without_hz(settings: Any) -> Any:  # noqa: ANN401 - nested settings
    if not isinstance(settings, dict):
        return settings
    return {name: _without_hz(value) for name, value in settings.items() if not name.endswith("_hz")}
