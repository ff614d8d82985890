"""A study in a real PostgreSQL server: what it records, who may write, and what is said when it cannot be reached."""

from __future__ import annotations

import math
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
import psycopg
import pytest
import sqlalchemy
from optuna.trial import TrialState

from raytrain.config.load import validate
from raytrain.config.space import SpaceConfig
from raytrain.errors import ConfigError, RunError
from raytrain.tuning.optuna_points import begin_trial, recorded_point
from raytrain.tuning.recorded_study import continue_study, create_study, load_study, space_differences
from raytrain.tuning.recorded_trials import reopen_trial, report_value, zombies
from raytrain.tuning.server import server_lock, server_url
from raytrain.tuning.sole_writer import sole_writer
from raytrain.tuning.storage import close_study, explained, open_storage
from raytrain.tuning.storage_location import StudyLocation, locate, read_location, save_location

POINT = {"optimizer.lr": 0.0123456789, "windows.envelope_band_hz": [500, 2000], "model.name": "wdcnn", "epochs": 7}
PARAMETERS: dict[str, Any] = {
    "optimizer.lr": {"type": "loguniform", "low": 1e-4, "high": 1.0},
    "windows.envelope_band_hz": {"type": "choice", "values": [None, [500, 2000]]},
    "model.name": {"type": "choice", "values": ["cnn1d", "wdcnn"]},
    "epochs": {"type": "int", "low": 1, "high": 9},
}
RECORD = """
import json, sys
from raytrain.config.space import SpaceConfig
from raytrain.tuning.recorded_study import create_study
from raytrain.tuning.sole_writer import sole_writer
from raytrain.tuning.storage_location import StudyLocation
space = SpaceConfig.model_validate_json(sys.argv[3])
location = StudyLocation(sys.argv[1], sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with sole_writer(location):
    study = create_study(space, location)
    for value in range(5):
        trial = study.ask()
        trial.set_user_attr("by", sys.argv[2])
        study.tell(trial, value)
    print("done", flush=True)
    sys.stdin.readline()
"""


def make_space(objectives: tuple[str, ...] = ()) -> SpaceConfig:
    search = {"algorithm": "random", "objectives": list(objectives)}
    settings = {"name": "trying", "parameters": PARAMETERS, "search": search, "scheduler": {"name": "none"}}
    return validate(SpaceConfig, settings, where="search space")


@pytest.fixture
def location(database: str, tmp_path: Path) -> StudyLocation:
    return locate(database, tmp_path, "quick")


@pytest.fixture
def study(location: StudyLocation) -> Iterator[optuna.Study]:
    study = create_study(make_space(), location)
    yield study
    close_study(study)


@pytest.mark.parametrize("objectives", [(), ("model/parameters",)], ids=["one objective", "two objectives"])
def test_a_study_is_found_again_as_it_was_written(objectives: tuple[str, ...], location: StudyLocation) -> None:
    space = make_space(objectives)
    study = create_study(space, location)
    for state in (TrialState.COMPLETE, TrialState.PRUNED, TrialState.FAIL, TrialState.RUNNING):
        trial = begin_trial(study, space, POINT, {"host": "here", "seed": 3})
        report_value(trial, 1, 0.25)
        report_value(trial, 2, 0.125)
        report_value(trial, 2, 0.5)
        if state.is_finished():
            study.tell(trial, [0.5, 1e6][: len(study.directions)] if state is TrialState.COMPLETE else None, state)
    close_study(study)

    again = load_study(location)
    assert again.metric_names == ["val/macro_f1", *objectives]
    assert space_differences(again, space) == []
    assert [trial.state.name for trial in again.trials] == ["COMPLETE", "PRUNED", "FAIL", "RUNNING"]
    for found in again.trials:
        assert recorded_point(space, found) == POINT
        assert found.user_attrs == {"host": "here", "seed": 3}
        assert found.intermediate_values == {1: 0.25, 2: 0.5}
    assert [found.number for found in zombies(again)] == [3]
    again.tell(reopen_trial(again, 3), state=TrialState.FAIL)
    assert zombies(again) == []
    close_study(again)


def test_a_trial_begins_in_one_transaction(study: optuna.Study) -> None:
    commits: list[object] = []
    engine = study._storage._backend.engine  # type: ignore[attr-defined]
    sqlalchemy.event.listen(engine, "commit", commits.append)
    trial_id = begin_trial(study, make_space(), POINT, {"host": "here"})._trial_id
    assert len(commits) <= 2, "the transaction that makes it, and one that reads it"
    assert study._storage.get_trial(trial_id).params.keys() == POINT.keys()


def test_values_that_are_not_finite_are_kept(study: optuna.Study) -> None:
    trial = begin_trial(study, make_space(), POINT, {})
    for epoch, value in enumerate((math.inf, -math.inf, math.nan), start=1):
        report_value(trial, epoch, value)
    values = study.trials[0].intermediate_values
    assert values[1] == math.inf
    assert values[2] == -math.inf
    assert math.isnan(values[3])


def started(location: StudyLocation) -> subprocess.Popen[str]:
    """Start a driver that waits for a word to begin, and for another to end."""
    command = [sys.executable, "-c", RECORD, location.url, location.study_name, make_space().model_dump_json()]
    return subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, bufsize=1
    )


def answered(driver: subprocess.Popen[str], answer: str) -> None:
    assert driver.stdout
    assert driver.stderr
    assert driver.stdout.readline() == f"{answer}\n", driver.stderr.read()


def told(driver: subprocess.Popen[str]) -> None:
    assert driver.stdin
    driver.stdin.write("go\n")


def test_guarantee_11_drivers_that_begin_at_once_share_one_server(database: str) -> None:
    """Each makes the tables, if it is first, and a study of its own in the same empty database."""
    locations = [StudyLocation(database, name) for name in ("first", "second", "third")]
    with ExitStack() as alive:
        drivers = [alive.enter_context(started(location)) for location in locations]
        for act in (lambda one: answered(one, "ready"), told, lambda one: answered(one, "done")):
            for driver in drivers:
                act(driver)
        with pytest.raises(RunError, match=r"another sweep writes to the study 'second' in .*\*\*\*"):
            alive.enter_context(sole_writer(locations[1]))
        for driver in drivers:
            assert driver.communicate("end\n") == ("", "")
    for location in locations:
        with sole_writer(location):
            study = load_study(location)
        assert [trial.value for trial in study.trials] == [0, 1, 2, 3, 4]
        assert [trial.number for trial in study.trials] == [0, 1, 2, 3, 4]
        assert {trial.user_attrs["by"] for trial in study.trials} == {location.study_name}
        close_study(study)


def test_a_killed_driver_holds_nothing(location: StudyLocation) -> None:
    with started(location) as driver:
        answered(driver, "ready")
        told(driver)
        answered(driver, "done")
        driver.kill()
    # The server notices a moment later; this waits for it, 10 s at most.
    with server_lock(server_url(location), "raytrain: quick", wait=True) as held:
        assert held
    with sole_writer(location):
        study = continue_study(make_space(), location)
    assert len(study.trials) == 5
    close_study(study)


def test_a_database_without_an_encoding_works(postgresql: str) -> None:
    with psycopg.connect(f"{postgresql}/postgres", autocommit=True) as connection:
        connection.execute("CREATE DATABASE ascii TEMPLATE template0 ENCODING 'SQL_ASCII' LOCALE 'C'")
    study = create_study(make_space(), StudyLocation(f"{postgresql}/ascii", "Prüfstand"))
    assert study.metric_names == ["val/macro_f1"]
    close_study(study)


def test_a_study_of_that_name_is_not_taken_over(study: optuna.Study, location: StudyLocation) -> None:
    with pytest.raises(ConfigError, match="of the same space"):
        create_study(make_space(), location)
    with pytest.raises(ConfigError, match=r"of another space \(search\.objectives: \[\] -> \['model/parameters'\]\)"):
        create_study(make_space(("model/parameters",)), location)


def refused(location: StudyLocation) -> str:
    """Return how a storage that cannot be opened is refused; never with the password."""
    with pytest.raises(RunError) as caught:
        open_storage(location)
    text = str(caught.value)
    assert "s3cret" not in text
    assert "wrong" not in text
    assert caught.value.__cause__ is None
    assert "\n" not in text
    assert text.endswith("check that the server runs, and user, password and database")
    return text


def test_a_wrong_password_is_refused(database: str) -> None:
    head, tail = database.split("@")
    location = StudyLocation(f"{head.rpartition(':')[0]}:wrong@{tail}", "quick")
    assert 'password authentication failed for user "raytrain"' in refused(location)


def test_a_missing_database_is_named(postgresql: str) -> None:
    assert 'database "absent" does not exist' in refused(StudyLocation(f"{postgresql}/absent", "quick"))


def test_a_server_that_is_not_there_is_named() -> None:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))  # bound, not listening: nobody else gets the port
        url = f"postgresql://raytrain:s3cret@127.0.0.1:{probe.getsockname()[1]}/studies"
        assert "refused" in refused(StudyLocation(url, "quick"))


def test_a_server_that_says_nothing_is_given_up() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"postgresql://raytrain:s3cret@127.0.0.1:{silent.getsockname()[1]}/studies?connect_timeout=1"
        assert "timeout" in refused(StudyLocation(url, "quick"))


def test_tables_that_somebody_else_holds_are_given_up(study: optuna.Study, location: StudyLocation) -> None:
    impatient = StudyLocation(f"{location.url}?options=-c%20lock_timeout%3D100ms", "quick")
    opened = load_study(impatient, writing=True)
    trial = opened.ask()
    with psycopg.connect(location.url) as holder:
        holder.execute("LOCK TABLE trial_intermediate_values IN ACCESS EXCLUSIVE MODE")
        with pytest.raises(RunError, match="lock timeout"), explained(impatient):
            report_value(trial, 1, 0.5)
    report_value(trial, 1, 0.5)
    assert opened.trials[0].intermediate_values == {1: 0.5}
    close_study(opened)


def test_newer_tables_are_refused(study: optuna.Study, location: StudyLocation) -> None:
    with psycopg.connect(location.url) as connection:
        connection.execute("UPDATE alembic_version SET version_num = 'v99.0.0.a'")
    with pytest.raises(ConfigError, match="its tables are those of a newer Optuna") as caught:
        load_study(location)
    assert "s3cret" not in str(caught.value)


def test_a_server_that_restarts_is_found_again(study: optuna.Study, location: StudyLocation) -> None:
    begin_trial(study, make_space(), POINT, {})
    with psycopg.connect(location.url, autocommit=True) as connection:
        connection.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )
    begin_trial(study, make_space(), POINT, {})
    assert len(study.trials) == 2


def test_a_run_keeps_no_password(location: StudyLocation, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_location(tmp_path, location)
    assert "s3cret" not in (tmp_path / "study.json").read_text("utf-8")
    monkeypatch.setenv("RAYTRAIN_STORAGE", location.url)
    close_study(create_study(make_space(), read_location(tmp_path)))
