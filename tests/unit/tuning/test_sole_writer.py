from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from raytrain.errors import RunError
from raytrain.tuning.sole_writer import sole_writer
from raytrain.tuning.storage_location import locate

HOLD = """
import sys
from pathlib import Path
from raytrain.tuning.sole_writer import sole_writer
from raytrain.tuning.storage_location import locate
with sole_writer(locate(sys.argv[1], Path(sys.argv[2]), "quick")):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.mark.parametrize("kind", ["journal", "sqlite"])
def test_guarantee_11_a_second_writer_is_refused_until_the_first_is_done(kind: str, tmp_path: Path) -> None:
    location = locate(kind, tmp_path, "quick")
    with sole_writer(location):
        with pytest.raises(RunError, match="another sweep writes to the study 'quick' in"), sole_writer(location):
            pass
        with sole_writer(locate(kind, tmp_path, "other")):
            pass
    with sole_writer(location):
        pass


def test_guarantee_12_a_killed_writer_holds_nothing(tmp_path: Path) -> None:
    location = locate("journal", tmp_path, "quick")
    command = [sys.executable, "-c", HOLD, "journal", str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout
        assert writer.stdout.readline() == "held\n"
        with pytest.raises(RunError, match="another sweep"), sole_writer(location):
            pass
        os.kill(writer.pid, signal.SIGKILL)
        writer.wait()
    with sole_writer(location):
        pass


def test_an_error_of_the_sweep_is_its_own(tmp_path: Path) -> None:
    with pytest.raises(OSError, match=r"^the sweep's$"), sole_writer(locate("journal", tmp_path, "quick")):
        raise OSError("the sweep's")
