"""What every objective promises with every model: it learns, resumes, uses all of the model, judges purely."""

from __future__ import annotations

import copy
import math
from dataclasses import dataclass
from functools import cache
from typing import Any

import pytest
import torch
from torch import Tensor

from raytrain.config.build import build_training, evaluation_loader
from raytrain.config.combinations import create_network
from raytrain.config.load import dump_yaml
from raytrain.config.parts import check_parts
from raytrain.config.schema import TrainConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.store import SegmentStore
from raytrain.engine.checkpoint import write_checkpoint
from raytrain.engine.evaluate import evaluate
from raytrain.engine.fit import Run
from raytrain.engine.seeding import seed_everything
from raytrain.errors import ConfigError
from raytrain.metrics.reported import reported_metrics
from raytrain.models.build import MODELS
from raytrain.types import Callback, FitState

EPOCHS = 3
SMALL: dict[str, dict[str, Any]] = {
    "cnn1d": {"depth": 2, "width": 4, "stride": 16},
    "cnn2d": {"depth": 2, "width": 4},
    "cnn_lstm": {"depth": 2, "width": 4, "hidden": 8},
    "multi_scale_cnn": {"depth": 2, "width": 4},
    "multi_view": {"depth": 2, "width": 4},
    "patch_transformer": {"depth": 1, "width": 16, "heads": 2},
    "physics_hybrid": {"depth": 2, "width": 4, "hidden": 8},
    "resnet1d": {"width": 4},
    "resnet2d": {"width": 4},
    "ticnn": {"width": 4, "hidden": 8, "most_interference": 0.2},
    "wdcnn": {"width": 4, "hidden": 8},
}
"""Settings that make a model small, where it has them; all others are tried as they are."""
TRANSFORM: dict[str, dict[str, Any]] = {
    "signal": {"name": "none"},
    "signal_and_conditions": {"name": "none"},
    "image": {"name": "stft", "window_length": 64, "hop": 64},
    "views": {"name": "views", "cwt": {"frequency_bins": 16}},
}
OBJECTIVES: dict[str, dict[str, Any]] = {
    "supervised": {"loss": {"name": "cross_entropy"}},
    "contrastive": {"loss": {"name": "supcon"}},
    "distillation": {"distillation": {"name": "soft_targets", "alpha": 0.3, "temperature": 2.0}},
    "physics": {
        "physics": {"name": "consistency", "lambda_freq": 0.1, "gradient_interval": 2},
        "neighbours": 2,
    },
    "physics of a distillation": {
        "physics": {"name": "consistency", "lambda_freq": 0.1},
        "distillation": {"name": "soft_targets", "alpha": 0.3},
        "neighbours": 2,
    },
}


def config(model: str, objective: str = "supervised", *, teacher: str = "") -> TrainConfig:
    settings: dict[str, Any] = {
        "data": {"source": "rolling", "options": {"recordings_per_class": 3, "duration_s": 0.7}},
        "windows": {"length": 2048, "hop": 2048},
        "model": {"name": model, **SMALL.get(model, {})},
        "tfr": TRANSFORM[MODELS[model].input_domain],
        "optimizer": {"name": "adamw", "lr": 3e-3},
        "epochs": EPOCHS,
        "batch_size": 8,
        "device": "cpu",
        **copy.deepcopy(OBJECTIVES[objective]),
    }
    if "distillation" in settings:
        settings["distillation"]["teacher"] = teacher
    return TrainConfig.model_validate(settings)


@pytest.fixture(scope="module")
def store() -> SegmentStore:
    run = config("cnn1d")
    recordings, split = read_and_split(run.data)
    return prepare(recordings, split, run.windows, target="fault_type")


@pytest.fixture(scope="module")
def teachers(store: SegmentStore, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the folder of an (untrained) teacher for each model, of the same kind."""
    root, folders = tmp_path_factory.mktemp("teachers"), {}
    for name in MODELS:
        run, folder = config(name), root / name
        torch.manual_seed(1)
        model = create_network(run, in_channels=len(store.channels), num_classes=len(store.classes))
        write_checkpoint(folder / "best.pt", {"model": model.state_dict(), "averaged_model": None})
        (folder / "config.yaml").write_text(dump_yaml(run), encoding="utf-8")
        folders[name] = str(folder)
    return folders


class Unused(Callback):
    """Collect the parameters that the first step leaves without a gradient."""

    def __init__(self) -> None:
        self.names: list[str] | None = None

    def on_step_end(self, state: FitState) -> None:
        if self.names is None:
            self.names = [name for name, one in state.model.named_parameters() if one.grad is None]


@dataclass
class Ran:
    """What became of a run, and of the same run interrupted after its first epoch."""

    history: list[dict[str, float]]
    resumed_history: list[dict[str, float]]
    weights: dict[str, Tensor]
    resumed_weights: dict[str, Tensor]
    unused: list[str] | None
    pure: bool


def same(one: dict[str, Tensor], other: dict[str, Tensor]) -> bool:
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def started(run: TrainConfig, store: SegmentStore, callback: Callback, resume: dict[str, Any] | None = None) -> Run:
    seed_everything(run.seed)
    return Run(build_training(run, store, callbacks=[callback]), resume=resume)


def judging_changes_nothing(run: Run, settings: TrainConfig, store: SegmentStore) -> bool:
    training = run.training
    before = copy.deepcopy(training.model.state_dict())
    objective = copy.deepcopy(training.objective.state_dict())  # type: ignore[attr-defined]
    random, modes = torch.get_rng_state(), [module.training for module in training.model.modules()]
    evaluate(
        training.model,
        evaluation_loader(settings, store, ["test"]),
        objective=training.objective,
        tracker=reported_metrics(training.num_classes, training.num_recordings, device=training.device),
        precision=training.precision,
        device=training.device,
        transforms=training.transforms,
    )
    return (
        same(before, training.model.state_dict())
        and same(objective, training.objective.state_dict())  # type: ignore[attr-defined]
        and torch.equal(random, torch.get_rng_state())
        and modes == [module.training for module in training.model.modules()]
    )


@pytest.fixture(scope="module")
def ran(store: SegmentStore, teachers: dict[str, str]) -> Any:  # noqa: ANN401 - a cached function
    @cache
    def run_once(model: str, objective: str) -> Ran:
        settings = config(model, objective, teacher=teachers[model])
        check_parts(settings)
        unused = Unused()
        run = started(settings, store, unused)
        run.advance()
        snapshot = copy.deepcopy(run.snapshot())
        pure = judging_changes_nothing(run, settings, store)
        while not run.finished:
            run.advance()
        resumed = started(settings, store, Unused(), resume=snapshot)
        while not resumed.finished:
            resumed.advance()
        return Ran(
            history=run.state.history,
            resumed_history=resumed.state.history,
            weights=run.state.model.state_dict(),
            resumed_weights=resumed.state.model.state_dict(),
            unused=unused.names,
            pure=pure,
        )

    return run_once


PAIRS = [
    (model, objective)
    for model in sorted(MODELS)
    for objective in OBJECTIVES
    if (MODELS[model].input_domain, objective) != ("views", "contrastive")  # refused: see the last test
]
pairs = pytest.mark.parametrize(("model", "objective"), PAIRS, ids=lambda one: one.replace(" ", "_"))


@pairs
def test_its_loss_falls(model: str, objective: str, ran: Any) -> None:  # noqa: ANN401
    # With physics the data loss: the weights of the terms change meanwhile.
    losses = [row.get("train/data", row["train/loss"]) for row in ran(model, objective).history]
    assert all(math.isfinite(loss) for loss in losses)
    assert losses[-1] < losses[0]


@pairs
def test_it_resumes_bit_for_bit(model: str, objective: str, ran: Any) -> None:  # noqa: ANN401
    result = ran(model, objective)
    assert result.history == result.resumed_history
    assert same(result.weights, result.resumed_weights)


@pairs
def test_no_parameter_is_unused(model: str, objective: str, ran: Any) -> None:  # noqa: ANN401
    assert ran(model, objective).unused == []


@pairs
def test_judging_has_no_side_effect(model: str, objective: str, ran: Any) -> None:  # noqa: ANN401
    assert ran(model, objective).pure


def test_several_views_have_no_one_embedding_to_compare() -> None:
    with pytest.raises(ConfigError, match=r"loss.name: 'supcon' compares one embedding per window"):
        check_parts(config("multi_view", "contrastive"))


def test_the_suite_finds_what_it_looks_for() -> None:
    one, other = {"weight": torch.zeros(2)}, {"weight": torch.tensor([0.0, 1e-30])}
    assert not same(one, other)
    layer = torch.nn.Linear(1, 1)
    unused = Unused()
    unused.on_step_end(FitState(layer, torch.optim.SGD(layer.parameters()), None, {}, [], dict))  # type: ignore[arg-type]
    assert unused.names == ["weight", "bias"]
