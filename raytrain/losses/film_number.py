"""The Sommerfeld number of each sample of a batch, as it is given or from what decides it."""

from __future__ import annotations

from collections.abc import Collection

from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.losses.conditions import condition
from raytrain.types import Batch

__all__ = ["FILM_CONDITIONS", "film_number", "has_film_number"]

FILM_CONDITIONS = ("viscosity_pa_s", "shaft_speed_rpm", "unit_load_pa", "clearance_ratio")
"""The operating conditions that decide the Sommerfeld number, where batches do not carry it ready."""


def has_film_number(conditions: Collection[str]) -> bool:
    """Return whether batches with these operating conditions have a Sommerfeld number."""
    return "sommerfeld_number" in conditions or all(name in conditions for name in FILM_CONDITIONS)


def film_number(batch: Batch) -> Tensor:
    """Return the Sommerfeld number S = (R / c)² mu N / P of each sample, `[B]`, N in revolutions per second.

    The condition `sommerfeld_number` where there is one; else of `viscosity_pa_s`, `shaft_speed_rpm`, `unit_load_pa`
    (load over projected area) and `clearance_ratio` (c / R) of each sample, as `physics.sommerfeld_number` does of one
    bearing (Raimondi & Boyd, ASLE Trans. 1, 1958). Not finite or not positive where one of them is unknown.

    Raises:
        ConfigError: The batch carries neither.

    >>> import torch
    >>> film = {"viscosity_pa_s": 0.02, "shaft_speed_rpm": 3600.0, "unit_load_pa": 1.2e6, "clearance_ratio": 1e-3}
    >>> known = {name: torch.tensor([value]) for name, value in film.items()}
    >>> film_number(Batch(torch.zeros(1, 1, 8), torch.tensor([0]), known))
    tensor([1.0000])
    """
    if "sommerfeld_number" in batch.conditions:
        return batch.conditions["sommerfeld_number"]
    if not has_film_number(batch.conditions):
        carried = ", ".join(sorted(batch.conditions)) or "nothing"
        raise ConfigError(
            f"this loss needs the operating condition sommerfeld_number, or {', '.join(FILM_CONDITIONS)}; batches "
            f"carry {carried}"
        )
    viscosity, speed, load, clearance = (condition(batch, name) for name in FILM_CONDITIONS)
    return viscosity * (speed / 60) / (clearance.square() * load)
