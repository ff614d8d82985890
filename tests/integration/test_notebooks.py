"""The notebooks run from top to bottom in a kernel of their own, on embedded recordings and in small.

Run as a script, this file executes the notebook it is given, so that no socket of the kernel outlives it in the tests.
"""

from __future__ import annotations

import io
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
EMBEDDED = {"recordings_per_class": 4, "duration_s": 0.7}
TINY = {
    "search.trials": 2,
    "fixed.epochs": 1,
    "resources.cpus_per_worker": 2,  # one process of trials
    "baselines.names": ["envelope_lines"],
    "refit": False,
}
SMALL: dict[str, dict[str, Any]] = {
    "physics_study": {
        "DATA": "rolling",
        "SELECT": {"options": EMBEDDED},
        "SPLIT": {"rule": "by-recording"},
        "SEEDS": [0, 1],
        "EPOCHS": 2,
    },
    "quick_start": {"SETTINGS": TINY},
    "tuning_on_cwru": {
        "DATA": "rolling",
        "SELECT": {"options": EMBEDDED},
        "SPLIT": {"rule": "by-recording"},
        "SETTINGS": TINY | {"confirm": {"top": 2, "seeds": 2}, "fixed.windows.length": 512},
    },
    "comparing_paradigms": {"SELECT": {"options": EMBEDDED}, "SEEDS": [0, 1], "EPOCHS": 1},
    "reading_a_study": {"SETTINGS": TINY | {"baselines.names": []}, "MORE": 1},
}
"""What stands in place of the cell tagged `parameters`; files go into the test's own folder."""
TOLD = {
    "physics_study": "on - control",
    "quick_start": "evaluated again",
    "tuning_on_cwru": "Trained again with 2 seeds",
    "comparing_paradigms": "- standard",
    "reading_a_study": "2 trials before, 3 now",
}
"""What the outputs must hold."""


def code_cells(notebook: nbformat.NotebookNode) -> list[nbformat.NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def read(path: Path) -> nbformat.NotebookNode:
    return nbformat.read(io.StringIO(path.read_text(encoding="utf-8")), as_version=4)


def outputs(notebook: nbformat.NotebookNode) -> str:
    told = []
    for cell in code_cells(notebook):
        for output in cell.outputs:
            told.append(output.get("text", ""))
            told += [str(text) for kind, text in output.get("data", {}).items() if kind.startswith("text/")]
    return "\n".join(told)


def test_each_notebook_is_tried() -> None:
    assert {path.stem for path in NOTEBOOKS} == set(SMALL) == set(TOLD)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_outputs(path: Path) -> None:
    assert all(not cell.outputs and cell.execution_count is None for cell in code_cells(read(path)))


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH")))))
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    notebook = read(path)
    (parameters,) = (cell for cell in code_cells(notebook) if "parameters" in cell.metadata.get("tags", ()))
    parameters.source += "".join(f"\n{name} = {value!r}" for name, value in SMALL[path.stem].items())
    if "RUNS = " in parameters.source:
        parameters.source += f"\nRUNS = {str(tmp_path)!r}"
    copy = tmp_path / path.name
    nbformat.write(notebook, copy)
    command = [sys.executable, __file__, str(copy)]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr[-3000:]
    notebook = read(copy)
    told = outputs(notebook)
    assert TOLD[path.stem] in told
    assert "Traceback" not in told
    assert not [line for line in told.splitlines() if "(raylet)" in line or "INFO" in line], "a notebook is quiet"


def execute(path: Path) -> None:
    """Run a notebook in a kernel of this interpreter, in its folder, and write it back with its outputs."""
    notebook = read(path)
    NotebookClient(notebook, timeout=240, kernel_name="python3").execute(cwd=str(path.parent))
    nbformat.write(notebook, path)


if __name__ == "__main__":
    execute(Path(sys.argv[1]))
