"""Runs in a real MLflow store, a SQLite file."""

from __future__ import annotations

import math
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

from raytrain.callbacks.mlflow_logger import MLflowLogger
from raytrain.engine.fit import Run, fit
from raytrain.errors import ConfigError, RunError
from raytrain.types import Callback, FitState

if TYPE_CHECKING:
    from mlflow import MlflowClient

# SQLAlchemy 2.1 deprecates an option that MLflow's tables are defined with.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning")

Make = Callable[..., Any]


@pytest.fixture(scope="module")
def uri(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('mlflow')}/mlflow.db"


@pytest.fixture
def client(uri: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> MlflowClient:
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")
    monkeypatch.chdir(tmp_path)
    from mlflow import MlflowClient

    return MlflowClient(tracking_uri=uri)


def points(client: MlflowClient, logger: MLflowLogger, key: str) -> list[tuple[int, float]]:
    return [(point.step, point.value) for point in client.get_metric_history(logger.run_id, key)]


class Stop(Callback):
    def on_epoch_end(self, state: FitState) -> None:
        state.stop_reason = "enough"


class Fail(Callback):
    def __init__(self, error: BaseException) -> None:
        self.error = error

    def on_epoch_start(self, state: FitState) -> None:
        if state.progress.epoch == 1:
            raise self.error


def test_each_metric_is_logged_against_the_epoch(
    training: Make, client: MlflowClient, uri: str, tmp_path: Path
) -> None:
    logger = MLflowLogger("bearings", "first", tracking_uri=uri)
    state = fit(training(lambda _: [logger]))
    for key in state.history[0]:
        assert points(client, logger, key) == [(epoch, row[key]) for epoch, row in enumerate(state.history, start=1)]
    run = client.get_run(logger.run_id)
    assert (run.info.status, run.info.run_name) == ("FINISHED", "first")
    assert run.data.params == {"model": "Sequential", "optimizer": "AdamW", "parameters": "63"}
    assert client.get_experiment(run.info.experiment_id).name == "bearings"
    assert list(tmp_path.iterdir()) == []  # nothing beside the store


def test_a_resumed_run_goes_on_in_the_same_mlflow_run_and_logs_no_epoch_twice(
    training: Make,
    client: MlflowClient,
    uri: str,
) -> None:
    logger = MLflowLogger("bearings", "cut", tracking_uri=uri)
    run = Run(training(lambda _: [logger]))
    run.advance()
    run.advance()
    snapshot = run.snapshot()
    run.advance()  # and is cut off: the third epoch is logged, and not in the snapshot
    run.close()
    assert client.get_run(logger.run_id).info.status == "KILLED"

    other = MLflowLogger("bearings", "cut", tracking_uri=uri)
    fit(training(lambda _: [other]), resume=snapshot)
    assert other.run_id == logger.run_id
    assert [step for step, _ in points(client, other, "val/loss")] == [1, 2, 3, 4]
    assert client.get_run(logger.run_id).info.status == "FINISHED"


def test_a_store_without_the_run_is_refused(fit_state: Make, client: MlflowClient, uri: str) -> None:
    logger = MLflowLogger("bearings", tracking_uri=uri)
    logger.load_state_dict({"run_id": "0" * 32})
    message = r"^MLflow run 0{32}, which the resumed run was logged to, cannot be gone on with in the store sqlite:"
    with pytest.raises(RunError, match=message):
        logger.on_fit_start(fit_state())


@pytest.mark.parametrize(
    ("cause", "status", "reason"),
    [
        (Stop(), "FINISHED", "enough"),
        (Fail(RunError("train/loss is nan")), "FAILED", None),
        (Fail(KeyboardInterrupt()), "KILLED", None),
    ],
    ids=["stop", "error", "interrupt"],
)
def test_it_ends_with_what_became_of_training(
    *,
    training: Make,
    client: MlflowClient,
    uri: str,
    cause: Callback,
    status: str,
    reason: str | None,
) -> None:
    logger = MLflowLogger("ends", tracking_uri=uri)
    try:
        fit(training(lambda _: [cause, logger]))
    except (RunError, KeyboardInterrupt) as error:
        assert error is getattr(cause, "error", None)  # noqa: PT017 - one of the causes raises nothing
    run = client.get_run(logger.run_id)
    assert (run.info.status, run.data.tags.get("stop_reason")) == (status, reason)
    assert run.info.run_name.startswith("Sequential-")


def test_an_error_that_was_being_handled_before_is_not_the_runs(training: Make, client: MlflowClient, uri: str) -> None:
    logger = MLflowLogger("ends", "second try", tracking_uri=uri)
    try:
        raise RunError("the first try")  # noqa: TRY301 - what matters is that it is being handled
    except RunError:
        fit(training(lambda _: [logger], epochs=1))
    assert client.get_run(logger.run_id).info.status == "FINISHED"


def test_nan_is_logged_as_such(told: Make, fit_state: Make, client: MlflowClient, uri: str) -> None:
    logger = MLflowLogger("bearings", "nan", tracking_uri=uri)
    told(logger, fit_state(), [{"train/loss": 1.0, "val/auroc": math.nan}])
    [(step, value)] = points(client, logger, "val/auroc")
    assert step == 1
    assert math.isnan(value)


def test_without_mlflow_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "mlflow", None)
    message = r'^callbacks.mlflow needs MLflow, which is not installed; pip install "raytrain\[mlflow\]"$'
    with pytest.raises(ConfigError, match=message):
        MLflowLogger("bearings")
