"""Points that fill a space evenly."""

from __future__ import annotations

from scipy.stats import qmc

from raytrain.config.space import SpaceConfig
from raytrain.tuning.distributions import quantile
from raytrain.tuning.proposers import Outcome
from raytrain.tuning.space import Point, active_parameters, ordered

__all__ = ["QuasiRandomProposer"]


class QuasiRandomProposer:
    """A scrambled Sobol sequence (Owen 1998) over all parameters, each through its own distribution.

    Every parameter has its own coordinate, which is unused where it does not exist; Optuna's sampler knows only those
    of its first trial and draws the others at random.

    Args:
        space: The sweep.
        seed: Of the scrambling.
        passed: Points that there are already; the sequence goes on after them.
    """

    def __init__(self, space: SpaceConfig, *, seed: int, passed: int = 0) -> None:
        self._space = space
        self._names = ordered(space)
        self._sequence = qmc.Sobol(len(self._names), scramble=True, rng=seed)
        if passed:
            self._sequence.fast_forward(passed)

    def propose(self, trial_id: str) -> Point:  # noqa: ARG002 - the protocol's
        """Return the next point of the sequence."""
        shares = dict(zip(self._names, self._sequence.random(1)[0].tolist(), strict=True))
        return active_parameters(self._space, lambda name, one: quantile(one, shares[name]))

    def observe(self, trial_id: str, outcome: Outcome) -> None:
        """Learn nothing: a sequence does not adapt."""

    def withdraw(self, trial_id: str) -> None:
        """Forget nothing: a sequence goes on."""

    def learn(self, point: Point, outcome: Outcome) -> None:
        """Learn nothing: a sequence does not adapt."""

    def running(self, trial_id: str, point: Point) -> None:
        """Learn nothing: a sequence does not adapt."""
