"""What a sweep cost, and what it saved by stopping trials early."""

from __future__ import annotations

from dataclasses import dataclass

from raytrain.tuning.asked import Asked
from raytrain.tuning.records import TrialRecord
from raytrain.tuning.results import SweepResult

__all__ = ["Costs", "costs_of", "epochs_saved"]

BY_SCHEDULER = "by the scheduler"


@dataclass(frozen=True, slots=True)
class Costs:
    """What the trials of a sweep cost; judging, baselines and refit are not in it.

    Attributes:
        trial_hours: Hours of all trials together, each from its start to its last epoch.
        epochs_run: Epochs of all trials together.
        epochs_saved: Epochs that trials which the scheduler stopped would still have run; None when it is not
            known how long a full trial is.
        trials_pruned: Trials that the scheduler stopped.
        epochs_failed: Epochs of trials that failed, part of `epochs_run`.
    """

    trial_hours: float
    epochs_run: int
    epochs_saved: int | None
    trials_pruned: int
    epochs_failed: int

    @property
    def hours_saved(self) -> float | None:
        """About how many trial-hours pruning saved, an epoch taken to be as long as the mean of those run."""
        if self.epochs_saved is None or not self.epochs_run:
            return None
        return self.epochs_saved * self.trial_hours / self.epochs_run

    @property
    def share_saved(self) -> float | None:
        """Which share of the epochs of an unpruned sweep was not run, 0 to 1; None when not known."""
        if self.epochs_saved is None or not self.epochs_run:
            return None
        return self.epochs_saved / (self.epochs_run + self.epochs_saved)


def epochs_saved(record: TrialRecord, asked: Asked) -> int | None:
    """Return how many epochs the scheduler spared a trial: 0 if it did not stop it, None when not known."""
    if record.status != "stopped" or record.reason != BY_SCHEDULER:
        return 0
    planned = asked.epochs_of(record)
    return None if planned is None else max(0, planned - len(record.curve))


def costs_of(result: SweepResult, asked: Asked) -> Costs:
    """Add up what the trials of a sweep cost."""
    saved = [epochs_saved(record, asked) for record in result.trials]
    known = [one for one in saved if one is not None]
    return Costs(
        trial_hours=sum(record.curve[-1]["seconds"] for record in result.trials if record.curve) / 3600,
        epochs_run=sum(len(record.curve) for record in result.trials),
        epochs_saved=sum(known) if len(known) == len(saved) else None,
        trials_pruned=sum(one.status == "stopped" and one.reason == BY_SCHEDULER for one in result.trials),
        epochs_failed=sum(len(record.curve) for record in result.trials if record.status == "failed"),
    )
