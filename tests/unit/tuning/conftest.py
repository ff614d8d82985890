"""A sweep's result made by hand: what a run of a few trials and baselines leaves behind."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from raytrain.distributed.judge import Judgement, RecordingJudgement
from raytrain.tuning.baselines import BaselineResult
from raytrain.tuning.records import Status, TrialRecord
from raytrain.tuning.results import Best, SweepResult
from raytrain.tuning.space import Point

CLASSES = ("ball", "inner", "normal", "outer")


def metrics(prefix: str, score: float, *, loss: float = 0.5) -> dict[str, float]:
    """Return all metrics of a part, each a different number that follows from the score."""
    return {
        f"{prefix}/loss": loss,
        f"{prefix}/accuracy": score + 0.01,
        f"{prefix}/balanced_accuracy": score + 0.02,
        f"{prefix}/macro_f1": score,
        f"{prefix}/recording_accuracy": score + 0.04,
        f"{prefix}/recording_macro_f1": score + 0.03,
    }


def epoch(number: int, score: float, *, loss: float) -> dict[str, float]:
    return {"epoch": number, "seconds": 1.5 * number, "train/loss": loss / 2, **metrics("val", score, loss=loss)}


def trial(number: int, status: Status, scores: list[float], settings: Point, *, reason: str = "") -> TrialRecord:
    """Return a record whose loss is one minus its score; it knows its best epoch by macro-F1."""
    curve = [epoch(index, score, loss=1 - score) for index, score in enumerate(scores, start=1)]
    usable = [row for row in curve if math.isfinite(row["val/macro_f1"])]
    best = max(usable, key=lambda row: row["val/macro_f1"]) if usable else None
    return TrialRecord(f"id_{number}", number, settings, status=status, curve=curve, best=best, reason=reason)


def judgement(prefix: str, score: float) -> Judgement:
    """Return a judgement in which the third class has no windows, so no recall."""
    return Judgement(
        metrics=metrics(prefix, score),
        recall=[0.75, 1.0, math.nan, 0.5],
        confusion=[[30, 10, 0, 0], [0, 40, 0, 0], [0, 0, 0, 0], [10, 10, 0, 20]],
        recording_confusion=[[2, 0, 0, 0], [0, 2, 0, 0], [0, 0, 0, 0], [1, 0, 0, 1]],
        recordings=[
            RecordingJudgement("b1", "ball", "ball", windows=20, right=0.75, probability=0.7),
            RecordingJudgement("b2", "ball", "ball", windows=20, right=0.75, probability=0.6),
            RecordingJudgement("i1", "inner", "inner", windows=20, right=1.0, probability=0.9),
            RecordingJudgement("i2", "inner", "inner", windows=20, right=1.0, probability=0.95),
            RecordingJudgement("o1", "outer", "ball", windows=20, right=0.25, probability=0.5),
            RecordingJudgement("o2", "outer", "outer", windows=20, right=0.75, probability=0.65),
        ],
    )


def baseline(name: str, validation: float, test: float, *, skipped: str = "") -> BaselineResult:
    return BaselineResult(
        name=name,
        window_length=2048,
        window_s=0.1707,
        validation={} if skipped else metrics("val", validation),
        test={} if skipped else metrics("test", test),
        refit_test={} if skipped else metrics("test", test + 0.01),
        skipped=skipped,
    )


@pytest.fixture(scope="session", autouse=True)
def impatient_disk() -> Iterator[None]:
    """Do not wait for the disk after every line of a study's journal; no test cuts the power."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(os, "fsync", lambda _: None)
        yield


@pytest.fixture
def sweep_result(tmp_path: Path) -> SweepResult:
    """A sweep of five trials: the best finished, one stopped, two failed, one never began."""
    point = {"optimizer.lr": 0.0012345, "model.name": "wdcnn", "windows.length": 2048, "epochs": 9}
    return SweepResult(
        name="quick",
        directory=tmp_path,
        command="raytrain tune quick --trials 5",
        metric="val/macro_f1",
        algorithm="tpe with ASHA",
        classes=CLASSES,
        leaky=False,
        notes=("recordings are divided by recording",),
        seconds=83.4,
        interrupted=False,
        trials=(
            trial(1, "finished", [0.60, 0.90, 0.80], point),
            trial(2, "stopped", [0.55], point | {"optimizer.lr": 0.5, "model.name": "cnn1d", "model.depth": 4}),
            trial(3, "failed", [], point | {"optimizer.lr": 0.25}, reason="CUDA out of memory"),
            trial(
                4,
                "failed",
                [math.nan],
                point | {"optimizer.lr": 0.125},
                reason="never a finite number",
            ),
            trial(5, "stopped", [], point | {"optimizer.lr": 0.0625}),
        ),
        baselines=(
            baseline("random_forest", 0.95, 0.70),
            baseline("envelope_lines", 0.0, 0.0, skipped="bearing 'my own' has no known geometry"),
        ),
        best=Best(
            trial=1,
            point=point,
            config={"epochs": 9, "model": {"name": "wdcnn"}},
            epoch=2,
            reported=0.90,
            judgements={"validation": judgement("val", 0.90), "test": judgement("test", 0.80)},
            refit_test=judgement("test", 0.82),
        ),
    )


@pytest.fixture
def planned_result(sweep_result: SweepResult) -> SweepResult:
    """The same sweep with its manifest: full trials have 9 epochs, the learning rate is on a logarithmic scale."""
    space = {
        "name": "quick",
        "fixed": {"epochs": 9, "metric": sweep_result.metric},
        "parameters": {
            "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1.0},
            "model.name": {"type": "choice", "values": ["wdcnn", "cnn1d"]},
            "model.depth": {"type": "int", "low": 2, "high": 8, "when": {"model.name": "cnn1d"}},
            "windows.length": {"type": "choice", "values": [1024, 2048]},
        },
        "search": {"algorithm": "tpe", "objectives": ["model/parameters"]},
        "scheduler": {"name": "asha"},
    }
    manifest = {"command": sweep_result.command, "data": {"leaky": False}, "config": space}
    (sweep_result.directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    for record, parameters in zip(sweep_result.trials, (5000.0, 2000.0, 1000.0, 1000.0, 1000.0), strict=True):
        record.objectives["model/parameters"] = parameters
    return sweep_result
