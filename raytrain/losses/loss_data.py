"""What a loss may learn of the training set before the first step."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from torch import Tensor

__all__ = ["LossData"]


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
    """

    targets: Tensor
    classes: tuple[str, ...]
    sample_rate_hz: float
    window_samples: int
    hop_samples: int
    input: Literal["raw", "envelope"] = "raw"
    fault_orders: tuple[float, float, float, float] | None = None
    conditions: tuple[str, ...] = ()

    @property
    def num_classes(self) -> int:
        """Number of classes K."""
        return len(self.classes)
