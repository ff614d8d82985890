"""Each scheduler on a real cluster: every trial ends, and every CPU is free again (the fixture `sweep` counts)."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import pytest

from raytrain.config.space import SpaceConfig
from raytrain.tuning.exploration import FACTORS
from raytrain.tuning.lineage import SCHEDULE_FILE, read_schedule
from raytrain.tuning.results import SweepResult

pytestmark = pytest.mark.ray

Sweep = Callable[..., SweepResult]
Tiny = Callable[..., SpaceConfig]

LOW = 1e-4
SPACE: dict[str, Any] = {
    "parameters": {"optimizer.lr": {"type": "loguniform", "low": LOW, "high": 3e-2}},
    "search": {"algorithm": "random", "trials": 5},
    "resources.cpus_per_worker": 1,
    "fixed.epochs": 3,
    "fixed.early_stopping": None,
}


def scheduled(tiny: Tiny, name: str, **changes: Any) -> SpaceConfig:  # noqa: ANN401 - any setting
    settings = {"name": name, "grace_epochs": 1, "reduction_factor": 2}
    return tiny({**SPACE, "scheduler": settings, **changes})


@pytest.mark.parametrize("name", ["asha", "hyperband", "median"])
def test_guarantee_02_every_trial_ends_and_leaves_its_cpus_free(sweep: Sweep, tiny: Tiny, name: str) -> None:
    result = sweep(scheduled(tiny, name, **{"resources.cpus_per_worker": 2}))  # one after the other: nothing may wait
    assert len(result.trials) == 5
    for record in result.trials:
        assert record.status == ("finished" if len(record.curve) == 3 else "stopped")
        assert [row["epoch"] for row in record.curve] == list(range(1, len(record.curve) + 1))
    assert result.trials[0].status == "finished"  # nothing was there to compare it with


def test_guarantee_13_the_end_of_a_trial_of_two_ranks_hangs_neither(sweep: Sweep, tiny: Tiny) -> None:
    values = [0.001, 3.0, 0.002]  # the second is far off at once, and is stopped while both of its ranks could go on
    changes = {
        "parameters": {"optimizer.lr": {"type": "grid", "values": values}},
        "search": {"algorithm": "grid", "trials": 3},
        "fixed.metric": "val/loss",
        "resources.workers_per_trial": 2,
    }
    first, hopeless, last = sweep(scheduled(tiny, "asha", **changes)).trials
    assert (first.status, hopeless.status) == ("finished", "stopped")
    assert (hopeless.reason, len(hopeless.curve)) == ("by the scheduler", 1)
    assert last.status in {"finished", "stopped"}
    assert last.curve[0]["epoch"] == 1


@pytest.mark.parametrize("synchronous", [True, False])
def test_guarantee_03_a_population_of_four_takes_turns_on_two_processes(
    sweep: Sweep, tiny: Tiny, *, synchronous: bool
) -> None:
    settings = {"name": "pbt", "interval_epochs": 1, "resample_probability": 0.0, "synchronous": synchronous}
    changes = {"scheduler": settings, "search.trials": 4, "fixed.schedule": {"name": "constant"}}
    result = sweep(scheduled(tiny, "pbt", **changes))
    assert [record.status for record in result.trials] == ["finished"] * 4
    for record in result.trials:
        epochs = [int(row["epoch"]) for row in record.curve]
        assert epochs == sorted(set(epochs))  # none is trained twice
        assert epochs[-1] == 3
    rates = [[row["train/lr"] for row in record.curve] for record in result.trials]
    assert [one[-1] for one in rates] == [record.point["optimizer.lr"] for record in result.trials]
    changed = [(before, after) for one in rates for before, after in pairwise(one) if before != after]
    known = {rate for one in rates for rate in one}
    for _, after in changed:  # the new setting, which loading the donor's state had undone, is what trains
        assert any(after == pytest.approx(max(LOW, factor * rate)) for factor in FACTORS for rate in known)
    if synchronous:
        assert [len(one) for one in rates] == [3] * 4
        assert len(changed) == 2  # one of four copies at each exchange but the last, where all are at their end
    assert result.best is not None
    assert result.best.judgements["validation"].metrics[result.metric] == result.best.reported
    segments, epochs_of_best = read_schedule(result.directory / "best" / SCHEDULE_FILE)
    assert epochs_of_best == result.best.epoch
    assert segments[-1].train_config() == result.best.train_config()
