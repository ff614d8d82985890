from __future__ import annotations

import math
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from raytrain.callbacks.nan_guard import NaNGuard
from raytrain.engine.fit import fit
from raytrain.errors import ConfigError, RunError
from raytrain.types import Callback, FitState, Progress

Make = Callable[..., Any]
NAN, INF = math.nan, math.inf


def told_steps(guard: NaNGuard, state: FitState, losses: Sequence[float], norms: Sequence[float | None]) -> int:
    """Tell the steps of an epoch until the guard asks for a stop; return how many were told."""
    guard.on_epoch_start(state)
    for step, (loss, norm) in enumerate(zip(losses, norms, strict=True), start=1):
        state.progress = Progress(epoch=0, step=step, fraction=step / len(losses))
        state.step_loss = torch.tensor(loss)
        state.gradient_norm = None if norm is None else torch.tensor(norm)
        guard.on_step_end(state)
        if state.stop_reason is not None:
            return step
    return len(losses)


@pytest.mark.parametrize("bad", [NAN, INF, -INF])
@pytest.mark.parametrize(("interval", "told"), [(1, 3), (2, 4), (5, 5)])
def test_a_loss_that_is_no_number_stops_at_the_next_look(fit_state: Make, bad: float, interval: int, told: int) -> None:
    state = fit_state()
    guard = NaNGuard(check_interval=interval)
    assert told_steps(guard, state, [1.0, 1.0, bad, 1.0, 1.0], [1.0] * 5) == told
    assert state.stop_reason == (
        f"the loss was NaN or infinite in epoch 1, at step {told} or shortly before; "
        "lower optimizer.lr or max_grad_norm"
    )


@pytest.mark.parametrize("bad", [NAN, INF])
def test_a_gradient_stops_where_it_reached_the_weights_and_not_where_it_was_refused(
    fit_state: Make, bad: float
) -> None:
    state = fit_state()
    assert told_steps(NaNGuard(), state, [1.0] * 3, [1.0, bad, 1.0]) == 3
    assert state.stop_reason is None
    with torch.no_grad():
        next(state.model.parameters()).fill_(bad)
    assert told_steps(NaNGuard(), state, [1.0] * 3, [1.0, bad, 1.0]) == 2
    assert str(state.stop_reason).startswith("the gradient was NaN or infinite in epoch 1, at step 2 or shortly before")


def test_a_gradient_that_nobody_clips_is_looked_at_itself(fit_state: Make) -> None:
    state = fit_state()
    weight, bias = state.model.parameters()
    weight.grad, bias.grad = torch.ones_like(weight), torch.full_like(bias, NAN)
    weight.data.fill_(NAN)
    assert told_steps(NaNGuard(), state, [1.0] * 2, [None] * 2) == 1
    assert str(state.stop_reason).startswith("the gradient was")


def test_an_epoch_begins_with_a_clean_sheet(fit_state: Make) -> None:
    state, guard = fit_state(), NaNGuard(check_interval=2)
    assert told_steps(guard, state, [1.0, 1.0, NAN], [1.0] * 3) == 3
    assert told_steps(guard, state, [1.0] * 2, [1.0] * 2) == 2
    assert state.stop_reason is None


def test_a_real_run_stops_in_the_step_and_ends_in_order(training: Make) -> None:
    class Poison(Callback):
        def on_step_end(self, state: FitState) -> None:
            if state.progress.step == 7:
                next(state.model.parameters()).data.fill_(NAN)

    with pytest.raises(RunError, match="train/loss is nan in epoch 2"):
        fit(training(lambda _: [Poison()]))
    state = fit(training(lambda _: [Poison(), NaNGuard()]))
    assert state.progress.step == 8
    assert str(state.stop_reason).startswith("the loss was NaN or infinite in epoch 2, at step 8")
    assert len(state.history) == 2


@pytest.mark.parametrize("max_grad_norm", [0.5, None])
def test_steps_that_a_loss_scaler_skips_are_no_reason(training: Make, max_grad_norm: float | None) -> None:
    # A scale at which float32 gradients overflow for some steps, as float16 gradients do at the usual one.
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0**126, growth_interval=1000)

    class Norms(Callback):
        def __init__(self) -> None:
            self.finite: list[bool] = []

        def on_step_end(self, state: FitState) -> None:
            gradients = [weight.grad for weight in state.model.parameters() if weight.grad is not None]
            self.finite.append(all(bool(torch.isfinite(gradient).all()) for gradient in gradients))

    norms = Norms()
    callbacks = [norms, NaNGuard()]
    state = fit(training(lambda _: callbacks, epochs=2, max_grad_norm=max_grad_norm, scaler=scaler, loss_factor=64.0))
    assert False in norms.finite
    assert state.stop_reason is None
    assert state.metrics["train/skipped_steps"] > 0
    assert len(state.history) == 2


def test_no_interval_below_one() -> None:
    with pytest.raises(ConfigError, match=r"^callbacks.nan_guard.check_interval must be at least 1, got 0$"):
        NaNGuard(check_interval=0)


WORKER = """
import sys
from types import SimpleNamespace
import torch
import torch.distributed as dist
from raytrain.callbacks.nan_guard import NaNGuard
from raytrain.callbacks.timing import TimingCallback
rank, store = int(sys.argv[1]), sys.argv[2]
dist.init_process_group("gloo", init_method=f"file://{store}", rank=rank, world_size=2)
run = SimpleNamespace(
    model=torch.nn.Linear(1, 1), stop_reason=None, progress=SimpleNamespace(epoch=0, step=0), metrics={},
    gradient_norm=torch.tensor(1.0), step_loss=None,
)
guard, timing, stopped = NaNGuard(check_interval=2), TimingCallback(), 0
guard.on_epoch_start(run)
timing.on_epoch_start(run)
for step in range(1, 9):
    run.progress.step = step
    run.step_loss = torch.tensor(float("nan") if rank == 1 and step == 3 else 1.0)
    guard.on_step_end(run)
    if run.stop_reason:
        stopped = step
        break
timing.on_epoch_end(run)
print(stopped, sorted(run.metrics.items()))
dist.destroy_process_group()
"""


def test_workers_stop_together_although_only_one_saw_it(tmp_path: Path) -> None:
    command = [sys.executable, "-c", WORKER]
    workers = [
        subprocess.Popen([*command, str(rank), str(tmp_path / "store")], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        for rank in range(2)
    ]
    results = [worker.communicate(timeout=120) for worker in workers]
    assert [worker.returncode for worker in workers] == [0, 0], results
    first, second = (output.decode() for output, _ in results)
    assert first.startswith("4 ")
    assert first == second  # the times too: they are means over the workers
