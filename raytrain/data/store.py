"""The one store of preprocessed signals that all windows of a sweep are cut from; importing it is light."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from raytrain.config.schema import WindowConfig
from raytrain.data.segments import RandomWindows

__all__ = ["DRAWN", "SegmentStore", "store_key"]

DRAWN = 3
"""Value of `SegmentStore.part` for segments whose windows are drawn at random (the leaky rule)."""


@dataclass(frozen=True, slots=True, eq=False)
class SegmentStore:
    """Preprocessed segments of all parts, with S segments, C channels and all samples in one array.

    Plain arrays in a plain dataclass, so that Ray's object store shares it between processes without a copy.
    Nothing may be written to it: other trials read the same memory.

    Attributes:
        signal: All segments one after the other, float32 `[C, total]`, read-only.
        fs_hz: Sampling rate of `signal`.
        offset: First column of each segment in `signal`, int64 `[S]`.
        samples: Columns of each segment, int64 `[S]`.
        start: First sample of each segment within its recording, counted at `fs_hz`, int64 `[S]`.
        part: 0 train, 1 validation, 2 test (the order of `PARTS`), 3 drawn at random; int8 `[S]`.
        target: Index into `classes`, int64 `[S]`.
        recording: Index into `recording_ids`, int64 `[S]`.
        shaft_speed_rpm: Shaft speed in revolutions per minute, float32 `[S]`.
        load: Load in the recording's own unit, NaN when unknown, float32 `[S]`.
        fault_orders: BPFO, BPFI, 2 x BSF, FTF as multiples of the shaft frequency, NaN for a bearing that is
            not in the catalogue, float64 `[S, 4]`.
        classes: Names of the classes.
        recording_ids: Names of the recordings.
        channels: Names of the rows of `signal`.
        leaky: True when the parts share recordings; results must say so.
        conditions: Further operating conditions by name, float32 `[S]`, NaN where a recording lacks one.
        random: How part 3 is divided, for the leaky rule only.
        folds: Further divisions of the same segments by name, each in place of `part`, int8 `[S]`. Where there are
            any, `part` has no validation.
    """

    signal: NDArray[np.float32]
    fs_hz: float
    offset: NDArray[np.int64]
    samples: NDArray[np.int64]
    start: NDArray[np.int64]
    part: NDArray[np.int8]
    target: NDArray[np.int64]
    recording: NDArray[np.int64]
    shaft_speed_rpm: NDArray[np.float32]
    load: NDArray[np.float32]
    fault_orders: NDArray[np.float64]
    classes: tuple[str, ...]
    recording_ids: tuple[str, ...]
    channels: tuple[str, ...]
    leaky: bool = False
    conditions: Mapping[str, NDArray[np.float32]] = field(default_factory=dict)
    random: RandomWindows | None = None
    folds: Mapping[str, NDArray[np.int8]] = field(default_factory=dict)

    def fold(self, name: str) -> SegmentStore:
        """Return the store as one fold divides it; the signal is the same array, not a copy."""
        return replace(self, part=self.folds[name], folds={})


def store_key(config: WindowConfig) -> str:
    """Name the variant of the store that `config` needs: configurations of equal key share one.

    >>> store_key(WindowConfig(length=1024)) == store_key(WindowConfig(length=4096, hop=100))
    True
    """
    return f"{config.input}, band {config.envelope_band_hz}, rate {config.sample_rate_hz}"
