"""Population based training on Ray Tune: the worst copy the best, and go on with other settings."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import SimpleNamespace
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import PopulationBasedTraining

from raytrain.config.space import SpaceConfig
from raytrain.tuning.exploration import Explorer

__all__ = ["PopulationScheduler", "checkpoints_to_keep"]


def checkpoints_to_keep(space: SpaceConfig) -> int:
    """Return how many of a trial's latest checkpoints Tune must keep.

    One, but for `pbt`: there a trial that is copied may go on, and save after each epoch, before the copy has read.
    """
    return 2 * space.scheduler.interval_epochs + 3 if space.scheduler.name == "pbt" else 1


class PopulationScheduler(PopulationBasedTraining):  # type: ignore[misc]  # ray is untyped
    """Population based training (Jaderberg et al. 2017, arXiv:1711.09846) in a space of ours.

    It is Ray's, but for these: trials come from a searcher; a copy keeps its own number; what is drawn is seeded, and
    the process's random generators are left alone; parameters keep to their distributions, and those that cannot
    change in the middle of a run are copied as they are; a synchronous population goes on when those that the others
    wait for have ended, where Ray's waits for ever; a trial that is begun again after a crash keeps its place; and
    nobody copies who is behind, which is possible where trials take turns: asynchronously, Ray's then has the copy, as
    the one that is furthest behind, run next, copy again, and train the same epoch a hundred times over.

    Trials take turns where there are fewer processes than trials, so Tune must be allowed to have all of them at once.

    Args:
        space: The sweep.

    Raises:
        ConfigError: Nothing in the space can change in the middle of a run, or there are too few trials.
    """

    def __init__(self, space: SpaceConfig) -> None:
        self._explorer = Explorer(space, seed=space.search.seed)
        self._behind: dict[int, int] = {}
        settings = space.scheduler
        super().__init__(
            time_attr="epoch",
            metric=space.fixed.metric,
            mode=space.fixed.direction,
            perturbation_interval=settings.interval_epochs,
            quantile_fraction=settings.quantile,
            resample_probability=settings.resample_probability,
            custom_explore_fn=self._explored,
            log_config=False,  # a checkpoint holds its own lineage
            require_attrs=True,
            synch=settings.synchronous,
        )

    def continue_from(self, epochs: Mapping[int, int]) -> None:
        """Take up a population after a crash, before its trials are added.

        Args:
            epochs: Number of each trial that goes on -> epochs that it has done.
        """
        interval = self._perturbation_interval
        self._behind = {number: epoch - epoch % interval for number, epoch in epochs.items()}
        if self._behind:
            self._next_perturbation_sync = min(self._behind.values()) + interval

    def on_trial_add(self, tune_controller: Any, trial: TuneTrial) -> None:  # noqa: ANN401, ARG002 - ray's
        """Take a trial into the population; one that was begun again is in it already."""
        if trial in self._trial_state:
            return
        # Ray's refuses any searcher, since many cannot cope with settings that change; ours records them.
        super().on_trial_add(SimpleNamespace(search_alg=None), trial)
        state = self._trial_state[trial]
        state.last_perturbation_time = state.last_train_time = self._behind.get(trial.config["number"], 0)

    def choose_trial_to_run(self, tune_controller: Any) -> TuneTrial | None:  # noqa: ANN401 - ray's
        """Return the trial that is furthest behind; let all go on where those they wait for have ended."""
        chosen = super().choose_trial_to_run(tune_controller)
        if chosen is not None or not self._synch:
            return chosen
        live = [trial for trial in tune_controller.get_trials() if not trial.is_finished()]
        if not live or any(trial.status != TuneTrial.PAUSED for trial in live):
            return None
        self._exchange(tune_controller, live)
        return super().choose_trial_to_run(tune_controller)

    def _exchange(self, tune_controller: Any, trials: Sequence[TuneTrial]) -> None:  # noqa: ANN401 - ray's
        lower, upper = self._quantiles()
        others = [trial for trial in trials if trial not in lower and trial not in upper]
        for trial in [*upper, *others, *lower]:  # who is copied saves before it is copied
            state = self._trial_state[trial]
            state.last_perturbation_time = state.last_train_time
            self._checkpoint_or_exploit(trial, tune_controller, upper, lower)
        done = max(self._trial_state[trial].last_train_time for trial in trials)
        self._next_perturbation_sync = max(self._next_perturbation_sync, done) + self._perturbation_interval

    def _checkpoint_or_exploit(
        self,
        trial: TuneTrial,
        tune_controller: Any,  # noqa: ANN401 - ray's
        upper_quantile: list[TuneTrial],
        lower_quantile: list[TuneTrial],
    ) -> None:
        if trial in lower_quantile:
            done = self._trial_state[trial].last_train_time
            ahead = [one for one in upper_quantile if self._trial_state[one].last_train_time >= done]
            # Ray would draw from the process's generator, so it is left no choice.
            upper_quantile = [ahead[self._explorer.choose(len(ahead))]] if ahead else []
            lower_quantile = lower_quantile if ahead else [one for one in lower_quantile if one is not trial]
        super()._checkpoint_or_exploit(trial, tune_controller, upper_quantile, lower_quantile)

    def _get_new_config(self, trial: TuneTrial, trial_to_clone: TuneTrial) -> tuple[dict[str, Any], dict[str, Any]]:
        config, operations = super()._get_new_config(trial, trial_to_clone)
        return {**trial.config, "point": config["point"]}, operations

    def _explored(self, config: dict[str, Any]) -> dict[str, Any]:
        return {**config, "point": self._explorer.explore(config["point"])}
