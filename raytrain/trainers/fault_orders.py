"""The fault orders of a bearing that is named or described."""

from __future__ import annotations

from raytrain.errors import ConfigError
from raytrain.physics.catalogue import BEARINGS, find_bearing
from raytrain.physics.kinematics import BearingGeometry

__all__ = ["fault_orders"]


def fault_orders(bearing: BearingGeometry | str) -> tuple[float, float, float, float]:
    """Return BPFO, BPFI, 2 x BSF and FTF as multiples of the shaft frequency.

    >>> [round(order, 3) for order in fault_orders("SKF 6205")]
    [3.585, 5.415, 4.713, 0.398]

    Raises:
        ConfigError: The catalogue has no such bearing.
    """
    geometry = find_bearing(bearing) if isinstance(bearing, str) else bearing
    if geometry is None:
        raise ConfigError(
            f"bearing: {bearing!r} is not in the catalogue, which has {', '.join(BEARINGS)}; give a "
            "raytrain.physics.BearingGeometry"
        )
    return geometry.bpfo, geometry.bpfi, 2 * geometry.bsf, geometry.ftf
