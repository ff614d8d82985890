"""Writes down when each optimizer steps, in every process that finds this folder on its path: a script, Ray's workers.

Python imports a module of this name when it starts. This one waits until torch's optimizers are imported, if they ever
are, so it costs next to nothing before. Each step is a line `<optimizer> <seconds since the epoch>` in the file
`<process>` of the folder named by STEP_CLOCK.
"""

from __future__ import annotations

import importlib.util
import itertools
import os
import sys
import time
from collections.abc import Callable
from importlib.machinery import ModuleSpec
from pathlib import Path
from types import ModuleType

WATCHED = "torch.optim.optimizer"


class Watch:
    """Finds the module as it would be found otherwise, and adds a hook to what it defines."""

    def find_spec(self, name: str, path: object = None, target: object = None) -> ModuleSpec | None:
        """Return the spec of the watched module, whose loader adds the hook."""
        if name != WATCHED:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None or spec.loader is None:
            raise ImportError(f"no module {name}")
        load = spec.loader.exec_module

        def exec_module(module: ModuleType) -> None:
            load(module)
            module.register_optimizer_step_pre_hook(_note())

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]  # of this one loader, not of its class
        return spec


def _note() -> Callable[..., None]:
    # Unbuffered, as Ray kills its workers.
    file = (Path(os.environ["STEP_CLOCK"]) / str(os.getpid())).open("ab", buffering=0)
    numbers = itertools.count()

    def note(optimizer: object, *_: object) -> None:
        if not hasattr(optimizer, "step_clock_number"):
            optimizer.step_clock_number = next(numbers)  # type: ignore[attr-defined]
        file.write(f"{optimizer.step_clock_number} {time.time()}\n".encode())  # type: ignore[attr-defined]

    return note


if "STEP_CLOCK" in os.environ:
    sys.meta_path.insert(0, Watch())
