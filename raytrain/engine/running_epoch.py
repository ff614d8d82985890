"""An epoch in progress: what it has added up and drawn so far, and the batches it has left."""

from __future__ import annotations

import math
from collections.abc import Iterator
from itertools import islice
from typing import Any

from raytrain.engine.seeding import restore_random_state, save_random_state
from raytrain.engine.sums import EpochSums
from raytrain.engine.training import Training
from raytrain.engine.transforms import epoch_generator
from raytrain.errors import RunError
from raytrain.types import Batch

__all__ = ["RunningEpoch"]


class RunningEpoch:
    """Begin an epoch, or go on within it after an interruption.

    Args:
        training: The run's parts.
        epoch: Which, counted from 0.
        resume: What `state_dict` returned within the same epoch.

    Attributes:
        batches: Batches that optimizer steps were taken on.
        sums: Of their samples.
        generator: What transforms draw from.
        rate: The learning rate of the latest step; NaN before the first.

    Raises:
        RunError: The interrupted run drew on another kind of device.
    """

    def __init__(self, training: Training, *, epoch: int, resume: dict[str, Any] | None = None) -> None:
        self._loader, self._epoch, self._size = training.train, epoch, training.accumulation_steps
        self.batches = 0
        self.rate: float = math.nan
        self.sums = EpochSums(training.device)
        self.generator = epoch_generator(training.seed, epoch=epoch, device=training.device)
        if resume is None:
            self._random_before = save_random_state()
            return
        if resume["device"] != training.device.type:
            raise RunError(
                f"snapshot was taken within an epoch on device '{resume['device']}', whose random numbers "
                f"'{training.device.type}' cannot draw; resume with device: {resume['device']}"
            )
        self.batches, self.rate, self._random_before = resume["batches"], resume["rate"], resume["random_before"]
        self.sums.load_state_dict(resume["sums"])
        self.generator.set_state(resume["generator"])

    def windows(self) -> Iterator[list[Batch]]:
        """Iterate over what is left of the epoch: the batches of each optimizer step."""
        batches = self._left()
        while window := list(islice(batches, self._size)):
            yield window

    def state_dict(self, *, over_workers: bool) -> dict[str, Any]:
        """Return what the epoch needs to go on from here, tensors and plain values.

        Args:
            over_workers: Whether the sums are to be those of all workers, which then must all ask.
        """
        return {
            "batches": self.batches,
            "rate": float(self.rate),
            "sums": self.sums.state_dict(over_workers=over_workers),
            "generator": self.generator.get_state(),
            "device": self.generator.device.type,
            "random_before": self._random_before,
        }

    def _left(self) -> Iterator[Batch]:
        """Return the epoch's batches but those done before an interruption, in the order they would have come in.

        A loader that draws its order from a global generator, as torch's DataLoader does, draws the same again.
        """
        self._loader.set_epoch(self._epoch)
        if self.batches == 0:
            return iter(self._loader)
        random_now = save_random_state()
        restore_random_state(self._random_before)
        left = iter(self._loader)
        for _ in islice(left, self.batches):
            pass
        restore_random_state(random_now)
        return left
