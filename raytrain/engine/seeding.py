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
    """Return the state of all global generators, as tensors and plain values that load with `weights_only=True`."""
    numpy_state: dict[str, Any] = dict(np.random.get_state(legacy=False))  # noqa: NPY002 - the global one
    inner = {**numpy_state["state"], "key": torch.from_numpy(numpy_state["state"]["key"].astype(np.int64))}
    state: dict[str, Any] = {
        "cpu": torch.get_rng_state(),
        "numpy": {**numpy_state, "state": inner},
        "python": random.getstate(),
    }
    if torch.cuda.is_available():
        state["cuda"] = torch.cuda.get_rng_state_all()
    return state


def restore_random_state(state: dict[str, Any]) -> None:
    """Restore what `save_random_state` returned; CUDA states only where there are as many devices."""
    torch.set_rng_state(state["cpu"])
    inner = state["numpy"]["state"]
    key = inner["key"].numpy().astype(np.uint32)
    np.random.set_state({**state["numpy"], "state": {**inner, "key": key}})  # noqa: NPY002 - the global one
    random.setstate(state["python"])
    if "cuda" in state and torch.cuda.device_count() == len(state["cuda"]):
        torch.cuda.set_rng_state_all(state["cuda"])
