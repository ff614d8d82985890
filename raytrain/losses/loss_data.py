"""What a loss may learn of the training set before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, TypeAlias

from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.losses.class_weights import compute_class_weights

__all__ = ["ClassWeights", "LossData"]

ClassWeights: TypeAlias = Literal["none", "balanced"]
"""How classes count: all samples alike, or all classes alike."""


@dataclass(frozen=True, slots=True, eq=False)
class LossData:
    """The training set as a loss sees it.

    Attributes:
        targets: Class indices of the training samples, integers `[N]`.
        classes: Names of the classes, K of them, in the order of the indices.
        sample_rate_hz: Sampling rate of the windows.
        window_samples: Samples per window.
        hop_samples: Samples from the start of a window to that of the next one in the same recording.
        input: Whether windows hold the signal itself (`raw`) or its envelope.
        fault_orders: BPFO, BPFI, 2 x BSF and FTF of the bearing as multiples of the shaft frequency; None where no
            bearing is known or the recordings are of several.
        conditions: Names of the operating conditions that batches carry.
        shaft_speed_rpm: Shaft speeds of the training samples, NaN where unknown, `[N]`; None where none is known.
    """

    targets: Tensor
    classes: tuple[str, ...]
    sample_rate_hz: float
    window_samples: int
    hop_samples: int
    input: Literal["raw", "envelope"] = "raw"
    fault_orders: tuple[float, float, float, float] | None = None
    conditions: tuple[str, ...] = ()
    shaft_speed_rpm: Tensor | None = None

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return len(self.classes)

    def weights(self, class_weights: ClassWeights) -> Tensor | None:
        """Return the weight of each class, float32 `[K]`; None where all samples count alike.

        Raises:
            ConfigError: There are no such class weights.
            DataError: Balanced ones cannot be computed from the targets.
        """
        match class_weights:
            case "balanced":
                return compute_class_weights(self.targets, num_classes=self.num_classes)
            case "none":
                return None
            case _:
                raise ConfigError(f"loss.class_weights must be none or balanced, got {class_weights!r}")
