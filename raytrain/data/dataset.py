"""From a configuration to recordings and their split."""

from __future__ import annotations

from raytrain.config.schema import DataConfig
from raytrain.data.read import read_recordings
from raytrain.data.recording import Recording
from raytrain.data.segments import Split
from raytrain.data.splits import make_split

__all__ = ["read_and_split"]


def read_and_split(config: DataConfig) -> tuple[list[Recording], Split]:
    """Read the recordings and divide them; `prepare`, which comes next, proves that no sample is in two parts.

    Raises:
        DataError: The recordings cannot be read or divided.
        ConfigError: The configuration names what is not there.
    """
    recordings = read_recordings(config)
    return recordings, make_split(recordings, config.split, target=config.target)
