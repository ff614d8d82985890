"""Two processes compute the contrastive loss of one. Run as a script, this file is one of the two."""

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
from torch import Tensor, nn
from torch.nn.parallel import DistributedDataParallel

from raytrain.losses.contrastive_cross_entropy import ContrastiveCrossEntropy
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.losses.gather import gather_rows
from raytrain.losses.supcon import SupConLoss
from raytrain.models.classifier import Outputs
from raytrain.objectives.contrastive import Contrastive
from raytrain.types import Batch, Progress

pytestmark = pytest.mark.slow

# Five samples for one worker and four for the other. Class 2 has one sample on each, class 3 has one in all.
TARGETS = torch.tensor([0, 1, 0, 2, 1, 2, 0, 3, 1])
START = Progress(epoch=0, step=0, fraction=0.0)


class Perceptron(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body = nn.Sequential(nn.Linear(6, 5), nn.Tanh()).double()
        self.head = nn.Linear(5, 4).double()

    def forward(self, inputs: Tensor, *, detailed: bool = False) -> Tensor | Outputs:
        embedding = self.body(inputs)
        scores: Tensor = self.head(embedding)
        return Outputs(scores, embedding) if detailed else scores


def step(model: nn.Module, rows: Tensor, weight: float) -> tuple[Tensor, Tensor]:
    """Return total and contrastive term of the samples `rows`, after a backward pass weighted as the engine's."""
    inputs = torch.randn(9, 6, generator=torch.Generator().manual_seed(1), dtype=torch.float64)
    objective = Contrastive(ContrastiveCrossEntropy(LabelSmoothingCrossEntropy(0.1), SupConLoss(0.2), weight=0.7))
    loss = objective(model, Batch(inputs[rows], TARGETS[rows]), START)
    torch.autograd.backward(loss.total * weight)
    return loss.total.detach(), loss.terms["supcon"]


def work(rank: int, folder: Path) -> None:
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{folder}/meeting", rank=rank, world_size=2)
    model = Perceptron()
    rows = torch.tensor_split(torch.arange(9), 2)[rank]
    total, supcon = step(DistributedDataParallel(model), rows, len(rows) * 2 / 9)
    (gathered,) = gather_rows(torch.full((2 - rank, 2), rank))
    result = {
        "rows": len(rows),
        "total": total,
        "supcon": supcon,
        "gradient": [parameter.grad for parameter in model.parameters()],
        "gathered": gathered,
    }
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


def test_two_workers_have_the_gradient_of_one_with_the_whole_batch(results: list[dict[str, Any]]) -> None:
    model = Perceptron()
    step(model, torch.arange(9), 1.0)
    expected = [parameter.grad for parameter in model.parameters()]
    for result in results:
        torch.testing.assert_close(result["gradient"], expected, rtol=1e-10, atol=1e-14)


def test_workers_that_do_not_gather_would_not(results: list[dict[str, Any]]) -> None:
    model = Perceptron()
    for rows in torch.tensor_split(torch.arange(9), 2):
        step(model, rows, len(rows) / 9)
    assert not torch.allclose(results[0]["gradient"][0], model.body[0].weight.grad, rtol=1e-2)  # type: ignore[arg-type]


def test_two_workers_report_the_loss_of_one(results: list[dict[str, Any]]) -> None:
    total, supcon = step(Perceptron(), torch.arange(9), 1.0)
    assert [result["rows"] for result in results] == [5, 4]
    assert [result["supcon"].item() for result in results] == [pytest.approx(supcon.item(), rel=1e-12)] * 2
    reported = sum(result["total"].item() * result["rows"] for result in results) / 9
    assert reported == pytest.approx(total.item(), rel=1e-12)


def test_rows_are_in_the_order_of_the_ranks(results: list[dict[str, Any]]) -> None:
    for result in results:
        assert result["gathered"].tolist() == [[0, 0], [0, 0], [1, 1]]


def test_one_worker_keeps_its_tensors() -> None:
    first, second = torch.ones(2), torch.ones(3)
    assert gather_rows(first, second)[0] is first
    assert gather_rows(first, second)[1] is second


if __name__ == "__main__":
    work(int(sys.argv[1]), Path(sys.argv[2]))
    # DistributedDataParallel keeps gloo's threads alive after the group is destroyed, and the interpreter's own way out
    # may meet one of them and abort.
    os._exit(0)
