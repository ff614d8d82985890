from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from raytrain.config.load import apply_overrides
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError
from raytrain.tuning.continuation import save_space
from raytrain.tuning.experience import experience_of, point_in
from raytrain.tuning.proposers import Outcome

METRIC = "val/macro_f1"
RATE = {"optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 0.1}}
NAME: dict[str, Any] = {
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
    "model.depth": {"type": "int", "low": 2, "high": 4, "when": {"model.name": "cnn1d"}},
}


def space(parameters: dict[str, Any] | None = None, **overrides: Any) -> SpaceConfig:  # noqa: ANN401
    settings = {"name": "trying", "parameters": parameters or RATE}
    return SpaceConfig.model_validate(
        apply_overrides(settings, {field.replace("__", "."): value for field, value in overrides.items()})
    )


class Earlier:
    """The folder of an earlier sweep, with what it wrote of its trials."""

    def __init__(self, directory: Path, of: SpaceConfig) -> None:
        self.directory = directory
        directory.mkdir()
        save_space(directory, of)
        (directory / "manifest.json").write_text("{}", encoding="utf-8")
        self._trials = 0

    def trial(
        self, point: dict[str, Any], *rows: dict[str, float], status: str | None = "finished", metric: str = METRIC
    ) -> None:
        self._trials += 1
        number = self._trials
        events: list[dict[str, Any]] = [{"event": "start", "trial": "id", "number": number, "point": point}]
        for epoch, row in enumerate(rows, start=1):
            metrics = {name: value if math.isfinite(value) else None for name, value in row.items()}
            assert metric in metrics
            events += [{"event": "epoch", "number": number, "epoch": epoch, "seconds": 1.0, "metrics": metrics}]
        if status is not None:
            events += [{"event": "end", "number": number, "status": status, "reason": ""}]
        with (self.directory / "events.jsonl").open("a", encoding="utf-8") as file:
            file.writelines(json.dumps(event) + "\n" for event in events)


@pytest.fixture
def earlier(tmp_path: Path) -> Earlier:
    return Earlier(tmp_path / "earlier", space())


def test_guarantee_05_each_ended_trial_is_a_lesson(earlier: Earlier) -> None:
    earlier.trial({"optimizer.lr": 0.01}, {METRIC: 0.5}, {METRIC: 0.75}, {METRIC: 0.625})
    earlier.trial({"optimizer.lr": 0.02}, {METRIC: 0.25}, status="stopped")
    earlier.trial({"optimizer.lr": 0.09}, status="failed")
    earlier.trial({"optimizer.lr": 0.08}, {METRIC: math.nan}, status="failed")
    earlier.trial({"optimizer.lr": 0.03}, {METRIC: 0.9}, status=None)  # still running: nobody knows yet
    assert experience_of([earlier.directory], space()) == [
        ({"optimizer.lr": 0.01}, Outcome((0.75,))),
        ({"optimizer.lr": 0.02}, Outcome((0.25,), stopped_at=1)),
        ({"optimizer.lr": 0.09}, Outcome(None)),
        ({"optimizer.lr": 0.08}, Outcome(None)),
    ]


def test_less_loss_is_more_worth(tmp_path: Path) -> None:
    earlier = Earlier(tmp_path / "loss", space(fixed__metric="val/loss"))
    earlier.trial({"optimizer.lr": 0.01}, {"val/loss": 0.5}, {"val/loss": 0.25}, metric="val/loss")
    ((_, outcome),) = experience_of([earlier.directory], space(fixed__metric="val/loss"))
    assert outcome.values == (-0.25,)


def test_sweeps_add_up_in_their_order(earlier: Earlier, tmp_path: Path) -> None:
    other = Earlier(tmp_path / "other", space(RATE | NAME))
    earlier.trial({"optimizer.lr": 0.01}, {METRIC: 0.5})
    other.trial({"optimizer.lr": 0.02, "model.name": "wdcnn"}, {METRIC: 0.25})
    found = experience_of([other.directory, earlier.directory], space())
    assert [point for point, _ in found] == [{"optimizer.lr": 0.02}, {"optimizer.lr": 0.01}]


def test_points_out_of_the_space_teach_nothing(earlier: Earlier) -> None:
    for rate in (0.05, 0.5, 0.0005):
        earlier.trial({"optimizer.lr": rate}, {METRIC: 0.5})
    narrow = space({"optimizer.lr": {"type": "loguniform", "low": 1e-3, "high": 0.1}})
    assert [point for point, _ in experience_of([earlier.directory], narrow)] == [{"optimizer.lr": 0.05}]


def test_objectives_and_constraints_are_measured_again(earlier: Earlier) -> None:
    row = {METRIC: 0.5, "model/parameters": 120.0, "val/loss": 0.25}
    earlier.trial({"optimizer.lr": 0.01}, row)
    earlier.trial({"optimizer.lr": 0.02}, {METRIC: 0.5})  # it never measured its parameters
    both = space(
        search__objectives=["model/parameters"],
        search__constraints={"model/parameters": {"most": 100}, "val/loss": {"most": 1}},
        scheduler__name="none",
    )
    ((_, outcome),) = experience_of([earlier.directory], both)
    assert outcome == Outcome((0.5, -120.0), violations=(20.0, -0.75))


def test_violations_are_all_known_or_none(earlier: Earlier) -> None:
    earlier.trial({"optimizer.lr": 0.01}, {METRIC: 0.5, "val/loss": 0.25})
    bounds = {"model/parameters": {"most": 100}, "val/loss": {"most": 1}}
    ((_, outcome),) = experience_of([earlier.directory], space(search__constraints=bounds))
    assert outcome == Outcome((0.5,))


def test_another_metric_is_refused(earlier: Earlier) -> None:
    with pytest.raises(ConfigError, match=rf"--warm-start-from .*judged by {METRIC}, this sweep is by val/loss; set"):
        experience_of([earlier.directory], space(fixed__metric="val/loss"))


def test_no_overlap_is_refused(earlier: Earlier) -> None:
    earlier.trial({"optimizer.lr": 0.01}, {METRIC: 0.5})
    with pytest.raises(
        ConfigError, match=r"none of its 1 trials is a point .*varies optimizer\.lr, this one model\.name, model\.depth"
    ):
        experience_of([earlier.directory], space(NAME))


def test_a_sweep_without_trials_is_refused(earlier: Earlier) -> None:
    with pytest.raises(ConfigError, match=r"--warm-start-from .*it has no trials yet"):
        experience_of([earlier.directory], space())


def test_a_folder_of_no_sweep_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="no sweep began there"):
        experience_of([tmp_path], space())


@pytest.mark.parametrize("algorithm", ["grid", "random", "quasi_random"])
def test_a_search_that_learns_nothing_is_told(algorithm: str, earlier: Earlier) -> None:
    finite = space({"batch_size": {"type": "grid", "values": [8, 16]}}, search__algorithm=algorithm)
    with pytest.raises(ConfigError, match=f"{algorithm} learns nothing from trials; search with tpe"):
        experience_of([earlier.directory], finite)
    assert experience_of([], finite) == []


@pytest.mark.parametrize(
    ("values", "point"),
    [
        ({"model.name": "wdcnn", "model.depth": 3}, {"model.name": "wdcnn"}),
        ({"model.name": "cnn1d", "model.depth": 3, "epochs": 9}, {"model.name": "cnn1d", "model.depth": 3}),
        ({"model.name": "cnn1d"}, None),
        ({"model.name": "cnn1d", "model.depth": 5}, None),
        ({"model.name": "cnn1d", "model.depth": 3.0}, None),
        ({"model.name": "resnet1d", "model.depth": 3}, None),
        ({}, None),
    ],
)
def test_what_a_point_is_in_a_space(values: dict[str, Any], point: dict[str, Any] | None) -> None:
    assert point_in(space(NAME), values) == point
