from __future__ import annotations

import pytest
import torch
from torch import nn

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.build import compose
from raytrain.augment.compose import Compose
from raytrain.augment.scaling import AmplitudeScaling
from raytrain.augment.shift import TimeShift
from raytrain.errors import ConfigError
from raytrain.types import Batch, Objective, Progress, StepLoss

START = Progress(0, 0, 0.0)


class Recorder(Augmentation):
    def __init__(self) -> None:
        self.bound: list[nn.Module] = []

    def bind(self, model: nn.Module, objective: Objective) -> None:
        self.bound.append(model)


def test_steps_are_applied_in_order_with_the_draws_of_one_generator() -> None:
    batch = Batch(torch.randn(8, 1, 32, generator=torch.Generator().manual_seed(1)), torch.arange(8))
    steps = [TimeShift(), AmplitudeScaling()]
    both = Compose(steps)(batch, START, torch.Generator().manual_seed(0))
    generator = torch.Generator().manual_seed(0)
    expected = steps[1](steps[0](batch, START, generator), START, generator)
    assert torch.equal(both.signal, expected.signal)
    augmented = Compose(steps).augment(batch.signal, generator=torch.Generator().manual_seed(0))
    assert torch.equal(augmented, expected.signal)


def test_labels_may_be_mixed_once() -> None:
    once = compose(steps=[{"name": "gaussian_noise"}, {"name": "cutmix"}])
    assert once.mixes_labels
    assert not compose(steps=[{"name": "gaussian_noise"}]).mixes_labels
    batch = Batch(torch.randn(8, 1, 32), torch.arange(8))
    assert once(batch, START, torch.Generator()).mixture is not None
    with pytest.raises(ConfigError, match=r"steps: MixupAugmentation and CutMixAugmentation mix labels; keep one"):
        compose(steps=[{"name": "mixup"}, {"name": "time_shift"}, {"name": "cutmix"}])


def test_steps_within_steps_are_counted() -> None:
    inner = {"name": "compose", "steps": [{"name": "mixup"}]}
    assert [type(step).__name__ for step in compose(steps=[inner]).steps] == ["MixupAugmentation"]
    with pytest.raises(ConfigError, match="mix labels; keep one of them"):
        compose(steps=[inner, {"name": "mixup"}])


def test_every_step_learns_of_the_model() -> None:
    first, second, model = Recorder(), Recorder(), nn.Identity()

    def objective(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        raise AssertionError("not called")

    Compose([first, Compose([second])]).bind(model, objective)
    assert first.bound == second.bound == [model]


@pytest.mark.parametrize(
    ("step", "message"),
    [
        ({"alpha": 1.0}, r"augmentation.steps.1 must have a name, got \{'alpha': 1.0\}"),
        ({"name": 3}, r"augmentation.steps.1 must have a name, got \{'name': 3\}"),
        ({"name": "mixpu"}, "augmentation.steps.1: augmentation.name: there is no augmentation 'mixpu'; did you mean"),
        ({"name": "mixup", "aplha": 1}, "augmentation.steps.1: augmentation.aplha: 'mixup' has no such setting; did"),
        ({"name": "mixup", "alpha": 0.0}, "augmentation.steps.1: augmentation.alpha must be above 0"),
    ],
)
def test_a_wrong_step_is_named(step: dict[str, object], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        compose(steps=[{"name": "none"}, step])
