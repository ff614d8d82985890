"""The notebooks run from top to bottom, on embedded recordings and in small."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import matplotlib as mpl
import pytest

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
SMALL = """
DATA, SELECT = "rolling", {"options": {"recordings_per_class": 3, "duration_s": 0.7}}
SPLIT = {"rule": "by-recording"}
SEEDS, EPOCHS = range(2), 2
"""
"""What replaces the cell tagged `parameters`."""


def code_cells(path: Path) -> list[dict[str, Any]]:
    return [cell for cell in json.loads(path.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]


def test_there_are_notebooks() -> None:
    assert "physics_study" in {path.stem for path in NOTEBOOKS}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_outputs(path: Path) -> None:
    assert all(not cell["outputs"] and cell["execution_count"] is None for cell in code_cells(path))


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path) -> None:
    mpl.use("Agg")
    names: dict[str, Any] = {}
    for cell in code_cells(path):
        source = "".join(cell["source"])
        parameters = "parameters" in cell["metadata"].get("tags", ())
        exec(compile(source + SMALL * parameters, f"{path.name}", "exec"), names)  # noqa: S102 - our own notebook
    results = names["results"]
    assert sorted(set(results["arm"])) == ["control", "off", "on"]
    assert results["test"].between(0, 1).all()
