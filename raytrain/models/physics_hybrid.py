"""PhysicsHybrid: the signal, its envelope spectrum in shaft orders and the operating conditions, side by side."""

from __future__ import annotations

from itertools import pairwise
from typing import ClassVar

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.models.checks import check_at_least, check_dropout, check_odd, check_signal
from raytrain.models.classifier import Classifier, InputDomain, Inputs, Outputs
from raytrain.models.convolution_block import convolution_block
from raytrain.models.order_spectrum import BINS_PER_ORDER, envelope_order_spectrum

__all__ = ["CONDITION_COLUMNS", "PhysicsHybrid"]

CONDITION_COLUMNS = 8
"""Columns of the conditions: shaft revolutions per sample, three others, and whether each of these four is known."""

_USUAL_REVOLUTIONS_PER_SAMPLE = 1 / 400  # 1800 rpm at 12 kHz: about where machines are sampled


class PhysicsHybrid(Classifier):
    """Network of three branches: signal, envelope spectrum in shaft orders, operating conditions; then fused.

    The signal's branch is a convolutional network like `CNN1D`. That of the envelope is two linear layers over
    `envelope_order_spectrum`, whose bins mean the same at any speed. The conditions (shaft speed, load, viscosity,
    Sommerfeld number, and which of them are known, see `raytrain.data.operating_conditions`) go through two
    linear layers. One more fuses the features of all to the embedding. Asked for, a second head states the severity of
    the fault, which the Sommerfeld term of the physics loss compares to the lubrication regime.

    With one channel, ten classes and the defaults there are 58 646 parameters, 65 more with the severity.

    Source: of deciding by physical and learned features together, A. Karpatne, W. Watkins, J. Read, V. Kumar, "Physics-
    guided neural networks (PGNN)", 2017; of the envelope, R. B. Randall, J. Antoni, "Rolling element bearing
    diagnostics - a tutorial", Mechanical Systems and Signal Processing 25(2), 2011.

    >>> model = PhysicsHybrid(in_channels=1, num_classes=10, severity_head=True)
    >>> conditions = torch.tensor([[0.0025, 0, 0, 0, 1, 0, 0, 0]]).expand(4, 8)
    >>> said = model({"signal": torch.randn(4, 1, 2048), "conditions": conditions}, detailed=True)
    >>> said.scores.shape, said.embedding.shape, said.severity.shape
    (torch.Size([4, 10]), torch.Size([4, 64]), torch.Size([4]))

    Args:
        in_channels: Channels C of the signal.
        num_classes: Classes K.
        depth: Blocks of the signal's branch; each halves the length.
        width: Channels of its first block.
        growth: Factor from one block's channels to the next's.
        kernel_size: Samples of every kernel, odd.
        stride: Samples from one position of the first convolution to the next.
        orders: Highest multiple of the shaft frequency that the envelope's branch sees.
        hidden: Units of each linear layer.
        dropout: Probability with which a fused feature is dropped in training.
        severity_head: Whether to state a severity, too.

    Attributes:
        minimum_length: The fewest samples a window may have.

    Raises:
        ConfigError: A value is impossible.
    """

    input_domain: ClassVar[InputDomain] = "signal_and_conditions"

    def __init__(
        self,
        in_channels: int,
        num_classes: int,
        *,
        depth: int = 4,
        width: int = 16,
        growth: float = 1.5,
        kernel_size: int = 9,
        stride: int = 8,
        orders: int = 16,
        hidden: int = 64,
        dropout: float = 0.0,
        severity_head: bool = False,
    ) -> None:
        super().__init__()
        check_at_least(2, {"num_classes": num_classes})
        check_at_least(1, {"in_channels": in_channels, "depth": depth, "width": width, "growth": growth})
        check_at_least(1, {"kernel_size": kernel_size, "stride": stride, "orders": orders, "hidden": hidden})
        check_odd("kernel_size", kernel_size)
        check_dropout(dropout)
        self.in_channels = in_channels
        self.orders = orders
        self.minimum_length: int = (2**depth - 1) * stride + 1
        channels = [in_channels, *(round(width * growth**level) for level in range(depth))]
        self.signal_branch = nn.Sequential(
            *(
                convolution_block(before, after, kernel_size=kernel_size, stride=stride if level == 0 else 1)
                for level, (before, after) in enumerate(pairwise(channels))
            )
        )
        self.envelope_branch = _two_layers(in_channels * BINS_PER_ORDER * orders, hidden)
        self.condition_branch = _two_layers(CONDITION_COLUMNS, hidden)
        self.fusion = nn.Sequential(nn.Linear(channels[-1] + 2 * hidden, hidden), nn.ReLU())
        self.classifier = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, num_classes))
        self.severity = nn.Sequential(nn.Dropout(dropout), nn.Linear(hidden, 1)) if severity_head else None

    def embed(self, inputs: Inputs) -> Tensor:
        """Return the fused features `[B, D]` of `signal` `[B, C, T]` and `conditions` `[B, 8]`.

        Raises:
            ConfigError: One of these is missing or of another shape, or T is below `minimum_length`.
        """
        signal, conditions = self._parts(inputs)
        turning = conditions[:, 0]
        spectrum = envelope_order_spectrum(signal, turning, orders=self.orders)
        features = [
            self.signal_branch(signal).mean(dim=-1),
            self.envelope_branch(spectrum.flatten(1)),
            self.condition_branch(torch.cat([_speed_in_decades(turning)[:, None], conditions[:, 1:]], dim=1)),
        ]
        fused: Tensor = self.fusion(torch.cat(features, dim=1))
        return fused

    def outputs(self, inputs: Inputs) -> Outputs:
        """Return all that the model says, a severity among it where it has a head for that."""
        embedding = self.embed(inputs)
        severity = None if self.severity is None else self.severity(embedding).squeeze(1).sigmoid()
        return Outputs(self.classifier(embedding), embedding, severity=severity)

    def _parts(self, inputs: Inputs) -> tuple[Tensor, Tensor]:
        if isinstance(inputs, Tensor) or set(inputs) != {"signal", "conditions"}:
            got = f"one tensor {list(inputs.shape)}" if isinstance(inputs, Tensor) else ", ".join(inputs) or "none"
            raise ConfigError(f"this model takes a signal and conditions by these names, got {got}")
        signal, conditions = inputs["signal"], inputs["conditions"]
        check_signal(signal, in_channels=self.in_channels, minimum_length=self.minimum_length)
        if conditions.shape != (len(signal), CONDITION_COLUMNS):
            raise ConfigError(
                f"this model takes conditions [batch, {CONDITION_COLUMNS}], got {list(conditions.shape)} beside "
                f"{len(signal)} signals"
            )
        return signal, conditions


def _speed_in_decades(revolutions_per_sample: Tensor) -> Tensor:
    """Return `log10` of the speed over a usual one, 0 where it is unknown: near one, as a network needs it."""
    ratio = revolutions_per_sample / _USUAL_REVOLUTIONS_PER_SAMPLE
    return torch.where(ratio > 0, ratio, 1.0).log10()


def _two_layers(inputs: int, hidden: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(inputs, hidden), nn.ReLU(), nn.Linear(hidden, hidden), nn.ReLU())
