"""What a sweep found, as an object, as files, and as pandas tables."""

from __future__ import annotations

import dataclasses
import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd

from raytrain.config.load import validate
from raytrain.config.schema import METRICS, TrainConfig
from raytrain.distributed.judge import Judgement, RecordingJudgement
from raytrain.engine.manifest import write_json
from raytrain.errors import ConfigError, RunError
from raytrain.tuning.baselines import BaselineResult
from raytrain.tuning.confirmation import Confirmation, confirmation_from
from raytrain.tuning.fold_verdict import FoldScore
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.space import describe_point

__all__ = ["Best", "SweepResult", "load_result"]

RESULT_FILE = "result.json"
_VERSION = 1


@dataclass(frozen=True, slots=True)
class Best:
    """The winning trial and what it is worth.

    Attributes:
        trial: Its number.
        point: Its parameters.
        config: Its complete configuration, as `raytrain train` reads it.
        epoch: The epoch of its best checkpoint.
        reported: The sweep's metric as the trial reported it.
        judgements: The checkpoint evaluated again, by part: `validation` and `test`.
        refit_test: The test judgement after training on training and validation parts; None when not asked for.
        folds: The models of the folds, where there are some: `judgements` put them together.
    """

    trial: int
    point: dict[str, Any]
    config: dict[str, Any]
    epoch: int
    reported: float
    judgements: dict[str, Judgement]
    refit_test: Judgement | None
    folds: tuple[FoldScore, ...] = ()

    def train_config(self) -> TrainConfig:
        """Return the configuration as an object."""
        return validate(TrainConfig, self.config, where="best configuration")


@dataclass(frozen=True, slots=True)
class SweepResult:
    """A finished (or interrupted) sweep.

    Attributes:
        name: The space's name.
        directory: Where its files are.
        command: What repeats it.
        metric: What it was judged by.
        algorithm: How points were proposed.
        classes: The classes, in the order of the confusion matrices.
        leaky: True when parts share recordings; no score of such a sweep says anything about new recordings.
        notes: What a reader must know of the split.
        seconds: Wall time from start to end.
        interrupted: True when Ctrl-C ended it.
        trials: All trials, in the order of starting.
        baselines: The classical models, each at its best window length.
        best: The winner; None when no trial completed an epoch.
        confirmation: The best configurations trained again with other seeds; None when not asked for.
    """

    name: str
    directory: Path
    command: str
    metric: str
    algorithm: str
    classes: tuple[str, ...]
    leaky: bool
    notes: tuple[str, ...]
    seconds: float
    interrupted: bool
    trials: tuple[TrialRecord, ...]
    baselines: tuple[BaselineResult, ...]
    best: Best | None
    confirmation: Confirmation | None = None

    def __repr__(self) -> str:
        return f"<SweepResult {self.name!r}: {len(self.trials)} trials in {self.directory}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: what `Study` does."""
        from raytrain.tuning.study import Study

        return Study(self)._repr_html_()

    def dataframe(self) -> pd.DataFrame:
        """Return one row per trial: number, status, epochs run, parameters and the metrics of its best epoch."""
        rows = [
            {
                "trial": record.number,
                "trial_id": record.trial_id,
                "status": record.status,
                "reason": record.reason,
                "epochs_run": len(record.curve),  # `epochs` may be a parameter
                "seconds": record.curve[-1]["seconds"] if record.curve else None,
                **record.point,
                **{key: value for key, value in (record.best or {}).items() if "/" in key},
                "leaky": self.leaky,
            }
            for record in self.trials
        ]
        columns = ["trial", "trial_id", "status", "reason", "epochs_run", "seconds", "leaky"]
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=columns)

    def curves(self) -> pd.DataFrame:
        """Return one row per trial and epoch, with all metrics."""
        rows = [{"trial": record.number, **row} for record in self.trials for row in record.curve]
        return pd.DataFrame(rows) if rows else pd.DataFrame(columns=["trial", "epoch", "seconds", self.metric])

    def leaderboard(self) -> pd.DataFrame:
        """Return trials and baselines together, best validation first; only winner and baselines were tested."""
        rows = [self._trial_row(record) for record in self.trials if record.best is not None]
        rows += [_baseline_row(one) for one in self.baselines if not one.skipped]
        if not rows:
            return pd.DataFrame(columns=["rank", "kind", "name", "status", "settings", self.metric, "leaky"])
        ascending = METRICS[self.metric] == "min"
        table = pd.DataFrame(rows).sort_values(self.metric, ascending=ascending, kind="stable", ignore_index=True)
        table.insert(0, "rank", range(1, len(table) + 1))
        table["leaky"] = self.leaky
        if self.leaky:
            table["leaky"] = True
        return table

    def _trial_row(self, record: TrialRecord) -> dict[str, Any]:
        row = {
            "kind": "trial",
            "name": f"trial {record.number}",
            "status": record.status,
            "settings": describe_point(record.point),
            **{key: value for key, value in (record.best or {}).items() if key.startswith("val/")},
        }
        if self.best is not None and record.number == self.best.trial:
            row |= self.best.judgements["test"].metrics
            if self.best.refit_test is not None:
                row |= _refit_keys(self.best.refit_test.metrics)
        return row

    def save(self) -> None:
        """Write `result.json`, `trials.csv`, `curves.csv`, `leaderboard.csv` and the confusion matrix.

        In `result.json` a number that is not finite is null; it is read back as NaN.
        """
        content = dataclasses.asdict(self) | {"directory": None, "version": _VERSION}
        write_json(self.directory / RESULT_FILE, content)
        self.dataframe().to_csv(self.directory / "trials.csv", index=False)
        self.curves().to_csv(self.directory / "curves.csv", index=False)
        self.leaderboard().to_csv(self.directory / "leaderboard.csv", index=False)
        if self.best is not None:
            confusion = pd.DataFrame(self.best.judgements["test"].confusion, index=self.classes, columns=self.classes)
            confusion.to_csv(self.directory / "confusion.csv", index_label="true \\ predicted")


def load_result(directory: Path) -> SweepResult:
    """Read the result of an earlier sweep.

    Raises:
        ConfigError: The folder holds none.
        RunError: It was written by another version, or is damaged.
    """
    path = directory / RESULT_FILE
    if not path.is_file():
        raise ConfigError(f"{directory}: no {RESULT_FILE} there, so no finished sweep{_runs_near(directory)}")
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if "version" not in content:
            raise ConfigError(f"{directory}: the run of one model, not a sweep; its scores are in {path}")
        version = content.pop("version")
        if version != _VERSION:
            raise RunError(f"{path}: has version {version}, this raytrain reads {_VERSION}")
        return _sweep_result(content, directory.resolve())
    except (AttributeError, KeyError, TypeError, UnicodeDecodeError, json.JSONDecodeError) as error:
        raise RunError(
            f"{path}: is damaged ({type(error).__name__}: {error}); the trials are also in trials.csv beside it"
        ) from error


def _runs_near(directory: Path) -> str:
    """Return the names of the runs in a folder, else of those beside it, as a hint."""
    for place, folder in (("in it", directory), ("beside it", directory.parent)):
        runs = sorted(file.parent.name for file in folder.glob(f"*/{RESULT_FILE}"))
        if runs:
            return f"; runs {place}: {', '.join(runs)}"
    return ""


def _sweep_result(content: dict[str, Any], directory: Path) -> SweepResult:
    best = content["best"]
    if best is not None:
        best["judgements"] = {part: _judgement(one) for part, one in best["judgements"].items()}
        best["refit_test"] = None if best["refit_test"] is None else _judgement(best["refit_test"])
        best["folds"] = tuple(FoldScore(**_numbers(one)) for one in best.get("folds", ()))
    confirmation = content.get("confirmation")
    return SweepResult(
        **content
        | {
            "directory": directory,
            "classes": tuple(content["classes"]),
            "notes": tuple(content["notes"]),
            "trials": tuple(map(_record, content["trials"])),
            "baselines": tuple(BaselineResult(**one) for one in content["baselines"]),
            "best": None if best is None else Best(**best),
            "confirmation": None if confirmation is None else confirmation_from(confirmation),
        }
    )


def _record(content: dict[str, Any]) -> TrialRecord:
    """Return a trial; a violation that was not finite is that of a value that is not a number."""
    violations = {name: math.inf if one is None else one for name, one in content.get("violations", {}).items()}
    numbers = {"curve": _numbers(content["curve"]), "objectives": _numbers(content.get("objectives", {}))}
    best = None if content["best"] is None else _numbers(content["best"])
    return TrialRecord(**content | numbers | {"best": best, "violations": violations})


def _judgement(content: dict[str, Any]) -> Judgement:
    recordings = [RecordingJudgement(**one) for one in content.get("recordings", [])]
    numbers = {part: _numbers(content[part]) for part in ("metrics", "recall")}
    return Judgement(**content | numbers | {"recordings": recordings})


def _numbers(content: Any) -> Any:  # noqa: ANN401 - JSON that holds numbers and null where one was not finite
    if isinstance(content, dict):
        return {key: _numbers(value) for key, value in content.items()}
    if isinstance(content, list):
        return [_numbers(value) for value in content]
    return math.nan if content is None else content


def _baseline_row(one: BaselineResult) -> dict[str, Any]:
    return {
        "kind": "baseline",
        "name": one.name,
        "status": "finished",
        "settings": f"window {one.window_s:.3g} s",
        **one.validation,
        **one.test,
        **_refit_keys(one.refit_test),
    }


def _refit_keys(metrics: dict[str, float]) -> dict[str, float]:
    return {key.replace("test/", "test_refit/"): value for key, value in metrics.items()}
