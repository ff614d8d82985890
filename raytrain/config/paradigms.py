"""The eight ways to train, each a preset of a run's fields and of nothing else.

A paradigm is a function of its settings that returns dotted fields of `TrainConfig` and their values. Fields that a
configuration gives itself win over these, so paradigms and parts combine freely.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any, Literal, TypeAlias

from pydantic import BaseModel, JsonValue

__all__ = ["PARADIGMS", "expanded", "plain"]

Fields: TypeAlias = dict[str, Any]


def standard() -> Fields:
    """Cross-entropy on the signal, and nothing else preset: `Trainer`."""
    return {}


def cnn(*, smoothing: float = 0.1) -> Fields:
    """Label smoothing, decay groups, warm-up and cosine, 16 bits where there is a GPU: `CNNTrainer`.

    Args:
        smoothing: Share of the target spread evenly over all classes, in [0, 1).
    """
    return {
        "loss.name": "label_smoothing",
        "loss.smoothing": smoothing,
        "optimizer.name": "adamw",
        "schedule.name": "warmup_cosine",
        "precision": "auto",
    }


def pinn(
    *,
    lambda_freq: float | None = None,
    lambda_sommerfeld: float | None = None,
    lambda_temporal: float = 0.1,
    adaptive_lambda: bool = True,
    lambda_schedule: Literal["linear", "exponential", "step", "grad_norm"] = "linear",
) -> Fields:
    """The loss, and what a prediction contradicts of the machine's physics: `PINNTrainer`.

    Args:
        lambda_freq: Weight of the bearing's lines in the envelope spectrum; null is 1 for rolling-element bearings and
            0 for journal bearings.
        lambda_sommerfeld: Weight of the lubrication regime; null is 0.5 for journal bearings and 0 for others.
        lambda_temporal: Weight of the change from one window to the next.
        adaptive_lambda: Whether the weights change during training, as `lambda_schedule` says.
        lambda_schedule: How they rise from 0 to their values; `grad_norm` balances them by gradients instead.
    """
    return {
        "physics.name": "consistency",
        "physics.lambda_freq": lambda_freq,
        "physics.lambda_sommerfeld": lambda_sommerfeld,
        "physics.lambda_temporal": lambda_temporal,
        "physics.adaptive_lambda": adaptive_lambda,
        "physics.lambda_schedule": lambda_schedule,
        "neighbours": 2,  # the change from one window to the next needs both in a batch
    }


def spectrogram(
    *, time_mask_param: int = 40, freq_mask_param: int = 20, num_time_masks: int = 2, num_freq_masks: int = 2
) -> Fields:
    """A convolutional network on the spectrogram, masked at random in training: `SpectrogramTrainer`.

    Without masks: `augmentation: {name: none}`.

    Args:
        time_mask_param: Widest stripe of time in frames.
        freq_mask_param: Widest stripe of frequency in bins.
        num_time_masks: Stripes of time per image.
        num_freq_masks: Stripes of frequency per image.
    """
    return {
        "tfr.name": "stft",
        "model.name": "cnn2d",
        "augmentation.name": "spec_augment",
        "augmentation.time_mask_param": time_mask_param,
        "augmentation.freq_mask_param": freq_mask_param,
        "augmentation.num_time_masks": num_time_masks,
        "augmentation.num_freq_masks": num_freq_masks,
    }


def multi_tfr(*, tfr_weights: dict[str, float] | None = None) -> Fields:
    """STFT, CWT and WVD side by side, each with a branch of the network: `MultiTFRTrainer`.

    Args:
        tfr_weights: Weight of each view in the loss and in the combined prediction; all alike when null.
    """
    return {"tfr.name": "views", "tfr.weights": tfr_weights, "model.name": "multi_view"}


def mixed_precision(
    *,
    precision: Literal["auto", "bf16", "fp16"] = "bf16",
    init_scale: float | None = None,
    growth_factor: float | None = None,
    backoff_factor: float | None = None,
    growth_interval: int | None = None,
) -> Fields:
    """Forward passes in 16 bits: `MixedPrecisionTrainer`.

    Args:
        precision: The format; what the device lacks is refused.
        init_scale: First scale of the loss, for fp16.
        growth_factor: By what the scale grows.
        backoff_factor: By what it shrinks after a step with infinite gradients.
        growth_interval: Steps without infinite gradients before it grows.
    """
    return {
        "precision": precision,
        "loss_scaling.init_scale": init_scale,
        "loss_scaling.growth_factor": growth_factor,
        "loss_scaling.backoff_factor": backoff_factor,
        "loss_scaling.growth_interval": growth_interval,
    }


def distillation(*, teacher: str = "", temperature: float = 4.0, alpha: float = 0.7) -> Fields:
    """A small network learns from the scores of a trained one: `DistillationTrainer`.

    Args:
        teacher: Folder of the teacher's run, or of a finished sweep for its best trial; or a checkpoint in one.
        temperature: Divides the scores of both before the softmax, above 0.
        alpha: Share of the teacher's term, in [0, 1].
    """
    return {
        "distillation.name": "soft_targets",
        "distillation.teacher": teacher,
        "distillation.temperature": temperature,
        "distillation.alpha": alpha,
    }


def progressive_resizing(
    *,
    resize_method: Literal["interpolate", "truncate", "pad"] = "truncate",
    schedule: tuple[tuple[int, int], ...] | None = None,
) -> Fields:
    """Training begins with short windows and ends with long ones: `ProgressiveResizingTrainer`.

    Args:
        resize_method: How a window gets another length.
        schedule: Pairs of length and epochs.
    """
    return {"resize.name": resize_method, "resize.schedule": schedule}


PARADIGMS: dict[str, Callable[..., Fields]] = {
    "cnn": cnn,
    "distillation": distillation,
    "mixed_precision": mixed_precision,
    "multi_tfr": multi_tfr,
    "pinn": pinn,
    "progressive_resizing": progressive_resizing,
    "spectrogram": spectrogram,
    "standard": standard,
}
"""Name -> function of its settings, which returns dotted fields of a run and their values."""


def expanded(settings: Mapping[str, Any]) -> dict[str, Any]:
    """Return the settings of a run with what its paradigm presets, where they do not say otherwise.

    A preset of a part's setting counts only where the part is the paradigm's: `tfr: {name: cwt}` under `spectrogram`
    leaves nothing of its STFT. What is not a paradigm or not its setting is left to the checks.

    Args:
        settings: Nested fields of a run, as they were given.

    Raises:
        ValueError: A setting of the paradigm and the field it stands for are both given, with different values.

    >>> expanded({"paradigm": {"name": "distillation", "alpha": 0.5}, "epochs": 3})["distillation"]
    {'name': 'soft_targets', 'teacher': '', 'temperature': 4.0, 'alpha': 0.5}
    """
    result: dict[str, Any] = plain(settings)
    given = result.get("paradigm")
    if not isinstance(given, Mapping) or given.get("name") not in PARADIGMS:
        return result
    paradigm = PARADIGMS[given["name"]]
    names = inspect.signature(paradigm).parameters
    chosen = {name: value for name, value in given.items() if name in names}
    markers = {name: object() for name in names}
    sources = {
        field: name for field, value in paradigm(**markers).items() for name, mark in markers.items() if value is mark
    }
    presets = {field: value for field, value in paradigm(**chosen).items() if value is not None}
    for field, value in presets.items():
        part, _, setting = field.partition(".")
        source = sources.get(field)
        asked = f"paradigm.{source}" if source in chosen else None
        if not setting:
            _preset(result, part, value, source=asked)
        elif isinstance(result.setdefault(part, {}), dict):
            named = presets.get(f"{part}.name")
            other = named is not None and result[part].get("name", named) != named
            if other and asked:
                raise ValueError(
                    f"{asked} is of {part} '{named}', and {part}.name is '{result[part]['name']}'; omit one"
                )
            if not other:
                _preset(result[part], setting, value, source=asked, prefix=f"{part}.")
    return result


def _preset(level: dict[str, JsonValue], name: str, value: Any, *, source: str | None, prefix: str = "") -> None:  # noqa: ANN401
    """Set `name` where it is not given; refuse what is given where the setting `source` asks otherwise."""
    if source is not None and level.get(name, value) != value:
        raise ValueError(f"{source} is {value!r} and {prefix}{name} is {level[name]!r}; give one of them, or the same")
    level.setdefault(name, value)


def plain(value: Any) -> Any:  # noqa: ANN401 - any YAML value, or a configuration made in Python
    """Return a copy of nested settings in which configurations are mappings of what was given of them."""
    if isinstance(value, BaseModel):
        given = getattr(value, "given", None)  # of a run, which is more than it was given where a paradigm presets it
        names = (*type(value).model_fields, *(value.model_extra or ()))
        return given or {name: plain(getattr(value, name)) for name in names if name in value.model_fields_set}
    return {key: plain(item) for key, item in value.items()} if isinstance(value, Mapping) else value
