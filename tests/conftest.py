"""What all tests share: one thread, a cache of their own, repeatable properties, the real recordings."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import hypothesis
import pytest

# Read once, when NumPy and torch are imported; conftest comes before any test module imports them.
for _variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
    os.environ[_variable] = "1"

# The same examples in every run, so a failure repeats; no deadline, because machines are shared.
hypothesis.settings.register_profile("raytrain", deadline=None, derandomize=True)
hypothesis.settings.load_profile("raytrain")

DATA_VARIABLE = "RAYTRAIN_TEST_DATA"
BESIDE_CHECKOUT = Path(__file__).resolve().parents[2] / "shared" / "data"
NO_REAL_DATA = (
    "REAL RECORDINGS NOT TESTED: "
    f"set {DATA_VARIABLE} to a folder with manifest.csv, or put one at ../shared/data beside the checkout"
)


@pytest.fixture(scope="session")
def real_data() -> Path:
    """Folder of real recordings with its manifest.csv; the test is skipped where there is none."""
    named = os.environ.get(DATA_VARIABLE)
    folder = Path(named) if named else BESIDE_CHECKOUT
    if (folder / "manifest.csv").is_file():
        return folder
    if named:
        pytest.fail(f"{DATA_VARIABLE}={named} has no manifest.csv", pytrace=False)
    pytest.skip(NO_REAL_DATA)


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_session(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """Keep generated data out of the user's cache, yet share it between the tests of a session."""
    folder = tmp_path_factory.mktemp("cache")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("RAYTRAIN_CACHE", str(folder))
        yield folder


SLOWEST_FIRST = ("ray", "survival", "notebooks")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Keep the tests of a file in one process, for what they share, and those that use Ray, for their cluster.

    The groups that take minutes, most of them waiting for processes, come first, so that the others run beside them.
    """
    for item in items:
        item.add_marker(pytest.mark.xdist_group(_group(item)))
    places = {name: place for place, name in enumerate(SLOWEST_FIRST)}
    items.sort(key=lambda item: places.get(_group(item), len(places)))


def _group(item: pytest.Item) -> str:
    name = item.path.stem.removeprefix("test_")
    if name in SLOWEST_FIRST:
        return name
    return "ray" if item.path.parent.name == "ray" else str(item.path)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """Say in colour how many tests of the real recordings did not run."""
    skipped = [
        report
        for report in terminalreporter.stats.get("skipped", [])
        if isinstance(report.longrepr, tuple) and NO_REAL_DATA in report.longrepr[2]
    ]
    if skipped:
        terminalreporter.section("real recordings", yellow=True)
        terminalreporter.line(f"{len(skipped)} tests skipped. {NO_REAL_DATA}", yellow=True)
