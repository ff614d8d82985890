"""The trials of a sweep: Ray Tune runs them, the study and the recorder hold what became of them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import optuna
import ray
from optuna.trial import FrozenTrial, TrialState
from ray import tune
from ray.tune.error import TuneError
from ray.tune.logger import TBXLoggerCallback
from ray.tune.schedulers import TrialScheduler

from raytrain.config.schema import METRICS
from raytrain.errors import RunError
from raytrain.tuning.interruption import interruptible, run_error
from raytrain.tuning.live import LiveTable
from raytrain.tuning.plan import Plan
from raytrain.tuning.population import checkpoints_to_keep
from raytrain.tuning.recorded_trials import reopen_trial
from raytrain.tuning.recorder import Recorder
from raytrain.tuning.records import Status, TrialRecord, read_events
from raytrain.tuning.schedulers import create_scheduler, replay
from raytrain.tuning.searcher import StudySearcher
from raytrain.tuning.silent_reporter import SilentReporter
from raytrain.tuning.storage import explained
from raytrain.tuning.trial import Trial, bundles
from raytrain.tuning.trial_files import trial_directory

__all__ = ["run_trials"]

_STATUS: Mapping[TrialState, Status] = {
    TrialState.COMPLETE: "finished",
    TrialState.PRUNED: "stopped",
    TrialState.FAIL: "failed",
}


def run_trials(plan: Plan, references: Mapping[str, ray.ObjectRef]) -> tuple[tuple[TrialRecord, ...], bool]:
    """Run the trials that are still to run; return all, and whether a signal ended them early.

    Raises:
        RunError: The disk is full, Tune broke off, or the study lacks trials that the records tell of.
    """
    recorder = Recorder(plan.space, plan.directory)
    scheduler = create_scheduler(plan.space)
    with explained(plan.location):
        _reconcile(plan.study, recorder)
        _stop_again(plan.study, recorder, replay(scheduler, _course(recorder)))
        ended = sum(trial.state.is_finished() for trial in plan.study.get_trials(deepcopy=False))
        if ended < plan.trials:
            interrupted = _tune(plan, references, scheduler, recorder)
        else:
            interrupted = False
            recorder.close(reason="")
    return tuple(recorder.records[number] for number in sorted(recorder.records)), interrupted


def _reconcile(study: optuna.Study, recorder: Recorder) -> None:
    """Make study and records agree after a crash: whichever heard of a trial's end tells the other.

    Raises:
        RunError: The study lacks trials that the records tell of.
    """
    trials = study.get_trials(deepcopy=False)
    if max(recorder.records, default=0) > len(trials):
        raise RunError(
            f"{recorder.path} tells of {max(recorder.records)} trials, and the study '{study.study_name}' has "
            f"{len(trials)}; bring the study's storage back, or start a new sweep with --warm-start-from"
        )
    for trial in trials:
        record = recorder.records.get(trial.number + 1)
        if trial.state.is_finished():
            if record is not None and record.status == "running":
                status = _STATUS[trial.state]
                recorder.settle(record.number, status, _reason(trial, status))
        elif record is not None and record.status == "failed":
            again = reopen_trial(study, trial.number)
            again.set_user_attr("failure", record.reason)
            study.tell(again, state=TrialState.FAIL)
        elif record is not None and record.status != "running":
            record.status = "running"  # it goes on, and ends at once if it is at its end


def _course(recorder: Recorder) -> Iterator[tuple[str, int, float, bool]]:
    """Yield what a scheduler was told in earlier sessions: trial, epoch, value, and whether it ended with that."""
    told = [event for event in read_events(recorder.path) if event["event"] == "epoch"]
    last = {event["number"]: index for index, event in enumerate(told)}
    for index, event in enumerate(told):
        number, value = event["number"], event["metrics"].get(recorder.metric)
        ended = index == last[number] and recorder.records[number].status != "running"
        yield str(number - 1), event["epoch"], math.nan if value is None else value, ended


def _stop_again(study: optuna.Study, recorder: Recorder, numbers: Iterable[str]) -> None:
    """End the trials that the scheduler had stopped when the driver died before it could say so."""
    better = max if METRICS[recorder.metric] == "max" else min
    for number in map(int, numbers):
        trial = study.trials[number]
        if trial.state is TrialState.RUNNING and trial.intermediate_values and len(study.directions) == 1:
            again = reopen_trial(study, number)
            again.set_user_attr("best", [better(trial.intermediate_values.values())])
            violations = recorder.records[number + 1].violations
            if violations:
                again.set_user_attr("violations", list(violations.values()))
            study.tell(again, state=TrialState.PRUNED)
            recorder.settle(number + 1, "stopped", "by the scheduler")


def _reason(trial: FrozenTrial, status: Status) -> str:
    return str(trial.user_attrs.get("failure", "")) if status == "failed" else ""


def _tune(plan: Plan, references: Mapping[str, ray.ObjectRef], scheduler: TrialScheduler, recorder: Recorder) -> bool:
    """Run the remaining trials; return whether a signal ended them early."""
    space = plan.space
    searcher = StudySearcher(space, plan.study, folder=plan.folder, planned=plan.trials, experience=plan.experience)
    recorder.goes_on = searcher.goes_on
    population = space.scheduler.name == "pbt"
    live = LiveTable(recorder, space, plan.trials, plan.console)
    tuner = tune.Tuner(
        tune.with_resources(
            tune.with_parameters(Trial, space=space, stores=dict(references), folder=plan.folder),
            bundles(space.resources),
        ),
        tune_config=tune.TuneConfig(
            search_alg=searcher,
            scheduler=scheduler,
            num_samples=-1,  # the searcher knows when all are done
            # The members of a population take turns, and Tune counts those that pause.
            max_concurrent_trials=None if population else min(plan.concurrency, plan.trials),
            time_budget_s=space.search.time_budget_s,
            reuse_actors=True,
            trial_dirname_creator=_directory_name,
        ),
        run_config=tune.RunConfig(
            name="trials",
            storage_path=str(plan.directory),
            callbacks=[recorder, live, TBXLoggerCallback()],
            checkpoint_config=tune.CheckpointConfig(num_to_keep=checkpoints_to_keep(space), checkpoint_at_end=False),
            failure_config=tune.FailureConfig(max_failures=0),  # the searcher begins them again
            progress_reporter=SilentReporter(),
            verbose=0,
        ),
    )
    live.start()
    with ExitStack() as ending, interruptible(plan.console) as interruption:
        ending.callback(live.stop)  # last, for a table that stays is to tell how every trial ended
        try:
            tuner.fit()
        except (OSError, TuneError) as error:
            raise run_error(error, plan.directory) from error
        finally:
            searcher.close()
            recorder.close(reason=f"by {interruption.by}" if interruption.happened else "by the time budget")
    return interruption.happened


def _directory_name(trial: Any) -> str:  # noqa: ANN401 - Tune's own trial
    """Let Tune's files of a trial, such as TensorBoard's, lie in the trial's folder."""
    return trial_directory(Path(), trial.config["number"]).name
