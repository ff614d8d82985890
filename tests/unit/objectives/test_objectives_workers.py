"""Two processes compute the objectives of one. Run as a script, this file is one of the two."""

from __future__ import annotations

import os
import socket
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from raytrain.losses import (
    FrequencyConsistencyLoss,
    LabelSmoothingCrossEntropy,
    PhysicalConstraintLoss,
    PhysicsTerms,
    SommerfeldConsistencyLoss,
    TemporalSmoothnessLoss,
)
from raytrain.models.classifier import Outputs
from raytrain.objectives import Distillation, MultiView, PhysicsInformed
from raytrain.physics import BEARINGS, FaultSignatureDatabase
from raytrain.types import Batch, Progress, Share

pytestmark = pytest.mark.slow

SAMPLES, HOP, WINDOWS = 4096, 2048, 9
PROGRESS = [Progress(epoch=0, step=step, fraction=step / 4) for step in range(3)]


class Views(nn.Module):
    """Two branches, a severity, all in double precision."""

    def __init__(self, seed: int = 0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.branches = nn.ModuleDict({name: nn.Linear(6, 3) for name in ("stft", "cwt")})
        self.severity = nn.Linear(3, 1)
        self.double()

    def forward(self, inputs: Mapping[str, Tensor], *, detailed: bool = False) -> Tensor | Outputs:
        views = {name: branch(inputs[name]).tanh() for name, branch in self.branches.items()}
        scores = torch.stack(list(views.values())).mean(dim=0)
        severity = self.severity(scores)[:, 0].sigmoid()
        return Outputs(scores, scores, views=views, severity=severity) if detailed else scores


def global_batch() -> Batch:
    """Nine windows of two recordings: neighbours fall to different workers, and some conditions are unknown."""
    generator = torch.Generator().manual_seed(1)
    speeds = torch.full((WINDOWS,), 1800.0)
    speeds[[1, 7]] = torch.nan
    film = torch.linspace(0.01, 2.0, WINDOWS, dtype=torch.float64)
    film[[0, 2, 3]] = torch.nan
    return Batch(
        {name: torch.randn(WINDOWS, 6, generator=generator, dtype=torch.float64) for name in ("stft", "cwt")},
        torch.tensor([0, 1, 2, 0, 1, 2, 0, 1, 2]),
        {
            "shaft_speed_rpm": speeds,
            "sommerfeld_number": film,
            "recording": torch.tensor([0, 0, 0, 0, 0, 0, 1, 1, 1]),
            "window_start": HOP * torch.tensor([0, 2, 4, 6, 1, 3, 5, 6, 0]),
        },
        waveform=torch.randn(WINDOWS, 1, SAMPLES, generator=generator),
    )


def part(whole: Batch, rows: Tensor) -> Batch:
    assert isinstance(whole.inputs, Mapping)
    assert whole.waveform is not None
    return Batch(
        {name: view[rows] for name, view in whole.inputs.items()},
        whole.targets[rows],
        {name: values[rows] for name, values in whole.conditions.items()},
        waveform=whole.waveform[rows],
        share=Share(first=int(rows[0]), total=len(whole)),
    )


def objective() -> PhysicsInformed:
    """All of it in one: three physics terms around distillation around views, balanced by their gradients."""
    constraints = PhysicalConstraintLoss(
        frequency=FrequencyConsistencyLoss(
            FaultSignatureDatabase.rolling(BEARINGS["6205"]), ("normal", "inner", "outer"), sample_rate_hz=12_000.0
        ),
        sommerfeld=SommerfeldConsistencyLoss(("healthy", "wear", "lubrication")),
        temporal=TemporalSmoothnessLoss(1.0, hop_samples=HOP),
    )
    views = MultiView(LabelSmoothingCrossEntropy(0.1), {"stft": 1.0, "cwt": 2.0})
    physics = PhysicsTerms(constraints, schedule="grad_norm", gradient_interval=2)
    return PhysicsInformed(Distillation(views, Views(7)), physics)


def steps(model: nn.Module, batch: Batch, weight: float) -> dict[str, Any]:
    """Return losses, terms and gradients of three steps, each backward pass weighted as the engine's."""
    whole = objective()
    parameters = list(model.parameters())
    totals, terms, gradients = [], [], []
    for progress in PROGRESS:
        model.zero_grad()
        loss = whole(model, batch, progress)
        torch.autograd.backward(loss.total * weight)
        totals.append(loss.total.detach())
        terms.append(dict(loss.terms))
        gradients.append([parameter.grad.clone() for parameter in parameters if parameter.grad is not None])
        with torch.no_grad():
            for parameter in parameters:
                if parameter.grad is not None:
                    parameter.sub_(parameter.grad, alpha=0.1)
    return {"rows": len(batch), "totals": totals, "terms": terms, "gradients": gradients, "state": whole.state_dict()}


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    rows = torch.tensor_split(torch.arange(WINDOWS), 2)[rank]
    result = steps(DistributedDataParallel(Views()), part(global_batch(), rows), len(rows) * 2 / WINDOWS)
    torch.save(result, folder / f"{rank}.pt")
    dist.destroy_process_group()


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
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
    return [torch.load(place / f"{rank}.pt", weights_only=True) for rank in range(2)]


@pytest.fixture(scope="module")
def alone() -> dict[str, Any]:
    return steps(Views(), global_batch(), 1.0)


def test_two_workers_take_the_steps_of_one(results: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    for result in results:
        torch.testing.assert_close(result["gradients"], alone["gradients"], rtol=1e-12, atol=1e-15)


def test_two_workers_report_the_losses_of_one(results: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    shares = [result["rows"] / WINDOWS for result in results]
    for step, total in enumerate(alone["totals"]):
        reported = sum(share * result["totals"][step] for share, result in zip(shares, results, strict=True))
        torch.testing.assert_close(reported, total, rtol=1e-12, atol=0)
        for name, term in alone["terms"][step].items():
            reported = sum(share * result["terms"][step][name] for share, result in zip(shares, results, strict=True))
            torch.testing.assert_close(reported, term, rtol=1e-12, atol=1e-15)


def test_all_workers_have_the_same_weights_and_state(results: list[dict[str, Any]], alone: dict[str, Any]) -> None:
    first, second = (result["state"] for result in results)
    assert first.keys() == second.keys() == alone["state"].keys() == {"balance", "gradient_norms", "measured_step"}
    for name, value in alone["state"].items():
        assert torch.equal(first[name], second[name])
        torch.testing.assert_close(first[name], value, rtol=1e-12, atol=0)
    assert (alone["state"]["balance"] != 1).all()


def test_neighbours_on_two_workers_count(alone: dict[str, Any]) -> None:
    """So workers that do not gather would fail above: their own rows hold fewer pairs."""
    temporal = objective().physics.constraints.constraints["temporal"]
    scores = torch.randn(WINDOWS, 3, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
    parts = torch.tensor_split(torch.arange(WINDOWS), 2)
    apart = sum(temporal(scores[rows], part(global_batch(), rows)) * len(rows) / WINDOWS for rows in parts)
    assert apart < 0.9 * temporal(scores, global_batch())
    assert alone["terms"][0]["temporal"] > 0


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
    # DistributedDataParallel keeps gloo's threads alive after the group is destroyed, and the interpreter's own way out
    # may meet one of them and abort.
    os._exit(0)
