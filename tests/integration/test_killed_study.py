"""A driver that is killed at any moment leaves a study that opens, without a trial that is only half there."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import optuna
import pytest

from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_points import recorded_point
from raytrain.tuning.recorded_study import continue_study
from raytrain.tuning.recorded_trials import reopen_trial, report_value, zombies
from raytrain.tuning.sole_writer import sole_writer
from raytrain.tuning.storage import close_study
from raytrain.tuning.storage_location import StudyLocation, locate

POINT = {"optimizer.lr": 0.25, "model.name": "wdcnn"}
SPACE = SpaceConfig.model_validate(
    {
        "name": "trying",
        "parameters": {
            "optimizer.lr": {"type": "uniform", "low": 0, "high": 1},
            "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
        },
    }
)
DRIVE = """
import json, sys
from raytrain.config.space import SpaceConfig
from raytrain.tuning.optuna_points import begin_trial
from raytrain.tuning.recorded_study import continue_study
from raytrain.tuning.recorded_trials import report_value
from raytrain.tuning.storage_location import StudyLocation
space, point = SpaceConfig.model_validate_json(sys.argv[2]), json.loads(sys.argv[3])
study = continue_study(space, StudyLocation(sys.argv[1], "quick"))
while True:
    trial = begin_trial(study, space, point, {"host": "here", "seed": 3})
    for epoch in range(1, 4):
        report_value(trial, epoch, epoch / 10)
        print(f"trial {trial.number}, epoch {epoch}", flush=True)
    study.tell(trial, 0.3)
"""


def driven_and_killed(location: StudyLocation, *, lines: int) -> None:
    """Run a driver until it has said so many lines; it is killed while it goes on."""
    command = [sys.executable, "-c", DRIVE, location.url, SPACE.model_dump_json(), json.dumps(POINT)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as driver:
        assert driver.stdout
        assert driver.stderr
        for _ in range(lines):
            assert driver.stdout.readline(), driver.stderr.read()
        driver.kill()


@pytest.mark.slow
@pytest.mark.parametrize("storage", ["journal", "sqlite", "postgresql"])
def test_guarantee_12_no_trial_is_half_there_after_kills(
    storage: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    where = request.getfixturevalue("database") if storage == "postgresql" else storage
    location = locate(where, tmp_path, "quick")
    told = 0
    for lines in (1, 8):
        driven_and_killed(location, lines=lines)
        told += lines
        with sole_writer(location):
            study = continue_study(SPACE, location)
            trials = study.trials
            assert sum(len(trial.intermediate_values) for trial in trials) >= told
            assert {trial.state.name for trial in trials} <= {"RUNNING", "COMPLETE"}
            for trial in trials:
                assert recorded_point(SPACE, trial) == POINT
                assert trial.user_attrs == {"host": "here", "seed": 3}
            assert len(zombies(study)) <= 1
            for left in zombies(study):
                finish(study, left.number)
            told = sum(len(trial.intermediate_values) for trial in study.trials)
            close_study(study)


def finish(study: optuna.Study, number: int) -> None:
    trial = reopen_trial(study, number)
    report_value(trial, 3, 0.3)
    study.tell(trial, 0.3)
    assert zombies(study) == []
