"""Sweeps that are killed at twenty random points - driver, trial process, machine - and lose nothing.

Run as a script, this file is a process that forks drivers: each has torch and Ray imported already.
"""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, TypeAlias

import optuna
import pytest
import ray
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from rich.console import Console

from raytrain.distributed.cluster import connect
from raytrain.tuning.continuation import Continuation, begun_space
from raytrain.tuning.records import EVENTS_FILE, read_events
from raytrain.tuning.results import SweepResult, load_result
from raytrain.tuning.sweep import load_space, run_sweep

pytestmark = [pytest.mark.ray, pytest.mark.slow]

DRIVER_KILLS, WORKER_KILLS, MACHINE_KILLS = 8, 8, 4
TRIALS, EPOCHS = 8, 4
SPACE: dict[str, Any] = {
    "name": "killed",
    "fixed": {
        "data": {"source": "rolling", "options": {"recordings_per_class": 5, "duration_s": 0.5}},
        "windows": {"length": 512},
        "model": {"name": "cnn1d", "depth": 2, "width": 4},
        "epochs": EPOCHS,
        "early_stopping": None,
    },
    "parameters": {"optimizer.lr": {"type": "loguniform", "low": 1e-3, "high": 3e-2}},
    "search": {"algorithm": "tpe", "trials": TRIALS, "retries": 100, "checkpoint_s": 0},
    "scheduler": {"name": "asha", "grace_epochs": 2, "reduction_factor": 2},
    "resources": {"cpus_per_worker": 2},
    "baselines": {"names": []},
    "refit": False,
}
Told: TypeAlias = dict[str, Any]


def epochs_told(directory: Path) -> list[Told]:
    return [event for event in read_events(directory / EVENTS_FILE) if event["event"] == "epoch"]


def wait_until(condition: Callable[[], bool], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.01)


def recorded(directory: Path) -> optuna.Study:
    storage = JournalStorage(JournalFileBackend(str(directory / "study.journal")))
    return optuna.load_study(study_name=directory.name, storage=storage)


def check_nothing_is_lost(result: SweepResult) -> None:
    """Exactly the planned trials, each ended, each another point, each epoch once, in study and records alike."""
    study = recorded(result.directory)
    states = {trial.number + 1: trial.state.name for trial in study.trials}
    assert len(states) == len(result.trials) == TRIALS
    status = {"COMPLETE": "finished", "PRUNED": "stopped", "FAIL": "failed"}
    assert {record.number: record.status for record in result.trials} == {n: status[s] for n, s in states.items()}
    assert [record.reason for record in result.trials if record.status == "failed"] == [], "a kill is no point's fault"
    assert len({json.dumps(record.point) for record in result.trials}) == TRIALS
    for record in result.trials:
        assert [row["epoch"] for row in record.curve] == list(range(1, len(record.curve) + 1))
        assert len(record.curve) == EPOCHS or record.status == "stopped"
        told = study.trials[record.number - 1].intermediate_values
        assert {int(row["epoch"]): row[result.metric] for row in record.curve} == told
    assert result.best is not None
    assert result.best.judgements["validation"].metrics[result.metric] == result.best.reported
    assert result.best.reported == max(record.value(result.metric) or 0 for record in result.trials)
    assert load_result(result.directory) == result


class Drivers:
    """A process that forks drivers of sweeps on request."""

    def __init__(self) -> None:
        self._process = subprocess.Popen(
            [sys.executable, __file__], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def start(self, **request: Any) -> int:  # noqa: ANN401 - JSON values
        """Return the process id of a new driver."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(json.dumps(request) + "\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())

    def close(self) -> None:
        self._process.communicate(timeout=30)


@pytest.fixture
def drivers() -> Iterator[Drivers]:
    started = Drivers()
    yield started
    started.close()


def gone(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    return False


def told_or_over(directory: Path, due: int, driver: int) -> bool:
    return len(epochs_told(directory)) >= due or gone(driver)


def test_guarantee_04_drivers_are_killed(cluster: None, drivers: Drivers, tmp_path: Path) -> None:
    chance, kills, sweeps = random.Random(5), 0, 0
    address = ray.get_runtime_context().gcs_address
    while kills < DRIVER_KILLS:
        sweeps += 1
        directory = tmp_path / f"sweep{sweeps}"
        while not (directory / "result.json").is_file():
            before = len(epochs_told(directory))
            process = drivers.start(directory=str(directory), address=address)
            if kills < DRIVER_KILLS:
                # Before the first epoch of this driver, or after a few; the processes of trials may write meanwhile.
                due, delay = before + chance.randrange(6), chance.uniform(0.0, 0.1)
                wait_until(partial(told_or_over, directory, due, process))
                time.sleep(delay)
                if not gone(process):
                    os.kill(process, signal.SIGKILL)
                    kills += 1
            wait_until(partial(gone, process))
        check_nothing_is_lost(load_result(directory))
    assert sweeps >= 1


def test_guarantee_04_processes_of_trials_are_killed(cluster: None, tmp_path: Path) -> None:
    chance, directory = random.Random(6), tmp_path / "sweep"
    killed: list[int] = []
    over = threading.Event()

    def kill() -> None:
        while len(killed) < WORKER_KILLS and not over.is_set():
            due = len(epochs_told(directory)) + chance.randrange(1, 4)
            while len(told := epochs_told(directory)) < due and not over.wait(0.01):
                pass
            over.wait(chance.uniform(0.0, 0.05))
            process = told[-1]["pid"] if told else None
            if process is not None and process not in killed and not gone(process):
                os.kill(process, signal.SIGKILL)
                killed.append(process)

    killer = threading.Thread(target=kill)
    killer.start()
    try:
        result = run_sweep(load_space(SPACE), runs_dir=tmp_path, name="sweep", console=Console(quiet=True))
    finally:
        over.set()
        killer.join()
    assert len(killed) == WORKER_KILLS
    check_nothing_is_lost(result)


def test_guarantee_04_machines_are_killed(drivers: Drivers, tmp_path: Path) -> None:
    process = drivers.start(directory=str(tmp_path), machine_kills=MACHINE_KILLS)
    wait_until(partial(gone, process), timeout_s=280)
    sweeps = list(tmp_path.glob("sweep*"))
    begun = [record.attributes["begun"] for path in sweeps for record in load_result(path).trials]
    assert sum(begun) > len(begun), "no trial felt the end of its machine"
    for path in sweeps:
        check_nothing_is_lost(load_result(path))


def drive(request: Told) -> None:
    """Run or resume a sweep, as one driver."""
    directory = Path(request["directory"])
    log = (directory.parent / f"{directory.name}.log").open("a")
    for descriptor in (1, 2):
        os.dup2(log.fileno(), descriptor)
    if request.get("machine_kills"):
        _drive_with_machines_dying(directory, request["machine_kills"])
        return
    with connect(request["address"]):
        _run_or_resume(directory)


def _run_or_resume(directory: Path) -> None:
    console = Console(quiet=True)
    if (directory / "space.yaml").is_file():
        run_sweep(begun_space(directory), resume=Continuation(directory), console=console)
        return
    if directory.exists():  # killed before it had begun
        directory.rename(directory.with_name(f"{directory.name}-{time.time_ns()}"))
    run_sweep(load_space(SPACE), runs_dir=directory.parent, name=directory.name, console=console)


def _drive_with_machines_dying(directory: Path, kills: int) -> None:
    """Run a sweep whose trials are on machines beside the driver's, which lose power one after another."""
    from ray.cluster_utils import Cluster

    # By default Ray takes half a minute to call a machine dead.
    patience = {
        "health_check_initial_delay_ms": 1000,
        "health_check_period_ms": 1000,
        "health_check_failure_threshold": 3,
    }
    chance = random.Random(7)
    machines = Cluster(initialize_head=True, head_node_args={"num_cpus": 0, "_system_config": patience})
    node, done = machines.add_node(num_cpus=2), 0

    def run(into: Path) -> None:
        with connect(machines.address):
            _run_or_resume(into)

    sweeps = 0
    try:
        while done < kills:
            sweeps += 1
            into = directory / f"sweep{sweeps}"
            sweep = threading.Thread(target=run, args=(into,))  # Ray starts machines in the main thread only
            sweep.start()
            while sweep.is_alive():
                due = len(epochs_told(into)) + chance.randrange(1, 5)
                while len(epochs_told(into)) < due and sweep.is_alive():
                    time.sleep(0.002)
                if done < kills and sweep.is_alive():
                    machines.remove_node(node, allow_graceful=False)
                    node = machines.add_node(num_cpus=2)
                    done += 1
    finally:
        machines.shutdown()


def serve() -> None:
    """Fork a driver for every line of standard input, and tell its process id."""
    signal.signal(signal.SIGCHLD, signal.SIG_IGN)  # the system buries those that end
    for line in sys.stdin:
        process = os.fork()
        if process == 0:
            signal.signal(signal.SIGCHLD, signal.SIG_DFL)
            try:
                drive(json.loads(line))
            finally:
                os._exit(0)
        print(process, flush=True)  # noqa: T201 - to the test


if __name__ == "__main__":
    serve()
