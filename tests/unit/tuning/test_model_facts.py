from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import Tensor, nn

from raytrain.config.build import build_training
from raytrain.config.schema import TrainConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.engine.seeding import seed_everything
from raytrain.engine.training import Training
from raytrain.tuning.model_facts import latency_s, model_facts, wanted_facts

FIXED: dict[str, Any] = {
    "data": {"source": "rolling", "options": {"recordings_per_class": 3, "duration_s": 0.25}},
    "windows": {"length": 256},
    "model": {"name": "cnn1d", "depth": 2, "width": 4},
    "device": "cpu",
}
ALL = {"model/parameters", "model/flops", "model/latency_ms"}


def training(**changes: Any) -> Training:  # noqa: ANN401 - any setting
    config = TrainConfig.model_validate(FIXED | changes)
    recordings, split = read_and_split(config.data)
    seed_everything(0)
    return build_training(config, prepare(recordings, split, config.windows, target="fault_type"), callbacks=[])


@pytest.fixture(scope="module")
def small() -> Training:
    return training()


def test_what_a_sweep_wants_to_know() -> None:
    settings: dict[str, Any] = {
        "name": "trying",
        "parameters": {"optimizer.lr": {"type": "uniform", "low": 0, "high": 1}},
        "search": {"objectives": ["val/loss", "model/flops"], "constraints": {"model/parameters": {"most": 9}}},
        "scheduler": {"name": "none"},
    }
    assert wanted_facts(SpaceConfig.model_validate(settings)) == {"model/flops", "model/parameters"}
    assert wanted_facts(SpaceConfig.model_validate(settings | {"search": {}})) == set()


def test_parameters_are_the_numbers_it_learns(small: Training) -> None:
    convolutions = [one for one in small.model.modules() if isinstance(one, nn.Conv1d | nn.Linear | nn.BatchNorm1d)]
    expected = sum(one.weight.numel() + (0 if one.bias is None else one.bias.numel()) for one in convolutions)
    assert model_facts(small, {"model/parameters"}) == {"model/parameters": float(expected)}


def test_what_is_frozen_is_not_learned() -> None:
    made = training()
    before = model_facts(made, {"model/parameters"})["model/parameters"]
    first = next(made.model.parameters())
    first.requires_grad = False
    assert model_facts(made, {"model/parameters"})["model/parameters"] == before - first.numel()


def test_a_wider_model_costs_more(small: Training) -> None:
    wide = training(model={"name": "cnn1d", "depth": 2, "width": 16})
    one, other = (model_facts(each, {"model/parameters", "model/flops"}) for each in (small, wide))
    assert other["model/parameters"] > 4 * one["model/parameters"]
    assert other["model/flops"] > 4 * one["model/flops"]


def test_a_longer_window_costs_operations_and_no_parameters(small: Training) -> None:
    longer = training(windows={"length": 512})
    one, other = (model_facts(each, {"model/parameters", "model/flops"}) for each in (small, longer))
    assert other["model/parameters"] == one["model/parameters"]
    assert 1.8 * one["model/flops"] < other["model/flops"] < 2.2 * one["model/flops"]


def test_only_what_is_wanted_is_measured(small: Training) -> None:
    assert model_facts(small, set()) == {}
    facts = model_facts(small, ALL)
    assert set(facts) == ALL
    assert facts["model/latency_ms"] > 0


def test_an_image_model_is_measured_on_images() -> None:
    made = training(tfr={"name": "stft", "hop": 8}, model={"name": "cnn2d"})
    assert model_facts(made, ALL)["model/flops"] > 0


def test_measuring_leaves_the_run_as_it_was(small: Training) -> None:
    before = {name: tensor.clone() for name, tensor in small.model.state_dict().items()}
    state, mode, threads = torch.get_rng_state(), small.model.training, torch.get_num_threads()
    model_facts(small, ALL)
    assert all(torch.equal(before[name], tensor) for name, tensor in small.model.state_dict().items())
    assert (small.model.training, torch.get_num_threads()) == (mode, threads)
    assert torch.equal(torch.get_rng_state(), state)


class Watched(nn.Module):
    """Tells how it is called, and fails where it is asked to."""

    calls: list[tuple[bool, int, bool]] = []  # noqa: RUF012 - a copy of the module is what is timed

    def __init__(self, *, fails: bool = False) -> None:
        super().__init__()
        self.fails = fails

    def forward(self, inputs: Tensor) -> Tensor:
        self.calls.append((self.training, torch.get_num_threads(), torch.is_grad_enabled()))
        if self.fails:
            raise RuntimeError("odd kernel")
        return inputs


def test_latency_is_of_evaluation_on_one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Watched, "calls", [])
    model = Watched()
    assert latency_s(model, torch.zeros(1, 1, 8), rounds=3) >= 0
    assert Watched.calls == [(False, 1, False)] * 4, "one to warm up, and three"
    assert model.training


def test_threads_come_back_after_an_error() -> None:
    threads = torch.get_num_threads()
    torch.set_num_threads(2)
    try:
        with pytest.raises(RuntimeError, match="odd kernel"):
            latency_s(Watched(fails=True), torch.zeros(1, 1, 8), rounds=3)
        assert torch.get_num_threads() == 2
    finally:
        torch.set_num_threads(threads)
