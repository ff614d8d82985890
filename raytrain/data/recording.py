"""A recording: one measurement of one bearing, with everything a split or a physical feature needs to know of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

__all__ = ["Recording"]


@dataclass(frozen=True, slots=True, eq=False)
class Recording:
    """One measurement.

    Attributes:
        signal: Acceleration (or what the source measured), float32 `[channels, samples]`, read-only.
        fs_hz: Sampling rate in Hz.
        shaft_speed_rpm: Shaft speed in revolutions per minute.
        label: The source's own name of the condition, e.g. `OR007@6`.
        fault_type: The kind of fault, e.g. `normal`, `inner`, `outer`, `ball`.
        recording_id: Unique among the recordings read together.
        bearing_id: The physical bearing; recordings that share it share a specimen.
        dataset: The data set it belongs to.
        channels: Names of the rows of `signal`.
        severity: Size of the fault in the source's words, e.g. `7 mil`; empty when there is none.
        load: Load in `load_unit`; None when unknown.
        load_unit: Unit of `load`, e.g. `hp`, `lb`, `fraction`.
        location: Where the fault sits, e.g. `6:00`; empty when that has no meaning.
        bearing_model: Name in `raytrain.physics`' catalogue, or the source's words; empty when unknown.
        conditions: Further operating conditions with their unit in the name, e.g. `oil_temperature_c`.
        source: Where it came from, for messages.
    """

    signal: NDArray[np.float32]
    fs_hz: float
    shaft_speed_rpm: float
    label: str
    fault_type: str
    recording_id: str
    bearing_id: str
    dataset: str
    channels: tuple[str, ...]
    severity: str = ""
    load: float | None = None
    load_unit: str = ""
    location: str = ""
    bearing_model: str = ""
    conditions: Mapping[str, float] = field(default_factory=dict)
    source: str = ""

    def __post_init__(self) -> None:
        self.signal.flags.writeable = False

    @property
    def samples(self) -> int:
        """Number of samples per channel."""
        return int(self.signal.shape[1])

    @property
    def duration_s(self) -> float:
        """Duration in seconds."""
        return self.samples / self.fs_hz
