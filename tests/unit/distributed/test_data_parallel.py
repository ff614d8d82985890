"""Two processes train what one does. Run as a script, this file is one of the two."""

from __future__ import annotations

import copy
import dataclasses
import json
import os
import socket
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from raytrain.callbacks.metric_logger import MetricLogger
from raytrain.config.build import build_training
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.distributed.judge import judge
from raytrain.engine.fit import Run, fit
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.optim.schedule import Schedule
from raytrain.types import Callback, Loader

pytestmark = pytest.mark.slow

EPOCHS = 4
SAMPLES = 160
PARTS = [0] * 6 + [1] * 3 + [2] * 2
# 6 x 9 windows train, in global batches of 6 x 7 and 2 x 6: odd, so that the shares of two workers differ. 3 batches a
# step leave 2 for an epoch's last step, the small ones. 3 x 9 windows validate, 14 and 13 to a worker.
CONFIG = TrainConfig.model_validate(
    {
        "windows": {"length": 32},
        "model": {"name": "cnn1d", "depth": 1, "width": 4, "stride": 2},
        "loss": {"class_weights": "none"},
        "optimizer": {"lr": 0.02},
        "batch_size": 7,
        "accumulation_steps": 3,
        "epochs": EPOCHS,
        "max_grad_norm": 0.5,
        "device": "cpu",
    }
)


def make_store() -> SegmentStore:
    """Two classes of noisy sines."""
    count = len(PARTS)
    target = np.arange(count) % 2
    noise = 0.5 * np.random.default_rng(0).standard_normal((count, SAMPLES))
    waves = np.sin(np.where(target, 0.9, 0.3)[:, None] * np.arange(SAMPLES)) + noise
    return SegmentStore(
        signal=waves.reshape(1, -1).astype(np.float32),
        fs_hz=1000.0,
        offset=np.arange(count) * SAMPLES,
        samples=np.full(count, SAMPLES),
        start=np.zeros(count, dtype=np.int64),
        part=np.array(PARTS, dtype=np.int8),
        target=target,
        recording=np.arange(count),
        shaft_speed_rpm=np.full(count, 1800, dtype=np.float32),
        load=np.full(count, np.nan, dtype=np.float32),
        fault_orders=np.full((count, 4), np.nan),
        classes=("normal", "inner"),
        recording_ids=tuple(f"r{index}" for index in range(count)),
        channels=("x",),
    )


class Perceptron(nn.Module):
    """No batch statistics, and float64, so that the number of workers changes nothing but rounding."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Flatten(), nn.Linear(32, 6), nn.Tanh(), nn.Linear(6, 2)).double()

    def forward(self, signal: Tensor) -> Tensor:
        scores: Tensor = self.layers(signal.double())
        return scores


def convolutional(rank: int, world_size: int) -> Training:
    """A run as configured, with BatchNorm, whose statistics are those of a worker's share."""
    seed_everything(0)
    return build_training(CONFIG, make_store(), rank=rank, world_size=world_size)


def perceptron(rank: int, world_size: int, callbacks: tuple[Callback, ...] = ()) -> Training:
    run = convolutional(rank, world_size)
    seed_everything(rank)  # DistributedDataParallel gives all the weights of rank 0
    model = Perceptron()
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.02)
    schedule = Schedule(LambdaLR(optimizer, lambda step: 0.95**step), "step")
    return dataclasses.replace(run, model=model, optimizer=optimizer, schedule=schedule, callbacks=callbacks)


def resumed(rank: int, world_size: int) -> Training:
    """Train half, and the other half from a snapshot, in which only rank 0's generator is."""
    first = Run(perceptron(rank, world_size))
    for _ in range(EPOCHS // 2):
        first.advance()
    box = [copy.deepcopy(first.state.snapshot())]
    dist.broadcast_object_list(box, src=0)
    second = perceptron(rank, world_size)
    fit(second, resume=box[0])
    return second


def work(rank: int, world_size: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=world_size)
    small = perceptron(rank, world_size, (MetricLogger(folder / "metrics.jsonl"),))
    small_history = fit(small).history
    network = convolutional(rank, world_size)
    state = fit(network)
    result = {
        "perceptron": small.model.state_dict(),
        "perceptron_history": small_history,
        "resumed": resumed(rank, world_size).model.state_dict(),
        "network": network.model.state_dict(),
        "network_history": state.history,
        "objective": state.snapshot()["objective"],
        "is_writer": state.is_writer,
    }
    torch.save(result, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where two workers have met, trained and left their results."""
    place = tmp_path_factory.mktemp("workers")
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    environment = os.environ | {"GLOO_SOCKET_IFNAME": loopback}
    workers = [
        subprocess.Popen(
            [sys.executable, __file__, str(rank), str(place)], env=environment, stderr=subprocess.PIPE, text=True
        )
        for rank in range(2)
    ]
    errors = [worker.communicate(timeout=120)[1] for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], "\n".join(errors)
    return place


@pytest.fixture(scope="module")
def results(folder: Path) -> list[dict[str, Any]]:
    return [torch.load(folder / f"{rank}.pt", weights_only=True) for rank in range(2)]


def differences(left: dict[str, Tensor], right: dict[str, Tensor]) -> list[str]:
    return [name for name in left if not torch.equal(left[name], right[name])]


def sizes(loader: Loader) -> list[int]:
    return [len(batch) for batch in loader]


def test_two_workers_come_to_the_weights_of_one(results: list[dict[str, Any]]) -> None:
    alone = perceptron(0, 1)
    assert sizes(alone.train) == [7] * 6 + [6] * 2
    fit(alone)
    for result in results:
        for name, weight in alone.model.state_dict().items():
            torch.testing.assert_close(result["perceptron"][name], weight, rtol=1e-9, atol=1e-9)


def test_two_workers_report_the_history_of_one(results: list[dict[str, Any]]) -> None:
    history = fit(perceptron(0, 1)).history
    assert len(history) == EPOCHS
    for result in results:
        for row, expected in zip(result["perceptron_history"], history, strict=True):
            assert row == pytest.approx(expected, rel=1e-9)
    assert history[-1]["train/loss"] < history[0]["train/loss"]


def test_both_workers_hold_the_same_model_and_metrics(results: list[dict[str, Any]]) -> None:
    first, second = results
    for key in ("perceptron", "network"):
        assert differences(first[key], second[key]) == []
        assert first[f"{key}_history"] == second[f"{key}_history"]


def test_the_checkpoint_of_one_worker_is_worth_what_both_reported(results: list[dict[str, Any]]) -> None:
    # BatchNorm's statistics are of each worker's share; evaluation must use those that are saved.
    reported = {key: value for key, value in results[0]["network_history"][-1].items() if key.startswith("val/")}
    judged = judge(
        CONFIG,
        store=make_store(),
        snapshot={"model": results[0]["network"], "averaged_model": None, "objective": results[0]["objective"]},
        parts=["validation"],
    )
    assert judged["validation"].metrics == pytest.approx(reported, rel=1e-6)
    assert 0.5 < reported["val/accuracy"] <= 1.0


def test_two_workers_resume_exactly(results: list[dict[str, Any]]) -> None:
    for result in results:
        assert differences(result["resumed"], result["perceptron"]) == []


def test_one_worker_writes(folder: Path, results: list[dict[str, Any]]) -> None:
    assert [result["is_writer"] for result in results] == [True, False]
    lines = (folder / "metrics.jsonl").read_text("utf-8").splitlines()
    assert [json.loads(line)["epoch"] for line in lines] == list(range(1, EPOCHS + 1))


if __name__ == "__main__":
    work(int(sys.argv[1]), 2, Path(sys.argv[2]))
