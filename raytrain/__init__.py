"""Train and tune deep models that diagnose bearing faults from vibration, on one machine or a Ray cluster.

Names are loaded when they are first used, so that `import raytrain` and `raytrain --help` stay light.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from raytrain.trainers import (
        CNNTrainer,
        DistillationTrainer,
        MixedPrecisionTrainer,
        MultiTFRTrainer,
        PINNTrainer,
        ProgressiveResizingTrainer,
        SpectrogramTrainer,
        Trainer,
        compare_teacher_student,
    )
    from raytrain.tuning.api import load_result, train, tune
    from raytrain.tuning.study import Study

__all__ = [
    "CNNTrainer",
    "DistillationTrainer",
    "MixedPrecisionTrainer",
    "MultiTFRTrainer",
    "PINNTrainer",
    "ProgressiveResizingTrainer",
    "SpectrogramTrainer",
    "Study",
    "Trainer",
    "compare_teacher_student",
    "load_result",
    "train",
    "tune",
]

_HOMES = {
    "CNNTrainer": "raytrain.trainers",
    "DistillationTrainer": "raytrain.trainers",
    "MixedPrecisionTrainer": "raytrain.trainers",
    "MultiTFRTrainer": "raytrain.trainers",
    "PINNTrainer": "raytrain.trainers",
    "ProgressiveResizingTrainer": "raytrain.trainers",
    "SpectrogramTrainer": "raytrain.trainers",
    "Study": "raytrain.tuning.study",
    "Trainer": "raytrain.trainers",
    "compare_teacher_student": "raytrain.trainers",
    "load_result": "raytrain.tuning.api",
    "train": "raytrain.tuning.api",
    "tune": "raytrain.tuning.api",
}


def __getattr__(name: str) -> Any:  # noqa: ANN401 - any public name
    if name not in _HOMES:
        raise AttributeError(f"module 'raytrain' has no attribute '{name}'")
    return getattr(importlib.import_module(_HOMES[name]), name)


def __dir__() -> list[str]:
    return sorted([*globals(), *__all__])
