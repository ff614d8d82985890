"""Where each fault shows: tonal orders and noise bands, for rolling-element and, apart, journal bearings."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from raytrain.errors import ConfigError
from raytrain.physics.kinematics import BearingGeometry

__all__ = ["Signature", "fault_order_signatures", "journal_signatures", "rolling_signatures"]


@dataclass(frozen=True, slots=True)
class Signature:
    """What tells one class from a healthy machine.

    >>> from raytrain.physics import FaultSignatureDatabase
    >>> FaultSignatureDatabase.journal().lookup("oil_whirl").bands_hz(shaft_speed_rpm=6000.0)
    ((42.0, 48.0),)

    Attributes:
        name: The class, as in `Recording.fault_type`.
        orders: Lines to expect, as multiples of the shaft frequency, the most telling first; empty if none.
        description: The mechanism in a sentence, with its source.
        domain: Whether the lines are in the spectrum of the vibration or of its envelope.
        tolerance: Half-width of the band around each line, as a fraction of its order.
        noise_band_hz: Band in which the noise rises; None if it does not.
    """

    name: str
    orders: tuple[float, ...]
    description: str
    domain: Literal["spectrum", "envelope"] = "spectrum"
    tolerance: float = 0.01
    noise_band_hz: tuple[float, float] | None = None

    def bands_hz(self, *, shaft_speed_rpm: float) -> tuple[tuple[float, float], ...]:
        """Return where to look, low and high edge in Hz: a band around each line, then the noise band if there is one.

        Raises:
            ConfigError: `shaft_speed_rpm` is not positive and finite.
        """
        if not 0 < shaft_speed_rpm < math.inf:
            raise ConfigError(f"shaft_speed_rpm must be positive and finite, got {shaft_speed_rpm:g}")
        centres = [order * shaft_speed_rpm / 60 for order in self.orders]
        lines = tuple((centre * (1 - self.tolerance), centre * (1 + self.tolerance)) for centre in centres)
        return lines if self.noise_band_hz is None else (*lines, self.noise_band_hz)


def rolling_signatures(geometry: BearingGeometry) -> dict[str, Signature]:
    """Return the signatures of `normal`, `inner`, `outer` and `ball` in a bearing of known geometry."""
    return fault_order_signatures(geometry.bpfo, geometry.bpfi, spin=2 * geometry.bsf, cage=geometry.ftf)


def fault_order_signatures(outer: float, inner: float, *, spin: float, cage: float) -> dict[str, Signature]:
    """Return the signatures of `normal`, `inner`, `outer` and `ball` in a rolling-element bearing.

    Source: McFadden & Smith, J. Sound Vib. 96 (1984) 69-82; Randall & Antoni, MSSP 25 (2011) 485-520.

    Args:
        outer: BPFO, as a multiple of the shaft frequency.
        inner: BPFI.
        spin: 2 x BSF: a spot on a ball strikes both races once per spin.
        cage: FTF.
    """
    rows = (
        ("normal", (), "no impacts"),
        ("inner", (inner, 2 * inner, inner - 1, inner + 1), "impacts at BPFI, modulated by the shaft"),
        ("outer", (outer, 2 * outer, 3 * outer), "impacts at BPFO, even: the spot stays in the load zone"),
        ("ball", (spin, 2 * spin, spin - cage, spin + cage), "impacts at 2 x BSF, modulated by the cage"),
    )
    return {name: Signature(name, orders, text, "envelope", 0.02) for name, orders, text in rows}


def journal_signatures() -> dict[str, Signature]:
    """Return the signatures of the eleven classes of a journal bearing; a mixed class has both parents'.

    Source: Muszynska, "Rotordynamics" (2005); Bently & Hatch, "Fundamentals of Rotating Machinery Diagnostics"
    (2002); Dowson & Taylor, Annu. Rev. Fluid Mech. 11 (1979) 35-66.
    """
    single = {signature.name: signature for signature in _SINGLE_JOURNAL}
    mixed = [_mixed(single[first], single[second]) for first, second in _PAIRS]
    return {signature.name: signature for signature in (*_SINGLE_JOURNAL, *mixed)}


_SINGLE_JOURNAL = (
    Signature("healthy", (), "a little residual imbalance and misalignment in noise"),
    Signature("misalignment", (2.0, 3.0, 1.0), "coupling forces twice and three times per turn"),
    Signature("imbalance", (1.0,), "a centrifugal force that grows with the square of speed"),
    Signature("looseness", (0.5, 1.5, 2.5, 3.0, 4.0, 5.0), "impacts every second turn: half orders, many lines"),
    Signature("lubrication", (), "friction, more at a low Sommerfeld number", noise_band_hz=(2000.0, 6000.0)),
    Signature("cavitation", (), "bursts of collapsing bubbles", noise_band_hz=(6000.0, 9500.0)),
    Signature("wear", (2.0, 3.0, 4.0, 5.0), "grown clearance, and rubbing", noise_band_hz=(500.0, 2500.0)),
    Signature("oil_whirl", (0.45,), "the film carries the journal round at 0.42 to 0.48 x speed", tolerance=1 / 15),
)
_PAIRS = (("misalignment", "imbalance"), ("wear", "lubrication"), ("cavitation", "looseness"))


def _mixed(first: Signature, second: Signature) -> Signature:
    bands = [signature.noise_band_hz for signature in (first, second) if signature.noise_band_hz is not None]
    return Signature(
        f"mixed_{first.name}_{second.name}",
        tuple(dict.fromkeys(first.orders + second.orders)),
        f"{first.description}; and {second.description}",
        noise_band_hz=(min(low for low, _ in bands), max(high for _, high in bands)) if bands else None,
    )
