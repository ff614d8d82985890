"""What every loss, every physics and every distillation keeps at its default settings, through its objective."""

from __future__ import annotations

import copy
import inspect
import itertools
from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.build import (
    DISTILLATIONS,
    LOSSES,
    PHYSICS,
    create_criterion,
    create_distillation,
    create_physics,
)
from raytrain.losses.loss_data import LossData
from raytrain.models.classifier import Outputs
from raytrain.objectives.build import create_objective
from raytrain.types import Batch, Mixture, Progress, StepLoss

SAMPLES = 4096
DATA = LossData(
    targets=torch.tensor([0, 0, 0, 1, 2, 2]),
    classes=("normal", "inner", "outer"),
    sample_rate_hz=12_000.0,
    window_samples=SAMPLES,
    hop_samples=SAMPLES // 2,
    fault_orders=(3.5848, 5.4152, 4.7135, 0.3983),
    conditions=("shaft_speed_rpm",),
)
LATE = Progress(epoch=9, step=999, fraction=0.9)
TABLE: dict[str, Callable[..., nn.Module]] = {**LOSSES, **PHYSICS, **DISTILLATIONS}
# A sample of theirs is compared with others of its class, or has the physics of one machine.
TAKE_NO_MIXTURE = {"supcon": "loss.name: 'supcon'", "consistency": "physics needs windows of one machine"}
# They compare the samples of a micro-batch with each other.
NOT_A_MEAN_OVER_SAMPLES = {"supcon"}

pytestmark = pytest.mark.parametrize("name", sorted(TABLE))


class Network(nn.Module):
    """Scores of three classes, times `scale`, from an embedding of four features."""

    def __init__(self, *, seed: int = 0, scale: float = 1.0) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.AdaptiveAvgPool1d(8), nn.Flatten(), nn.Linear(8, 4), nn.Tanh())
        self.head = nn.Linear(4, 3)
        self.scale = scale

    def forward(self, inputs: Tensor, *, detailed: bool = False) -> Tensor | Outputs:
        embedding = self.body(inputs)
        scores: Tensor = self.scale * self.head(embedding)
        return Outputs(scores, embedding) if detailed else scores


def batch(size: int = 12) -> Batch:
    """Windows that differ in level, of one recording, with a gap between each and the next."""
    generator = torch.Generator().manual_seed(1)
    levels = torch.randn(size, 1, 8, generator=generator).repeat_interleave(SAMPLES // 8, dim=2)
    inputs = 5 * levels + torch.randn(size, 1, SAMPLES, generator=generator)
    conditions = {
        "shaft_speed_rpm": torch.full((size,), 1797.0),
        "recording": torch.zeros(size, dtype=torch.int64),
        "window_start": torch.arange(size) * 10 * SAMPLES,
    }
    return Batch(inputs, torch.arange(size) % 3, conditions)


def part(whole: Batch, rows: slice) -> Batch:
    conditions = {key: value[rows] for key, value in whole.conditions.items()}
    return Batch(whole.signal[rows], whole.targets[rows], conditions)


def gradient(model: nn.Module) -> Tensor:
    """Return the gradients of all parameters in a row."""
    return torch.cat([parameter.grad.flatten() for parameter in model.parameters() if parameter.grad is not None])


def create(name: str) -> Callable[[nn.Module, Batch], StepLoss]:
    """Return the loss as a function of model and batch, late in training, when all of it counts."""
    objective = create_objective(
        create_criterion(name if name in LOSSES else "cross_entropy", data=DATA, settings={}),
        physics=create_physics(name, data=DATA, settings={}) if name in PHYSICS else None,
        soft_targets=create_distillation(name, data=DATA, settings={}) if name in DISTILLATIONS else None,
        teacher=Network(seed=9) if name in DISTILLATIONS else None,
    )
    return lambda model, samples: objective(model, samples, LATE)


def test_every_setting_is_keyword_only_annotated_described_and_has_a_default(name: str) -> None:
    described = inspect.getdoc(TABLE[name]) or ""
    first, *settings = inspect.signature(TABLE[name], eval_str=True).parameters.values()
    assert (first.name, first.annotation) == ("data", LossData)
    for parameter in settings:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty
        assert f"\n    {parameter.name}: " in described


def test_is_a_finite_scalar_with_the_scores_and_detached_terms(name: str) -> None:
    model, samples = Network(), batch()
    loss = create(name)(model, samples)
    assert loss.total.shape == ()
    assert torch.isfinite(loss.total)
    assert torch.equal(loss.logits, model(samples.inputs))
    for term in loss.terms.values():
        assert (term.shape, term.requires_grad) == ((), False)
        assert torch.isfinite(term)


def test_gradient_reaches_every_parameter_of_the_model(name: str) -> None:
    model = Network()
    torch.autograd.backward(create(name)(model, batch()).total)
    assert all(parameter.grad is not None and parameter.grad.any() for parameter in model.parameters())


def test_falls_along_its_gradient(name: str) -> None:
    model, samples, loss = Network(), batch(), create(name)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.002)
    values = []
    for _ in range(20):
        total = loss(model, samples).total
        optimizer.zero_grad()
        torch.autograd.backward(total)
        optimizer.step()
        values.append(total.item())
    assert all(after < before for before, after in itertools.pairwise(values))


def test_micro_batches_weighted_by_size_give_the_gradient_of_the_large_batch(name: str) -> None:
    loss, whole, pieces, samples = create(name), Network(), Network(), batch()
    torch.autograd.backward(loss(whole, samples).total)
    for rows in (slice(0, 5), slice(5, 10), slice(10, 12)):
        piece = part(samples, rows)
        torch.autograd.backward(loss(pieces, piece).total * len(piece) / len(samples))
    close = torch.allclose(gradient(pieces), gradient(whole), rtol=1e-4, atol=1e-6)
    assert close == (name not in NOT_A_MEAN_OVER_SAMPLES)


def test_a_mixed_batch_has_the_loss_of_each_class_by_its_share_or_is_refused(name: str) -> None:
    model, samples, loss = Network(), batch(), create(name)
    partners, share = samples.targets.roll(1), 0.3
    mixed = Batch(
        samples.inputs, samples.targets, samples.conditions, Mixture(partners, torch.full((len(samples),), share))
    )
    if name in TAKE_NO_MIXTURE:
        with pytest.raises(ConfigError, match=f"{TAKE_NO_MIXTURE[name]} .* remove mixup and cutmix"):
            loss(model, mixed)
        return
    own, other = (
        loss(model, Batch(samples.inputs, targets, samples.conditions)).total for targets in (samples.targets, partners)
    )
    torch.testing.assert_close(loss(model, mixed).total, share * own + (1 - share) * other)
    assert not torch.isclose(own, other)


def test_extreme_scores_keep_value_and_gradient_finite(name: str) -> None:
    for seed in range(3):  # right and wrong with certainty, in turns
        model = Network(seed=seed, scale=3e4)
        loss = create(name)(model, batch())
        assert loss.logits.abs().max() > 1e4
        torch.autograd.backward(loss.total)
        assert torch.isfinite(loss.total)
        assert gradient(model).isfinite().all()


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_under_autocast_the_loss_is_computed_in_single_precision(name: str, dtype: torch.dtype) -> None:
    model, loss = Network(), create(name)
    with torch.autocast("cpu", dtype=dtype):
        low = loss(model, batch())
    assert low.logits.dtype == dtype
    assert low.total.dtype == torch.float32
    torch.testing.assert_close(low.total, loss(model, batch()).total, rtol=0.02, atol=0.01)
    torch.autograd.backward(low.total)
    assert gradient(model).isfinite().all()


def test_the_same_batch_has_the_same_loss_and_nothing_is_drawn(name: str) -> None:
    model, loss = Network(), create(name)
    before = torch.get_rng_state()
    first, second = loss(model, batch()), loss(model, batch())
    assert torch.equal(first.total, second.total)
    assert torch.equal(torch.get_rng_state(), before)


def test_all_it_holds_moves_with_it_and_nothing_is_trained(name: str) -> None:
    criterion = TABLE[name](DATA)
    moved = copy.deepcopy(criterion).to("meta")
    assert {buffer.device.type for buffer in moved.buffers()} <= {"meta"}
    held = [value for module in moved.modules() for value in vars(module).values() if isinstance(value, Tensor)]
    assert held == []
    assert list(criterion.parameters()) == []
