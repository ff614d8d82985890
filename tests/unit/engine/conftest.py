"""A training run small enough to compute by hand, and a loader whose batches are chosen by the test."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence

import pytest
import torch
from torch import Tensor, nn
from torch.optim.lr_scheduler import LambdaLR

from raytrain.engine.precision import Precision
from raytrain.engine.training import Training
from raytrain.losses.cross_entropy import LabelSmoothingCrossEntropy
from raytrain.objectives.supervised import Supervised
from raytrain.optim.schedule import Schedule
from raytrain.types import Batch, Callback, Loader

CPU = torch.device("cpu")
FEATURES = 6
CLASSES = 3


def make_samples(count: int, *, seed: int = 0, dtype: torch.dtype = torch.float32) -> Batch:
    generator = torch.Generator().manual_seed(seed)
    inputs = torch.randn(count, 1, FEATURES, generator=generator, dtype=dtype)
    targets = torch.randint(CLASSES, (count,), generator=generator)
    return Batch(inputs, targets, {"recording": torch.arange(count) % 4})


def take(samples: Batch, indices: Tensor) -> Batch:
    assert isinstance(samples.inputs, Tensor)
    conditions = {name: values[indices] for name, values in samples.conditions.items()}
    return Batch(samples.inputs[indices], samples.targets[indices], conditions)


class Batches:
    """Samples in batches of the given sizes; the order of epoch e is a permutation drawn from (seed, e)."""

    def __init__(self, samples: Batch, sizes: Sequence[int], *, seed: int | None = None) -> None:
        assert sum(sizes) == len(samples)
        self.samples = samples
        self.global_sizes = list(sizes)
        self._seed = seed
        self._epoch = 0

    def set_epoch(self, epoch: int) -> None:
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self.global_sizes)

    def __iter__(self) -> Iterator[Batch]:
        order = torch.arange(len(self.samples))
        if self._seed is not None:
            generator = torch.Generator().manual_seed(1000 * self._seed + self._epoch)
            order = torch.randperm(len(self.samples), generator=generator)
        for indices in torch.split(order, self.global_sizes):
            yield take(self.samples, indices)


def make_model(*, dropout: float = 0.0, norm: bool = False, dtype: torch.dtype = torch.float32) -> nn.Module:
    torch.manual_seed(7)
    layers: list[nn.Module] = [nn.Flatten(), nn.Linear(FEATURES, 5)]
    layers += [nn.BatchNorm1d(5)] if norm else []
    layers += [nn.Tanh(), nn.Dropout(dropout), nn.Linear(5, CLASSES)]
    return nn.Sequential(*layers).to(dtype)


def make_training(
    *,
    model: nn.Module | None = None,
    train: Loader | None = None,
    validation: Loader | None = None,
    optimizer: Callable[[nn.Module], torch.optim.Optimizer] = lambda model: torch.optim.SGD(model.parameters(), lr=0.1),
    decay: float = 0.97,
    epochs: int = 2,
    accumulation_steps: int = 1,
    max_grad_norm: float | None = None,
    precision: Precision | None = None,
    callbacks: Sequence[Callback] = (),
) -> Training:
    """Return a run; the learning rate falls by the factor `decay` with every optimizer step."""
    model = make_model() if model is None else model
    made = optimizer(model)
    return Training(
        model=model,
        objective=Supervised(LabelSmoothingCrossEntropy(smoothing=0.0)),
        train=Batches(make_samples(16), [4] * 4) if train is None else train,
        validation=validation,
        optimizer=made,
        schedule=Schedule(LambdaLR(made, lambda step: decay**step), "step"),
        precision=Precision("fp32", CPU) if precision is None else precision,
        device=CPU,
        epochs=epochs,
        num_classes=CLASSES,
        num_recordings=4,
        accumulation_steps=accumulation_steps,
        max_grad_norm=max_grad_norm,
        callbacks=callbacks,
    )


@pytest.fixture(scope="session")
def samples() -> Callable[..., Batch]:
    """Make random samples `[count, 1, 6]` of three classes and four recordings."""
    return make_samples


@pytest.fixture(scope="session")
def batches() -> Callable[..., Loader]:
    """Make a loader of chosen batch sizes."""
    return Batches


@pytest.fixture(scope="session")
def network() -> Callable[..., nn.Module]:
    """Make a perceptron with seeded weights."""
    return make_model


@pytest.fixture(scope="session")
def training() -> Callable[..., Training]:
    """Assemble a run."""
    return make_training
