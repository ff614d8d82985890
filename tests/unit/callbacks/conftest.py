"""A run as callbacks see it, told by its metrics."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import pytest
import torch
from torch import nn

from raytrain.types import Callback, FitState, Progress


def make_state(*, is_writer: bool = True) -> FitState:
    model = nn.Linear(1, 1)
    state = FitState(
        model=model,
        optimizer=torch.optim.SGD(model.parameters(), lr=0.1),
        progress=Progress(epoch=0, step=0, fraction=0.0),
        metrics={},
        history=[],
        snapshot=lambda: {"epoch": state.progress.epoch},
        is_writer=is_writer,
    )
    return state


def tell(callback: Callback, state: FitState, epochs: Sequence[Mapping[str, float]]) -> int:
    """Call the hooks of each epoch with its metrics, until the callback asks for a stop; return the epochs told."""
    callback.on_fit_start(state)
    for metrics in epochs:
        callback.on_epoch_start(state)
        state.metrics = dict(metrics)
        callback.on_epoch_end(state)
        state.history.append(dict(state.metrics))
        state.progress = Progress(epoch=state.progress.epoch + 1, step=0, fraction=0.0)
        callback.on_checkpoint(state)
        if state.stop_reason is not None:
            break
    callback.on_fit_end(state)
    return len(state.history)


@pytest.fixture(scope="session")
def fit_state() -> Callable[..., FitState]:
    """Make the state of a run that begins."""
    return make_state


@pytest.fixture(scope="session")
def told() -> Callable[..., Any]:
    """Tell a callback a run."""
    return tell
