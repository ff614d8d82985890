"""The command as a user runs it, in processes of its own where signals and clusters are concerned."""

from __future__ import annotations

import errno
import os
import re
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import optuna
import pytest
import ray
import yaml
from optuna.storages import JournalStorage
from optuna.storages.journal import JournalFileBackend
from optuna.trial import TrialState

from raytrain.cli.main import main
from raytrain.distributed.cluster import connect
from raytrain.errors import ConfigError
from raytrain.tuning.recorder import Recorder
from raytrain.tuning.results import load_result

pytestmark = pytest.mark.ray

ENDLESS: dict[str, Any] = {
    "name": "endless",
    "fixed": {
        "data": {"source": "rolling", "options": {"recordings_per_class": 5, "duration_s": 0.5}},
        "windows": {"length": 512},
        "model": {"name": "cnn1d", "depth": 2, "width": 4},
        "epochs": 3,
    },
    "parameters": {"optimizer.lr": {"type": "loguniform", "low": 0.003, "high": 0.01}},
    "scheduler": {"name": "none"},
    "resources": {"cpus_per_worker": 2},
    "baselines": {"names": []},
}


def _command(*arguments: str) -> list[str]:
    return [sys.executable, "-m", "raytrain", *arguments]


def _environment(folder: Path) -> dict[str, str]:
    """Return the environment without what a cluster of this process sets: where it is, and that it wants tokens."""
    own = {"RAY_ADDRESS", "RAY_AUTH_MODE"}
    return {name: value for name, value in os.environ.items() if name not in own} | {"HOME": str(folder)}


def _space(folder: Path, *, trials: int = 100_000) -> Path:
    path = folder / "space.yaml"
    path.write_text(yaml.safe_dump(ENDLESS | {"search": {"algorithm": "random", "trials": trials}}))
    return path


def _wait_for(condition: Callable[[], bool], process: subprocess.Popen[str], timeout_s: float = 120.0) -> None:
    deadline = time.monotonic() + timeout_s
    while not condition():
        assert process.poll() is None, process.communicate()
        assert time.monotonic() < deadline, "it never came to that"
        time.sleep(0.1)


def test_ctrl_c_stops_a_sweep_and_keeps_what_is_done(tmp_path: Path) -> None:
    command = _command("tune", str(_space(tmp_path)), "--runs-dir", str(tmp_path), "--name", "cut")
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=_environment(tmp_path)
    )
    events = tmp_path / "cut" / "events.jsonl"
    _wait_for(lambda: events.is_file() and events.read_text().count('"status": "finished"') >= 2, process)
    process.send_signal(signal.SIGINT)
    output, errors = process.communicate(timeout=120)

    assert process.returncode == 1, errors
    assert "stopping: what is done is kept" in output
    assert "Interrupted" in output
    assert "Traceback" not in output + errors
    result = load_result(tmp_path / "cut")
    assert result.interrupted
    assert result.best is not None
    assert result.best.judgements["validation"].metrics[result.metric] == result.best.reported
    assert len([record for record in result.trials if record.status == "finished"]) >= 2
    storage = JournalStorage(JournalFileBackend(str(tmp_path / "cut" / "study.journal")))
    states = [trial.state for trial in optuna.load_study(study_name="cut", storage=storage).trials]
    assert TrialState.RUNNING not in states


@pytest.fixture
def head(tmp_path: Path) -> Iterator[str]:
    """Start a cluster with `ray start --head`, as its users do, and stop just that one."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    if 10_002 <= port <= 19_999:  # ray keeps these for its workers
        port += 10_000
    folder = f"--temp-dir={_short_folder(tmp_path)}"
    arguments = ["start", "--head", f"--port={port}", "--num-cpus=2", "--include-dashboard=false", "--block", folder]
    ray_command = str(Path(sys.executable).with_name("ray"))
    process = subprocess.Popen(
        [ray_command, *arguments], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=_environment(tmp_path)
    )
    try:
        address = f"{ray.util.get_node_ip_address()}:{port}"
        deadline = time.monotonic() + 60
        while not _answers(address):
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.2)
        yield address
    finally:
        process.terminate()
        process.wait(timeout=30)


def _short_folder(tmp_path: Path) -> Path:
    """Return a folder whose sockets' paths stay under the 107 bytes the kernel allows."""
    folder = Path("/tmp") / f"r{os.getpid()}{abs(hash(tmp_path)) % 1000}"  # noqa: S108
    folder.mkdir()
    return folder


def _answers(address: str) -> bool:
    host, port = address.split(":")
    with socket.socket() as probe:
        probe.settimeout(1)
        return probe.connect_ex((host, int(port))) == 0


def test_a_sweep_on_a_running_cluster_leaves_the_cluster_running(head: str, tmp_path: Path) -> None:
    space = _space(tmp_path, trials=2)
    command = _command(
        "tune", str(space), "--address", head, "--runs-dir", str(tmp_path), "--name", "joined", "--no-refit"
    )
    done = subprocess.run(command, capture_output=True, text=True, env=_environment(tmp_path), timeout=200, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "endless: 2 trials by random" in done.stdout
    assert f"Repeat  raytrain tune {space}" in done.stdout
    assert done.stderr == ""
    assert _answers(head)


@pytest.mark.parametrize(
    ("address", "message"),
    [
        ("127.0.0.1:1", r"nothing answers there .*ray start --head"),
        ("ray://127.0.0.1:10001", r"must run on a node of the cluster"),
        ("127.0.0.1", r"expected host:port"),
    ],
)
def test_an_address_that_does_not_answer_is_told_within_seconds(
    address: str, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with pytest.raises(ConfigError, match=message), connect(address):
        pass


def test_a_disk_that_fills_up_in_mid_sweep_is_told(
    cluster: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def full(*_: object, **__: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "events.jsonl")

    monkeypatch.setattr(Recorder, "on_trial_result", full)
    arguments = ["tune", str(_space(tmp_path)), "--runs-dir", str(tmp_path), "--name", "full"]
    monkeypatch.setattr(sys, "argv", ["raytrain", *arguments])
    with pytest.raises(SystemExit) as end:
        main()
    assert end.value.code == 1
    assert re.search(
        rf"error: disk full while writing to {tmp_path / 'full'}; free some space", capsys.readouterr().err
    )
    assert (tmp_path / "full" / "manifest.json").is_file()
