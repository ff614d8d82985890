from __future__ import annotations

import importlib.metadata
import json
import math
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import torch

from raytrain.config.schema import TrainConfig
from raytrain.engine import manifest
from raytrain.engine.manifest import finite, record_resume, write_json, write_manifest

DATA = {"source": "rolling", "sha256": "ab" * 32, "recordings": 4}


def written(folder: Path) -> dict[str, Any]:
    path = folder / "manifest.json"
    write_manifest(path, command="raytrain train x.yaml", config=TrainConfig(seed=7).model_dump(mode="json"), data=DATA)
    content: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return content


def test_guarantee_21_it_holds_what_is_needed_to_make_the_run_again(tmp_path: Path) -> None:
    content = written(tmp_path)
    assert content["command"] == "raytrain train x.yaml"
    assert content["data"] == DATA
    assert TrainConfig.model_validate(content["config"]) == TrainConfig(seed=7)
    assert content["versions"]["torch"] == torch.__version__
    assert content["versions"]["raytrain"] == importlib.metadata.version("raytrain")
    assert {"ray", "optuna", "hyperopt", "numpy", "scipy", "scikit-learn", "pandas"} < content["versions"].keys()
    assert content["machine"].keys() == {"platform", "python", "processor", "cpus", "memory_gib", "gpus"}
    assert content["machine"]["memory_gib"] > 0.1
    age = datetime.now(UTC) - datetime.fromisoformat(content["created"])
    assert timedelta(0) <= age < timedelta(minutes=1)


def test_guarantee_21_each_time_a_run_goes_on_is_added(tmp_path: Path) -> None:
    began = written(tmp_path)
    for epoch in (2, 5):
        record_resume(
            tmp_path / "manifest.json",
            command="raytrain train",
            where={"workers": 3, "epoch": epoch, "step": 10 * epoch},
        )
    content = json.loads((tmp_path / "manifest.json").read_text("utf-8"))
    resumed = content.pop("resumed")
    assert content == began
    assert [(one["epoch"], one["step"], one["workers"], one["command"]) for one in resumed] == [
        (2, 20, 3, "raytrain train"),
        (5, 50, 3, "raytrain train"),
    ]
    assert resumed[1]["versions"] == began["versions"]


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


@pytest.fixture
def checkout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A repository with the package in a folder of it, and one commit of another file."""
    folder = tmp_path / "checkout"
    module = folder / "raytrain" / "manifest.py"
    module.parent.mkdir(parents=True)
    module.write_text("")
    (folder / "other").write_text("")
    git(folder, "init", "-q")
    git(folder, "add", "other")
    git(folder, "commit", "-q", "-m", "first")
    monkeypatch.setattr(manifest, "__file__", str(module))
    return folder


def test_the_code_is_named_by_its_commit_and_by_changes_since(checkout: Path, tmp_path: Path) -> None:
    git(checkout, "add", "raytrain")
    git(checkout, "commit", "-q", "-m", "second")
    commit = git(checkout, "rev-parse", "HEAD")
    assert written(tmp_path)["code"] == commit
    (checkout / "other").write_text("changed")
    assert written(tmp_path)["code"] == f"{commit}+changes"


def test_a_package_installed_inside_another_checkout_is_not_of_its_commit(checkout: Path, tmp_path: Path) -> None:
    assert written(tmp_path)["code"] is None


@pytest.mark.parametrize("error", [FileNotFoundError("git"), subprocess.TimeoutExpired("git", 10)])
def test_without_git_the_commit_is_unknown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: Exception) -> None:
    def fail(*_: object, **__: object) -> None:
        raise error

    monkeypatch.setattr(subprocess, "run", fail)
    assert written(tmp_path)["code"] is None


def test_numbers_that_json_lacks_are_null(tmp_path: Path) -> None:
    path = tmp_path / "result.json"
    content = {"recall": (0.5, math.nan), "best": {"loss": math.inf, "epoch": 3}, "note": None}
    write_json(path, content)
    text = path.read_text("utf-8")
    assert text.endswith("}\n")
    strict = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is not JSON"))
    assert strict == {"recall": [0.5, None], "best": {"loss": None, "epoch": 3}, "note": None}
    assert finite(content) == strict
    assert math.isnan(content["recall"][1])  # type: ignore[index]
