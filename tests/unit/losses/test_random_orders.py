from __future__ import annotations

import numpy as np
import pytest

from raytrain.errors import ConfigError
from raytrain.losses.fault_lines import least_separation
from raytrain.losses.random_orders import random_orders
from raytrain.physics import BEARINGS

TOLERANCE, HARMONICS = 0.02, 3
ORDERS = {name: (one.bpfo, one.bpfi, 2 * one.bsf, one.ftf) for name, one in BEARINGS.items()}
FAULTS = ("outer", "inner", "ball")


def distances(orders: tuple[float, ...], lines: list[float]) -> np.ndarray[tuple[int, ...], np.dtype[np.float64]]:
    """Return the distance of each order from each line, as a fraction of the line."""
    return np.asarray(np.abs(np.subtract.outer(orders, lines)) / lines)


@pytest.mark.parametrize("name", list(BEARINGS))
@pytest.mark.parametrize("seed", range(2))
def test_they_are_where_no_line_is(name: str, seed: int) -> None:
    real = ORDERS[name]
    drawn = random_orders(real, tolerance=TOLERANCE, harmonics=HARMONICS, seed=seed)
    assert drawn[3] == real[3]
    lines = [multiple * order for order in real[:3] for multiple in range(1, HARMONICS + 2)] + [real[3]]
    for multiple in range(1, HARMONICS + 1):
        assert distances(tuple(multiple * order for order in drawn[:3]), lines).min() > 2 * TOLERANCE
    _, inner, ball, cage = real
    sidebands = [inner - 1, inner + 1, inner - 2, ball - cage, ball + cage, 2 * inner - 1, 2 * ball + 2 * cage]
    assert distances(drawn[:3], sidebands).min() > 2 * TOLERANCE
    assert distances(drawn[:3], [float(turns) for turns in range(1, 20)]).min() > 2 * TOLERANCE
    assert min(real[:3]) / 2 <= min(drawn[:3])
    assert max(drawn[:3]) <= 1.5 * max(real[:3])


@pytest.mark.parametrize("name", list(BEARINGS))
def test_windows_that_resolve_the_real_lines_resolve_them(name: str) -> None:
    needed = least_separation(dict(zip(FAULTS, ORDERS[name], strict=False)), TOLERANCE)
    for seed in range(2):
        drawn = random_orders(ORDERS[name], seed=seed)
        assert least_separation(dict(zip(FAULTS, drawn, strict=False)), TOLERANCE) >= needed - 1e-12


def test_the_seed_decides() -> None:
    assert random_orders(ORDERS["6205"], seed=3) == random_orders(ORDERS["6205"], seed=3)
    assert len({random_orders(ORDERS["6205"], seed=seed) for seed in range(3)}) == 3


def test_no_room_is_said() -> None:
    with pytest.raises(ConfigError, match=r"no room for random .* lower physics\.tolerance or physics\.harmonics"):
        random_orders(ORDERS["6205"], tolerance=0.06)
