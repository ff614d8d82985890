from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from raytrain.data.journal import generate_journal
from raytrain.data.recording import Recording
from raytrain.data.rolling import generate_rolling
from raytrain.errors import ConfigError
from raytrain.losses import (
    LabelSmoothingCrossEntropy,
    LossData,
    PhysicalConstraintLoss,
    PhysicsTerms,
    SommerfeldConsistencyLoss,
    TemporalSmoothnessLoss,
    create_consistency,
)
from raytrain.models.classifier import Outputs
from raytrain.objectives import Distillation, MultiView, PhysicsInformed, Supervised
from raytrain.physics import BEARINGS
from raytrain.types import FINAL, Batch, Mixture, Objective, Progress

START = Progress(epoch=0, step=0, fraction=0.0)
LATE = Progress(epoch=8, step=801, fraction=0.8)
LENGTH, HOP = 4096, 2048
BASE = Supervised(LabelSmoothingCrossEntropy(0.0))


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


def informed(data: LossData, **settings: Any) -> PhysicsInformed:  # noqa: ANN401 - of several types
    return PhysicsInformed(BASE, create_consistency(data, **settings))


def trained(batch: Batch, objective: nn.Module, *, classes: int, steps: int = 3) -> Tensor:
    """Return all weights after some steps of gradient descent from the same start."""
    model = model_of(classes)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        torch.autograd.backward(objective(model, batch, LATE).total)
        optimizer.step()
    return nn.utils.parameters_to_vector(model.parameters()).detach()


@pytest.mark.parametrize(
    ("windows", "lambdas"),
    [
        (ROLLING, {"frequency": 1.0, "temporal": 0.1}),
        (JOURNAL, {"sommerfeld": 0.5, "temporal": 0.1}),
    ],
    ids=["rolling", "journal"],
)
def test_total_is_the_weighted_sum_and_all_of_it_is_logged(
    windows: tuple[Batch, LossData], lambdas: dict[str, float]
) -> None:
    batch, data = windows
    model, objective = model_of(data.num_classes), informed(data)
    loss = objective(model, batch, LATE)
    logits = model(batch.inputs)
    parts = {"data": BASE.criterion(logits, batch.targets), **objective.physics(logits, batch)}
    assert torch.equal(loss.logits, logits)
    named = [*parts, *(f"lambda_{name}" for name in lambdas), *(f"grad_norm_{name}" for name in parts)]
    assert list(loss.terms) == named
    for name, part in parts.items():
        assert part > 0
        torch.testing.assert_close(loss.terms[name], part.detach())
    assert {name: loss.terms[f"lambda_{name}"].item() for name in lambdas} == lambdas
    expected = parts["data"] + sum(weight * parts[name] for name, weight in lambdas.items())
    torch.testing.assert_close(loss.total, expected)
    assert loss.total.dtype == torch.float32
    assert not any(term.requires_grad for term in loss.terms.values())
    assert {term.shape for term in loss.terms.values()} == {()}


@pytest.mark.parametrize("windows", [ROLLING, JOURNAL], ids=["rolling", "journal"])
def test_physics_changes_the_weights(windows: tuple[Batch, LossData]) -> None:
    batch, data = windows
    without = trained(batch, BASE, classes=data.num_classes)
    assert torch.equal(without, trained(batch, BASE, classes=data.num_classes))
    for settings in ({}, {"adaptive_lambda": False}, {"lambda_schedule": "grad_norm"}):
        with_physics = trained(batch, informed(data, **settings), classes=data.num_classes)
        assert (without - with_physics).norm() > 1e-4 * without.norm()


def test_before_the_ramp_physics_is_off_and_in_evaluation_it_is_as_at_the_end() -> None:
    batch, data = ROLLING
    model, objective = model_of(data.num_classes), informed(data)
    early, late, final = (objective(model, batch, progress) for progress in (START, LATE, FINAL))
    torch.testing.assert_close(early.total, BASE(model, batch, START).total)
    assert early.terms["lambda_frequency"] == 0
    assert torch.equal(late.total, final.total)
    quarter = objective(model, batch, Progress(epoch=0, step=1, fraction=0.25))
    assert quarter.terms["lambda_frequency"] == 0.5


def test_a_constant_weight_counts_from_the_first_step() -> None:
    batch, data = ROLLING
    model = model_of(data.num_classes)
    constant = informed(data, adaptive_lambda=False)(model, batch, START)
    torch.testing.assert_close(constant.total, informed(data)(model, batch, FINAL).total)


@pytest.mark.parametrize("windows", [ROLLING, JOURNAL], ids=["rolling", "journal"])
def test_every_term_reaches_every_weight(windows: tuple[Batch, LossData]) -> None:
    batch, data = windows
    model = model_of(data.num_classes)
    for name, term in create_consistency(data)(model(batch.inputs), batch).items():
        gradients = torch.autograd.grad(term, list(model.parameters()), retain_graph=True)
        assert all(gradient.abs().max() > 0 for gradient in gradients), name


def test_physics_alone_learns_the_faults_that_show() -> None:
    """Without a label, descent on the contradiction names the class of most windows whose lines are clear.

    Lines of no meaning, the control, do little better than calling every window healthy, which is right for a quarter.
    """
    batch, data = windows_of(generate_rolling(recordings_per_class=2, duration_s=1.0, snr_db=6.0, seed=5))

    def hits(**bands: Any) -> float:  # noqa: ANN401 - of several types
        physics = create_consistency(data, lambda_temporal=0.0, **bands)
        logits = torch.zeros(len(batch), data.num_classes, requires_grad=True)
        optimizer = torch.optim.SGD([logits], lr=10.0)
        for _ in range(50):
            optimizer.zero_grad()
            torch.autograd.backward(physics(logits, batch)["frequency"] * len(batch))
            optimizer.step()
        return (logits.argmax(dim=1) == batch.targets).float().mean().item()

    assert hits() > 0.8
    assert np.mean([hits(bands="random", bands_seed=seed) for seed in range(4)]) < 0.45


def by_hand(model: nn.Module, loss: Tensor) -> Tensor:
    gradients = torch.autograd.grad(loss, list(model.parameters()), retain_graph=True)
    return torch.cat([gradient.flatten() for gradient in gradients]).double()


class Linear(nn.Module):
    """Two scores of two features; and one parameter that no loss depends on."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.tensor([[0.5, -0.2], [0.1, 0.3]]))
        self.idle = nn.Parameter(torch.zeros(3))

    def forward(self, inputs: Tensor) -> Tensor:
        return inputs[:, 0] @ self.weight.T


PAIR = Batch(
    torch.tensor([[[1.0, 2.0]], [[-1.0, 0.5]]]),
    torch.tensor([0, 1]),
    {"recording": torch.tensor([0, 0]), "window_start": torch.tensor([0, 4])},
)


def balanced(weight: float = 0.3, interval: int = 10) -> PhysicsInformed:
    smooth = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(1.0, hop_samples=4), temporal_weight=weight)
    return PhysicsInformed(BASE, PhysicsTerms(smooth, schedule="grad_norm", gradient_interval=interval))


def test_balancing_follows_the_gradients_as_computed_by_hand() -> None:
    model, objective = Linear(), balanced()
    probability = model(PAIR.inputs).softmax(dim=1)
    data = -(probability[0, 0].log() + probability[1, 1].log()) / 2
    smooth = (probability[1] - probability[0]).square().sum() / 2
    gradients = {
        name: torch.cat([torch.autograd.grad(loss, model.weight, retain_graph=True)[0].flatten(), torch.zeros(3)])
        for name, loss in (("data", data), ("temporal", smooth))
    }
    estimate = gradients["data"].abs().max() / gradients["temporal"].abs().mean()
    balance = 1.0
    for step in (0, 5, 10, 19, 20):
        if step % 10 == 0:
            balance = 0.9 * balance + 0.1 * estimate.item()
        loss = objective(model, PAIR, Progress(epoch=0, step=step, fraction=0.1))
        assert loss.terms["lambda_temporal"].item() == pytest.approx(0.3 * balance, rel=1e-5)
        torch.testing.assert_close(loss.total, data + 0.3 * balance * smooth)
        for name, gradient in gradients.items():
            assert loss.terms[f"grad_norm_{name}"].item() == pytest.approx(gradient.norm().item(), rel=1e-5)
    assert balance != pytest.approx(1.0, rel=0.05)


def test_norms_are_those_last_measured_and_no_gradient_is_left_behind() -> None:
    batch, data = ROLLING
    model, objective = model_of(data.num_classes), informed(data, gradient_interval=2)
    first = objective(model, batch, Progress(epoch=0, step=4, fraction=0.5))
    assert all(parameter.grad is None for parameter in model.parameters())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(0.5)
    between = objective(model, batch, Progress(epoch=0, step=5, fraction=0.5))
    after = objective(model, batch, Progress(epoch=0, step=6, fraction=0.5))
    for name in ("grad_norm_data", "grad_norm_frequency", "grad_norm_temporal"):
        assert between.terms[name] == first.terms[name] > 0
        assert after.terms[name] != first.terms[name]
    expected = by_hand(model, objective.physics(model(batch.inputs), batch)["frequency"]).norm()
    assert after.terms["grad_norm_frequency"].item() == pytest.approx(expected.item(), rel=1e-5)


def test_one_step_of_several_micro_batches_is_measured_once() -> None:
    model, objective = Linear(), balanced()
    for _ in range(3):
        loss = objective(model, PAIR, START)
    once = balanced()(Linear(), PAIR, START)
    assert loss.terms["lambda_temporal"] == once.terms["lambda_temporal"] != 0.3


@pytest.mark.parametrize("mode", ["inference", "no_grad", "evaluation"])
def test_evaluation_measures_nothing(mode: str) -> None:
    model, objective = Linear(), balanced()
    if mode == "evaluation":
        objective(model.eval(), PAIR, START)
    else:
        with torch.inference_mode() if mode == "inference" else torch.no_grad():
            assert objective(model, PAIR, START).total.isfinite()
            objective(model, PAIR, FINAL)
    assert objective.balance.tolist() == [1.0]
    assert objective.gradient_norms.tolist() == [0.0, 0.0]
    objective(model.train(), PAIR, START)
    assert objective.balance.tolist() != [1.0]


def test_a_loss_without_gradient_leaves_its_weight_as_it_is() -> None:
    alone = Batch(PAIR.inputs, PAIR.targets, {**PAIR.conditions, "recording": torch.tensor([0, 1])})
    objective = balanced()
    loss = objective(Linear(), alone, START)
    assert loss.terms["lambda_temporal"] == pytest.approx(0.3)
    assert loss.terms["grad_norm_temporal"] == 0
    frozen = Linear().requires_grad_(requires_grad=False)
    assert objective(frozen, PAIR, Progress(epoch=0, step=10, fraction=0.1)).terms["lambda_temporal"].isfinite()
    assert objective.balance.tolist() == [1.0]


def test_infinite_gradients_leave_the_weights_as_they_are() -> None:
    objective, model = balanced(), Linear()
    objective(model, PAIR, START)
    before = objective.balance.clone(), objective.gradient_norms.clone()
    model.weight.register_hook(lambda gradient: gradient * torch.inf)  # type: ignore[no-untyped-call]
    objective(model, PAIR, Progress(epoch=0, step=10, fraction=0.1))
    assert torch.equal(objective.balance, before[0])
    assert torch.equal(objective.gradient_norms, before[1])


def test_the_state_continues_where_it_was() -> None:
    model, whole = Linear(), balanced(interval=1)
    steps = [Progress(epoch=0, step=step, fraction=step / 10) for step in range(6)]
    for progress in steps[:3]:
        whole(model, PAIR, progress)
    state = {name: value.clone() for name, value in whole.state_dict().items()}
    assert set(state) == {"balance", "gradient_norms", "measured_step"}
    resumed = balanced(interval=1)
    resumed.load_state_dict(state)
    for progress in steps[2:]:  # the step of the snapshot again: it has been measured
        one, other = resumed(model, PAIR, progress), whole(model, PAIR, progress)
        assert torch.equal(one.total, other.total)
        assert one.terms == other.terms


class Hybrid(nn.Module):
    """Scores and a severity from the same features."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.body, self.head, self.severity = nn.Linear(4, 3), nn.Linear(3, 2), nn.Linear(3, 1)

    def forward(self, inputs: Tensor, *, detailed: bool = False) -> Tensor | Outputs:
        embedding = self.body(inputs[:, 0]).tanh()
        scores: Tensor = self.head(embedding)
        severity = self.severity(embedding)[:, 0].sigmoid()
        return Outputs(scores, embedding, severity=severity) if detailed else scores


def test_a_severity_that_the_model_states_is_held_against_the_film() -> None:
    film = SommerfeldConsistencyLoss(["healthy", "wear"])
    physics = PhysicsTerms(PhysicalConstraintLoss(sommerfeld=film, sommerfeld_weight=2.0))
    inputs = torch.randn(3, 1, 4, generator=torch.Generator().manual_seed(0))
    batch = Batch(inputs, torch.tensor([0, 1, 1]), {"sommerfeld_number": torch.tensor([0.01, 0.1, 3.0])})
    model = Hybrid()
    stated = PhysicsInformed(Supervised(nn.CrossEntropyLoss(), detailed=True), physics)(model, batch, START)
    assert stated.severity is not None
    expected = film(stated.logits, batch, severity=stated.severity)
    torch.testing.assert_close(stated.terms["sommerfeld"], expected.detach())
    plain = PhysicsInformed(Supervised(nn.CrossEntropyLoss()), physics)(model, batch, START)
    assert plain.terms["sommerfeld"] != stated.terms["sommerfeld"]
    torch.autograd.backward(stated.total)
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


class Views(nn.Module):
    def __init__(self, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.branches = nn.ModuleDict({name: nn.Linear(16, 4) for name in ("stft", "cwt")})

    def forward(self, inputs: Mapping[str, Tensor], *, detailed: bool = False) -> Tensor | Outputs:
        views = {name: branch(inputs[name]) for name, branch in self.branches.items()}
        scores = torch.stack(list(views.values())).mean(dim=0)
        return Outputs(scores, scores, views=views) if detailed else scores


@pytest.mark.parametrize("autocast", [False, True])
def test_views_distillation_and_physics_nest(autocast: bool) -> None:
    batch, data = ROLLING
    views = {name: batch.signal[:, 0, start : start + 16] for name, start in (("stft", 0), ("cwt", 16))}
    imaged = replace(batch, inputs=views, waveform=batch.signal)
    student, teacher = Views(0), Views(1)
    weights = {"stft": 1.0, "cwt": 3.0}
    whole = PhysicsInformed(
        Distillation(MultiView(LabelSmoothingCrossEntropy(0.0), weights), teacher, temperature=2.0, alpha=0.6),
        create_consistency(data, lambda_schedule="grad_norm"),
    )
    with torch.autocast("cpu", dtype=torch.bfloat16, enabled=autocast):
        loss = whole(student, imaged, START)
    terms = loss.terms
    hard = 0.25 * terms["stft"] + 0.75 * terms["cwt"]
    torch.testing.assert_close(terms["hard"], hard)
    torch.testing.assert_close(terms["data"], 0.4 * hard + 0.6 * terms["soft"])
    physics = sum(terms[f"lambda_{name}"].float() * terms[name] for name in ("frequency", "temporal"))
    torch.testing.assert_close(loss.total.detach(), terms["data"] + physics)
    assert (loss.total.dtype, loss.logits.dtype) == (torch.float32, torch.bfloat16 if autocast else torch.float32)
    assert loss.views.keys() == weights.keys()
    assert all(term.isfinite() for term in terms.values())
    torch.autograd.backward(loss.total)
    for parameter in student.parameters():
        assert parameter.grad is not None
        assert parameter.grad.isfinite().all()
        assert parameter.grad.any()
    assert all(parameter.grad is None for parameter in teacher.parameters())
    assert not [name for name in whole.state_dict() if "branches" in name]


def test_mixed_batches_are_refused() -> None:
    batch, data = ROLLING
    mixed = replace(batch, mixture=Mixture(batch.targets, torch.full((len(batch),), 0.5)))
    with pytest.raises(ConfigError, match="needs windows of one machine and mixed ones are of two; remove mixup"):
        informed(data)(model_of(data.num_classes), mixed, START)


def test_is_an_objective_that_moves_its_losses_and_owns_no_model() -> None:
    batch, data = ROLLING
    objective = informed(data)
    as_protocol: Objective = objective
    as_protocol(model_of(data.num_classes), batch, START)
    assert list(objective.parameters()) == []
    objective.to("meta")
    assert {buffer.device.type for buffer in objective.buffers()} == {"meta"}


def test_the_largest_contradiction_of_a_batch_is_bounded() -> None:
    batch, data = ROLLING
    physics = create_consistency(data, lambda_temporal=0.0)
    for seed in range(3):
        logits = torch.randn(len(batch), data.num_classes, generator=torch.Generator().manual_seed(seed)) * 20
        assert 0 <= physics(logits, batch)["frequency"].item() <= 1 + np.finfo(np.float32).eps
