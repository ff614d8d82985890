"""A physics loss: a predicted fault whose characteristic lines the window does not show is a contradiction."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.conditions import condition
from raytrain.losses.fault_lines import clear_lines, least_separation
from raytrain.losses.full_precision import full_precision
from raytrain.losses.line_evidence import BAND_OF_NYQUIST, RESOLUTION_BINS, envelope_power, line_surprise
from raytrain.physics.signature_database import FaultSignatureDatabase
from raytrain.types import Batch

__all__ = ["FrequencyConsistencyLoss", "contradiction", "expected_contradiction"]

_SIGNIFICANCE = 0.01
"""Chance of seeing a line where there is none, at which a fault is half contradicted."""


def contradiction(surprise: Tensor, lines: Tensor) -> Tensor:
    """Return how little each fault shows: near 1 when its lines might be noise, near 0 when they cannot be, `[B, F]`.

    With s the sum of `-ln p` over a fault's n lines, `P = Q(n, s)` (the regularised upper incomplete gamma function)
    is the chance that noise alone surprises as much: Fisher's combination of p-values ("Statistical Methods for
    Research Workers", 1932). Then `v = (1 + a) P / (P + a)` with `a = 0.01`.

    Args:
        surprise: `-ln p` of every line, `[B, Q]`.
        lines: One where a line belongs to a fault, else zero, `[Q, F]`.
    """
    total = (surprise[:, :, None] * lines).sum(dim=1)  # no matrix product, which autocast would round
    by_chance: Tensor = torch.special.gammaincc(lines.sum(dim=0), total)
    return by_chance * (1 + _SIGNIFICANCE) / (by_chance + _SIGNIFICANCE)


def expected_contradiction(logits: Tensor, degree: Tensor, *, known: Tensor) -> Tensor:
    """Return the sum of `sum_c p_c v_c` over the samples that are known, divided by the number of all samples.

    So means of workers or micro-batches weighted by size are exact; without a known sample it is exactly 0.

    Args:
        logits: Class scores `[B, K]`, whose softmax is p.
        degree: How much each class contradicts the window, v in [0, 1], `[B, K]`; no gradient flows into it.
        known: Which samples count, bool `[B]`.
    """
    probability = torch.softmax(full_precision(logits), dim=-1)
    each = (probability * degree.detach()).sum(dim=-1)
    return torch.where(known, each, 0.0).mean()


class FrequencyConsistencyLoss(nn.Module):
    """Expected physical contradiction of the prediction by the envelope spectrum of the window, in [0, 1].

    `L = mean_b sum_c p_bc v_bc`, with p the softmax of the logits and v in [0, 1] from this measured window at its
    shaft speed: small for a fault whose lines (its fundamental and harmonics, within `tolerance`) stand out of the
    background, near 1 for one whose lines do not (`contradiction`). The healthy class is contradicted by any fault
    that shows: `v = 1 - min over faults`. v depends on the input alone, so the gradient moves the prediction towards
    what the window shows; it is scale invariant.

    A harmonic is used only if it is as far from every other fault's harmonics as the fundamentals are from each other:
    twice BPFI falls on three times BPFO in many bearings and tells nothing. Samples of unknown speed add 0 to the
    mean over samples.

    Source: of the lines, Randall & Antoni, "Rolling element bearing diagnostics - a tutorial", MSSP 25 (2011) 485-520;
    of physics-guided losses, Karpatne et al., IEEE Trans. Knowl. Data Eng. 29 (2017) 2318-2331.

    >>> from raytrain.physics import BEARINGS
    >>> loss = FrequencyConsistencyLoss(
    ...     FaultSignatureDatabase.rolling(BEARINGS["6205"]), ["normal", "inner", "outer"], sample_rate_hz=12_000.0
    ... )
    >>> time_s = torch.arange(4096) / 12_000
    >>> ringing = torch.sin(2 * torch.pi * 3000 * time_s) * (1 + torch.sin(2 * torch.pi * 3.5848 * 30 * time_s))
    >>> noise = torch.randn(4096, generator=torch.Generator().manual_seed(0))
    >>> batch = Batch((ringing + noise)[None, None], torch.tensor([2]), {"shaft_speed_rpm": torch.tensor([1800.0])})
    >>> [round(loss(torch.eye(3)[[c]] * 20, batch).item(), 1) for c in range(3)]  # sure of each class in turn
    [1.0, 0.9, 0.0]

    Args:
        signatures: Of the rolling-element bearing.
        classes: Names of the classes, K of them, in the order of the logits.
        sample_rate_hz: Sampling rate of the windows.
        tolerance: Half-width of the band around a line, as a fraction of its frequency; slip takes 1 to 2 %.
        harmonics: Multiples of a fault's frequency to look for.
        demodulate: Whether windows are signals whose envelope is to be found; False where they are envelopes.

    Raises:
        ConfigError: A class is not of a rolling-element bearing, no class is a fault, or bands overlap; at the first
            batch, when windows are too short to tell the lines apart, or sampled too slowly to have them.
    """

    _orders: Tensor
    _lines: Tensor
    _place: Tensor

    def __init__(
        self,
        signatures: FaultSignatureDatabase,
        classes: Sequence[str],
        *,
        sample_rate_hz: float,
        tolerance: float = 0.02,
        harmonics: int = 3,
        demodulate: bool = True,
    ) -> None:
        super().__init__()
        if signatures.kind != "rolling":
            raise ConfigError("physics.lambda_freq: a healthy journal bearing shows its faults' lines, too; use 0")
        if not 0 < tolerance < 0.5:
            raise ConfigError(f"physics.tolerance must be above 0 and below 0.5, got {tolerance:g}")
        if harmonics < 1:
            raise ConfigError(f"physics.harmonics must be at least 1, got {harmonics}")
        fundamental = {name: signatures.lookup(name).orders[:1] for name in classes}
        faults = {name: orders[0] for name, orders in fundamental.items() if orders}
        if not faults:
            raise ConfigError(f"physics.lambda_freq needs a class that is a fault, got {', '.join(classes)}")
        self.sample_rate_hz, self.tolerance, self.demodulate = sample_rate_hz, tolerance, demodulate
        self._separation = least_separation(faults, tolerance)
        lines = clear_lines(faults, tolerance=tolerance, harmonics=harmonics, separation=self._separation)
        self._top = max(order for _, order in lines) * (1 + tolerance)
        owner = torch.tensor([[float(name == fault) for fault in faults] for name, _ in lines])
        columns = dict(zip(faults, range(len(faults)), strict=True))
        place = torch.tensor([columns.get(name, len(faults)) for name in classes])
        self.register_buffer("_orders", torch.tensor([order for _, order in lines]), persistent=False)
        self.register_buffer("_lines", owner, persistent=False)
        self.register_buffer("_place", place, persistent=False)

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the scalar loss of `logits` `[B, K]`; `batch` has measured windows and `shaft_speed_rpm`."""
        speed_rpm = condition(batch, "shaft_speed_rpm")
        degree = self.degree(batch.measured, speed_rpm=speed_rpm)
        return expected_contradiction(logits, degree, known=_is_known(speed_rpm))

    @torch.no_grad()
    def degree(self, windows: Tensor, *, speed_rpm: Tensor) -> Tensor:
        """Return how much each class contradicts each window, v in [0, 1], `[B, K]`; of no meaning where unknown.

        Args:
            windows: Signal `[B, C, T]`. The evidence of channels, which may be of one source, is averaged.
            speed_rpm: Shaft speed of each window, `[B]`; NaN, zero or less is unknown.

        Raises:
            ConfigError: Windows are too short for a speed, or their sampling rate too low.
        """
        if windows.ndim != 3:
            raise ConfigError(f"physics.lambda_freq needs windows [B, C, T], got {windows.ndim} dimensions")
        samples = windows.shape[-1]
        self.check_speeds(speed_rpm, samples=samples)
        shaft_hz = torch.where(_is_known(speed_rpm), speed_rpm, self._speed_limits(samples)[0]).float() / 60
        column = shaft_hz[:, None] * self._orders * (2 * samples / self.sample_rate_hz)
        power = envelope_power(windows, demodulate=self.demodulate)
        surprise = line_surprise(power, column, tolerance=self.tolerance).mean(dim=1)
        faults = contradiction(surprise, self._lines)
        healthy = 1 - faults.amin(dim=1, keepdim=True)
        return torch.cat([faults, healthy], dim=1)[:, self._place]

    def check_speeds(self, speed_rpm: Tensor, *, samples: int) -> None:
        """Refuse windows that cannot show the lines of faults apart at the speeds that are known.

        Args:
            speed_rpm: Shaft speeds, any shape; NaN, zero or less is unknown.
            samples: Samples per window.

        Raises:
            ConfigError: Windows are too short for the slowest, or their sampling rate too low for the fastest.
        """
        slowest_rpm, fastest_rpm = self._speed_limits(samples)
        known = _is_known(speed_rpm)
        if not bool((known & ((speed_rpm < slowest_rpm) | (speed_rpm > fastest_rpm))).any()):
            return
        slow, fast = speed_rpm[known].min().item(), speed_rpm[known].max().item()
        if fast > fastest_rpm:
            raise ConfigError(
                f"windows.sample_rate_hz must be at least {math.ceil(self.sample_rate_hz * fast / fastest_rpm)} for "
                f"the envelope to have all lines of {fast:.0f} rpm, got {self.sample_rate_hz:g}"
            )
        raise ConfigError(
            f"windows.length must be at least {math.ceil(samples * slowest_rpm / slow)} at {self.sample_rate_hz:g} Hz "
            f"to tell the lines of the faults apart at {slow:.0f} rpm, got {samples}"
        )

    def _speed_limits(self, samples: int) -> tuple[float, float]:
        """Return the slowest speed at which lines are resolved, and the fastest at which all are in the envelope."""
        low, high = BAND_OF_NYQUIST if self.demodulate else (0.0, 1.0)
        slowest_hz = RESOLUTION_BINS * self.sample_rate_hz / (samples * self._separation)
        return 60 * slowest_hz, 60 * (high - low) * self.sample_rate_hz / 2 / self._top


def _is_known(speed_rpm: Tensor) -> Tensor:
    return torch.isfinite(speed_rpm) & (speed_rpm > 0)
