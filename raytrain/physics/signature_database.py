"""The signatures of all classes of one kind of bearing, looked up by the name of the class."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

from raytrain.errors import ConfigError, nearest
from raytrain.physics.catalogue import BEARINGS
from raytrain.physics.kinematics import BearingGeometry
from raytrain.physics.signatures import Signature, fault_order_signatures, journal_signatures, rolling_signatures

__all__ = ["FaultSignatureDatabase"]


@dataclass(frozen=True, slots=True)
class FaultSignatureDatabase:
    """Where each class of one kind of bearing shows: orders of its lines, and its noise band in Hz.

    Rolling-element bearings have `normal`, `inner`, `outer` and `ball`, in the spectrum of the envelope; journal
    bearings have `healthy` and ten faults, in the spectrum itself. A database holds one kind and refuses the classes
    of the other, so that no signature is ever applied to the wrong machine.

    Source: Randall & Antoni, MSSP 25 (2011) 485-520 (rolling-element); Bently & Hatch, "Fundamentals of Rotating
    Machinery Diagnostics" (2002) and Muszynska, "Rotordynamics" (2005) (journal).

    >>> database = FaultSignatureDatabase.rolling(BEARINGS["6205"])
    >>> round(database.lookup("outer").orders[0], 4)
    3.5848
    >>> database.lookup("oil_whirl")
    Traceback (most recent call last):
    raytrain.errors.ConfigError: 'oil_whirl' is a class of journal bearings, this database is of a rolling bearing

    Attributes:
        kind: Kind of bearing.
        signatures: Class -> signature, the healthy class first.

    Raises:
        ConfigError: `lookup` is asked for a class of the other kind, or of none.
    """

    kind: Literal["rolling", "journal"]
    signatures: Mapping[str, Signature]

    @classmethod
    def rolling(cls, geometry: BearingGeometry) -> FaultSignatureDatabase:
        """Return the database of a rolling-element bearing of known geometry."""
        return cls("rolling", rolling_signatures(geometry))

    @classmethod
    def from_fault_orders(cls, orders: tuple[float, float, float, float]) -> FaultSignatureDatabase:
        """Return the database of a rolling-element bearing from its BPFO, BPFI, 2 x BSF and FTF.

        Args:
            orders: In multiples of the shaft frequency, in this order.

        Raises:
            ConfigError: An order is not positive and finite.
        """
        if not all(0 < order < math.inf for order in orders):
            raise ConfigError(f"fault_orders must be positive and finite, got {', '.join(f'{o:g}' for o in orders)}")
        outer, inner, spin, cage = orders
        return cls("rolling", fault_order_signatures(outer, inner, spin=spin, cage=cage))

    @classmethod
    def journal(cls) -> FaultSignatureDatabase:
        """Return the database of a journal bearing; its lines are at orders that need no geometry."""
        return cls("journal", journal_signatures())

    @property
    def classes(self) -> tuple[str, ...]:
        """Names of the classes, the healthy one first."""
        return tuple(self.signatures)

    @property
    def healthy(self) -> str:
        """Name of the class without a fault."""
        return self.classes[0]

    def lookup(self, name: str) -> Signature:
        """Return the signature of the class `name`.

        Raises:
            ConfigError: It is a class of the other kind of bearing, or of none; the nearest name is told.
        """
        if name in self.signatures:
            return self.signatures[name]
        other = "journal" if self.kind == "rolling" else "rolling"
        if name in _CLASSES[other]:
            raise ConfigError(f"{name!r} is a class of {other} bearings, this database is of a {self.kind} bearing")
        raise ConfigError(f"no signature is known of class {name!r}; {nearest(name, self.signatures)}")


_CLASSES = {"rolling": tuple(rolling_signatures(BEARINGS["6205"])), "journal": tuple(journal_signatures())}
