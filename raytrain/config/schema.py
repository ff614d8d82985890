"""Every setting of a training run and of a sweep: frozen pydantic models that forbid unknown fields.

A *part* (model, loss, optimizer, ...) is a name and keyword settings. Its settings are checked against the signature
of what the name stands for by `raytrain.config.build`, so this module knows no part by name and imports no torch.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, JsonValue, model_validator

__all__ = [
    "BaselineConfig",
    "Choice",
    "DataConfig",
    "Distribution",
    "EarlyStoppingConfig",
    "Grid",
    "IntUniform",
    "LogUniform",
    "Part",
    "ResourceConfig",
    "SchedulerConfig",
    "SearchConfig",
    "SpaceConfig",
    "SplitConfig",
    "TrainConfig",
    "Uniform",
    "WindowConfig",
]

Scalar: TypeAlias = bool | int | float | str | None


class _Config(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=())


class Part(BaseModel):
    """A component by its name, with the keyword settings of that component beside it."""

    model_config = ConfigDict(frozen=True, extra="allow")

    name: str

    @property
    def settings(self) -> dict[str, Any]:
        """The keyword settings, without the name."""
        return dict(self.model_extra or {})


class SplitConfig(_Config):
    """How recordings are divided into training, validation and test parts."""

    rule: Literal[
        "by-recording", "by-block", "by-load", "by-severity", "by-bearing", "by-dataset", "random"
    ] = "by-recording"
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


class DataConfig(_Config):
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


class WindowConfig(_Config):
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


class EarlyStoppingConfig(_Config):
    """End a run whose metric no longer improves."""

    patience: int = Field(default=10, ge=1)
    """Epochs without improvement before the run ends."""
    min_delta: float = Field(default=0.0, ge=0)
    """The least change that counts as an improvement."""




class TrainConfig(_Config):
    """One training run, complete."""

    data: DataConfig = DataConfig()
    windows: WindowConfig = WindowConfig()
    model: Part = Part(name="wdcnn")
    loss: Part = Part(name="cross_entropy")
    optimizer: Part = Part(name="adamw")
    schedule: Part = Part(name="warmup_cosine")
    epochs: int = Field(default=20, ge=1)
    batch_size: int = Field(default=64, ge=1)
    """Windows per optimizer step and accumulation step, over all workers together."""
    accumulation_steps: int = Field(default=1, ge=1)
    """Batches whose gradients are added up before the optimizer steps."""
    max_grad_norm: float | None = Field(default=1.0, gt=0)
    """Gradients are scaled down to this norm; not clipped when null."""
    precision: Literal["fp32", "bf16", "fp16"] = "fp32"
    device: Literal["auto", "cpu", "cuda"] = "auto"
    threads: int = Field(default=1, ge=1)
    """CPU threads of each worker."""
    early_stopping: EarlyStoppingConfig | None = EarlyStoppingConfig()
    metric: str = "val/macro_f1"
    """Which epoch is best: the checkpoint kept, and what early stopping watches."""
    mode: Literal["max", "min"] = "max"
    seed: int = Field(default=0, ge=0)


class _Distribution(_Config):
    when: dict[str, Scalar | list[Scalar]] = {}
    """Other parameters' values under which this one exists; `{model.name: wdcnn}` or a list of values."""


class _Range(_Distribution):
    low: float
    high: float

    @model_validator(mode="after")
    def _low_is_below_high(self) -> _Range:
        if not (math.isfinite(self.low) and math.isfinite(self.high)):
            raise ValueError("low and high must be finite numbers")
        if not self.low < self.high:
            raise ValueError(f"low must be below high, got low={self.low:g}, high={self.high:g}")
        return self


class Uniform(_Range):
    """A real number, every value between low and high equally likely."""

    type: Literal["uniform"]


class LogUniform(_Range):
    """A positive real number whose logarithm is uniform."""

    type: Literal["loguniform"]

    @model_validator(mode="after")
    def _low_is_positive(self) -> LogUniform:
        if self.low <= 0:
            raise ValueError(f"loguniform needs low > 0, got {self.low:g}")
        return self


class IntUniform(_Distribution):
    """A whole number from low to high, both included, in steps."""

    type: Literal["int"]
    low: int
    high: int
    step: int = Field(default=1, ge=1)
    log: bool = False
    """Uniform in the logarithm; needs step 1."""

    @model_validator(mode="after")
    def _range_is_possible(self) -> IntUniform:
        if self.low > self.high:
            raise ValueError(f"low must not exceed high, got low={self.low}, high={self.high}")
        if self.log and self.step != 1:
            raise ValueError("log: true needs step: 1")
        if self.log and self.low < 1:
            raise ValueError(f"log: true needs low >= 1, got {self.low}")
        if (self.high - self.low) % self.step:
            raise ValueError(f"high - low must be a multiple of step, got ({self.high} - {self.low}) / {self.step}")
        return self


class _Values(_Distribution):
    values: list[JsonValue] = Field(min_length=1)

    @model_validator(mode="after")
    def _values_differ(self) -> _Values:
        seen = [repr(value) for value in self.values]
        repeated = sorted({value for value in seen if seen.count(value) > 1})
        if repeated:
            raise ValueError(f"values must differ, repeated: {', '.join(repeated)}")
        return self


class Choice(_Values):
    """One of the values, each equally likely."""

    type: Literal["choice"]


class Grid(_Values):
    """Each of the values: enumerated by a grid search, chosen from by the others."""

    type: Literal["grid"]


Distribution: TypeAlias = Annotated[Uniform | LogUniform | IntUniform | Choice | Grid, Field(discriminator="type")]


class SearchConfig(_Config):
    """How configurations are proposed, and how many."""

    algorithm: Literal["grid", "random", "tpe", "hyperopt"] = "tpe"
    trials: int = Field(default=16, ge=1)
    """Configurations to try; a grid tries each of its points once, at most this many."""
    time_budget_s: float | None = Field(default=None, gt=0)
    """No trial is started, and running ones are stopped, after this many seconds."""
    seed: int = Field(default=0, ge=0)


class SchedulerConfig(_Config):
    """Which trials are stopped early."""

    name: Literal["asha", "none"] = "asha"
    grace_epochs: int = Field(default=2, ge=1)
    """No trial is stopped before this many epochs."""
    reduction_factor: int = Field(default=3, ge=2)
    """One in this many trials goes on from each rung to the next."""


class BaselineConfig(_Config):
    """The classical models a sweep is measured against."""

    names: list[str] = ["random_forest", "logistic_regression"]
    max_windows: int = Field(default=3, ge=1)
    """Window durations tried per baseline, taken from the sweep's own space."""


class ResourceConfig(_Config):
    """What one trial gets."""

    workers_per_trial: int = Field(default=1, ge=1)
    cpus_per_worker: float = Field(default=1, gt=0)
    gpus_per_worker: float = Field(default=0, ge=0)


class SpaceConfig(_Config):
    """A sweep: what is fixed, what varies, and how it is searched."""

    name: str = Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_.-]*$")
    description: str = ""
    fixed: TrainConfig = TrainConfig()
    """Settings that all trials share; `parameters` overrides them."""
    parameters: Mapping[str, Distribution] = Field(min_length=1)
    """Dotted field of `fixed` -> distribution, e.g. `optimizer.lr: {type: loguniform, low: 1e-4, high: 1e-2}`."""
    search: SearchConfig = SearchConfig()
    scheduler: SchedulerConfig = SchedulerConfig()
    resources: ResourceConfig = ResourceConfig()
    baselines: BaselineConfig = BaselineConfig()
    refit: bool = True
    """Train the best configuration once more on training and validation parts together, and test that too."""
