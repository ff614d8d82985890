from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from raytrain.distributed import RayReport
from raytrain.distributed.report import CHECKPOINT_FILE
from raytrain.engine.checkpoint import read_checkpoint
from raytrain.errors import ConfigError
from raytrain.types import FitState, Progress


@pytest.fixture
def reported(monkeypatch: pytest.MonkeyPatch) -> list[tuple[dict[str, float], dict[str, Any] | None]]:
    """What Ray Train is told: metrics, and the checkpoint's content where there is one."""
    calls: list[tuple[dict[str, float], dict[str, Any] | None]] = []

    def report(metrics: dict[str, float], checkpoint: Any = None) -> None:  # noqa: ANN401 - Ray's checkpoint
        content = None if checkpoint is None else read_checkpoint(Path(checkpoint.path) / CHECKPOINT_FILE)
        calls.append((metrics, content))

    monkeypatch.setattr("ray.train.report", report)
    return calls


def epoch(callback: RayReport, number: int, value: float, *, is_writer: bool = True) -> None:
    model = nn.Linear(1, 1)
    optimizer = torch.optim.SGD(model.parameters())
    progress = Progress(epoch=number, step=number, fraction=0.5)
    metrics = {"val/loss": value}
    callback.on_checkpoint(
        FitState(model, optimizer, progress, metrics, [], snapshot=lambda: {"epoch": number}, is_writer=is_writer)
    )


def test_every_epoch_is_reported_and_the_best_with_its_checkpoint(
    reported: list[tuple[dict[str, float], dict[str, Any] | None]],
) -> None:
    callback = RayReport(monitor="val/loss", mode="min")
    for number, value in enumerate([0.5, 0.7, 0.3], start=1):
        epoch(callback, number, value)
    assert [metrics["epoch"] for metrics, _ in reported] == [1, 2, 3]
    assert [content for _, content in reported] == [{"epoch": 1}, None, {"epoch": 3}]
    assert callback.state_dict() == {"best": 0.3}


def test_a_rank_that_does_not_write_reports_without_checkpoint(
    reported: list[tuple[dict[str, float], dict[str, Any] | None]],
) -> None:
    epoch(RayReport(monitor="val_loss", mode="min"), 1, 0.5, is_writer=False)
    assert reported == [({"val/loss": 0.5, "epoch": 1}, None)]


def test_a_resumed_run_remembers_the_best(reported: list[tuple[dict[str, float], dict[str, Any] | None]]) -> None:
    callback = RayReport(monitor="val/loss", mode="min")
    callback.load_state_dict({"best": 0.4})
    epoch(callback, 5, 0.5)
    assert reported[0][1] is None


def test_an_unreported_metric_is_refused() -> None:
    with pytest.raises(ConfigError, match="monitor: 'val/f1' is not reported"):
        epoch(RayReport(monitor="val/f1", mode="max"), 1, 0.5)
