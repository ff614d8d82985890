"""Metrics in an MLflow store."""

from __future__ import annotations

import importlib.util
import sys
import time
from datetime import datetime
from typing import TYPE_CHECKING, Any

from raytrain.errors import ConfigError, RunError
from raytrain.types import Callback, FitState

if TYPE_CHECKING:
    from mlflow import MlflowClient

__all__ = ["MLflowLogger"]


class MLflowLogger(Callback):
    """Log each epoch's metrics to one MLflow run, against the epoch; only rank 0 writes.

    A resumed run goes on in the same MLflow run and logs no epoch twice. It ends there as `FAILED` when an error ends
    training, as `KILLED` when it is interrupted or closed before its last epoch, and otherwise as `FINISHED`, with the
    tag `stop_reason` where a callback asked for the stop. MLflow reports its own use to its makers unless the
    environment has `MLFLOW_DISABLE_TELEMETRY=true`.

    Args:
        experiment_name: The MLflow experiment; made where there is none.
        run_name: Of a new run; the model's class and the time when absent.
        tracking_uri: Of the store, e.g. `sqlite:///mlflow.db`; MLflow's own choice, such as `MLFLOW_TRACKING_URI`, when
            absent.

    Attributes:
        run_id: MLflow's name of the run, on rank 0.

    Raises:
        ConfigError: MLflow, an optional extra, is not installed.
        RunError: On resuming, the store does not have the run.

    >>> logger = MLflowLogger("bearings", "wdcnn", tracking_uri="sqlite:///mlflow.db")
    >>> logger.state_dict()
    {'run_id': None}
    """

    def __init__(self, experiment_name: str, run_name: str | None = None, *, tracking_uri: str | None = None) -> None:
        if importlib.util.find_spec("mlflow") is None:
            raise ConfigError('callbacks.mlflow needs MLflow, which is not installed; pip install "raytrain[mlflow]"')
        self.experiment_name = experiment_name
        self.run_name = run_name
        self.tracking_uri = tracking_uri
        self.run_id: str | None = None
        self._client: MlflowClient | None = None
        self._logged = 0
        self._error_before: BaseException | None = None

    def on_fit_start(self, state: FitState) -> None:
        """Make the MLflow run, or take up that of the run being resumed."""
        if not state.is_writer:
            return
        from mlflow import MlflowClient

        self._error_before = sys.exception()
        self._client = client = MlflowClient(tracking_uri=self.tracking_uri)
        if self.run_id is None:
            self.run_id = self._new_run(client, state)
        else:
            self._go_on(client)
        points = client.get_metric_history(self.run_id, "train/loss")
        self._logged = max((point.step for point in points), default=0)

    def on_checkpoint(self, state: FitState) -> None:
        """Log the epoch, unless it was logged before the run was interrupted."""
        epoch = state.progress.epoch
        if self._client is None or epoch <= self._logged:
            return
        from mlflow.entities import Metric

        now = int(time.time() * 1000)
        metrics = [Metric(key, value, now, epoch) for key, value in state.metrics.items()]
        self._client.log_batch(self.run_id, metrics=metrics)

    def on_fit_end(self, state: FitState) -> None:
        """End the MLflow run with what became of training."""
        if self._client is None:
            return
        if state.stop_reason is not None:
            self._client.set_tag(self.run_id, "stop_reason", state.stop_reason)
        self._client.set_terminated(self.run_id, self._status(state))
        self._client = self._error_before = None

    def state_dict(self) -> dict[str, Any]:
        """Return MLflow's name of the run."""
        return {"run_id": self.run_id}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore it."""
        self.run_id = state["run_id"]

    def _new_run(self, client: MlflowClient, state: FitState) -> str:
        experiment = client.get_experiment_by_name(self.experiment_name)
        identity = client.create_experiment(self.experiment_name) if experiment is None else experiment.experiment_id
        kind = type(state.model).__name__
        # Never left to MLflow: it would draw a name from the process's global generator.
        name = self.run_name or f"{kind}-{datetime.now().astimezone():%Y%m%d-%H%M%S}"
        run_id: str = client.create_run(identity, run_name=name).info.run_id
        client.log_param(run_id, "model", kind)
        client.log_param(run_id, "optimizer", type(state.optimizer).__name__)
        client.log_param(run_id, "parameters", sum(weight.numel() for weight in state.model.parameters()))
        return run_id

    def _go_on(self, client: MlflowClient) -> None:
        from mlflow.exceptions import MlflowException

        try:
            client.update_run(self.run_id, status="RUNNING")
        except MlflowException as error:
            raise RunError(
                f"MLflow run {self.run_id}, which the resumed run was logged to, cannot be gone on with in the store "
                f"{client.tracking_uri}: {error.message}; give the tracking_uri it was logged to"
            ) from error

    def _status(self, state: FitState) -> str:
        # The loop calls on_fit_end while the error is on its way; one that was being handled before is not its own.
        error = sys.exception()
        if error is not None and error is not self._error_before:
            return "FAILED" if isinstance(error, Exception) else "KILLED"
        return "FINISHED" if state.stop_reason is not None or state.progress.fraction >= 1 else "KILLED"
