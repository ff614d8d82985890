"""Two processes interrupted within an epoch go on as two or as one. Run as a script, this file is one of the two."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist

from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.config.build import build_training
from raytrain.config.schema import TrainConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.engine.checkpoint import read_checkpoint
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.types import Callback, FitState

pytestmark = pytest.mark.slow

CONFIG = TrainConfig.model_validate(
    {
        "data": {"source": "rolling", "options": {"recordings_per_class": 5, "duration_s": 0.25}},
        "windows": {"length": 256},
        "model": {"name": "cnn1d", "depth": 1, "width": 4, "dropout": 0.2},
        "augmentation": {"name": "gaussian_noise"},
        "optimizer": {"lr": 0.01},
        "batch_size": 32,
        "batch_norm": "synchronized",
        "epochs": 2,
        "device": "cpu",
    }
)
CUT_AFTER = 2


class Interrupt(Callback):
    """Ends the run after the checkpoint of a step, on all workers."""

    def on_step_end(self, state: FitState) -> None:
        if state.progress.step == CUT_AFTER:
            raise KeyboardInterrupt


def run(folder: Path, *, rank: int, world_size: int, cut: bool = False, resume: Path | None = None) -> FitState:
    recordings, split = read_and_split(CONFIG.data)
    store = prepare(recordings, split, CONFIG.windows, target=CONFIG.data.target)
    seed_everything(0)
    checkpoint = ModelCheckpoint(folder, monitor="val/loss", save_best_only=False, every_steps=CUT_AFTER)
    callbacks = [checkpoint, Interrupt() if cut else Callback()]
    training = build_training(CONFIG, store, callbacks=callbacks, rank=rank, world_size=world_size)
    return fit(training, resume=None if resume is None else read_checkpoint(resume))


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    whole = run(folder / "whole", rank=rank, world_size=2)
    try:
        run(folder / "cut", rank=rank, world_size=2, cut=True)
    except KeyboardInterrupt:
        dist.barrier()
    resumed = run(folder / "again", rank=rank, world_size=2, resume=folder / "cut" / "last.pt")
    result = {
        name: {"model": state.model.state_dict(), "history": state.history}
        for name, state in (("whole", whole), ("resumed", resumed))
    }
    torch.save(result, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two workers were interrupted, and went on."""
    place = tmp_path_factory.mktemp("workers")
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    environment = os.environ | {"GLOO_SOCKET_IFNAME": loopback}
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(place)], env=environment, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    errors = [worker.communicate(timeout=300)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(errors)
    return place


def check_close(weights: dict[str, Any], expected: dict[str, Any], tolerance: float) -> None:
    for name, value in expected.items():
        torch.testing.assert_close(weights[name], value, rtol=tolerance, atol=tolerance)


def test_two_go_on_as_two(folder: Path) -> None:
    assert read_checkpoint(folder / "cut" / "last.pt")["batch"] == CUT_AFTER
    for rank in range(2):
        result = torch.load(folder / f"{rank}.pt", weights_only=True)
        check_close(result["resumed"]["model"], result["whole"]["model"], 0.0)
        for row, expected in zip(result["resumed"]["history"], result["whole"]["history"], strict=True):
            assert row == pytest.approx(expected, rel=1e-12, abs=0)  # an epoch's sums are added in another order


def test_two_go_on_as_one(folder: Path, tmp_path: Path) -> None:
    # float32, and every sum over a batch in another order.
    whole = torch.load(folder / "0.pt", weights_only=True)["whole"]
    alone = run(tmp_path, rank=0, world_size=1, resume=folder / "cut" / "last.pt")
    check_close(alone.model.state_dict(), whole["model"], 1e-4)
    for row, expected in zip(alone.history, whole["history"], strict=True):
        assert row["train/loss"] == pytest.approx(expected["train/loss"], rel=1e-5)
        assert row["val/loss"] == pytest.approx(expected["val/loss"], rel=1e-5)


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
