"""What judges a candidate in a trial's process; it imports little, as every such process waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ray import tune

from raytrain.tuning.cross_validation import CrossValidation

__all__ = ["Candidate", "Judging"]


@dataclass(frozen=True, slots=True)
class Candidate:
    """Parameters to judge; an object, so that Tune does not look into them.

    Attributes:
        number: From 0, in the order they were proposed.
        parameters: To set of the estimator.
    """

    number: int
    parameters: Mapping[str, Any]


class Judging(tune.Trainable):  # type: ignore[misc]  # ray is untyped
    """A process that judges candidates, one in each step."""

    def setup(self, config: dict[str, Any], judge: CrossValidation) -> None:  # noqa: ARG002 - `step` reads it
        """Take the data, which all processes of a machine share."""
        self._judge = judge

    def reset_config(self, new_config: dict[str, Any]) -> bool:  # noqa: ARG002 - `step` reads the one that Tune sets
        """Go to another candidate in the same process."""
        return True

    def step(self) -> dict[str, Any]:
        """Judge the candidate on every fold."""
        candidate: Candidate = self.config["candidate"]
        return {"folds": self._judge.judge(candidate.parameters), "done": True}
