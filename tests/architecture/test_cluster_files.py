"""The cluster files: accepted by Ray's own validation, and never without token authentication."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml

FOLDER = Path(__file__).resolve().parents[2] / "cluster"
FILES = sorted(FOLDER.glob("*.yaml"))


def open_starts(config: dict[str, Any]) -> list[str]:
    """Return the commands of a cluster file that start Ray without a token."""
    commands = [*config["head_start_ray_commands"], *config["worker_start_ray_commands"]]
    starts = [command for command in commands if "ray start" in command]
    assert len(starts) >= 2
    return [command for command in starts if "RAY_AUTH_MODE=token " not in command]


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_ray_accepts_the_file(path: Path) -> None:
    from ray.autoscaler._private.util import prepare_config, validate_config

    validate_config(prepare_config(yaml.safe_load(path.read_text("utf-8"))))


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.name)
def test_every_node_starts_with_the_token(path: Path) -> None:
    config = yaml.safe_load(path.read_text("utf-8"))
    assert open_starts(config) == []
    assert any(remote.endswith(".ray/auth_token") for remote in config["file_mounts"])


def test_an_open_start_is_found() -> None:
    head, worker = "ray start --head", "RAY_AUTH_MODE=token ray start --address=$RAY_HEAD_IP:6379"
    assert open_starts({"head_start_ray_commands": [head], "worker_start_ray_commands": [worker]}) == [head]


def test_there_are_cluster_files() -> None:
    assert FILES
