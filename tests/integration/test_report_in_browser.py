"""The report of a sweep in a real browser: it opens without a network, everything is drawn, and it tells the truth."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

from raytrain.distributed.judge import Judgement, RecordingJudgement
from raytrain.tuning.baselines import BaselineResult
from raytrain.tuning.conclusions import count_by_status
from raytrain.tuning.records import Status, TrialRecord
from raytrain.tuning.results import Best, SweepResult
from raytrain.tuning.study import Study

if TYPE_CHECKING:
    from selenium.webdriver import Chrome

METRIC, COST = "val/macro_f1", "model/parameters"
NASTY = "outer <b>&amp;</b> ring"
CLASSES = ("inner", "normal", NASTY)
STATUSES: tuple[Status, ...] = ("finished", "stopped", "failed", "finished", "stopped")
PANELS = {
    "history": 2,  # the trials with a value, and those without
    "curves": 1,
    "importances": 1,
    "slices": 3,
    "pareto": 1,
    "confusion": 2,
    "recordings": 1,
    "cost": 1,
}
"""Figure -> its panels with points, bars or cells."""


def scores(part: str, score: float) -> dict[str, float]:
    names = ("loss", "accuracy", "macro_f1", "recording_accuracy", "recording_macro_f1")
    return {f"{part}/{name}": score for name in names}


def trial(number: int) -> TrialRecord:
    """Return a trial whose parameters, curve and end follow from its number; every fifth failed without a number."""
    status, drawn = STATUSES[number % 5], np.random.default_rng(number).uniform(size=3)
    point = {"optimizer.lr": float(10 ** (-4 * drawn[0])), "model.name": ("wdcnn", "<i>cnn1d</i>")[number % 2]}
    if number % 2:
        point["model.depth"] = 2 + number % 3
    epochs = 6 if status == "finished" else 2
    best = math.nan if status == "failed" else 0.5 + 0.4 * drawn[1]
    curve = [
        {"epoch": epoch, "seconds": 2.0 * epoch, **scores("val", best * epoch / epochs)}
        for epoch in range(1, epochs + 1)
    ]
    return TrialRecord(
        str(number),
        number,
        point,
        status=status,
        curve=curve,
        best=None if status == "failed" else curve[-1],
        reason={"stopped": "by the scheduler", "failed": f"{METRIC} was never a finite number"}.get(status, ""),
        objectives={COST: 1000.0 + 100 * number},
    )


def judgement(part: str) -> Judgement:
    recordings = [
        RecordingJudgement(f"{name}-{index}", name, CLASSES[-1], windows=10, right=index / 3, probability=0.8)
        for name in CLASSES
        for index in range(4)
    ]
    counts = [[30, 5, 5], [0, 40, 0], [4, 6, 30]]
    return Judgement(scores(part, 0.8), [0.75, 1.0, 0.75], counts, [[3, 0, 1], [0, 4, 0], [0, 0, 4]], recordings)


@pytest.fixture
def result(tmp_path: Path) -> SweepResult:
    """A sweep of 30 trials with a further objective, saved with its manifest."""
    directory = tmp_path / "run"
    directory.mkdir()
    trials = tuple(map(trial, range(1, 31)))
    best = max((one for one in trials if one.best is not None), key=lambda one: one.value(METRIC) or 0)
    config = {
        "parameters": {
            "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1.0},
            "model.name": {"type": "choice", "values": ["wdcnn", "<i>cnn1d</i>"]},
            "model.depth": {"type": "int", "low": 2, "high": 4},
        },
        "search": {"objectives": [COST]},
        "fixed": {"epochs": 6},
    }
    (directory / "manifest.json").write_text(json.dumps({"config": config}), encoding="utf-8")
    found = SweepResult(
        name="a <b>bold</b> sweep",
        directory=directory,
        command="raytrain tune bold.yaml --name '<b>'",
        metric=METRIC,
        algorithm="tpe with ASHA",
        classes=CLASSES,
        leaky=False,
        notes=("recordings are divided by recording",),
        seconds=321.0,
        interrupted=False,
        trials=trials,
        baselines=(
            BaselineResult("random_forest", 2048, 0.17, scores("val", 0.85), scores("test", 0.9), scores("test", 0.9)),
        ),
        best=Best(
            best.number,
            best.point,
            {},
            6,
            best.value(METRIC) or 0.0,
            {"validation": judgement("val"), "test": judgement("test")},
            None,
        ),
    )
    found.save()
    return found


@pytest.fixture
def opened(result: SweepResult, browser: Chrome) -> Chrome:
    """The page of the sweep, opened from its file without a network."""
    path = Study.from_run(result.directory).report()
    offline = {"offline": True, "latency": 0, "downloadThroughput": 0, "uploadThroughput": 0}
    browser.execute_cdp_cmd("Network.enable", {})
    browser.execute_cdp_cmd("Network.emulateNetworkConditions", offline)
    browser.get(path.as_uri())
    return browser


def requested(browser: Chrome) -> list[str]:
    """Return the addresses that the page asked for."""
    messages = [json.loads(entry["message"])["message"] for entry in browser.get_log("performance")]  # type: ignore[no-untyped-call]
    sent = [one["params"] for one in messages if one["method"] == "Network.requestWillBeSent"]
    return [one["request"]["url"] for one in sent if one["documentURL"].startswith("file:")]  # not the first new tab


def boxes(browser: Chrome, selector: str) -> list[tuple[float, float]]:
    """Return width and height in pixels of each element that is drawn."""
    script = """return [...document.querySelectorAll(arguments[0])].map(
        one => {const box = one.getBoundingClientRect(); return [box.width, box.height]})"""
    found: list[list[float]] = browser.execute_script(script, selector)
    return [(width, height) for width, height in found]


def text(browser: Chrome, name: str) -> str:
    return str(browser.find_element("id", name).text)


@pytest.mark.slow
def test_the_report_in_a_browser(result: SweepResult, opened: Chrome) -> None:
    _asks_for_nothing_and_complains_of_nothing(opened)
    _draws_every_figure(result, opened)
    _tells_the_numbers_of_the_study(result, opened)
    _shows_names_as_they_are(opened)
    _fits_its_window(opened)


def _asks_for_nothing_and_complains_of_nothing(browser: Chrome) -> None:
    addresses = requested(browser)
    assert [one for one in addresses if not one.startswith("data:")] == [browser.current_url]
    assert browser.get_log("browser") == []  # type: ignore[no-untyped-call]


def _draws_every_figure(result: SweepResult, browser: Chrome) -> None:
    for name, panels in PANELS.items():
        assert all(width > 400 and height > 100 for width, height in boxes(browser, f"#figure-{name} svg.main-svg"))
        drawn = boxes(browser, f"#figure-{name} .overplot")
        assert len(drawn) == panels, name
        assert all(width > 100 and height > 1 for width, height in drawn), name
    valued = [one for one in result.trials if one.best is not None]
    points = "#figure-history .overplot .point"
    assert len(boxes(browser, points)) == len(result.trials) + 1  # and the winner's ring
    assert len(boxes(browser, "#figure-pareto .overplot .point")) == len(valued)
    assert len(boxes(browser, "#figure-cost .overplot .point")) == len(result.trials) + sum(
        one.status == "stopped" for one in result.trials
    )
    assert all(width > 0 and height > 0 for width, height in boxes(browser, points))
    assert len(boxes(browser, "#figure-parallel .overplot .js-line")) > 1


def _tells_the_numbers_of_the_study(result: SweepResult, browser: Chrome) -> None:
    assert text(browser, "count-trials") == str(len(result.trials))
    for status, count in count_by_status(result.trials).items():
        assert text(browser, f"count-{status}") == str(count)
    assert text(browser, "count-epochs") == str(sum(len(one.curve) for one in result.trials))
    assert result.best is not None
    assert text(browser, "winner") == f"trial {result.best.trial}"
    assert "does not beat the best classical one on the test part (random_forest, -0.1000" in text(browser, "verdict")
    saved = sum(6 - len(one.curve) for one in result.trials if one.status == "stopped")
    assert text(browser, "cost-saved") == str(saved)


def _shows_names_as_they_are(browser: Chrome) -> None:
    assert browser.find_element("css selector", "h1").text == "a <b>bold</b> sweep"
    ticks: Any = browser.find_elements("css selector", "#figure-confusion .xtick text, #figure-confusion .x2tick text")
    assert NASTY in [one.get_attribute("textContent") for one in ticks]


def _fits_its_window(browser: Chrome) -> None:
    inner, page = browser.execute_script("return [innerWidth, document.documentElement.scrollWidth]")
    assert page <= inner
