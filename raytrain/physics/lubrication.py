"""Viscosity of lubricating oil and the Sommerfeld number of a journal bearing."""

from __future__ import annotations

import numpy as np
from numpy.typing import ArrayLike, NDArray

from raytrain.errors import ConfigError

__all__ = ["density_kg_m3", "dynamic_viscosity_pa_s", "kinematic_viscosity_mm2_s", "sommerfeld_number"]

_VISCOSITY_100C_MM2_S = {32: 5.4, 46: 6.8, 68: 8.7, 100: 11.4}
"""ISO VG grade, its viscosity at 40 °C -> typical viscosity at 100 °C of a mineral oil of index 95 to 105."""

_KELVIN = 273.15


def kinematic_viscosity_mm2_s(temperature_c: ArrayLike, *, iso_vg: int = 32) -> NDArray[np.float64]:
    """Return the kinematic viscosity of a mineral oil, in mm²/s.

    Walther's equation as in ASTM D341 (2020): log10 log10(nu + 0.7) = A - B log10(T), T in kelvin, with A and B from
    two viscosities of the oil: its ISO VG grade at 40 °C (ISO 3448, 1992), and a typical value at 100 °C.

    >>> float(kinematic_viscosity_mm2_s(40.0, iso_vg=32).round(6))
    32.0

    Args:
        temperature_c: Oil temperature in °C, any shape.
        iso_vg: Viscosity grade: 32, 46, 68 or 100.

    Raises:
        ConfigError: The grade is not one of these.
    """
    if iso_vg not in _VISCOSITY_100C_MM2_S:
        grades = ", ".join(map(str, _VISCOSITY_100C_MM2_S))
        raise ConfigError(f"iso_vg must be one of the grades {grades}, got {iso_vg}")
    at_40, at_100 = np.log10(np.log10(np.array([iso_vg, _VISCOSITY_100C_MM2_S[iso_vg]]) + 0.7))
    slope = (at_40 - at_100) / np.log10((100 + _KELVIN) / (40 + _KELVIN))
    kelvin = np.asarray(temperature_c, dtype=np.float64) + _KELVIN
    return np.asarray(10**10 ** (at_40 - slope * np.log10(kelvin / (40 + _KELVIN))) - 0.7)


def density_kg_m3(temperature_c: ArrayLike, *, at_15c_kg_m3: float = 870.0) -> NDArray[np.float64]:
    """Return the density of a mineral oil: linear expansion by 6.5e-4 per kelvin from its value at 15 °C.

    Source: Hamrock, Schmid & Jacobson, "Fundamentals of Fluid Film Lubrication" (2004), ch. 4.

    >>> float(density_kg_m3(40.0).round(4))
    855.8625

    Args:
        temperature_c: Oil temperature in °C, any shape.
        at_15c_kg_m3: Density at 15 °C; 870 is that of a light turbine oil.
    """
    return np.asarray(at_15c_kg_m3 * (1 - 6.5e-4 * (np.asarray(temperature_c, dtype=np.float64) - 15.0)))


def dynamic_viscosity_pa_s(temperature_c: ArrayLike, *, iso_vg: int = 32) -> NDArray[np.float64]:
    """Return the dynamic viscosity of a mineral oil in Pa s: kinematic viscosity times density.

    Source: of the first, Walther's equation as in ASTM D341 (2020); of the second, see `density_kg_m3`.

    >>> float(dynamic_viscosity_pa_s(40.0).round(5))
    0.02739

    Args:
        temperature_c: Oil temperature in °C, any shape.
        iso_vg: Viscosity grade: 32, 46, 68 or 100.

    Raises:
        ConfigError: The grade is not one of these.
    """
    kinematic_m2_s = 1e-6 * kinematic_viscosity_mm2_s(temperature_c, iso_vg=iso_vg)
    return np.asarray(kinematic_m2_s * density_kg_m3(temperature_c))


def sommerfeld_number(
    viscosity_pa_s: ArrayLike, speed_rev_per_s: ArrayLike, *, unit_load_pa: ArrayLike, clearance_ratio: float
) -> NDArray[np.float64]:
    """Return the Sommerfeld number S = (R / c)² mu N / P of a journal bearing, without unit.

    N is in revolutions per second, the convention of Raimondi & Boyd (ASLE Trans. 1, 1958) and Shigley;
    with N in rad/s the number would be 2 pi times larger.

    >>> float(sommerfeld_number(0.02, 60.0, unit_load_pa=1.2e6, clearance_ratio=1e-3).round(9))
    1.0

    Args:
        viscosity_pa_s: Dynamic viscosity mu of the oil in the film.
        speed_rev_per_s: Shaft speed N in revolutions per second.
        unit_load_pa: Load over projected area, P = W / (2 R L).
        clearance_ratio: Radial clearance over journal radius, c / R, about 1e-3.

    Raises:
        ConfigError: `clearance_ratio` or a `unit_load_pa` is not positive.
    """
    load = np.asarray(unit_load_pa, dtype=np.float64)
    if not clearance_ratio > 0:
        raise ConfigError(f"clearance_ratio must be positive, got {clearance_ratio:g}")
    if not np.all(load > 0):
        raise ConfigError(f"unit_load_pa must be positive, got {load.min():g}")
    flow = np.asarray(viscosity_pa_s, dtype=np.float64) * np.asarray(speed_rev_per_s, dtype=np.float64)
    return np.asarray(flow / (clearance_ratio**2 * load))
