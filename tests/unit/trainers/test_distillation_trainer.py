from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from raytrain.engine.checkpoint import read_checkpoint
from raytrain.errors import ConfigError
from raytrain.losses import DistillationLoss
from raytrain.trainers import DistillationTrainer, Trainer


def batches() -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(8, 1, 6, generator=generator), torch.arange(8) % 3) for _ in range(3)]


def network(*, width: int = 4) -> nn.Module:
    torch.manual_seed(width)
    return nn.Sequential(nn.Flatten(), nn.Linear(6, width), nn.BatchNorm1d(width), nn.Tanh(), nn.Linear(width, 3))


def test_the_loss_is_hintons() -> None:
    teacher, student = network(width=16), network()
    trainer = DistillationTrainer(teacher, student, batches(), temperature=3.0, alpha=0.6, device="cpu")
    inputs, targets = batches()[0]
    with torch.no_grad():
        guide, own = teacher.eval()(inputs).double(), student.eval()(inputs).double()
    p, q = torch.softmax(guide / 3, dim=1), torch.softmax(own / 3, dim=1)
    soft = 9 * (p * (p.log() - q.log())).sum(dim=1).mean()
    expected = 0.6 * soft + 0.4 * functional.cross_entropy(own, targets)
    assert trainer.evaluate([(inputs, targets)])["loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_the_teacher_stays_as_it_is_and_out_of_checkpoints(tmp_path: Path) -> None:
    teacher = network(width=16).train()
    before = {name: value.clone() for name, value in teacher.state_dict().items()}
    trainer = DistillationTrainer(teacher, network(), batches(), batches(), device="cpu")
    trainer.fit(3)
    assert all(torch.equal(value, before[name]) for name, value in teacher.state_dict().items())
    assert not teacher.training
    assert all(parameter.grad is None for parameter in teacher.parameters())
    trainer.save_checkpoint(tmp_path / "run.pt")
    snapshot = read_checkpoint(tmp_path / "run.pt")
    assert set(snapshot["model"]) == set(network().state_dict())
    assert len(trainer.optimizer.state_dict()["state"]) == len(list(network().parameters()))
    assert "teacher" not in str(snapshot.keys() | snapshot.get("objective", {}).keys())


def test_without_a_share_the_teacher_teaches_nothing() -> None:
    alone, guided = Trainer(network(), batches(), device="cpu"), None
    guided = DistillationTrainer(network(width=16), network(), batches(), alpha=0.0, device="cpu")
    alone.fit(2)
    guided.fit(2)
    for one, other in zip(alone.model.parameters(), guided.model.parameters(), strict=True):
        torch.testing.assert_close(one, other)


def test_the_student_comes_to_agree_with_its_teacher() -> None:
    teacher = network(width=16)
    optimizer = torch.optim.Adam((student := network()).parameters(), lr=0.05)
    trainer = DistillationTrainer(teacher, student, batches(), alpha=1.0, optimizer=optimizer, device="cpu")
    trainer.fit(60)
    inputs = torch.cat([inputs for inputs, _ in batches()])
    agreed = teacher.eval()(inputs).argmax(dim=1) == student.eval()(inputs).argmax(dim=1)
    assert agreed.float().mean() > 0.9


def test_a_criterion_that_is_a_distillation_brings_its_own_temperature_and_share() -> None:
    teacher, student = network(width=16), network()
    weight = torch.tensor([1.0, 2.0, 4.0])
    whole = DistillationLoss(temperature=3.0, alpha=0.6, weight=weight)
    trainer = DistillationTrainer(teacher, student, batches(), criterion=whole, device="cpu")
    inputs, targets = batches()[0]
    with torch.no_grad():
        expected = whole(student.eval()(inputs), teacher.eval()(inputs), targets)
    assert trainer.evaluate([(inputs, targets)])["loss"] == pytest.approx(expected.item(), rel=1e-5)


def test_an_impossible_share_is_refused() -> None:
    with pytest.raises(ConfigError, match="alpha"):
        DistillationTrainer(network(), network(), batches(), alpha=1.5, device="cpu")
