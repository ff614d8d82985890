"""Every setting of a sweep: what is fixed, what varies, how it is searched, and with what."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Literal, TypeAlias

from pydantic import Field, JsonValue, model_validator

from raytrain.config.schema import METRICS, Config, TrainConfig
from raytrain.errors import nearest

__all__ = [
    "OBJECTIVES",
    "BaselineConfig",
    "Bound",
    "Choice",
    "ConfirmConfig",
    "Distribution",
    "FoldsConfig",
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

OBJECTIVES: Mapping[str, Literal["min", "max"]] = {
    **METRICS,
    "model/parameters": "min",
    "model/flops": "min",
    "model/latency_ms": "min",
}
"""What a sweep can be good at or be bound by beside its metric, and which way is better."""


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


class Bound(Config):
    """What a number may be."""

    least: float | None = None
    most: float | None = None

    @model_validator(mode="after")
    def _bounds_something(self) -> Bound:
        if self.least is None and self.most is None:
            raise ValueError("give least, most or both")
        if self.least is not None and self.most is not None and self.least > self.most:
            raise ValueError(f"least must not exceed most, got least={self.least:g}, most={self.most:g}")
        return self


class SearchConfig(Config):
    """How configurations are proposed, and how many."""

    algorithm: Literal["grid", "random", "quasi_random", "tpe", "gp", "cmaes", "nsga2", "hyperopt"] = "tpe"
    trials: int = Field(default=16, ge=1)
    """Configurations to try; a grid tries each of its points once, at most this many."""
    time_budget_s: float | None = Field(default=None, gt=0)
    """No trial is started, and running ones are stopped, after this many seconds."""
    seed: int = Field(default=0, ge=0)
    first: list[dict[str, JsonValue]] = Field(default_factory=list)
    """Points to try before any is proposed; parameters that a point leaves out are drawn at random."""
    objectives: list[str] = Field(default_factory=list)
    """What else to be good at beside the metric, e.g. `[model/parameters]`: the result is a Pareto front."""
    constraints: dict[str, Bound] = Field(default_factory=dict)
    """What a configuration must keep to, e.g. `model/parameters: {most: 50000}`; one that does not can not win."""
    retries: int = Field(default=2, ge=0)
    """How often a trial goes on from its checkpoint after its process or machine died. What the configuration itself
    causes, such as a loss that diverges, is not tried again."""

    checkpoint_s: float = Field(default=5.0, ge=0)
    """An interrupted trial repeats about this many seconds of training at most; 0 writes a checkpoint every epoch."""

    @model_validator(mode="after")
    def _objectives_are_known(self) -> SearchConfig:
        for field, names in (("objectives", self.objectives), ("constraints", self.constraints)):
            for name in names:
                if name not in OBJECTIVES:
                    raise ValueError(f"{field}: '{name}' is not measured; {nearest(name, OBJECTIVES)}")
        if len(set(self.objectives)) < len(self.objectives):
            raise ValueError("objectives must differ")
        return self


class SchedulerConfig(Config):
    """Which trials are stopped early."""

    name: Literal["asha", "hyperband", "median", "pbt", "none"] = "asha"
    grace_epochs: int = Field(default=2, ge=1)
    """No trial is stopped before this many epochs."""
    reduction_factor: int = Field(default=3, ge=2)
    """asha, hyperband: one in this many trials goes on from each rung to the next."""
    interval_epochs: int = Field(default=2, ge=1)
    """pbt: epochs from one exchange to the next."""
    quantile: float = Field(default=0.25, gt=0, le=0.5)
    """pbt: the share of trials that copy, and of those that are copied."""
    resample_probability: float = Field(default=0.25, ge=0, le=1)
    """pbt: how often a copied setting is drawn anew rather than perturbed."""
    synchronous: bool = True
    """pbt: exchange when all trials are at the same epoch, so that none trains an epoch twice; or each as it comes."""


class FoldsConfig(Config):
    """Validate each configuration on several parts of what is not tested, in place of one."""

    by: Literal["by-recording", "by-load", "by-severity", "by-bearing", "by-dataset"]
    """Each group of this rule that is not in the test part validates once, trained on the others."""
    most: int = Field(default=5, ge=2)
    """Folds at most; more groups than this are put together."""
    aggregate: Literal["mean", "worst"] = "mean"
    """What a configuration is worth: the mean of its folds, or its worst fold."""


class ConfirmConfig(Config):
    """Train the best configurations again with other seeds before one is called the best."""

    top: int = Field(default=2, ge=1)
    """Configurations, by the sweep's metric."""
    seeds: int = Field(default=5, ge=2)
    """Runs of each."""


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
    folds: FoldsConfig | None = None
    """Folds as the objective; one validation part when absent."""
    confirm: ConfirmConfig | None = None
    """Several seeds of the best configurations; none when absent."""
    refit: bool = True
    """Train the best configuration once more on training and validation parts together, and test that too."""

    @model_validator(mode="after")
    def _search_fits_its_objectives(self) -> SpaceConfig:
        search, metric = self.search, self.fixed.metric
        if metric in search.objectives:
            raise ValueError(f"search.objectives: {metric} is the metric already (fixed.metric); leave it out")
        if search.objectives and self.scheduler.name != "none":
            raise ValueError(
                f"scheduler.name: {self.scheduler.name} compares trials by {metric} alone, and would stop those that "
                "are good at search.objectives; with several objectives use scheduler.name=none"
            )
        if self.folds is not None and self.scheduler.name == "pbt":
            raise ValueError(
                "scheduler.name: the trials of pbt copy each other, which folds do not; use asha, or no folds"
            )
        if search.algorithm == "nsga2" and not search.objectives:
            raise ValueError("search.algorithm: nsga2 needs search.objectives, e.g. [model/parameters]; else use tpe")
        return self
