from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raytrain.data.journal import generate_journal
from raytrain.data.recording import Recording
from raytrain.data.rolling import generate_rolling
from raytrain.errors import ConfigError
from raytrain.losses import LossData, PhysicsInformedLoss
from raytrain.losses.physics_informed import create_physics_informed
from raytrain.objectives import PhysicsInformed
from raytrain.physics import BEARINGS
from raytrain.types import Batch, Mixture, Objective, Progress

START = Progress(epoch=0, step=0, fraction=0.0)
LENGTH, HOP = 4096, 2048


def windows_of(recordings: list[Recording]) -> tuple[Batch, LossData]:
    """Return all windows in one batch, and what a loss may know of them."""
    classes = tuple(dict.fromkeys(recording.fault_type for recording in recordings))
    signals, owners, starts = [], [], []
    for index, recording in enumerate(recordings):
        cut = torch.from_numpy(recording.signal.copy()).unfold(1, LENGTH, HOP).permute(1, 0, 2)
        signals.append((cut - cut.mean(dim=-1, keepdim=True)) / cut.std(dim=-1, keepdim=True))
        owners += [index] * len(cut)
        starts += [HOP * number for number in range(len(cut))]
    targets = torch.tensor([classes.index(recordings[owner].fault_type) for owner in owners])
    names = {"shaft_speed_rpm", *recordings[0].conditions}
    known = {
        name: torch.tensor([_value(recordings[owner], name) for owner in owners], dtype=torch.float32) for name in names
    }
    conditions = known | {"recording": torch.tensor(owners), "window_start": torch.tensor(starts)}
    bearing = BEARINGS.get(recordings[0].bearing_model)
    data = LossData(
        targets=targets,
        classes=classes,
        sample_rate_hz=recordings[0].fs_hz,
        window_samples=LENGTH,
        hop_samples=HOP,
        fault_orders=None if bearing is None else (bearing.bpfo, bearing.bpfi, 2 * bearing.bsf, bearing.ftf),
        conditions=tuple(conditions),
    )
    return Batch(torch.cat(signals), targets, conditions), data


def _value(recording: Recording, name: str) -> float:
    return recording.shaft_speed_rpm if name == "shaft_speed_rpm" else recording.conditions[name]


ROLLING = windows_of(generate_rolling(recordings_per_class=2, duration_s=1.0, seed=5))
JOURNAL = windows_of(generate_journal(recordings_per_class=1, duration_s=0.5, seed=5))


def model_of(classes: int) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(1, 8, 64, stride=16), nn.ReLU(), nn.AdaptiveMaxPool1d(4), nn.Flatten(), nn.Linear(32, classes)
    )


def trained(batch: Batch, criterion: PhysicsInformedLoss, *, classes: int, steps: int = 3) -> Tensor:
    """Return all weights after some steps of gradient descent from the same start."""
    model = model_of(classes)
    objective = PhysicsInformed(criterion)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(objective(model, batch, START).total)
        optimizer.step()
    return nn.utils.parameters_to_vector(model.parameters()).detach()


@pytest.mark.parametrize(
    ("windows", "names"),
    [(ROLLING, ["data", "frequency", "temporal"]), (JOURNAL, ["data", "sommerfeld", "temporal"])],
    ids=["rolling", "journal"],
)
def test_total_is_the_criterion_and_terms_are_its_parts(windows: tuple[Batch, LossData], names: list[str]) -> None:
    batch, data = windows
    model, criterion = model_of(data.num_classes), create_physics_informed(data)
    loss = PhysicsInformed(criterion)(model, batch, START)
    assert torch.equal(loss.logits, model(batch.inputs))
    torch.testing.assert_close(loss.total, criterion(loss.logits, batch))
    assert list(loss.terms) == names
    assert not any(term.requires_grad for term in loss.terms.values())
    assert all(term > 0 for term in loss.terms.values())
    torch.testing.assert_close(loss.total.detach(), criterion.combine(loss.terms))


@pytest.mark.parametrize("windows", [ROLLING, JOURNAL], ids=["rolling", "journal"])
def test_physics_changes_the_weights(windows: tuple[Batch, LossData]) -> None:
    batch, data = windows
    classes = data.num_classes
    without = trained(batch, create_physics_informed(data, physics_weight=0.0), classes=classes)
    again = trained(batch, create_physics_informed(data, physics_weight=0.0), classes=classes)
    informed = trained(batch, create_physics_informed(data, physics_weight=0.1), classes=classes)
    assert torch.equal(without, again)
    assert (without - informed).norm() > 1e-4 * without.norm()


@pytest.mark.parametrize("windows", [ROLLING, JOURNAL], ids=["rolling", "journal"])
def test_every_term_reaches_every_weight(windows: tuple[Batch, LossData]) -> None:
    batch, data = windows
    model, criterion = model_of(data.num_classes), create_physics_informed(data)
    for name, term in criterion.terms(model(batch.inputs), batch).items():
        gradients = torch.autograd.grad(term, list(model.parameters()), retain_graph=True)
        assert all(gradient.abs().max() > 0 for gradient in gradients), name


def test_physics_alone_learns_the_faults_that_show() -> None:
    """Without a label, descent on the contradiction names the class of most windows whose lines are clear."""
    batch, data = windows_of(generate_rolling(recordings_per_class=2, duration_s=1.0, snr_db=6.0, seed=5))
    criterion = create_physics_informed(data, data_weight=0.0, physics_weight=1.0, temporal_weight=0.0)
    logits = torch.zeros(len(batch), data.num_classes, requires_grad=True)
    optimizer = torch.optim.SGD([logits], lr=10.0)
    for _ in range(50):
        optimizer.zero_grad()
        torch.autograd.backward(criterion(logits, batch) * len(batch))
        optimizer.step()
    hits = (logits.argmax(dim=1) == batch.targets).float().mean().item()
    assert hits > 0.8


def test_mixed_batches_are_refused() -> None:
    batch, data = ROLLING
    mixture = Mixture(batch.targets, torch.full((len(batch),), 0.5))
    mixed = Batch(batch.inputs, batch.targets, batch.conditions, mixture)
    with pytest.raises(ConfigError, match="needs windows of one machine and mixed ones are of two; remove mixup"):
        PhysicsInformed(create_physics_informed(data))(model_of(data.num_classes), mixed, START)


def test_is_an_objective_that_moves_its_criterion_and_owns_no_model() -> None:
    batch, data = ROLLING
    objective = PhysicsInformed(create_physics_informed(data))
    as_protocol: Objective = objective
    as_protocol(model_of(data.num_classes), batch, START)
    assert list(objective.parameters()) == []
    objective.to("meta")
    assert {buffer.device.type for buffer in objective.buffers()} == {"meta"}


def test_the_largest_contradiction_of_a_batch_is_bounded() -> None:
    batch, data = ROLLING
    criterion = create_physics_informed(data, temporal_weight=0.0)
    for seed in range(3):
        logits = torch.randn(len(batch), data.num_classes, generator=torch.Generator().manual_seed(seed)) * 20
        assert 0 <= criterion.terms(logits, batch)["frequency"].item() <= 1 + np.finfo(np.float32).eps
