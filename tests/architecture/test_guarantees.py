"""Each guarantee of the tuning service has a test that is named after its number, `test_guarantee_NN_...`."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]
NAMED = re.compile(r"test_guarantee_(\d{2})_[a-z]")
GUARANTEES = {
    "01": "one public call runs a sweep, with one or several workers per trial",
    "02": "resources come back after every stop; what can never be met is refused at once",
    "03": "a copy's new settings are applied after the load",
    "04": "after kill -9 at any point exactly the planned trials finish, none repeated",
    "05": "a sweep can be extended, and can learn from another",
    "06": "every trial ends in a terminal state with its reason",
    "07": "what was stopped early is PRUNED, with its learning curve",
    "08": "best and last are kept, and the checkpoint gives the reported number",
    "09": "a configuration that was run is not run again",
    "10": "a grid is enumerated exactly once",
    "11": "a study has one writer",
    "12": "no trial is left RUNNING by a crash",
    "13": "one decision to stop, seen by every rank",
    "18": "checkpoints are atomic and checksummed; the one before a damaged one is used",
    "19": "trials share their processes",
    "20": "a split that leaks is refused",
    "21": "every run has a manifest",
}


def functions(source: str) -> Iterator[str]:
    """Yield the names of the functions and methods of a module that pytest collects."""
    module = ast.parse(source).body
    classes = [node.body for node in module if isinstance(node, ast.ClassDef) and node.name.startswith("Test")]
    for body in (module, *classes):
        for node in body:
            if isinstance(node, ast.FunctionDef) and node.name.startswith("test_"):
                yield node.name


def guarded(names: Iterable[str]) -> dict[str, list[str]]:
    """Return the tests named after each guarantee."""
    found = defaultdict(list)
    for name in names:
        if match := NAMED.match(name):
            found[match[1]].append(name)
    return dict(found)


@pytest.fixture(scope="module")
def tests() -> list[str]:
    benchmarks = TESTS / "benchmarks"
    paths = [path for path in TESTS.rglob("test_*.py") if benchmarks not in path.parents]
    return [name for path in paths for name in functions(path.read_text("utf-8"))]


@pytest.mark.parametrize("number", GUARANTEES)
def test_a_guarantee_has_a_test(number: str, tests: list[str]) -> None:
    assert guarded(tests).get(number), f"no test_guarantee_{number}_...: {GUARANTEES[number]}"


def test_no_test_is_named_after_a_guarantee_that_there_is_not(tests: list[str]) -> None:
    named = [name for name in tests if name.startswith("test_guarantee")]
    assert sorted(name for found in guarded(tests).values() for name in found) == sorted(named), (
        "two digits, then words"
    )
    assert guarded(tests).keys() <= {f"{number:02d}" for number in range(1, 22)}


def test_what_pytest_would_not_run_does_not_count() -> None:
    source = (
        "def test_guarantee_01_one(): ...\n"
        "class TestSweep:\n    def test_guarantee_02_two(self): ...\n"
        "class Sweep:\n    def test_guarantee_03_three(self): ...\n"
        "def outer():\n    def test_guarantee_04_four(): ...\n"
        "# def test_guarantee_05_five(): ...\n"
        "def test_guarantee_6_six(): ...\n"
        "def test_guarantee_07(): ...\n"
    )
    names = ["test_guarantee_01_one", "test_guarantee_02_two"]
    assert guarded(functions(source)) == {"01": names[:1], "02": names[1:]}
