"""Orders of windows in which neighbours in time stay together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

__all__ = ["grouped_order", "run_starts"]

Indices: TypeAlias = NDArray[np.int64]


def run_starts(recordings: Indices, window_start: Indices, *, hop: int, longest: int) -> Indices:
    """Return the index of the first window of each run of consecutive windows, int64 `[R]`.

    Windows follow each other when they are of one recording and start one hop apart; what does is cut into runs of
    `longest`, and what is left at its end.

    Args:
        recordings: Recording of each window, `[N]`.
        window_start: First sample of each window within its recording, `[N]`.
        hop: Samples from one window to the next.
        longest: Windows of a run, at least 1.

    >>> run_starts(np.array([0, 0, 0, 1, 1]), np.array([0, 8, 16, 0, 16]), hop=8, longest=2)
    array([0, 2, 3, 4])
    """
    index = np.arange(len(recordings))
    follows = np.zeros(len(recordings), dtype=bool)
    follows[1:] = (np.diff(recordings) == 0) & (np.diff(window_start) == hop)
    place = index - np.maximum.accumulate(np.where(follows, 0, index))
    starts: Indices = np.flatnonzero(place % longest == 0)
    return starts


def grouped_order(starts: Indices, sizes: Sequence[int], rng: np.random.Generator) -> Indices:
    """Return a random order of all windows, batch after batch, in which runs stay whole where they fit.

    Runs in random order each go, whole, into the first batch that has room; those for which none has are cut to fill
    the gaps.

    Args:
        starts: First window of each run, `[R]`; the last run ends with the last window.
        sizes: Windows of each batch, of which the sum is the number N of windows.
        rng: Draws the order of the runs.

    Returns:
        Indices of windows, int64 `[N]`.

    >>> grouped_order(np.array([0, 2, 4, 6]), [4, 4], np.random.default_rng(0))
    array([4, 5, 0, 1, 2, 3, 6, 7])
    """
    lengths = np.diff(starts, append=sum(sizes))
    order = rng.permutation(len(starts))
    batch_of_run = _first_fit(lengths[order].tolist(), sizes)
    batch = np.repeat(batch_of_run, lengths[order])
    room = np.asarray(sizes) - np.bincount(batch[batch >= 0], minlength=len(sizes))
    batch[batch < 0] = np.repeat(np.arange(len(sizes)), room)
    windows = _windows(starts[order], lengths[order])
    together: Indices = windows[np.argsort(batch, kind="stable")]
    return together


def _first_fit(lengths: list[int], sizes: Sequence[int]) -> Indices:
    """Return the batch of each run, -1 where none has room for it."""
    room = list(sizes)
    # Room only shrinks: a batch without room for one length never has it again.
    first = [0] * (max(lengths) + 1)
    chosen = np.full(len(lengths), -1)
    for run, length in enumerate(lengths):
        while first[length] < len(room) and room[first[length]] < length:
            first[length] += 1
        if first[length] < len(room):
            chosen[run] = first[length]
            room[first[length]] -= length
    return chosen


def _windows(starts: Indices, lengths: Indices) -> Indices:
    """Return `start` to `start + length - 1` of every run, one run after another."""
    ends = np.cumsum(lengths)
    windows: Indices = np.arange(ends[-1]) + np.repeat(starts - (ends - lengths), lengths)
    return windows
