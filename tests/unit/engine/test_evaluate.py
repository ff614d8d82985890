from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score
from torch import Tensor, nn

from raytrain.engine.evaluate import evaluate
from raytrain.engine.precision import Precision
from raytrain.engine.seeding import seed_everything
from raytrain.metrics.tracker import MetricsTracker
from raytrain.types import Batch, Loader, Objective, Progress, StepLoss

Make = Callable[..., Any]
CPU = torch.device("cpu")


def judge(
    model: nn.Module, loader: Loader, objective: Objective, *, precision: Precision | None = None
) -> MetricsTracker:
    return evaluate(
        model,
        loader,
        objective=objective,
        tracker=MetricsTracker(3, 4, device=CPU),
        precision=Precision("fp32", CPU) if precision is None else precision,
        device=CPU,
    )


def draw() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002 - the global ones


@pytest.fixture
def objective(training: Make) -> Objective:
    run: Objective = training().objective
    return run


def test_metrics_are_those_of_all_samples_at_once(
    network: Make, samples: Make, batches: Make, objective: Objective
) -> None:
    model, data = network(dropout=0.5, norm=True), samples(41)
    metrics = judge(model, batches(data, [20, 1, 20]), objective).compute("test")
    scores = model.eval()(data.inputs).detach()
    assert metrics["test/loss"] == pytest.approx(float(nn.functional.cross_entropy(scores, data.targets)), rel=1e-6)
    assert metrics["test/macro_f1"] == pytest.approx(f1_score(data.targets, scores.argmax(dim=1), average="macro"))
    assert judge(model, batches(data, [20, 1, 20]), objective).confusion.sum() == 41


def test_model_statistics_and_random_state_are_left_as_they_were(
    network: Make, samples: Make, batches: Make, objective: Objective
) -> None:
    model = network(dropout=0.5, norm=True)
    before = {name: value.clone() for name, value in model.state_dict().items()}
    loader = batches(samples(8), [4, 4])
    seed_everything(5)
    expected = draw()
    seed_everything(5)
    judge(model, loader, objective)
    assert draw() == expected
    assert all(torch.equal(value, model.state_dict()[name]) for name, value in before.items())
    assert all(parameter.grad is None for parameter in model.parameters())


def test_the_order_of_the_next_epoch_is_not_touched(
    samples: Make, batches: Make, network: Make, objective: Objective
) -> None:
    loader = batches(samples(8), [4, 4], seed=1)
    loader.set_epoch(5)
    first = [batch.targets for batch in loader]
    judge(network(), loader, objective)
    assert all(map(torch.equal, first, [batch.targets for batch in loader]))


@pytest.mark.parametrize("mode", [True, False])
def test_each_module_is_left_in_its_mode(
    network: Make, samples: Make, batches: Make, objective: Objective, mode: bool
) -> None:
    model = network(norm=True).train(mode)
    model[2].train(not mode)  # as of a frozen layer
    judge(model, batches(samples(4), [4]), objective)
    assert [module.training for module in model] == [mode, mode, not mode, mode, mode, mode]


def test_modes_are_left_also_after_an_error(network: Make, samples: Make, batches: Make) -> None:
    def failing(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        assert not model.training
        raise ZeroDivisionError

    model = network().train()
    with pytest.raises(ZeroDivisionError):
        judge(model, batches(samples(4), [4]), failing)
    assert all(module.training for module in model.modules())


def test_no_graph_is_built(network: Make, samples: Make, batches: Make) -> None:
    def watching(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        scores: Tensor = model(batch.inputs)
        assert not scores.requires_grad
        return StepLoss(scores.mean(), scores)

    judge(network(), batches(samples(4), [4]), watching)


def test_each_view_is_judged_beside_the_combined_prediction(samples: Make, batches: Make, network: Make) -> None:
    def of_two_views(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        scores: Tensor = model(batch.inputs)
        return StepLoss(scores.mean(), scores, views={"wvd": scores.flip(1), "stft": -scores})

    model, data = network(), samples(41)
    metrics = judge(model, batches(data, [20, 1, 20]), of_two_views).compute("val")
    scores = model(data.inputs).detach()
    for name, view in (("", scores), ("stft/", -scores), ("wvd/", scores.flip(1))):
        predicted = view.argmax(dim=1)
        assert metrics[f"val/{name}accuracy"] == pytest.approx(float((predicted == data.targets).double().mean()))
        assert metrics[f"val/{name}macro_f1"] == pytest.approx(f1_score(data.targets, predicted, average="macro"))


def test_a_model_without_views_has_no_metrics_of_views(
    samples: Make, batches: Make, network: Make, objective: Objective
) -> None:
    metrics = judge(network(), batches(samples(8), [4, 4]), objective).compute("val")
    assert all(name.count("/") == 1 for name in metrics)


def test_the_gpus_switches_are_those_of_the_run_while_it_is_judged(
    samples: Make, batches: Make, network: Make, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(torch.cuda, "get_device_capability", lambda _device: (9, 0))
    precision = Precision("fp32", torch.device("cuda", 0), tf32=True)

    def watching(model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        assert torch.get_float32_matmul_precision() == "high"
        scores: Tensor = model(batch.inputs)
        return StepLoss(scores.mean(), scores)

    judge(network(), batches(samples(4), [4]), watching, precision=precision)
    assert torch.get_float32_matmul_precision() == "highest"
