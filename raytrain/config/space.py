"""Every setting of a sweep: what is fixed, what varies, how it is searched, and with what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue, model_validator

from raytrain.config.schema import Config, TrainConfig

__all__ = [
    "BaselineConfig",
    "Choice",
    "Distribution",
    "Grid",
    "IntUniform",
    "LogUniform",
    "ResourceConfig",
    "SchedulerConfig",
    "SearchConfig",
    "SpaceConfig",
    "Uniform",
]

Scalar: TypeAlias = bool | int | float | str | None


class _Distribution(Config):
    when: dict[str, Scalar | list[Scalar]] = Field(default_factory=dict)
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


class SearchConfig(Config):
    """How configurations are proposed, and how many."""

    algorithm: Literal["grid", "random", "tpe", "hyperopt"] = "tpe"
    trials: int = Field(default=16, ge=1)
    """Configurations to try; a grid tries each of its points once, at most this many."""
    time_budget_s: float | None = Field(default=None, gt=0)
    """No trial is started, and running ones are stopped, after this many seconds."""
    seed: int = Field(default=0, ge=0)


class SchedulerConfig(Config):
    """Which trials are stopped early."""

    name: Literal["asha", "none"] = "asha"
    grace_epochs: int = Field(default=2, ge=1)
    """No trial is stopped before this many epochs."""
    reduction_factor: int = Field(default=3, ge=2)
    """One in this many trials goes on from each rung to the next."""


class BaselineConfig(Config):
    """The classical models a sweep is measured against."""

    names: tuple[str, ...] = ("random_forest", "logistic_regression", "envelope_lines")
    """Names of `raytrain.classical`; one that the recordings cannot support is left out, with the reason."""
    max_windows: int = Field(default=3, ge=1)
    """Window durations tried per baseline, taken from the sweep's own space."""


class ResourceConfig(Config):
    """What one trial gets."""

    workers_per_trial: int = Field(default=1, ge=1)
    cpus_per_worker: float = Field(default=1, gt=0)
    gpus_per_worker: float = Field(default=0, ge=0)


class SpaceConfig(Config):
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
