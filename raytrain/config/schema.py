"""Every setting of a training run: frozen pydantic models that forbid unknown fields.

A *part* (model, loss, optimizer, ...) is a name and keyword settings. Its settings are checked against the signature
of what the name stands for by `raytrain.config.build`, so this module knows no part by name and imports no torch.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, JsonValue, ModelWrapValidatorHandler, PrivateAttr, model_validator

from raytrain.config.paradigms import expanded, plain
from raytrain.errors import nearest

__all__ = [
    "METRICS",
    "Config",
    "DataConfig",
    "EarlyStoppingConfig",
    "LossScalingConfig",
    "Part",
    "SplitConfig",
    "TrainConfig",
    "WindowConfig",
]

METRICS: Mapping[str, Literal["min", "max"]] = {
    "val/loss": "min",
    "val/accuracy": "max",
    "val/balanced_accuracy": "max",
    "val/macro_f1": "max",
    "val/expected_calibration_error": "min",
    "val/recording_accuracy": "max",
    "val/recording_macro_f1": "max",
}
"""What a run can be judged by, and whether less or more of it is better."""


class Config(BaseModel):
    """Base of all configurations: frozen, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class Part(BaseModel):
    """A component by its name, with the keyword settings of that component beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword settings, without the name."""
        return dict(self.model_extra or {})


class SplitConfig(Config):
    """How recordings are divided into training, validation and test parts."""

    rule: Literal["by-recording", "by-block", "by-load", "by-severity", "by-bearing", "by-dataset", "random"] = (
        "by-recording"
    )
    """What may not be shared between parts: a recording, a block of time, a load, a severity, a bearing, a data set."""
    train: list[str | float] | None = None
    """Groups (loads, severities, ...) that may be trained on; all that are in no other part when absent."""
    validation: list[str | float] | None = None
    """Groups of the validation part; chosen from those left by `test` when absent."""
    test: list[str | float] | None = None
    """Groups of the test part; chosen by `test_fraction` when absent."""
    validation_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Share of the whole that validates, where groups are not named."""
    test_fraction: float = Field(default=0.2, gt=0, lt=1)
    """Share of the whole that tests, where groups are not named."""
    block_classes: list[str] = []
    """Classes with a single group under the rule that may be cut by time blocks instead (the split then says so)."""
    gap_s: float = Field(default=0.25, ge=0)
    """Seconds left unused between two blocks of one recording."""
    seed: int = Field(default=0, ge=0)
    """Chooses the groups, where they are not named."""
    allow_leakage: bool = False
    """Must be true for `random`, whose windows share recordings; results made with it are marked everywhere."""

    @model_validator(mode="after")
    def _fractions_leave_training(self) -> SplitConfig:
        if self.validation_fraction + self.test_fraction >= 1:
            raise ValueError("validation_fraction + test_fraction must be below 1, or nothing is left to train on")
        return self


class DataConfig(Config):
    """Which recordings, what to predict, and how they are split. The same for all trials of a sweep."""

    source: str = "rolling"
    """A folder with a manifest.csv, CWRU .mat files or the MFPT tree; or embedded data: `rolling`, `journal`."""
    dataset: list[str] | None = None
    """Only recordings of these data sets."""
    where: dict[str, list[str | float]] = {}
    """Field -> allowed values, e.g. `severity: [7, 14, 21]`; a recording without the field is kept."""
    target: Literal["fault_type", "label"] = "fault_type"
    """What is predicted."""
    channels: list[str] | None = None
    """Channels by name; those that all recordings share when absent."""
    options: dict[str, JsonValue] = {}
    """Keyword settings of an embedded generator (`recordings_per_class`, `snr_db`, `seed`, ...)."""
    split: SplitConfig = SplitConfig()


class WindowConfig(Config):
    """How a recording becomes the windows a model sees."""

    length: int = Field(default=2048, ge=16)
    """Samples per window, at `sample_rate_hz`."""
    hop: int | None = Field(default=None, ge=1)
    """Samples from one window's start to the next; half the length when absent."""
    input: Literal["raw", "envelope"] = "raw"
    """The signal itself, or the magnitude of its analytic signal in `envelope_band_hz`."""
    envelope_band_hz: tuple[float, float] | None = None
    """Pass band demodulated for the envelope; 0.2 to 0.9 of the Nyquist frequency when absent."""
    sample_rate_hz: float | None = Field(default=None, gt=0)
    """Rate all recordings are resampled to (after the envelope); the lowest rate among them when absent."""
    normalize: Literal["zscore", "none"] = "zscore"
    """Per window and channel: subtract the mean, divide by the standard deviation; or leave as it is."""

    @property
    def hop_samples(self) -> int:
        """The hop in samples, its default resolved."""
        return self.hop if self.hop is not None else max(1, self.length // 2)

    @model_validator(mode="after")
    def _band_is_a_band(self) -> WindowConfig:
        band = self.envelope_band_hz
        if band is not None:
            if self.input != "envelope":
                raise ValueError("envelope_band_hz needs input: envelope")
            if not 0 < band[0] < band[1]:
                raise ValueError(f"envelope_band_hz must satisfy 0 < low < high, got {list(band)}")
        return self


class EarlyStoppingConfig(Config):
    """End a run whose metric no longer improves."""

    patience: int = Field(default=10, ge=1)
    """Epochs without improvement before the run ends."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change that counts as an improvement."""


class LossScalingConfig(Config):
    """How gradients are kept from vanishing in `fp16`: the loss is multiplied by a scale that adapts itself."""

    init_scale: float = Field(default=2.0**16, gt=0)
    """The scale of the first step."""
    growth_factor: float = Field(default=2.0, gt=1)
    """The scale is multiplied by this after `growth_interval` steps without infinite gradients."""
    backoff_factor: float = Field(default=0.5, gt=0, lt=1)
    """The scale is multiplied by this after a step with infinite or NaN gradients, which is skipped."""
    growth_interval: int = Field(default=2000, ge=1)
    """Steps in a row without infinite gradients before the scale grows."""


class TrainConfig(Config):
    """One training run, complete."""

    paradigm: Part = Part(name="standard")
    """A way to train: it presets the fields below, as far as they are not given."""

    data: DataConfig = DataConfig()
    windows: WindowConfig = WindowConfig()
    model: Part = Part(name="wdcnn")
    loss: Part = Part(name="cross_entropy")
    physics: Part = Part(name="none")
    """What a prediction may not contradict of the machine's physics, beside the loss."""
    distillation: Part = Part(name="none")
    """A trained teacher whose scores are learned from, beside the loss."""
    augmentation: Part = Part(name="none")
    """What is done to training batches; never to those that judge."""
    resize: Part = Part(name="none")
    """Windows that grow during training; those that judge have the last length."""
    tfr: Part = Part(name="none")
    """Time-frequency transform whose image the model sees, or several as `views`; `none` for the signal itself."""
    image_cache_mb: int = Field(default=1024, ge=0)
    """Images are made once and kept, where they do not change from epoch to epoch and need no more than this."""
    optimizer: Part = Part(name="adamw")
    schedule: Part = Part(name="warmup_cosine")
    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=64, ge=1)
    """Windows per optimizer step and accumulation step, over all workers together."""
    neighbours: int = Field(default=1, ge=1)
    """Windows in a row of a recording that stay together in shuffled batches; 1 shuffles single windows."""
    accumulation_steps: int = Field(default=1, ge=1)
    """Batches whose gradients are added up before the optimizer steps."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm; not clipped when null."""
    precision: Literal["auto", "fp32", "bf16", "fp16"] = "fp32"
    """Of the forward pass. `auto` is the best 16-bit format of a GPU, and fp32 on a CPU."""
    loss_scaling: LossScalingConfig = LossScalingConfig()
    """Used by fp16 only."""
    tf32: bool = False
    """Let a GPU round the factors of float32 matrix products to 10 bits; faster, and refused without such a GPU."""
    batch_norm: Literal["per_worker", "synchronized"] = "per_worker"
    """Whose statistics BatchNorm uses with several workers: each worker's own windows, or those of all."""
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=1, ge=1)
    """CPU threads of each worker."""
    early_stopping: EarlyStoppingConfig | None = EarlyStoppingConfig()
    checkpoint_steps: int | None = Field(default=None, ge=1)
    """Optimizer steps from one checkpoint to the next within an epoch; there is one after every epoch anyway."""
    callbacks: dict[str, dict[str, JsonValue]] = {}
    """Further callbacks by name with their settings, called in this order, e.g. `ema: {decay: 0.99}`."""
    metric: str = "val/macro_f1"
    """Which epoch is best: the checkpoint kept, and what early stopping and a sweep's search watch."""
    mode: Literal["max", "min"] | None = None
    """Whether less or more of the metric is better; follows from the metric."""
    seed: int = Field(default=0, ge=0, lt=2**32)

    _given: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def given(self) -> dict[str, Any]:
        """The settings as they were given, without what the paradigm presets and without defaults."""
        return dict(self._given)

    def __eq__(self, other: object) -> bool:
        """Whether all settings are equal, however they were written."""
        return isinstance(other, TrainConfig) and dict(self) == dict(other)

    __hash__ = None  # type: ignore[assignment]  # its mappings have none

    @model_validator(mode="wrap")
    @classmethod
    def _preset_by_the_paradigm(cls, settings: Any, build: ModelWrapValidatorHandler[TrainConfig]) -> TrainConfig:  # noqa: ANN401
        if not isinstance(settings, Mapping):
            return build(settings)
        config = build(expanded(settings))
        config._given = plain(settings)  # noqa: SLF001 - its own
        return config

    @model_validator(mode="before")
    @classmethod
    def _parts_have_names(cls, settings: Any) -> Any:  # noqa: ANN401 - whatever was given
        """Let `optimizer: {lr: 0.01}` mean the default optimizer with another rate."""
        if not isinstance(settings, Mapping):
            return settings
        defaults = {name: one.default.name for name, one in cls.model_fields.items() if isinstance(one.default, Part)}
        return {
            field: {"name": defaults[field], **value} if field in defaults and isinstance(value, Mapping) else value
            for field, value in settings.items()
        }

    @model_validator(mode="after")
    def _metric_is_reported(self) -> TrainConfig:
        if self.metric not in METRICS:
            raise ValueError(f"metric '{self.metric}' is not reported; {nearest(self.metric, METRICS)}")
        if self.mode not in (None, METRICS[self.metric]):
            raise ValueError(f"{self.metric} is better when it is {METRICS[self.metric]}, not {self.mode}; omit mode")
        return self

    @property
    def direction(self) -> Literal["max", "min"]:
        """Whether less or more of the metric is better."""
        return METRICS[self.metric]
