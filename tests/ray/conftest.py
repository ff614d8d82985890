"""One Ray cluster for all tests in this folder, and a sweep small enough to run often."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import ray
from rich.console import Console

from raytrain.config.space import SpaceConfig
from raytrain.distributed.cluster import connect
from raytrain.tuning.continuation import Continuation, begun_space
from raytrain.tuning.results import SweepResult
from raytrain.tuning.sweep import load_space, run_sweep

TINY: dict[str, Any] = {
    "name": "tiny",
    "fixed": {
        "data": {"source": "rolling", "options": {"recordings_per_class": 5, "duration_s": 0.5}},
        "windows": {"length": 512},
        "model": {"name": "cnn1d", "depth": 2, "width": 4},
        "epochs": 2,
    },
    "parameters": {"optimizer.lr": {"type": "grid", "values": [0.003, 0.01]}},
    "search": {"algorithm": "grid", "trials": 8},
    "scheduler": {"name": "none"},
    "baselines": {"names": []},
    "resources": {"cpus_per_worker": 2},  # one trial at a time, so that one process is started and not two
    "refit": False,
}


@pytest.fixture(scope="session")
def cluster() -> Iterator[None]:
    with connect(cpus=2):
        yield


@pytest.fixture
def tiny() -> Callable[..., SpaceConfig]:
    """Return a maker of tiny spaces: `tiny({"search.trials": 3})` with dotted overrides."""

    def make(overrides: dict[str, Any] | None = None) -> SpaceConfig:
        return load_space(TINY, overrides)

    return make


@pytest.fixture
def sweep(cluster: None, tmp_path: Path) -> Callable[..., SweepResult]:
    """Run a space in a fresh folder on the session's cluster, and show that everything it held is free again."""

    def run(space: SpaceConfig, name: str = "run") -> SweepResult:
        result = run_sweep(space, runs_dir=tmp_path, name=name, console=Console(quiet=True))
        wait_until_free()
        return result

    return run


@pytest.fixture
def resume(cluster: None) -> Callable[..., SweepResult]:
    """Go on with the sweep in a folder, as it began by default, and show that everything it held is free again."""

    def run(directory: Path, space: SpaceConfig | None = None, *, extend: int = 0, force: bool = False) -> SweepResult:
        how = Continuation(directory, extend=extend, force=force)
        result = run_sweep(space or begun_space(directory), resume=how, console=Console(quiet=True))
        wait_until_free()
        return result

    return run


def wait_until_free(timeout_s: float = 20.0) -> None:
    """Wait until every CPU is free; freeing is asynchronous, so a moment is allowed and not more."""
    deadline = time.monotonic() + timeout_s
    while ray.available_resources().get("CPU", 0.0) < ray.cluster_resources()["CPU"]:
        assert time.monotonic() < deadline, f"still held: {ray.available_resources()} of {ray.cluster_resources()}"
        time.sleep(0.05)
