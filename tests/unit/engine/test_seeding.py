from __future__ import annotations

import io
import random

import numpy as np
import pytest
import torch

from raytrain.engine.seeding import restore_random_state, save_random_state, seed_everything


def draw() -> tuple[float, float, float]:
    return float(torch.rand(())), float(np.random.rand()), random.random()  # noqa: NPY002 - those seeded


@pytest.mark.parametrize("seed", [0, 1, 2**32 - 1, 2**32 + 5])
def test_the_seed_decides_every_global_generator(seed: int) -> None:
    seed_everything(seed)
    first = draw()
    seed_everything(seed)
    assert draw() == first
    seed_everything(seed + 1)
    assert all(a != b for a, b in zip(draw(), first, strict=True))


def test_state_goes_through_a_file_without_pickled_objects() -> None:
    seed_everything(5)
    torch.rand(7)
    file = io.BytesIO()
    torch.save(save_random_state(), file)
    expected = [draw() for _ in range(3)]
    seed_everything(0)
    file.seek(0)
    restore_random_state(torch.load(file, weights_only=True))
    assert [draw() for _ in range(3)] == expected


def test_the_second_half_of_a_pair_of_normal_draws_survives() -> None:
    # NumPy and `random` make normal numbers in pairs and keep the second.
    seed_everything(5)
    np.random.standard_normal()  # noqa: NPY002 - the generator saved
    random.gauss()
    saved = save_random_state()
    expected = np.random.standard_normal(), random.gauss()  # noqa: NPY002
    restore_random_state(saved)
    assert (np.random.standard_normal(), random.gauss()) == expected  # noqa: NPY002


def test_saving_draws_nothing_and_later_draws_leave_what_was_saved() -> None:
    seed_everything(5)
    saved = save_random_state()
    expected = torch.rand(3)
    restore_random_state(saved)
    assert torch.equal(torch.rand(3), expected)
    restore_random_state(saved)
    assert torch.equal(torch.rand(3), expected)


def test_a_snapshot_of_another_number_of_gpus_restores_the_cpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 1)
    monkeypatch.setattr(torch.cuda, "set_rng_state_all", lambda _states: pytest.fail("restored to the wrong devices"))
    seed_everything(5)
    saved = save_random_state() | {"cuda": [torch.zeros(16), torch.zeros(16)]}
    expected = torch.rand(3)
    restore_random_state(saved)
    assert torch.equal(torch.rand(3), expected)
