"""What every callback keeps: its state survives, one rank writes, and it stops a run by asking."""

from __future__ import annotations

import copy
import importlib
import inspect
import io
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
from rich.console import Console
from torch import nn

import raytrain.callbacks
from raytrain.callbacks.early_stopping import EarlyStopping
from raytrain.callbacks.epoch_table import EpochTable
from raytrain.callbacks.metric_logger import MetricLogger
from raytrain.callbacks.model_checkpoint import ModelCheckpoint
from raytrain.types import Callback, FitState, Progress

HOOKS = ["on_fit_start", "on_epoch_start", "on_step_end", "on_epoch_end", "on_checkpoint", "on_fit_end"]


@dataclass
class Setting:
    """Where callbacks under test write."""

    folder: Path
    screen: io.StringIO

    def written(self) -> dict[str, bytes]:
        files = {str(path): path.read_bytes() for path in sorted(self.folder.rglob("*")) if path.is_file()}
        return files | {"screen": self.screen.getvalue().encode()}


MAKE: dict[type[Callback], Callable[[Setting], Callback]] = {
    EarlyStopping: lambda _: EarlyStopping("val/loss", patience=2),
    EpochTable: lambda where: EpochTable(Console(file=where.screen, width=100), monitor="val/accuracy", epochs=9),
    MetricLogger: lambda where: MetricLogger(where.folder / "logs" / "metrics.jsonl"),
    ModelCheckpoint: lambda where: ModelCheckpoint(where.folder / "checkpoints"),
}
"""A maker for every callback of `raytrain.callbacks`."""

WRITERS = {EpochTable, MetricLogger, ModelCheckpoint}
STATEFUL = {EarlyStopping, ModelCheckpoint}


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


@pytest.fixture
def setting(tmp_path: Path) -> Setting:
    return Setting(tmp_path, io.StringIO())


def start(*, is_writer: bool = True) -> FitState:
    model = nn.Linear(1, 1)
    return FitState(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        progress=Progress(epoch=0, step=0, fraction=0.0),
        metrics={},
        history=[],
        snapshot=lambda: {"weight": model.weight.detach()},
        is_writer=is_writer,
    )


def epoch(callback: Callback, state: FitState, loss: float) -> None:
    """Call the hooks of one epoch, as `fit` does."""
    done = state.progress.epoch
    callback.on_epoch_start(state)
    state.metrics = {"train/loss": loss, "train/lr": 0.1, "val/loss": loss, "val/accuracy": 1 - loss}
    callback.on_step_end(state)
    callback.on_epoch_end(state)
    state.history.append(dict(state.metrics))
    state.progress = Progress(epoch=done + 1, step=done + 1, fraction=(done + 1) / 9)
    callback.on_checkpoint(state)


def whole_run(callback: Callback, losses: list[float], *, is_writer: bool = True) -> FitState:
    state = start(is_writer=is_writer)
    callback.on_fit_start(state)
    for loss in losses:
        epoch(callback, state, loss)
    callback.on_fit_end(state)
    return state


every = pytest.mark.parametrize("kind", MAKE, ids=lambda kind: kind.__name__)


@every
def test_overrides_hooks_and_nothing_else(kind: type[Callback]) -> None:
    public = {name for name in vars(kind) if not name.startswith("_")}
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
    assert len(positional) <= 1


@every
def test_state_is_plain_and_goes_through_a_checkpoint(kind: type[Callback], setting: Setting) -> None:
    callback, other = MAKE[kind](setting), MAKE[kind](setting)
    fresh = other.state_dict()
    whole_run(callback, [0.5, 0.4, 0.6])
    state = callback.state_dict()
    file = io.BytesIO()
    torch.save(state, file)
    file.seek(0)
    other.load_state_dict(torch.load(file, weights_only=True))
    assert other.state_dict() == state
    assert (state != fresh) == (kind in STATEFUL)


@every
@pytest.mark.parametrize("split", [1, 2, 3, 4])
def test_a_restored_callback_goes_on_as_if_never_interrupted(kind: type[Callback], tmp_path: Path, split: int) -> None:
    losses = [0.5, 0.3, 0.4, 0.2, 0.6, 0.7]

    def run(name: str, cut: int | None) -> tuple[dict[str, Any], str | None, list[str]]:
        where = Setting(tmp_path / name, io.StringIO())
        callback, state = MAKE[kind](where), start()
        for index, loss in enumerate(losses):
            if index == cut:
                saved = callback.state_dict()
                callback = MAKE[kind](where)
                callback.load_state_dict(saved)
            if index in {0, cut}:
                callback.on_fit_start(state)
            epoch(callback, state, loss)
        files = [f"{path.name}: {path.read_bytes()!r}" for path in sorted(where.folder.rglob("*.jsonl"))]
        files += [path.name for path in sorted(where.folder.rglob("*.pt"))]
        return callback.state_dict(), state.stop_reason, files

    assert run("cut", split) == run("whole", None)


@every
def test_only_the_writer_writes(kind: type[Callback], setting: Setting) -> None:
    nothing = setting.written()
    whole_run(MAKE[kind](setting), [0.5, 0.4, 0.6], is_writer=False)
    assert setting.written() == nothing
    whole_run(MAKE[kind](setting), [0.5, 0.4, 0.6], is_writer=True)
    assert (setting.written() != nothing) == (kind in WRITERS)


@every
def test_every_rank_comes_to_the_same_state_and_decision(kind: type[Callback], setting: Setting) -> None:
    writer, other = MAKE[kind](setting), MAKE[kind](setting)
    decision = whole_run(writer, [0.5, 0.6, 0.7]).stop_reason
    assert whole_run(other, [0.5, 0.6, 0.7], is_writer=False).stop_reason == decision
    assert writer.state_dict() == other.state_dict()


@every
@pytest.mark.parametrize("losses", [[float("nan")] * 6, [float("inf")] * 6, [0.1] * 6, [0.5, float("nan"), 0.4]])
def test_never_raises_whatever_the_losses_are(kind: type[Callback], setting: Setting, losses: list[float]) -> None:
    state = whole_run(MAKE[kind](setting), losses)
    assert state.stop_reason is None or kind is EarlyStopping


@every
def test_does_not_touch_model_metrics_or_random_state(kind: type[Callback], setting: Setting) -> None:
    callback, state = MAKE[kind](setting), start()
    weights, random = copy.deepcopy(state.model.state_dict()), torch.get_rng_state()
    callback.on_fit_start(state)
    epoch(callback, state, 0.5)
    callback.on_fit_end(state)
    assert all(torch.equal(value, weights[name]) for name, value in state.model.state_dict().items())
    assert torch.equal(torch.get_rng_state(), random)
    assert state.metrics == {"train/loss": 0.5, "train/lr": 0.1, "val/loss": 0.5, "val/accuracy": 0.5}
    assert len(state.history) == 1


@every
def test_ends_a_run_that_never_began_an_epoch(kind: type[Callback], setting: Setting) -> None:
    callback, state = MAKE[kind](setting), start()
    callback.on_fit_start(state)
    callback.on_fit_end(state)
    assert state.stop_reason is None
