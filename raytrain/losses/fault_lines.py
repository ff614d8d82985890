"""Which lines of an envelope spectrum tell the faults of a bearing apart."""

from __future__ import annotations

import itertools
from collections.abc import Mapping

from raytrain.errors import ConfigError

__all__ = ["clear_lines", "least_separation"]


def least_separation(faults: Mapping[str, float], tolerance: float) -> float:
    """Return the least distance, in orders, between two fundamentals' bands, or from the lowest of them to zero.

    Args:
        faults: Fault -> fundamental, as a multiple of the shaft frequency.
        tolerance: Half-width of the band around a line, as a fraction of its frequency.

    Raises:
        ConfigError: Two bands overlap.
    """
    distances = [min(faults.values()) * (1 - tolerance)]
    for (name, first), (other, second) in itertools.combinations(faults.items(), 2):
        distances.append(_gap(first, second, tolerance))
        if distances[-1] <= 0:
            limit = abs(first - second) / (first + second)
            raise ConfigError(
                f"physics.tolerance must be below {limit:.4f}, or the bands of {name} and {other} overlap, "
                f"got {tolerance:g}"
            )
    return min(distances)


def clear_lines(
    faults: Mapping[str, float], *, tolerance: float, harmonics: int, separation: float
) -> list[tuple[str, float]]:
    """Return fault and order of every line to look for: fundamentals, and the harmonics that no other fault is near.

    Others may show one harmonic more than is looked for. In many bearings the second of BPFI lies on the third of BPFO:
    a line there tells nothing.

    >>> clear_lines({"outer": 3.58, "inner": 5.42}, tolerance=0.02, harmonics=2, separation=0.5)
    [('outer', 3.58), ('outer', 7.16), ('inner', 5.42)]

    Args:
        faults: Fault -> fundamental, as a multiple of the shaft frequency.
        tolerance: Half-width of the band around a line, as a fraction of its frequency.
        harmonics: Multiples of a fundamental to consider.
        separation: Least distance, in orders, of a harmonic's band from the bands of other faults.
    """
    lines: list[tuple[str, float]] = []
    for name, order in faults.items():
        others = [
            multiple * fundamental
            for other, fundamental in faults.items()
            if other != name
            for multiple in range(1, harmonics + 2)
        ]
        lines.append((name, order))
        lines += [
            (name, multiple * order)
            for multiple in range(2, harmonics + 1)
            if all(_gap(multiple * order, stray, tolerance) >= separation for stray in others)
        ]
    return lines


def _gap(first: float, second: float, tolerance: float) -> float:
    """Return the distance between the bands around two orders; negative where they overlap."""
    return abs(first - second) - tolerance * (first + second)
