"""Bearing kinematics, lubrication, and the signatures that faults leave in vibration."""

from raytrain.physics.catalogue import BEARINGS, find_bearing
from raytrain.physics.kinematics import BearingGeometry
from raytrain.physics.lubrication import (
    density_kg_m3,
    dynamic_viscosity_pa_s,
    kinematic_viscosity_mm2_s,
    sommerfeld_number,
)
from raytrain.physics.signature_database import FaultSignatureDatabase
from raytrain.physics.signatures import Signature

__all__ = [
    "BEARINGS",
    "BearingGeometry",
    "FaultSignatureDatabase",
    "Signature",
    "density_kg_m3",
    "dynamic_viscosity_pa_s",
    "find_bearing",
    "kinematic_viscosity_mm2_s",
    "sommerfeld_number",
]
