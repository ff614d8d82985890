"""The notebooks run from top to bottom as a user runs them, in a kernel; what their parameters say is made small."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import nbformat
import psutil
import pytest
from jupyter_client.kernelspec import KernelSpec, KernelSpecManager
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbformat import NotebookNode

FOLDER = Path(__file__).resolve().parents[2] / "notebooks"
NOTEBOOKS = sorted(FOLDER.glob("*.ipynb"))
OPTIONS = {"recordings_per_class": 5, "duration_s": 0.8}
DATA = {"source": "rolling", "options": OPTIONS, "split": {"rule": "by-recording"}}
TINY = {
    "search.trials": 2,
    "fixed.epochs": 1,
    "resources.cpus_per_worker": 2,  # one process of trials
    "baselines.names": [],  # another process
    "refit": False,
}
FIGURE = "application/vnd.plotly.v1+json"
SMALL = {
    "quick_start": f"DATA, SETTINGS = {DATA}, {TINY}",
    "tuning_on_cwru": f"DATA, SETTINGS = {DATA}, {TINY | {'confirm': {'top': 1, 'seeds': 2}}}",
    "comparing_paradigms": f"""
DATA, PARADIGMS, SEEDS, EPOCHS = {DATA}, ["standard", "pinn"], [0, 1], 1
SETTINGS = {{"resources.cpus_per_worker": 2, "baselines.names": ["envelope_lines"]}}
""",
    "reading_a_study": f"SETTINGS, MORE = {TINY | {'fixed.data.options': OPTIONS}}, 1",
    "physics_study": """
DATA, SELECT = "rolling", {"options": {"recordings_per_class": 3, "duration_s": 0.7}}
SPLIT = {"rule": "by-recording"}
SEEDS, EPOCHS = range(2), 2
""",
}
"""Notebook -> what stands after its cell tagged `parameters`."""


class ThisInterpreter(KernelSpecManager):
    """The kernel of the interpreter that runs the tests, whatever others the machine has."""

    def get_kernel_spec(self, kernel_name: str) -> KernelSpec:
        command = [sys.executable, "-m", "ipykernel_launcher", "-f", "{connection_file}"]
        return KernelSpec(argv=command, display_name=kernel_name, language="python")


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def executed(notebook: NotebookNode, folder: Path, *, parameters: str) -> NotebookNode:
    """Return a notebook with its outputs, run in `folder`."""
    for cell in code_cells(notebook):
        if "parameters" in cell.metadata.get("tags", ()):
            cell.source += f"\n{parameters}"
    manager = AsyncKernelManager(kernel_spec_manager=ThisInterpreter())
    client = NotebookClient(notebook, timeout=240, km=manager, resources={"metadata": {"path": str(folder)}})
    return client.execute(cleanup_kc=True, env={**os.environ, "IPYTHONDIR": str(folder / ".ipython")})


def left_in(folder: Path) -> list[psutil.Process]:
    """Return the processes that work in `folder`, such as Ray's when they were started there."""
    found = []
    for process in psutil.process_iter():
        try:
            working_in = Path(process.cwd())
        except psutil.Error:
            continue
        if working_in.is_relative_to(folder):
            found.append(process)
    return found


def text(cell: NotebookNode) -> str:
    """Return what a cell printed or showed, as text; of a figure, how much it has."""
    return "".join(one["text"] if "text" in one else _shown(one["data"]) for one in cell.outputs)


def _shown(data: Mapping[str, Any]) -> str:
    if FIGURE in data:
        return f"figure of {len(data[FIGURE]['data'])} traces"
    return str(data["text/plain"])


def quick_start(cells: Mapping[str, str], folder: Path) -> None:
    reported, again = cells["as reported"].splitlines()
    assert reported.split()[-1] == again.split()[-1]
    assert 0 <= float(again.split()[-1]) <= 1
    assert "rolling-inner-" in cells["].recordings"]


def tuning_on_cwru(cells: Mapping[str, str], folder: Path) -> None:
    assert "validation and test: recordings drawn" in cells["split.notes"]
    assert "Trained again with 2 seeds" in cells["print_confirmation"]
    for name in ("recordings", "confusion", "history"):
        assert re.match(r"figure of [1-9]", cells[f"study.{name}()"])
    (report,) = folder.glob("runs/wdcnn-*/report.html")
    assert str(report) in cells["study.report"]


def comparing_paradigms(cells: Mapping[str, str], folder: Path) -> None:
    assert {"standard", "pinn", "seed"} <= set(cells["judge("].split())
    assert "pinn - standard" in cells["def interval"]
    assert "envelope_lines" in cells["baselines ="]


def reading_a_study(cells: Mapping[str, str], folder: Path) -> None:
    before, now = cells["extended = "].splitlines()
    assert before.startswith("before: 2 trials")
    assert now.startswith("now: 3 trials")
    assert "COMPLETE" in cells["study.optuna"]
    for name in ("history", "learning_curves", "slices", "parallel_coordinates", "cost", "confusion"):
        assert re.match(r"figure of [1-9]", cells[f"study.{name}()"])
    (report,) = folder.glob("runs/quick-*/report.html")
    assert str(report) in cells["extended.report"]


def physics_study(cells: Mapping[str, str], folder: Path) -> None:
    assert {"off", "on", "control", "seed"} <= set(cells["results = "].split())
    assert "on - control" in cells["def interval"]


CHECKS: Mapping[str, Callable[[Mapping[str, str], Path], None]] = {
    one.__name__: one for one in (quick_start, tuning_on_cwru, comparing_paradigms, reading_a_study, physics_study)
}


class Outputs(dict[str, str]):
    """What the one cell that has some text in its source showed."""

    def __init__(self, notebook: NotebookNode) -> None:
        super().__init__({cell.source: text(cell) for cell in code_cells(notebook)})

    def __missing__(self, part: str) -> str:
        (shown,) = [shown for source, shown in self.items() if part in source]
        return shown


def test_every_notebook_is_tested_and_listed() -> None:
    names = {path.stem for path in NOTEBOOKS}
    assert names == set(SMALL) == set(CHECKS)
    listed = (FOLDER / "README.md").read_text(encoding="utf-8")
    assert [name for name in names if f"({name}.ipynb)" not in listed] == []


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_has_no_outputs(path: Path) -> None:
    cells = code_cells(read(path))
    assert all(not cell.outputs and cell.execution_count is None for cell in cells)
    assert sum("parameters" in cell.metadata.get("tags", ()) for cell in cells) == 1


@pytest.mark.slow
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_a_notebook_runs_and_a_sweep_is_one_table_in_it(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("RAY_ADDRESS", raising=False)
    notebook = executed(read(path), tmp_path, parameters=SMALL[path.stem])
    outputs = [one for cell in code_cells(notebook) for one in cell.outputs]
    assert [one for one in outputs if one.get("name") == "stderr"] == []
    for cell in code_cells(notebook):
        if "raytrain.tune(" in cell.source:
            (table,) = cell.outputs
            assert table.output_type == "display_data"
            assert re.match(r"(\w+): (\d)/\2 trials", table.data["text/plain"])
    CHECKS[path.stem](Outputs(notebook), tmp_path)
    _, alive = psutil.wait_procs(left_in(tmp_path), timeout=30)
    assert alive == []


def test_what_is_left_behind_is_found(tmp_path: Path) -> None:
    assert left_in(tmp_path) == []
    waiting = [sys.executable, "-c", "input()"]
    with subprocess.Popen(waiting, cwd=tmp_path, stdin=subprocess.PIPE, text=True) as process:
        assert [one.pid for one in left_in(tmp_path)] == [process.pid]
        process.communicate("\n")
    assert left_in(tmp_path) == []
