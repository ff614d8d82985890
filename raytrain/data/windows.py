"""Windows as positions in a store: nothing is cut out until a batch asks for it."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from raytrain.config.schema import WindowConfig
from raytrain.data.segments import PARTS, PartName, RandomWindows
from raytrain.data.store import DRAWN, SegmentStore
from raytrain.errors import DataError
from raytrain.types import Batch, Share

__all__ = ["WindowArrays", "Windows", "zscore_"]

CPU = torch.device("cpu")
_CHUNK = 128  # windows standardised at once: a batch's worth of memory
# A constant window leaves only the rounding of its mean, a few units in the last place.
ROUNDING = 4 * torch.finfo(torch.float32).eps


@dataclass(frozen=True, slots=True, eq=False)
class WindowArrays:
    """N windows as numpy arrays, for feature extraction.

    Attributes:
        signal: float32 `[N, C, L]`, normalised as configured.
        targets: Index into the classes, int64 `[N]`.
        recordings: Index into the recording ids, int64 `[N]`.
        shaft_speed_rpm: Shaft speed in revolutions per minute, float32 `[N]`.
        fault_orders: BPFO, BPFI, 2 x BSF, FTF, NaN where unknown, float64 `[N, 4]`.
    """

    signal: NDArray[np.float32]
    targets: NDArray[np.int64]
    recordings: NDArray[np.int64]
    shaft_speed_rpm: NDArray[np.float32]
    fault_orders: NDArray[np.float64]


class Windows:
    """All windows of some parts of a store, in the order of the segments; no window crosses a segment's end.

    Attributes:
        store: Where the samples are.
        length: Samples per window.
        hop: Samples from one window of a segment to the next.
        device: Where batches are made.
        targets: Class of each window, int64 `[N]`.
        recordings: Recording of each window, an index into `store.recording_ids`, int64 `[N]`.
        window_start: First sample of each window within its recording, counted at `store.fs_hz`, int64 `[N]`.
    """

    def __init__(
        self,
        store: SegmentStore,
        parts: Sequence[PartName],
        config: WindowConfig,
        *,
        device: torch.device = CPU,
    ) -> None:
        """Index the windows.

        Args:
            store: The preprocessed segments.
            parts: Parts to take windows from.
            config: Window length, hop and normalisation.
            device: Where batches are made; the signal is copied there once, unless it is the CPU.

        Raises:
            DataError: A part has no recordings, or one of its recordings is shorter than a window.
        """
        self.store = store
        self.length = config.length
        self.hop = config.hop_samples
        self.device = device
        self._normalize = config.normalize == "zscore"
        segments, shifts, numbers = _positions(store, parts, config)
        self._segments = segments
        self._store_windows = int(_counts(store, config).sum())
        self.targets = store.target[segments]
        self.recordings = store.recording[segments]
        self.window_start = store.start[segments] + shifts
        self._columns = torch.from_numpy(store.offset[segments] + shifts).to(device)
        self._targets = torch.from_numpy(self.targets).to(device)
        further = {name: torch.from_numpy(values[segments]) for name, values in store.conditions.items()}
        self._conditions = {
            **{name: values.to(device) for name, values in further.items()},
            "shaft_speed_rpm": torch.from_numpy(store.shaft_speed_rpm[segments]).to(device),
            "load": torch.from_numpy(store.load[segments]).to(device),
            "recording": torch.from_numpy(self.recordings).to(device),
            "window_start": torch.from_numpy(self.window_start).to(device),
            "window": torch.from_numpy(numbers).to(device),
        }
        self._windows = _every_window(_alias(store.signal).to(device), config.length)

    def __len__(self) -> int:
        return len(self.targets)

    def condition(self, name: str) -> Tensor:
        """Return an operating condition of every window, `[N]`."""
        return self._conditions[name]

    @property
    def condition_names(self) -> tuple[str, ...]:
        """Names of the operating conditions that batches carry; `window` is the index among all windows."""
        return tuple(self._conditions)

    @property
    def store_windows(self) -> int:
        """Windows of all parts together; the condition `window` of a batch numbers its windows among these."""
        return self._store_windows

    @property
    def recording_ids(self) -> tuple[str, ...]:
        """Names of the recordings that `recordings` points to."""
        return self.store.recording_ids

    def batch(self, indices: Tensor, *, share: Share | None = None) -> Batch:
        """Return the windows at `indices` (int64 `[B]`) in fresh memory, which the caller may change.

        Args:
            indices: Of the windows.
            share: Which rows of a global batch they are; all of it when absent.
        """
        indices = indices.to(self.device)
        return Batch(self._inputs(indices), self._targets[indices], _Chosen(self._conditions, indices), share=share)

    def arrays(self, chunk: int = 1024) -> Iterator[WindowArrays]:
        """Yield all windows in order, at most `chunk` at a time."""
        for indices in torch.split(torch.arange(len(self)), chunk):
            segments = self._segments[indices.numpy()]
            yield WindowArrays(
                signal=self._inputs(indices.to(self.device)).cpu().numpy(),
                targets=self.store.target[segments],
                recordings=self.store.recording[segments],
                shaft_speed_rpm=self.store.shaft_speed_rpm[segments],
                fault_orders=self.store.fault_orders[segments],
            )

    def _inputs(self, indices: Tensor) -> Tensor:
        inputs = self._select(indices)
        if not self._normalize:
            return inputs
        mean, scale = self._statistics
        return inputs.sub_(mean[indices]).mul_(scale[indices])

    def _select(self, indices: Tensor) -> Tensor:
        return self._windows.index_select(0, self._columns[indices])

    @cached_property
    def _statistics(self) -> tuple[Tensor, Tensor]:
        """Mean and reciprocal standard deviation of every window `[N, C, 1]`, worked out once for all epochs."""
        every = torch.arange(len(self), device=self._columns.device)
        starts = range(0, len(self), _CHUNK)
        chunks = [_standardise_(self._select(every[start : start + _CHUNK])) for start in starts]
        return torch.cat([mean for mean, _ in chunks]), torch.cat([scale for _, scale in chunks])


class _Chosen(Mapping[str, Tensor]):
    """The conditions of some windows, looked up when one is asked for: most objectives ask for none."""

    def __init__(self, conditions: Mapping[str, Tensor], indices: Tensor) -> None:
        self._conditions = conditions
        self._indices = indices

    def __getitem__(self, name: str) -> Tensor:
        return self._conditions[name][self._indices]

    def __iter__(self) -> Iterator[str]:
        return iter(self._conditions)

    def __len__(self) -> int:
        return len(self._conditions)


def zscore_(windows: Tensor) -> Tensor:
    """Standardise each window of each channel `[..., T]` in place: (x - mean) / std, zeros if it is constant.

    The standard deviation divides by T. Two plain reductions without a temporary of the batch's size take
    an eighth of the time of `torch.var_mean` on a CPU.
    """
    _standardise_(windows)
    return windows


def _standardise_(windows: Tensor) -> tuple[Tensor, Tensor]:
    """Standardise in place; return the means and the reciprocals of the standard deviations, 0 for a constant."""
    mean = windows.mean(-1, keepdim=True)
    windows.sub_(mean)
    std = torch.linalg.vector_norm(windows, dim=-1, keepdim=True) / windows.shape[-1] ** 0.5
    scale = std.reciprocal().masked_fill_(std <= ROUNDING * mean.abs(), 0.0)
    windows.mul_(scale)
    return mean, scale


def _alias(signal: NDArray[np.float32]) -> Tensor:
    """Return a tensor that shares the memory of a read-only array; it must only be read.

    torch has no read-only tensors: writing to this one would change the store for every process that shares
    it. It therefore never leaves `Windows`, whose batches are copies.
    """
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", message="The given NumPy array is not writable", category=UserWarning)
        return torch.from_numpy(signal)


def _every_window(signal: Tensor, length: int) -> Tensor:
    """View `signal` `[C, total]` as `[total - length + 1, C, length]`: entry i starts at column i.

    `index_select` on this view copies whole rows: 60 µs for 128 x 1 x 2048, a seventh of the time of indexing
    it and a twentieth of gathering single samples.
    """
    channels, total = signal.shape
    return signal.as_strided((total - length + 1, channels, length), (1, total, 1))


def _positions(
    store: SegmentStore, parts: Sequence[PartName], config: WindowConfig
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64]]:
    """Return the segment of each window, its first sample within that segment, and its number among all parts'."""
    for part in parts:
        _check_part(store, part, config.length)
    codes = [PARTS.index(part) for part in parts]
    counts = _counts(store, config)
    segments = np.repeat(np.arange(len(counts)), counts)
    shifts = (np.arange(len(segments)) - np.repeat(np.cumsum(counts) - counts, counts)) * config.hop_samples
    parts_of = store.part[segments] if store.random is None else _draw(store.random, len(segments))
    numbers = np.flatnonzero(np.isin(parts_of, codes))
    return segments[numbers], shifts[numbers], numbers


def _counts(store: SegmentStore, config: WindowConfig) -> NDArray[np.int64]:
    """Return the number of windows of each segment."""
    return np.maximum(0, (store.samples - config.length) // config.hop_samples + 1)


def _draw(random: RandomWindows, count: int) -> NDArray[np.int8]:
    """Return the part of each of `count` windows under the leaky rule."""
    tests = max(1, round(random.test_fraction * count))
    validates = max(1, round(random.validation_fraction * count))
    if count <= tests + validates:
        raise DataError(f"{count} windows are too few to divide at random into training, validation and test")
    order = np.random.default_rng(random.seed).permutation(count)
    part = np.zeros(count, dtype=np.int8)
    part[order[:tests]] = PARTS.index("test")
    part[order[tests : tests + validates]] = PARTS.index("validation")
    return part


def _check_part(store: SegmentStore, part: PartName, length: int) -> None:
    """Refuse a part without recordings, or with a recording too short for one window."""
    mine = store.part == (DRAWN if store.random is not None else PARTS.index(part))
    if not mine.any():
        raise DataError(f"the {part} part has no recordings; change data.split")
    longest = np.zeros((DRAWN + 1, len(store.recording_ids)), dtype=np.int64)
    np.maximum.at(longest, (store.part, store.recording), store.samples)
    in_part = longest[store.part[mine][0]]
    short = np.flatnonzero((in_part > 0) & (in_part < length))
    if len(short):
        shortest = short[np.argsort(in_part[short], kind="stable")][:3]
        names = ", ".join(f"{store.recording_ids[i]!r} has {in_part[i]}" for i in shortest)
        more = f" and {len(short) - 3} more" if len(short) > 3 else ""
        raise DataError(
            f"windows.length: {length} samples at {store.fs_hz:g} Hz do not fit into every recording of the "
            f"{part} part: {names}{more}; the longest that fits all parts is {longest[longest > 0].min()}"
        )
