"""What the benchmarks train on: the embedded rolling-element bearings, real recordings, and stores of any size."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from raytrain.config.schema import DataConfig, SplitConfig, WindowConfig
from raytrain.data.dataset import read_and_split
from raytrain.data.preprocess import prepare
from raytrain.data.store import SegmentStore

__all__ = ["CWRU", "NO_REAL_DATA", "cwru_store", "real_data", "rolling_store", "store_of_size"]

DATA_VARIABLE = "RAYTRAIN_TEST_DATA"
BESIDE_CHECKOUT = Path(__file__).resolve().parents[3] / "shared" / "data"
NO_REAL_DATA = f"no real recordings: name a folder with a manifest.csv in {DATA_VARIABLE}"
CWRU = (
    "CWRU drive end, 12 kHz, 7, 14 and 21 mil (outer race at 6:00) and normal, 10 classes; trained on 0 and 1 hp "
    "(normal by blocks of time)"
)
"""The task of `cwru_store` in words; 2 hp validates and 3 hp tests. Loads of the same bearings: soon learned."""


def rolling_store(windows: WindowConfig) -> SegmentStore:
    """Return the embedded bearings, split by recording and prepared for `windows`."""
    return _store(DataConfig(source="rolling"), windows)


def real_data() -> Path | None:
    """Return the folder of real recordings, found as the tests find it; None where there is none."""
    folder = Path(os.environ.get(DATA_VARIABLE, BESIDE_CHECKOUT))
    return folder if (folder / "manifest.csv").is_file() else None


def cwru_store(folder: Path, windows: WindowConfig) -> SegmentStore:
    """Return the recordings described by `CWRU`, prepared for `windows`."""
    data = DataConfig(
        source=str(folder),
        dataset=["cwru"],
        where={"severity": ["7", "14", "21"], "location": ["6:00"]},
        target="label",
        channels=["DE"],
        split=SplitConfig(rule="by-load", train=[0, 1], validation=[2], test=[3], block_classes=["normal"]),
    )
    return _store(data, windows)


def _store(data: DataConfig, windows: WindowConfig) -> SegmentStore:
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
