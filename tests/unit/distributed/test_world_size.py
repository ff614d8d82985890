"""One, two and four processes train the same. Run as a script, this file is these processes, forked from one."""

from __future__ import annotations

import dataclasses
import multiprocessing
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn

from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.callbacks.exponential_moving_average import ExponentialMovingAverage
from raytrain.config.build import build_training
from raytrain.config.schema import TrainConfig
from raytrain.data.store import SegmentStore
from raytrain.engine.batch_norm import SynchronizedBatchNorm
from raytrain.engine.fit import fit
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.types import Batch, Progress

pytestmark = pytest.mark.slow

WORLDS = (1, 2, 4)
SAMPLES = 640
PARTS = [0] * 6 + [1] * 3 + [2] * 2
WINDOW = 128
# 6 x 9 windows train in 6 global batches of 9, of which 4 workers have 3, 2, 2 and 2. Four batches a step leave 2 for
# an epoch's last step. 3 x 9 windows validate: 7, 7, 7 and 6 to a worker.
# Adam divides a gradient that is 0 but for rounding, as that of a bias before BatchNorm, by its own size, and makes
# noise of it; CNN2D has none.
LEARNING_RATE = 0.05
BASE: dict[str, Any] = {
    "windows": {"length": WINDOW, "hop": 64},
    "loss": {"class_weights": "none"},
    "optimizer": {"name": "sgd", "lr": LEARNING_RATE},
    "schedule": {"name": "plateau", "mode": "max", "patience": 0, "factor": 0.5, "monitor": "val/loss"},
    "batch_size": 9,
    "accumulation_steps": 4,
    "epochs": 3,
    "max_grad_norm": 0.5,
    "batch_norm": "synchronized",
    "device": "cpu",
}
WDCNN = {"name": "wdcnn", "width": 2, "first_kernel": 8, "first_stride": 2, "hidden": 8, "dropout": 0.3}
STEPS = [
    {"name": "gaussian_noise", "snr_db": 10.0, "probability": 0.7},
    {"name": "time_shift"},
    {"name": "rand_augment"},
    {"name": "mixup", "alpha": 0.5},
]
STFT = {"name": "stft", "window_length": 32, "hop": 8}
CNN2D = {"name": "cnn2d", "depth": 2, "width": 2, "dropout": 0.2}
ON_IMAGES = [
    {"name": "patch", "preset": "heavy", "patch_length": 8},
    {"name": "spec_augment", "time_mask_param": 4, "freq_mask_param": 4},
]
TICNN = {"name": "ticnn", "width": 2, "first_kernel": 9, "first_stride": 1, "hidden": 8, "dropout": 0.2}
MULTI_VIEW = {"name": "multi_view", "views": ["stft", "cwt"], "depth": 1, "width": 2, "dropout": 0.2}
VIEWS = {
    "name": "views",
    "stft": {"window_length": 32, "hop": 8},
    "cwt": {"frequency_bins": 16, "low_hz": 600.0, "hop": 8},
    "wvd": None,
    "weights": {"stft": 2.0, "cwt": 1.0},
}
RUNS: dict[str, dict[str, Any]] = {
    "signals": {"model": WDCNN, "augmentation": {"name": "compose", "steps": STEPS}},
    "images": {
        "model": CNN2D,
        "tfr": STFT,
        "augmentation": {"name": "compose", "steps": ON_IMAGES},
        "optimizer": {"name": "adamw", "lr": LEARNING_RATE},
    },
    "cutmix": {"model": WDCNN, "augmentation": {"name": "cutmix"}, "neighbours": 3, "epochs": 2},
    "contrastive": {"model": TICNN, "loss": {"name": "supcon", "class_weights": "none"}, "epochs": 2},
    "physics": {
        "model": WDCNN,
        "physics": {"name": "consistency", "lambda_schedule": "grad_norm", "gradient_interval": 2},
        "augmentation": {"name": "amplitude_scaling"},
        "neighbours": 3,
        "epochs": 2,
    },
    "views": {"model": MULTI_VIEW, "tfr": VIEWS, "epochs": 2},
}


def make_store() -> SegmentStore:
    """Three classes of noisy sines."""
    count = len(PARTS)
    target = np.arange(count) % 3
    noise = 0.5 * np.random.default_rng(0).standard_normal((count, SAMPLES))
    waves = np.sin(np.choose(target, [0.3, 0.9, 1.5])[:, None] * np.arange(SAMPLES)) + noise
    return SegmentStore(
        signal=waves.reshape(1, -1).astype(np.float32),
        fs_hz=6000.0,
        offset=np.arange(count) * SAMPLES,
        samples=np.full(count, SAMPLES),
        start=np.zeros(count, dtype=np.int64),
        part=np.array(PARTS, dtype=np.int8),
        target=target,
        recording=np.arange(count),
        shaft_speed_rpm=np.full(count, 6000, dtype=np.float32),
        load=np.full(count, np.nan, dtype=np.float32),
        fault_orders=np.tile([3.05, 4.95, 3.98, 0.38], (count, 1)),
        classes=("normal", "inner", "outer"),
        recording_ids=tuple(f"r{index}" for index in range(count)),
        channels=("x",),
    )


class Double:
    """Makes signals float64, so that the number of workers changes nothing but the last of 16 digits."""

    in_evaluation = True

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        return dataclasses.replace(batch, inputs=batch.signal.double())


def assemble(name: str, rank: int, world_size: int) -> Training:
    config = TrainConfig.model_validate(BASE | RUNS[name])
    seed_everything(0)
    run = build_training(config, make_store(), rank=rank, world_size=world_size)
    run.model.double()
    return dataclasses.replace(
        run,
        transforms=[Double(), *run.transforms],
        batch_norm=config.batch_norm,
        callbacks=[ExponentialMovingAverage(decay=0.8), EarlyStopping("val/loss", patience=1)],
    )


def train(run: Training) -> dict[str, Any]:
    state = fit(run)
    assert state.averaged_model is not None
    return {
        "history": state.history,
        "stop": state.stop_reason,
        "weights": run.model.state_dict(),
        "average": state.averaged_model.state_dict(),
        "random": torch.get_rng_state(),
    }


def single(name: str, rank: int, world_size: int) -> dict[str, Any]:
    """In float32, as it is used."""
    run = assemble(name, rank, world_size)
    run.model.float()
    return train(dataclasses.replace(run, transforms=run.transforms[1:]))


def normalized(layer: nn.Module, rows: Tensor) -> dict[str, Tensor]:
    """Values, gradients and statistics of a layer on `rows`, of a loss that is a sum over them."""
    inputs = rows.clone().requires_grad_()
    for _ in range(2):
        outputs = layer(inputs)
    (outputs.sin() * inputs.detach().cos()).sum().backward()
    assert inputs.grad is not None
    parameters = {
        name: parameter.grad.clone() for name, parameter in layer.named_parameters() if parameter.grad is not None
    }
    return {"outputs": outputs.detach(), "inputs": inputs.grad, **parameters, **dict(layer.named_buffers())}


NORMS: dict[str, Callable[[], nn.Module]] = {
    "1d": lambda: nn.BatchNorm1d(3),
    "plain": lambda: nn.BatchNorm1d(3, affine=False, momentum=None),
    "untracked": lambda: nn.BatchNorm1d(3, track_running_stats=False),
}
ROWS = torch.randn(7, 3, 5, generator=torch.Generator().manual_seed(0), dtype=torch.float64) * 2 + 5


def make_norm(name: str) -> nn.Module:
    layer = NORMS[name]().double()
    for index, parameter in enumerate(layer.parameters()):
        nn.init.constant_(parameter, 1.5 + index)
    return layer


def batch_norms(rank: int, world_size: int) -> dict[str, dict[str, Tensor]]:
    """Uneven shares of seven rows: with four workers 4, 1, 1 and 1."""
    first = 0 if rank == 0 else 7 - world_size + rank
    rows = ROWS[first : (7 - world_size + 1) if rank == 0 else first + 1]
    return {name: normalized(SynchronizedBatchNorm(make_norm(name)), rows) for name in NORMS}  # type: ignore[arg-type]


def work(rank: int, world_size: int, folder: Path) -> None:
    torch.set_num_threads(1)
    if world_size > 1:
        meeting = f"file://{folder}/meeting{world_size}"
        dist.init_process_group("gloo", init_method=meeting, rank=rank, world_size=world_size)
    result = {name: train(assemble(name, rank, world_size)) for name in RUNS}
    result["float32"] = single("signals", rank, world_size)
    result["batch_norm"] = batch_norms(rank, world_size)
    torch.save(result, folder / f"{rank}of{world_size}.pt")
    if world_size > 1:
        dist.destroy_process_group()


def fork_all(folder: Path) -> int:
    """Work in as many processes as there are ranks, which have what this one imported; return how many failed."""
    for name in RUNS:
        assemble(name, 0, 1)  # imports what is imported late
    fork = multiprocessing.get_context("fork")
    ranks = [(rank, world_size, folder) for world_size in WORLDS for rank in range(world_size)]
    workers = [fork.Process(target=work, args=place) for place in ranks]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join()
    return sum(worker.exitcode != 0 for worker in workers)


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> dict[int, list[dict[str, Any]]]:
    """What every rank of every number of workers came to."""
    folder = tmp_path_factory.mktemp("worlds")
    loopback = next(name for _, name in socket.if_nameindex() if name.startswith("lo"))
    environment = os.environ | {"GLOO_SOCKET_IFNAME": loopback, "OMP_NUM_THREADS": "1"}
    command = [sys.executable, __file__, str(folder)]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=150, check=False)
    assert done.returncode == 0, done.stderr
    return {
        world_size: [torch.load(folder / f"{rank}of{world_size}.pt", weights_only=True) for rank in range(world_size)]
        for world_size in WORLDS
    }


def assert_close(found: dict[str, Tensor], expected: dict[str, Tensor], tolerance: float) -> None:
    assert found.keys() == expected.keys()
    far = [
        name
        for name, value in expected.items()
        if not torch.allclose(found[name].double(), value.double(), rtol=tolerance, atol=tolerance)
    ]
    assert far == []


@pytest.mark.parametrize("world_size", WORLDS[1:])
@pytest.mark.parametrize(("name", "tolerance"), [*((name, 1e-12) for name in RUNS), ("float32", 2e-6)])
def test_guarantee_13_workers_come_to_what_one_process_does(
    results: dict[int, list[dict[str, Any]]], name: str, tolerance: float, world_size: int
) -> None:
    alone = results[1][0][name]
    for result in results[world_size]:
        together = result[name]
        assert together["stop"] == alone["stop"]
        assert len(together["history"]) == len(alone["history"])
        for row, expected in zip(together["history"], alone["history"], strict=True):
            assert row == pytest.approx(expected, rel=tolerance, abs=tolerance)
        assert_close(together["weights"], alone["weights"], tolerance)
        assert_close(together["average"], alone["average"], tolerance)
        assert torch.equal(together["random"], alone["random"])  # so rank 0's state resumes every rank


def test_the_runs_exercise_what_they_claim(results: dict[int, list[dict[str, Any]]]) -> None:
    histories = {name: results[1][0][name]["history"] for name in RUNS}
    assert any(row["train/lr"] < LEARNING_RATE for rows in histories.values() for row in rows)
    assert any(results[1][0][name]["stop"] is not None for name in RUNS)
    assert all(rows[-1]["train/loss"] != rows[0]["train/loss"] for rows in histories.values())
    assert any("running_mean" in name for name in results[1][0]["signals"]["weights"])


@pytest.mark.parametrize("world_size", WORLDS)
@pytest.mark.parametrize("name", sorted(NORMS))
def test_batch_norm_of_uneven_shares_is_that_of_the_whole_batch(
    results: dict[int, list[dict[str, Any]]], name: str, world_size: int
) -> None:
    whole = normalized(make_norm(name), ROWS)
    parts = [result["batch_norm"][name] for result in results[world_size]]
    assert all(part.keys() == whole.keys() for part in parts)
    for key, expected in whole.items():
        found = parts[0][key]
        if key in ("outputs", "inputs"):
            found = torch.cat([part[key] for part in parts])
        elif key in ("weight", "bias"):
            found = torch.stack([part[key] for part in parts]).sum(dim=0)
        torch.testing.assert_close(found, expected, rtol=1e-12, atol=1e-12, check_dtype=True)


if __name__ == "__main__":
    sys.exit(fork_all(Path(sys.argv[1])))
