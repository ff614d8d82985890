"""Random state: seeding a run, and saving and restoring every generator it draws from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch

__all__ = ["restore_random_state", "save_random_state", "seed_everything"]


def seed_everything(seed: int) -> None:
    """Seed torch (all devices), NumPy's legacy generator and `random`.

    raytrain itself draws from generators it passes around; layers such as dropout and weight initialisation, and
    users' own parts, draw from the global ones.
    """
    torch.manual_seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 - the legacy generator is what is being seeded
    random.seed(seed)


def save_random_state() -> dict[str, Any]:
    """Return the state of torch's generators, as tensors that load with `weights_only=True`."""
    state: dict[str, Any] = {"cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore what `save_random_state` returned; CUDA states only where there are as many devices."""
    torch.set_rng_state(state["cpu"])
    if "cuda" in state and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
