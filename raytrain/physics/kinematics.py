"""Characteristic fault frequencies of rolling-element bearings, from their geometry."""

from __future__ import annotations

import math
from dataclasses import dataclass

from raytrain.errors import ConfigError

__all__ = ["BearingGeometry"]


@dataclass(frozen=True, slots=True)
class BearingGeometry:
    """What decides the fault frequencies of a rolling-element bearing with a fixed outer ring.

    With r = (d / D) cos(contact angle), as multiples (orders) of the shaft frequency:
    BPFO = n/2 (1 - r), BPFI = n/2 (1 + r), BSF = D/(2d) (1 - r²), FTF = (1 - r)/2.
    Pure rolling is assumed; slip moves the real frequencies by 1 to 2 %.
    Source: Randall & Antoni, "Rolling element bearing diagnostics - a tutorial", MSSP 25 (2011), eq. 1-4.

    >>> bearing = BearingGeometry(9, element_diameter_mm=7.94004, pitch_diameter_mm=39.0398)
    >>> round(bearing.bpfo, 4), round(bearing.bpfi, 4)
    (3.5848, 5.4152)

    Attributes:
        rolling_elements: Number of balls or rollers, n.
        element_diameter_mm: Diameter of one of them, d.
        pitch_diameter_mm: Diameter of the circle through their centres, D.
        contact_angle_deg: Angle of the load against the radial plane.

    Raises:
        ConfigError: A dimension is impossible, or so many elements do not fit on the pitch circle.
    """

    rolling_elements: int
    element_diameter_mm: float
    pitch_diameter_mm: float
    contact_angle_deg: float = 0.0

    def __post_init__(self) -> None:
        n, small, large = self.rolling_elements, self.element_diameter_mm, self.pitch_diameter_mm
        if n < 2:
            raise ConfigError(f"rolling_elements must be at least 2, got {n}")
        if not 0 < small < math.inf:
            raise ConfigError(f"element_diameter_mm must be positive and finite, got {small:g}")
        if not 0 <= self.contact_angle_deg < 90:
            raise ConfigError(f"contact_angle_deg must be in [0, 90), got {self.contact_angle_deg:g}")
        if not small / math.sin(math.pi / n) <= large < math.inf:
            raise ConfigError(
                f"pitch_diameter_mm must be at least {small / math.sin(math.pi / n):.4g} "
                f"for {n} elements of {small:g} mm to fit, got {large:g}"
            )

    @property
    def bpfo(self) -> float:
        """Order at which elements pass a point of the outer race."""
        return self.rolling_elements / 2 * (1 - self._diameter_ratio)

    @property
    def bpfi(self) -> float:
        """Order at which elements pass a point of the inner race."""
        return self.rolling_elements / 2 * (1 + self._diameter_ratio)

    @property
    def bsf(self) -> float:
        """Order at which an element spins; a spot on it strikes a race twice per spin, at 2 x BSF."""
        return self.pitch_diameter_mm / (2 * self.element_diameter_mm) * (1 - self._diameter_ratio**2)

    @property
    def ftf(self) -> float:
        """Order at which the cage turns."""
        return (1 - self._diameter_ratio) / 2

    @property
    def _diameter_ratio(self) -> float:
        ratio = self.element_diameter_mm / self.pitch_diameter_mm
        return ratio * math.cos(math.radians(self.contact_angle_deg))

    def fault_orders(self) -> dict[str, float]:
        """Return the four orders by name: `bpfo`, `bpfi`, `bsf`, `ftf`."""
        return {"bpfo": self.bpfo, "bpfi": self.bpfi, "bsf": self.bsf, "ftf": self.ftf}
