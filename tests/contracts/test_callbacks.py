"""What every callback keeps: its state survives, one rank writes, and it stops a run by asking."""

from __future__ import annotations

import importlib
import inspect
import io
import pkgutil
import random
import shutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from rich.console import Console
from torch import nn

import raytrain.callbacks
from raytrain.callbacks import (
    CALLBACKS,
    CallbackContext,
    CallbackList,
    EarlyStopping,
    EpochTable,
    ExponentialMovingAverage,
    GradientMonitor,
    LearningRateMonitor,
    LearningRateScheduler,
    MetricLogger,
    MLflowLogger,
    ModelCheckpoint,
    NaNGuard,
    ProgressBar,
    TensorBoardLogger,
    TimingCallback,
    create_callback,
)
from raytrain.types import Callback, FitState, Progress

# SQLAlchemy 2.1 deprecates an option that MLflow's tables are defined with.
pytestmark = pytest.mark.filterwarnings("ignore:The ``noload`` loader:sqlalchemy.exc.SADeprecationWarning")

HOOKS = ["on_fit_start", "on_epoch_start", "on_step_end", "on_epoch_end", "on_checkpoint", "on_fit_end"]
EPOCHS = 9


@dataclass
class Setting:
    """Where callbacks under test write."""

    folder: Path
    screen: io.StringIO

    @property
    def store(self) -> str:
        return f"sqlite:///{self.folder / 'mlflow.db'}"

    @property
    def terminal(self) -> Console:
        return Console(file=self.screen, width=100, force_terminal=True)

    def written(self) -> dict[str, bytes]:
        files = {str(path): path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}
        return files | {"screen": self.screen.getvalue().encode()}


def scheduler(state: FitState) -> torch.optim.lr_scheduler.StepLR:
    return torch.optim.lr_scheduler.StepLR(state.optimizer, step_size=1, gamma=0.5)


Make = Callable[[Setting, FitState], Callback]

MAKE: dict[type[Callback], Make] = {
    CallbackList: lambda where, _: CallbackList([EarlyStopping(patience=2), MetricLogger(where.folder / "l.jsonl")]),
    EarlyStopping: lambda *_: EarlyStopping("val/loss", patience=2),
    EpochTable: lambda where, _: EpochTable(where.terminal, monitor="val/accuracy", epochs=EPOCHS),
    ExponentialMovingAverage: lambda *_: ExponentialMovingAverage(decay=0.5),
    GradientMonitor: lambda *_: GradientMonitor(),
    LearningRateMonitor: lambda *_: LearningRateMonitor(),
    LearningRateScheduler: lambda _, state: LearningRateScheduler(scheduler(state)),
    MLflowLogger: lambda where, _: MLflowLogger("contract", "run", tracking_uri=where.store),
    MetricLogger: lambda where, _: MetricLogger(where.folder / "logs" / "metrics.jsonl"),
    ModelCheckpoint: lambda where, _: ModelCheckpoint(where.folder / "checkpoints", save_top_k=2),
    NaNGuard: lambda *_: NaNGuard(),
    ProgressBar: lambda where, _: ProgressBar(where.terminal),
    TensorBoardLogger: lambda where, _: TensorBoardLogger(where.folder / "events", step_interval=1),
    TimingCallback: lambda *_: TimingCallback(),
}
"""A maker for every callback of `raytrain.callbacks`."""

WRITERS = {CallbackList, EpochTable, MLflowLogger, MetricLogger, ModelCheckpoint, ProgressBar, TensorBoardLogger}
STATEFUL = {
    CallbackList,
    EarlyStopping,
    ExponentialMovingAverage,
    GradientMonitor,
    LearningRateMonitor,
    LearningRateScheduler,
    MLflowLogger,
    ModelCheckpoint,
    NaNGuard,
    ProgressBar,
}
NAMED_BY_THE_WRITER = {MLflowLogger}
"""Their state is the name of what the one writing worker made, another at each run."""
MAY_STOP = {CallbackList, EarlyStopping, NaNGuard}
ADDS: dict[type[Callback], set[str]] = {
    GradientMonitor: {"gradient/norm", "gradient/norm_max"},
    LearningRateMonitor: {"lr/group_0"},
    TimingCallback: {"time/epoch_s", "time/step_s", "time/step_s_max"},
}
"""The metrics a callback adds; all others leave the metrics alone."""
OFFERS: dict[type[Callback], set[str]] = {CallbackList: {"append"}, ModelCheckpoint: {"best", "best_epoch"}}
"""What a callback has beside hooks."""


def shipped() -> set[type[Callback]]:
    """Return every callback class that a module of `raytrain.callbacks` defines."""
    modules = [
        importlib.import_module(f"raytrain.callbacks.{info.name}")
        for info in pkgutil.iter_modules(raytrain.callbacks.__path__)
    ]
    return {
        kind
        for module in modules
        for _, kind in inspect.getmembers(module, inspect.isclass)
        if issubclass(kind, Callback) and kind.__module__ == module.__name__
    }


def test_every_callback_is_under_contract() -> None:
    assert set(MAKE) == shipped()


def test_every_callback_is_exported() -> None:
    assert {kind.__name__ for kind in shipped()} <= set(raytrain.callbacks.__all__)


@pytest.mark.parametrize("name", CALLBACKS)
def test_every_name_makes_a_callback_without_settings(name: str, setting: Setting) -> None:
    context = CallbackContext(setting.folder, monitor="val/accuracy", mode="max", epochs=EPOCHS)
    before = setting.written()
    assert type(create_callback(name, context=context, settings={})) in MAKE
    assert setting.written() == before


@pytest.fixture(scope="module")
def empty_store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return an MLflow store without runs; making one takes seconds, copying it none."""
    from mlflow import MlflowClient

    path = tmp_path_factory.mktemp("mlflow") / "mlflow.db"
    MlflowClient(tracking_uri=f"sqlite:///{path}").create_experiment("contract", artifact_location=str(path.parent))
    return path


@pytest.fixture
def new_setting(tmp_path: Path, empty_store: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], Setting]:
    """Make a setting in a folder of its own, in which an MLflow store is ready."""
    monkeypatch.setenv("MLFLOW_DISABLE_TELEMETRY", "true")

    def make(name: str) -> Setting:
        folder = tmp_path / name
        folder.mkdir()
        shutil.copy(empty_store, folder / "mlflow.db")
        return Setting(folder, io.StringIO())

    return make


@pytest.fixture
def setting(new_setting: Callable[[str], Setting]) -> Setting:
    return new_setting("one")


def start(*, is_writer: bool = True) -> FitState:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2))
    return FitState(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        progress=Progress(epoch=0, step=0, fraction=0.0),
        metrics={},
        history=[],
        snapshot=lambda: {"weights": model.state_dict()},
        is_writer=is_writer,
    )


def epoch(callback: Callback, state: FitState, loss: float) -> None:
    """Call the hooks of one epoch of one step, as `fit` does."""
    done = state.progress.epoch
    callback.on_epoch_start(state)
    state.optimizer.zero_grad()
    state.optimizer.step()
    for parameter in state.model.parameters():
        parameter.grad = torch.full_like(parameter, 0.5)
    state.step_loss, state.gradient_norm = torch.tensor(loss), torch.tensor(2.0)
    state.progress = Progress(epoch=done, step=done + 1, fraction=(done + 1) / EPOCHS)
    callback.on_step_end(state)
    state.metrics = {"train/loss": loss, "train/lr": 0.1, "val/loss": loss, "val/accuracy": 1 - loss}
    callback.on_epoch_end(state)
    state.history.append(dict(state.metrics))
    state.progress = Progress(epoch=done + 1, step=done + 1, fraction=(done + 1) / EPOCHS)
    callback.on_checkpoint(state)


def whole_run(
    make: Make, setting: Setting, losses: list[float], *, is_writer: bool = True
) -> tuple[Callback, FitState]:
    state = start(is_writer=is_writer)
    callback = make(setting, state)
    callback.on_fit_start(state)
    for loss in losses:
        epoch(callback, state, loss)
    callback.on_fit_end(state)
    return callback, state


def same(left: object, right: object) -> bool:
    """Return whether two nested values are equal, tensors included."""
    if isinstance(left, torch.Tensor) and isinstance(right, torch.Tensor):
        return torch.equal(left, right)
    if isinstance(left, dict) and isinstance(right, dict):
        return left.keys() == right.keys() and all(same(left[key], right[key]) for key in left)
    if isinstance(left, list | tuple) and isinstance(right, list | tuple):
        return len(left) == len(right) and all(map(same, left, right))
    return type(left) is type(right) and left == right


def random_state() -> list[Any]:
    return [torch.get_rng_state(), np.random.get_state(legacy=False)["state"]["key"].tolist(), random.getstate()]  # noqa: NPY002


every = pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)


@every
def test_overrides_hooks_and_nothing_else(kind: type[Callback]) -> None:
    public = {name for name in vars(kind) if not name.startswith("_")}
    public -= OFFERS.get(kind, set())
    assert public <= {*HOOKS, "state_dict", "load_state_dict"}
    for name in public:
        assert inspect.signature(getattr(kind, name)) == inspect.signature(getattr(Callback, name))


@every
def test_settings_past_two_are_keyword_only(kind: type[Callback]) -> None:
    positional = [
        parameter
        for parameter in inspect.signature(kind).parameters.values()
        if parameter.kind is not inspect.Parameter.KEYWORD_ONLY
    ]
    assert len(positional) <= 2


@every
def test_state_is_plain_and_goes_through_a_checkpoint(kind: type[Callback], setting: Setting) -> None:
    state = start()
    fresh = MAKE[kind](setting, state).state_dict()
    callback, state = whole_run(MAKE[kind], setting, [0.5, 0.4, 0.6])
    saved = callback.state_dict()
    file = io.BytesIO()
    torch.save(saved, file)
    file.seek(0)
    other = MAKE[kind](setting, state)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert same(other.state_dict(), saved)
    assert same(saved, fresh) == (kind not in STATEFUL)


@every
@pytest.mark.parametrize("split", [1, 4])
def test_a_restored_callback_goes_on_as_if_never_interrupted(
    kind: type[Callback], new_setting: Callable[[str], Setting], split: int
) -> None:
    losses = [0.5, 0.3, 0.4, 0.2, 0.6, 0.7]

    def run(name: str, cut: int | None) -> tuple[object, str | None, list[str], list[list[str]]]:
        where, state = new_setting(name), start()
        callback = MAKE[kind](where, state)
        for index, loss in enumerate(losses):
            if index == cut:
                saved = callback.state_dict()
                callback.on_fit_end(state)
                state.averaged_model = None
                callback = MAKE[kind](where, state)
                callback.load_state_dict(saved)
            if index in {0, cut}:
                callback.on_fit_start(state)
            epoch(callback, state, loss)
        files = [f"{path.name}: {path.read_bytes()!r}" for path in sorted(where.folder.rglob("*.jsonl"))]
        files += [path.name for path in sorted(where.folder.rglob("*.pt"))]
        own = "its own" if kind in NAMED_BY_THE_WRITER else callback.state_dict()
        return own, state.stop_reason, files, [sorted(row) for row in state.history]

    assert same(run("cut", split), run("whole", None))


@every
def test_only_the_writer_writes(kind: type[Callback], setting: Setting) -> None:
    nothing = setting.written()
    whole_run(MAKE[kind], setting, [0.5, 0.4, 0.6], is_writer=False)
    assert setting.written() == nothing
    whole_run(MAKE[kind], setting, [0.5, 0.4, 0.6], is_writer=True)
    assert (setting.written() != nothing) == (kind in WRITERS)


@every
def test_every_rank_comes_to_the_same_state_and_decision(kind: type[Callback], setting: Setting) -> None:
    writer, first = whole_run(MAKE[kind], setting, [0.5, 0.6, 0.7])
    other, second = whole_run(MAKE[kind], setting, [0.5, 0.6, 0.7], is_writer=False)
    assert first.stop_reason == second.stop_reason
    assert same(writer.state_dict(), other.state_dict()) == (kind not in NAMED_BY_THE_WRITER)
    assert [row.keys() for row in first.history] == [row.keys() for row in second.history]


@every
@pytest.mark.parametrize("losses", [[float("nan")] * 6, [float("inf")] * 6, [0.1] * 6, [0.5, float("nan"), 0.4]])
def test_never_raises_whatever_the_losses_are(kind: type[Callback], setting: Setting, losses: list[float]) -> None:
    _, state = whole_run(MAKE[kind], setting, losses)
    assert state.stop_reason is None or kind in MAY_STOP


@every
def test_does_not_touch_model_random_state_or_the_metrics_of_others(kind: type[Callback], setting: Setting) -> None:
    state = start()
    callback = MAKE[kind](setting, state)
    weights = {name: value.clone() for name, value in state.model.state_dict().items()}
    drawn = random_state()
    callback.on_fit_start(state)
    epoch(callback, state, 0.5)
    callback.on_fit_end(state)
    assert same(dict(state.model.state_dict()), weights)
    assert same(random_state(), drawn)
    assert set(state.metrics) - {"train/loss", "train/lr", "val/loss", "val/accuracy"} == ADDS.get(kind, set())
    given = {"train/loss": 0.5, "train/lr": 0.1, "val/loss": 0.5, "val/accuracy": 0.5}
    assert {key: state.metrics[key] for key in given} == given
    assert len(state.history) == 1
    assert (state.averaged_model is not None) == (kind is ExponentialMovingAverage)


@every
def test_ends_a_run_that_never_began_an_epoch(kind: type[Callback], setting: Setting) -> None:
    state = start()
    callback = MAKE[kind](setting, state)
    callback.on_fit_start(state)
    callback.on_fit_end(state)
    assert state.stop_reason is None


@every
def test_ends_a_run_whose_start_failed_before_it(kind: type[Callback], setting: Setting) -> None:
    # Another callback's on_fit_start raised: this one is told the end of a run it was never told the start of.
    state = start()
    MAKE[kind](setting, state).on_fit_end(state)
    assert state.stop_reason is None
