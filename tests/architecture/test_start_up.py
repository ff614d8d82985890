"""What raytrain loads, and how long that takes, before anything is asked of it: each in a fresh process."""

from __future__ import annotations

import resource
import subprocess
import sys
from pathlib import Path

PACKAGE = Path(__file__).resolve().parents[2] / "raytrain"
MAY_BE_HEAVY = {"classical", "cli", "distributed", "tuning"}
HELP = "from raytrain.cli.main import main; main()"
HELP_LIMIT_S = 0.5


def run(code: str, *arguments: str) -> str:
    """Return what a fresh interpreter prints when it runs `code`."""
    command = [sys.executable, "-c", code, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    return done.stdout


def loaded(code: str, *arguments: str) -> set[str]:
    """Return the top-level packages a fresh interpreter has loaded after `code`."""
    report = "lambda: print('loaded:', *{name.partition('.')[0] for name in sys.modules})"
    last_line = run(f"import atexit, sys; atexit.register({report})\n{code}", *arguments).splitlines()[-1]
    assert last_line.startswith("loaded: ")
    return set(last_line.split()[1:])


def test_importing_the_package_loads_nothing_heavy() -> None:
    heavy = {"hyperopt", "numpy", "optuna", "pandas", "ray", "scipy", "sklearn", "torch"}
    packages = loaded("import raytrain")
    assert "raytrain" in packages
    assert not packages & heavy


def test_the_core_runs_without_ray() -> None:
    paths = sorted(path.relative_to(PACKAGE).with_suffix("") for path in PACKAGE.rglob("[!_]*.py"))
    names = [".".join(("raytrain", *path.parts)) for path in paths if path.parts[0] not in MAY_BE_HEAVY]
    packages = loaded(f"import importlib\nfor name in {names}: importlib.import_module(name)")
    assert "torch" in packages
    assert not packages & {"hyperopt", "optuna", "pandas", "ray", "sklearn"}


def test_the_check_sees_what_is_loaded() -> None:
    assert "sqlite3" in loaded("def f():\n    import sqlite3\nf()")


def test_help_needs_neither_torch_nor_ray() -> None:
    packages = loaded(HELP, "--help")
    assert "raytrain" in packages
    assert not packages & {"hyperopt", "optuna", "pandas", "ray", "scipy", "sklearn", "torch"}


def test_help_lists_the_commands() -> None:
    page = run(HELP, "--help")
    assert [command for command in ("train", "tune", "data", "results") if command not in page] == []


def test_help_takes_less_than_half_a_second() -> None:
    """CPU seconds of the process, the best of five runs: what other work on the machine does not change."""
    seconds = []
    for _ in range(5):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        run(HELP, "--help")
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        seconds.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(seconds) < HELP_LIMIT_S, f"CPU seconds of `raytrain --help`: {[round(s, 2) for s in seconds]}"
