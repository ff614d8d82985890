from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import pytest

from raytrain.callbacks import model_checkpoint
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.engine.checkpoint import read_checkpoint
from raytrain.errors import ConfigError

Make = Callable[..., Any]
NAN = float("nan")


@pytest.mark.parametrize(
    ("values", "mode", "best"),
    [
        ([3, 1, 2], "min", 2),
        ([3, 1, 2], "max", 1),
        ([1, 1, 1], "max", 1),
        ([NAN, 2, NAN, 1], "min", 4),
        ([1, 2, NAN], "max", 2),
    ],
)
def test_best_is_the_first_of_the_best_epochs_and_last_the_last(
    *, told: Make, fit_state: Make, tmp_path: Path, values: list[float], mode: Literal["min", "max"], best: int
) -> None:
    callback = ModelCheckpoint(tmp_path, monitor="m", mode=mode, save_best_only=False)
    told(callback, fit_state(), [{"m": value} for value in values])
    assert read_checkpoint(tmp_path / "best.pt") == {"epoch": best}
    assert read_checkpoint(tmp_path / "last.pt") == {"epoch": len(values)}
    assert (callback.best, callback.best_epoch) == (values[best - 1], best)


def test_without_a_usable_epoch_there_is_no_best(told: Make, fit_state: Make, tmp_path: Path) -> None:
    told(ModelCheckpoint(tmp_path, save_best_only=False), fit_state(), [{"val/loss": NAN}] * 2)
    assert [path.name for path in tmp_path.iterdir()] == ["last.pt"]


def test_the_best_is_on_disk_before_the_last_says_so(
    told: Make, fit_state: Make, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A run resumed from last.pt would not write a best.pt that last.pt already counts.
    written: list[str] = []
    monkeypatch.setattr(model_checkpoint, "write_checkpoint", lambda path, _snapshot: written.append(path.name))
    callback = ModelCheckpoint(tmp_path, save_best_only=False)
    told(callback, fit_state(), [{"val/loss": 2.0}, {"val/loss": 3.0}, {"val/loss": 1.0}])
    assert written == ["best.pt", "last.pt", "last.pt", "best.pt", "last.pt"]


def test_a_metric_the_run_does_not_report_is_told_with_the_nearest(told: Make, fit_state: Make, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^monitor: 'val/los' is not reported; did you mean 'val/loss'\?$"):
        told(ModelCheckpoint(tmp_path, monitor="val/los"), fit_state(), [{"val/loss": 1.0}])
    assert list(tmp_path.iterdir()) == []
