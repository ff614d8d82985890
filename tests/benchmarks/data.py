"""What the benchmarks train on: the embedded rolling-element bearings, and stores of any size."""

from __future__ import annotations

import numpy as np

from raytrain.config.schema import DataConfig, WindowConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.store import SegmentStore

__all__ = ["rolling_store", "store_of_size"]


def rolling_store(windows: WindowConfig) -> SegmentStore:
    """Return the embedded bearings, split by recording and prepared for `windows`."""
    data = DataConfig(source="rolling")
    recordings, split = read_and_split(data)
    return prepare(recordings, split, windows, target=data.target)


def store_of_size(megabytes: float, *, length: int) -> SegmentStore:
    """Return noise of about `megabytes` (10^6 bytes): 40 recordings of 4 classes, each of whole windows `[1, length]`.

    Half of the recordings train and 16 validate, so that even few megabytes have an evaluation batch of full size.
    """
    segments = 40
    per_segment = round(megabytes * 1e6 / (4 * length * segments)) * length
    rng = np.random.default_rng(0)
    index = np.arange(segments, dtype=np.int64)
    return SegmentStore(
        signal=rng.standard_normal((1, segments * per_segment), dtype=np.float32),
        fs_hz=12_800.0,
        offset=index * per_segment,
        samples=np.full(segments, per_segment, dtype=np.int64),
        start=np.zeros(segments, dtype=np.int64),
        part=np.repeat(np.array([0, 1, 2], dtype=np.int8), [20, 16, 4]),
        target=index % 4,
        recording=index,
        shaft_speed_rpm=np.full(segments, 1800.0, dtype=np.float32),
        load=np.ones(segments, dtype=np.float32),
        fault_orders=np.full((segments, 4), np.nan),
        classes=("ball", "inner", "normal", "outer"),
        recording_ids=tuple(f"noise-{number}" for number in index),
        channels=("vibration",),
    )
