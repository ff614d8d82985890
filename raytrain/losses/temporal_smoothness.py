"""A physics loss: a fault does not come and go between two neighbouring windows of one recording."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn

from raytrain.errors import ConfigError
from raytrain.losses.conditions import condition
from raytrain.losses.full_precision import full_precision
from raytrain.losses.gather import gather_rows
from raytrain.types import Batch

__all__ = ["TemporalSmoothnessLoss", "adjacent_windows", "temporal_smoothness"]


def adjacent_windows(recording: Tensor, window_start: Tensor, *, hop_samples: int) -> tuple[Tensor, Tensor]:
    """Return the indices of the earlier and the later window of each pair of neighbours in a batch, int64 `[P]` each.

    Neighbours are of one recording and start exactly one hop apart, wherever they stand in the batch.

    Args:
        recording: Recording of each window, integers `[B]`.
        window_start: First sample of each window within its recording, integers `[B]`.
        hop_samples: Samples from the start of a window to that of the next.
    """
    same = recording[:, None] == recording
    earlier, later = (same & (window_start - window_start[:, None] == hop_samples)).nonzero(as_tuple=True)
    return earlier, later


def temporal_smoothness(probability: Tensor, earlier: Tensor, later: Tensor) -> Tensor:
    """Return the sum over pairs of `sum_c (p_later,c - p_earlier,c)²`, divided by the number of windows.

    A window is the later one of at most one pair, so this is the mean over windows of the change since the one before,
    0 where that is not there; exactly 0 without pairs.

    Args:
        probability: Class probabilities p, `[B, K]`.
        earlier: Index of each pair's first window, int64 `[P]`.
        later: Index of its second.
    """
    change = probability[later] - probability[earlier]
    return change.square().sum() / len(probability)


class TemporalSmoothnessLoss(nn.Module):
    """Squared change of the class probabilities between windows that follow each other in a recording.

    `L = lambda / B sum over pairs of sum_c (p_later,c - p_earlier,c)²`, over the pairs that the batch of B windows
    happens to hold: a shuffled batch of few of many windows holds few, unless neighbours stay together
    (`TrainConfig.neighbours`). Without a pair it is exactly 0, still with a graph. In a process group the batch is that
    of all workers: probabilities are gathered, with gradient, and every worker returns the loss of the whole, so that
    its gradient after DistributedDataParallel is that of one worker with the large batch. Pairs that accumulation has
    torn apart, one window in each of two micro-batches, do not count.

    Source: the smoothness assumption of semi-supervised learning, Chapelle, Schölkopf & Zien (2006), ch. 1; along time,
    Wiskott & Sejnowski, "Slow feature analysis", Neural Comput. 14 (2002) 715-770.

    >>> loss = TemporalSmoothnessLoss(lambda_smooth=0.1, hop_samples=512)
    >>> place = {"recording": torch.tensor([3, 3, 4]), "window_start": torch.tensor([512, 0, 1024])}
    >>> batch = Batch(torch.zeros(3, 1, 8), torch.tensor([0, 0, 1]), place)
    >>> round(loss(torch.tensor([[20.0, 0.0], [0.0, 20.0], [0.0, 20.0]]), batch).item(), 4)
    0.0667

    Args:
        lambda_smooth: Factor of the loss.
        hop_samples: Samples from the start of a window to that of the next one in the same recording; the length of the
            batch's windows when absent, so that each begins where the one before ends.

    Raises:
        ConfigError: `hop_samples` is not positive, or `lambda_smooth` is negative or not finite.
    """

    def __init__(self, lambda_smooth: float = 0.1, *, hop_samples: int | None = None) -> None:
        super().__init__()
        if hop_samples is not None and hop_samples < 1:
            raise ConfigError(f"hop_samples must be at least 1, got {hop_samples}")
        if not 0 <= lambda_smooth < math.inf:
            raise ConfigError(f"lambda_smooth must be at least 0 and finite, got {lambda_smooth:g}")
        self.hop_samples, self.lambda_smooth = hop_samples, lambda_smooth

    def forward(self, logits: Tensor, batch: Batch) -> Tensor:
        """Return the scalar loss of `logits` `[B, K]`; `batch` has the conditions `recording` and `window_start`."""
        hop_samples = batch.measured.shape[-1] if self.hop_samples is None else self.hop_samples
        probability, recording, start = gather_rows(
            torch.softmax(full_precision(logits), dim=-1),
            condition(batch, "recording"),
            condition(batch, "window_start"),
        )
        earlier, later = adjacent_windows(recording, start, hop_samples=hop_samples)
        return self.lambda_smooth * temporal_smoothness(probability, earlier, later)
