from __future__ import annotations

import json
from pathlib import Path

import pytest

from raytrain.errors import RunError
from raytrain.tuning.asked import Asked, read_asked
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult


def test_tells_what_varied_and_for_how_long(planned_result: SweepResult) -> None:
    asked = read_asked(planned_result.directory)
    assert list(asked.parameters) == ["optimizer.lr", "model.name", "model.depth", "windows.length"]
    assert asked.objectives == ("model/parameters",)
    assert asked.manifest["command"] == planned_result.command
    assert asked.epochs_of(TrialRecord("a", 1, {})) == 9
    assert asked.epochs_of(TrialRecord("a", 1, {"epochs": 4})) == 4


def test_without_a_manifest_nothing_is_known(tmp_path: Path) -> None:
    asked = read_asked(tmp_path)
    assert asked == Asked()
    assert asked.epochs_of(TrialRecord("a", 1, {})) is None


@pytest.mark.parametrize("content", ["{", "[]", json.dumps({"config": {"epochs": 3}}), '{"config": null}'])
def test_a_damaged_manifest_or_one_of_another_run_is_refused(content: str, tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text(content, encoding="utf-8")
    with pytest.raises(RunError, match=r"manifest\.json: is not the manifest of a sweep, or is damaged"):
        read_asked(tmp_path)
