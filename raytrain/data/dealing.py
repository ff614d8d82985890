"""Which groups validate in which fold, and what recordings without a group do."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from raytrain.config.space import FoldsConfig
from raytrain.data.assignment import SHARED_BY_CLASSES, in_order_of_load
from raytrain.data.recording import Recording
from raytrain.data.segments import Segment, cut
from raytrain.data.select import order_key
from raytrain.errors import ConfigError

__all__ = ["Piece", "deal_groups", "deal_loose"]


@dataclass(frozen=True, slots=True)
class Piece:
    """What validates as a whole.

    Attributes:
        segment: Its samples.
        fold: The fold it validates in, from 0.
        target: Its class.
    """

    segment: Segment
    fold: int
    target: str


def deal_groups(members: Mapping[str, set[str]], folds: FoldsConfig) -> list[list[str]]:
    """Return the groups that validate in each fold.

    Groups that classes share make a fold each, or are put together with their neighbours in order. Groups of one class
    are dealt out so that every fold validates every class.

    Args:
        members: The groups of each class, outside the test part.
        folds: The rule, and how many folds at most.

    Raises:
        ConfigError: There are fewer than two groups, in all or of a class that has groups of its own.
    """
    groups = sorted(set().union(*members.values()), key=order_key)
    if len(groups) < 2:
        raise ConfigError(
            f"folds.by: {folds.by} needs two groups outside the test part, and there are: {', '.join(groups) or 'none'}"
            ". What would work: a data.split.test that leaves more of them, or another rule in folds.by"
        )
    if folds.by in SHARED_BY_CLASSES:
        return [list(some) for some in np.array_split(np.array(groups, dtype=object), min(folds.most, len(groups)))]
    smallest = min(members, key=lambda name: (len(members[name]), name))
    count = min(folds.most, len(members[smallest]))
    if count < 2:
        noun, only = folds.by.removeprefix("by-"), ", ".join(members[smallest])
        raise ConfigError(
            f"folds.by: class {smallest!r} has one {noun} outside the test part ({only}), and cannot both train and "
            f"validate. What would work: data.split.block_classes: [{smallest}] (cuts its recordings by time), more "
            f"{noun}s of it, or another rule in folds.by"
        )
    dealt: list[list[str]] = [[] for _ in range(count)]
    for name in sorted(members, key=lambda name: (len(members[name]), name)):
        free = members[name] - {group for some in dealt for group in some}
        for group in sorted(free, key=order_key):
            fewest = min(dealt, key=lambda some: (len(members[name] & set(some)), len(some)))
            fewest.append(group)
    return dealt


def deal_loose(
    name: str, recordings: Sequence[Recording], stretches: Mapping[str, Segment], *, count: int, gap_s: float
) -> tuple[list[Piece], str]:
    """Deal out a class's recordings that have no group, and say how.

    By recording in the order of load; where there are fewer than folds, each is cut by time into a block per fold.

    Args:
        name: The class.
        recordings: Its recordings without a group.
        stretches: What is not tested of each recording, by id.
        count: Folds.
        gap_s: Seconds left unused between two blocks of one recording.

    Raises:
        DataError: A recording is too short to be cut.
    """
    ordered = in_order_of_load(recordings)
    ids = ", ".join(recording.recording_id for recording in ordered)
    if len(ordered) >= count:
        chunks = np.array_split(np.arange(len(ordered)), count)
        pieces = [
            Piece(stretches[ordered[i].recording_id], fold, name) for fold, chunk in enumerate(chunks) for i in chunk
        ]
        return pieces, f"{name} (no group of the folds): dealt out by recording in the order of load: {ids}"
    pieces = [
        Piece(block, fold, name)
        for one in ordered
        for fold, block in enumerate(cut(one, [1.0] * count, gap_s=gap_s, within=stretches[one.recording_id]))
    ]
    return pieces, (
        f"{name} (no group of the folds): {ids} cut into {count} blocks with gaps of {gap_s:g} s; in each fold one "
        "validates, and the others of the same recording train"
    )
