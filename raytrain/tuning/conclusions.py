"""What a sweep allows to be said of it, in words, wherever it is shown."""

from __future__ import annotations

import math
from collections.abc import Sequence

from raytrain.tuning.baselines import BaselineResult
from raytrain.tuning.records import Status, TrialRecord
from raytrain.tuning.results import SweepResult

__all__ = [
    "LEAKY",
    "best_baseline",
    "count_by_status",
    "describe_duration",
    "failures_by_reason",
    "honest_verdict",
    "infeasible",
]

LEAKY = (
    "LEAKY SPLIT: windows of one recording are in training and test. These scores say nothing about new recordings "
    "(allow_leakage: true)."
)
NO_BASELINE = "No classical baseline was run, so nothing says whether a deep model is needed here."


def count_by_status(trials: Sequence[TrialRecord]) -> dict[Status, int]:
    """Return how many trials ended how, without the ways in which none did."""
    order: tuple[Status, ...] = ("finished", "stopped", "failed", "running")
    counts = {status: sum(trial.status == status for trial in trials) for status in order}
    return {status: count for status, count in counts.items() if count}


def failures_by_reason(trials: Sequence[TrialRecord]) -> dict[str, list[int]]:
    """Return the numbers of the failed trials by reason, in the order of starting."""
    found: dict[str, list[int]] = {}
    for trial in trials:
        if trial.status == "failed":
            found.setdefault(trial.reason, []).append(trial.number)
    return found


def infeasible(trials: Sequence[TrialRecord]) -> list[TrialRecord]:
    """Return the trials that have a value and break a constraint, the one that breaks them least first."""
    found = [trial for trial in trials if trial.best is not None and not trial.feasible]
    return sorted(found, key=lambda trial: sum(max(amount, 0.0) for amount in trial.violations.values()))


def best_baseline(result: SweepResult) -> BaselineResult | None:
    """Return the classical model that is best on the test part; None when none was run."""
    ran = [one for one in result.baselines if not one.skipped]
    return max(ran, key=lambda one: one.test["test/macro_f1"], default=None)


def honest_verdict(result: SweepResult) -> tuple[bool, str]:
    """Return whether the winner beats the best classical model on the test part, and the sentence that says so.

    Each side is trained on the training part only. Without a winner or a classical model nothing is beaten.
    """
    rival = best_baseline(result)
    if result.best is None and (broken := infeasible(result.trials)):
        return False, _nothing_feasible(broken[0])
    if result.best is None:
        return False, f"No trial completed an epoch with a finite {result.metric}, so there is no best model."
    if rival is None:
        return False, NO_BASELINE
    gap = result.best.judgements["test"].metrics["test/macro_f1"] - rival.test["test/macro_f1"]
    verdict = "beats" if gap > 0 else "does not beat"
    return gap > 0, (
        f"The deep model {verdict} the best classical one on the test part ({rival.name}, {gap:+.4f} macro-F1)."
    )


def _nothing_feasible(nearest: TrialRecord) -> str:
    by = ", ".join(f"{name} by {amount:.4g}" for name, amount in nearest.violations.items() if amount > 0)
    return (
        f"No trial keeps to search.constraints, so there is no best model; trial {nearest.number} comes nearest and "
        f"breaks {by}. Loosen a bound, or search where it can be kept."
    )


def describe_duration(seconds: float) -> str:
    """Return a time as a person says it.

    >>> describe_duration(83.4), describe_duration(7500), describe_duration(math.nan)
    ('1 min 23 s', '2 h 5 min', 'an unknown time')
    """
    if not math.isfinite(seconds):
        return "an unknown time"
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= 60:
        return f"{minutes // 60} h {minutes % 60} min"
    return f"{minutes} min {rest} s" if minutes else f"{rest} s"
