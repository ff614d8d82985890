"""What a split is made of: stretches of recordings, each in one part."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from raytrain.data.recording import Recording
from raytrain.errors import DataError

__all__ = ["PARTS", "PartName", "RandomWindows", "Segment", "Split", "cut"]

PartName: TypeAlias = Literal["train", "validation", "test"]
PARTS: tuple[PartName, ...] = ("train", "validation", "test")


@dataclass(frozen=True, slots=True)
class Segment:
    """Samples `start` to `stop` (excluded) of a recording, counted as stored, at its own rate."""

    recording_id: str
    start: int
    stop: int


@dataclass(frozen=True, slots=True)
class RandomWindows:
    """The leaky rule: windows of all segments are permuted by `seed` and divided by the fractions."""

    segments: tuple[Segment, ...]
    validation_fraction: float
    test_fraction: float
    seed: int


@dataclass(frozen=True, slots=True)
class Split:
    """Which samples train, validate and test.

    Attributes:
        rule: The rule of `SplitConfig` it was made by.
        train: Segments of the training part; likewise `validation` and `test`.
        classes: All classes, sorted; a target is an index into them.
        leaky: True when parts share recordings window by window; results made with it must say so.
        notes: What a reader must know to judge a score: groups chosen, classes cut by time, specimens shared.
        cut_recordings: Ids of the recordings divided by time, which the rule's groups do not bind.
        random: Set for the leaky rule only, whose three parts are drawn when the windows are known.
    """

    rule: str
    train: tuple[Segment, ...]
    validation: tuple[Segment, ...]
    test: tuple[Segment, ...]
    classes: tuple[str, ...]
    leaky: bool = False
    notes: tuple[str, ...] = ()
    cut_recordings: tuple[str, ...] = ()
    random: RandomWindows | None = None

    def part(self, name: PartName) -> tuple[Segment, ...]:
        """Return the segments of one part."""
        return {"train": self.train, "validation": self.validation, "test": self.test}[name]


def cut(recording: Recording, shares: Sequence[float], *, gap_s: float, within: Segment | None = None) -> list[Segment]:
    """Cut a recording along time into one block per share, in order, with a gap between neighbours.

    Args:
        recording: What to cut.
        shares: Relative durations of the blocks, for example 0.6, 0.2, 0.2.
        gap_s: Seconds left unused between two blocks.
        within: The stretch of it to cut; the whole recording when absent.

    Raises:
        DataError: The recording is too short to give each block a sample.
    """
    first, last = (0, recording.samples) if within is None else (within.start, within.stop)
    gap = round(gap_s * recording.fs_hz)
    usable = last - first - gap * (len(shares) - 1)
    ends = [round(usable * sum(shares[: i + 1]) / sum(shares)) for i in range(len(shares))]
    starts = [0, *ends[:-1]]
    if any(end <= start for start, end in zip(starts, ends, strict=True)):
        raise DataError(
            f"recording {recording.recording_id!r} lasts {(last - first) / recording.fs_hz:g} s"
            f"{'' if within is None else ' outside the test part'}, too short for "
            f"{len(shares)} blocks with gaps of {gap_s:g} s; set a smaller data.split.gap_s or leave it out"
        )
    return [
        Segment(recording.recording_id, first + start + i * gap, first + end + i * gap)
        for i, (start, end) in enumerate(zip(starts, ends, strict=True))
    ]
