"""Proof that the parts of a split share nothing, from ids and sample ranges, however the split was made."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from raytrain.data.groups import group_of
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, PartName, Segment, Split
from raytrain.errors import DataError

__all__ = ["WindowIndex", "prove_disjoint", "prove_windows_disjoint"]


class WindowIndex(Protocol):
    """Where windows lie: window i starts at `window_start[i]` of `recordings[i]` and has `length` samples."""

    @property
    def recordings(self) -> NDArray[np.int64]:
        """Recording of each window, an index into `recording_ids`."""
        ...

    @property
    def window_start(self) -> NDArray[np.int64]:
        """First sample of each window within its recording."""
        ...

    @property
    def length(self) -> int:
        """Samples per window."""
        ...

    @property
    def recording_ids(self) -> Sequence[str]:
        """Names of the recordings."""
        ...


def prove_disjoint(split: Split, recordings: Sequence[Recording]) -> None:
    """Prove that no sample, uncut recording, group or copy of a recording is in two parts.

    A split that says itself that it is leaky is exempt: its results are marked wherever they are shown.

    Raises:
        DataError: One is; a segment is empty, out of range or of an unknown recording; windows are drawn at
            random although the split is not marked as leaky.
    """
    if split.leaky:
        return
    if split.random is not None:
        raise DataError("windows drawn at random share recordings between the parts; mark the split as leaky")
    by_id = {recording.recording_id: recording for recording in recordings}
    placed = [(segment, part) for part in PARTS for segment in split.part(part)]
    for segment, part in placed:
        _check_range(segment, part, by_id.get(segment.recording_id))
    _check_overlap(placed)
    whole = [(segment, part) for segment, part in placed if segment.recording_id not in split.cut_recordings]
    _check_one_part("recording", [(segment.recording_id, segment, part) for segment, part in whole])
    groups = {name: group_of(recording, split.rule) for name, recording in by_id.items()}
    _check_one_part(
        split.rule.removeprefix("by-"),
        [(group, s, part) for s, part in whole if (group := groups[s.recording_id]) is not None],
    )
    _check_copies(placed, by_id)


def prove_windows_disjoint(a: WindowIndex, b: WindowIndex) -> None:
    """Prove that no window of `a` shares a sample with a window of `b`; both count samples at the same rate.

    Raises:
        DataError: Two do; the message names the recording and both ranges.
    """
    if not len(a.window_start) or not len(b.window_start):
        return
    span = int(max(a.window_start.max() + a.length, b.window_start.max() + b.length)) + max(a.length, b.length)
    starts_a = a.recordings * span + a.window_start
    starts_b = np.sort(b.recordings * span + b.window_start)
    # The first window of b that ends after one of a starts overlaps it if it starts before that one ends.
    candidate = np.searchsorted(starts_b, starts_a - b.length, side="right")
    starts = np.append(starts_b, np.iinfo(np.int64).max)[candidate]
    overlaps = np.flatnonzero(starts < starts_a + a.length)
    if len(overlaps):
        first = overlaps[0]
        recording, start_b = divmod(int(starts[first]), span)
        start_a = int(a.window_start[first])
        raise DataError(
            f"{len(overlaps)} windows share samples with another part; the first: recording "
            f"{a.recording_ids[recording]!r}, samples {start_a} to {start_a + a.length} "
            f"and {start_b} to {start_b + b.length}"
        )


def _check_range(segment: Segment, part: PartName, recording: Recording | None) -> None:
    where = f"{part} samples {segment.start} to {segment.stop} of recording {segment.recording_id!r}"
    if recording is None:
        raise DataError(f"{where}: no recording has this id")
    if not 0 <= segment.start < segment.stop <= recording.samples:
        raise DataError(f"{where}: not a stretch of its {recording.samples} samples")


def _check_overlap(placed: Sequence[tuple[Segment, PartName]]) -> None:
    """Sorted by start, neighbours that do not overlap prove that no two segments do."""
    ordered = sorted(placed, key=lambda entry: (entry[0].recording_id, entry[0].start))
    for (before, part_before), (after, part_after) in pairwise(ordered):
        if before.recording_id == after.recording_id and after.start < before.stop:
            raise DataError(
                f"recording {before.recording_id!r}: {part_before} samples {before.start} to {before.stop} "
                f"and {part_after} samples {after.start} to {after.stop} overlap"
            )


def _check_one_part(noun: str, members: Sequence[tuple[str, Segment, PartName]]) -> None:
    first: dict[str, tuple[Segment, PartName]] = {}
    for key, segment, part in members:
        other, part_of_other = first.setdefault(key, (segment, part))
        if part != part_of_other:
            raise DataError(
                f"{noun} {key!r} is in two parts: {part_of_other} has samples {other.start} to {other.stop} "
                f"of {other.recording_id!r}, {part} has samples {segment.start} to {segment.stop} "
                f"of {segment.recording_id!r}"
            )


def _check_copies(placed: Sequence[tuple[Segment, PartName]], by_id: Mapping[str, Recording]) -> None:
    """Refuse one measurement stored under two ids in two parts."""
    parts_of: dict[str, set[PartName]] = {}
    for segment, part in placed:
        parts_of.setdefault(segment.recording_id, set()).add(part)
    first: dict[bytes, str] = {}
    for name, parts in parts_of.items():
        content = hashlib.blake2b(by_id[name].signal.tobytes()).digest()
        other = first.setdefault(content, name)
        if len(parts | parts_of[other]) > 1 and other != name:
            raise DataError(
                f"recordings {other!r} ({', '.join(sorted(parts_of[other]))}) and {name!r} "
                f"({', '.join(sorted(parts))}) hold the same samples; remove one"
            )
