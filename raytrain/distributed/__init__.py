"""Runs on Ray Train, and the process groups that trials of several workers share with them."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from raytrain.distributed.notebook_advice import leave_out_advice

if TYPE_CHECKING:
    from raytrain.distributed.report import RayReport

__all__ = ["RayReport"]

leave_out_advice()


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in __all__:
        raise AttributeError(f"module 'raytrain.distributed' has no attribute '{name}'")
    return getattr(importlib.import_module("raytrain.distributed.report"), name)  # it imports ray.train
