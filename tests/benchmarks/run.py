"""Run the benchmarks: `run.py [NAME ...] [--rounds N] [--quick] [--json FILE]`."""

from __future__ import annotations

import argparse
import dataclasses
import functools
import importlib
import json
import os
import platform
import sys
from pathlib import Path
from typing import Any

from rich.console import Console

BENCHMARKS = (
    "fit",
    "paradigms",
    "convergence",
    "precision",
    "distillation",
    "sweep",
    "search_quality",
    "fixed_costs",
    "turnaround",
    "memory",
    "transforms",
    "augmentation",
)


def main() -> None:
    """Run what was named, or everything. A missed goal is shown, and is no failure; arms that disagree are."""
    options = _arguments()
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = "1"  # read when NumPy and torch are imported, so before the benchmarks are
    # The checkout in place of this folder, whose modules must not be found under their bare names.
    sys.path[0] = str(Path(__file__).resolve().parents[2])
    from tests.benchmarks.comparison import Options
    from tests.benchmarks.report import Report, Skipped

    console = Console(width=None if sys.stdout.isatty() else 120)
    progress = Console(stderr=True, style="dim", highlight=False)
    console.print(_machine())
    if options.quick:
        console.print("--quick: too little work to judge by", style="yellow")
    reports: dict[str, Report | Skipped] = {}
    for name in options.names or BENCHMARKS:
        benchmark = importlib.import_module(f"tests.benchmarks.{name}")
        say = functools.partial(progress.print, f"{name}:")
        reports[name] = benchmark.run(Options(options.rounds, options.quick, say))
        reports[name].show(console)
    if options.json:
        found: dict[str, Any] = {name: report.as_json() for name, report in reports.items()}
        options.json.write_text(
            json.dumps({"machine": _machine(), "benchmarks": found}, indent=2, default=dataclasses.asdict) + "\n",
            "utf-8",
        )


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description="Speed and memory of raytrain against what it is measured by.")
    parser.add_argument(
        "names", nargs="*", metavar="NAME", help=f"which to run: {', '.join(BENCHMARKS)}; all if absent"
    )
    parser.add_argument("--rounds", type=int, help="rounds per arm; each benchmark has its own default")
    parser.add_argument("--quick", action="store_true", help="little work and two rounds: does everything run?")
    parser.add_argument("--json", type=Path, metavar="FILE", help="where to write every number")
    options = parser.parse_args()
    unknown = set(options.names) - set(BENCHMARKS)
    if unknown:
        parser.error(f"no benchmark {', '.join(sorted(unknown))}; there are {', '.join(BENCHMARKS)}")
    if options.rounds is not None and options.rounds < 1:
        parser.error(f"--rounds must be at least 1, got {options.rounds}")
    return options


def _machine() -> str:
    import torch

    return (
        f"{platform.system()} {platform.machine()}, {os.cpu_count()} CPUs, load {os.getloadavg()[0]:.1f}, "
        f"Python {platform.python_version()}, torch {torch.__version__} ({torch.backends.cpu.get_cpu_capability()})"
    )


if __name__ == "__main__":
    main()
