"""Peak memory of each transform on windows of 20 480 samples, each measured in a process of its own."""

from __future__ import annotations

import json
import subprocess
import sys

import pytest

from raytrain.tfr.build import IMAGES

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="measured by what Linux counts for each process")

BATCH, SAMPLES = 16, 20_480
SIGNAL = 4 * BATCH * SAMPLES

# What each is to stay below, and beside it what would be worked on if everything were done at once.
WORK = {name: f"image = IMAGES[{name!r}](12_000).transform(signal)" for name in IMAGES} | {
    "all lags": "z = functional.pad(analytic_signal(signal), (64, 64)); "
    "p = torch.stack([z[..., 64 + m : 20_544 + m] * z[..., 64 - m : 20_544 - m].conj() for m in range(64)])",
    "all rows": "wavelet._CHUNK = 10**12; image = IMAGES['cwt'](12_000).transform(signal)",
}
MEASURE = f"""
import json, os, resource
import torch
from torch.nn import functional
from raytrain.tfr import wavelet
from raytrain.tfr.analytic import analytic_signal
from raytrain.tfr.build import IMAGES

def most():
    return 1024 * resource.getrusage(resource.RUSAGE_SELF).ru_maxrss

def growth(work):
    receive, send = os.pipe()
    if os.fork() == 0:
        for cls in IMAGES.values():
            cls(12_000).transform(signal[:1, :, :2048])  # what is loaded once is not counted
        ballast = torch.ones(5_000_000)  # to hold as much as ever before, so that whatever comes on top shows
        before = most()
        with torch.no_grad():
            exec(work, globals())
        os.write(send, str(most() - before).encode())
        os._exit(0)
    os.close(send)
    os.wait()
    return int(os.read(receive, 100))

torch.set_num_threads(1)
signal = torch.randn({BATCH}, 1, {SAMPLES})
print(json.dumps({{name: growth(work) for name, work in {WORK}.items()}}))
"""


@pytest.fixture(scope="module")
def peaks() -> dict[str, int]:
    """Return by how many bytes each work raises the most memory that its process has held."""
    command = [sys.executable, "-c", MEASURE]
    done = subprocess.run(command, capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 0, done.stderr
    found: dict[str, int] = json.loads(done.stdout)
    return found


def bound(name: str) -> float:
    """Return the bytes that the docstrings state."""
    rows, columns = IMAGES[name](12_000).output_shape(SAMPLES)
    image = 4 * BATCH * rows * columns
    if name == "cwt":
        return 3 * image + 12 * SIGNAL + 64e6
    if name == "smoothed_pseudo_wvd":
        return 6 * image + 8 * SIGNAL + 3 * 8 * BATCH * SAMPLES * 65 / 32
    return 6 * image + 8 * SIGNAL


@pytest.mark.parametrize("name", sorted(IMAGES))
def test_memory_of_long_windows_stays_within_what_is_stated(name: str, peaks: dict[str, int]) -> None:
    rows, columns = IMAGES[name](12_000).output_shape(SAMPLES)
    assert 4 * BATCH * rows * columns < peaks[name] < bound(name)


def test_one_long_window_needs_what_the_docstrings_state() -> None:
    assert bound("wvd") / BATCH < 3e6
    assert bound("smoothed_pseudo_wvd") / BATCH < 4e6


@pytest.mark.parametrize(
    ("name", "work"), [("smoothed_pseudo_wvd", "all lags"), ("wvd", "all lags"), ("cwt", "all rows")]
)
def test_working_on_everything_at_once_would_not(name: str, work: str, peaks: dict[str, int]) -> None:
    assert peaks[work] > 2 * bound(name)
