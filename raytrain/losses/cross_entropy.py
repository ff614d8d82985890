"""Cross-entropy with class weights and label smoothing, normalised by the number of samples."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.full_precision import full_precision

__all__ = ["LabelSmoothingCrossEntropy", "cross_entropy"]


def cross_entropy(logits: Tensor, targets: Tensor, *, weight: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    r"""Return the mean over samples of the smoothed, weighted cross-entropy.

    With `p` the softmax of a sample's logits and `y_c` the share of class c in its target, one-hot where the target is
    an index, the sample's loss is::

        sum_c w_c ((1 - smoothing) y_c + smoothing / K) (-log p_c)

    (Szegedy et al. 2016, section 7). It is linear in the shares. The sum over samples is divided by their number B, for
    indices and shares alike. torch's own weighted mean divides by B for shares, but for indices by the weights that
    happen to be in the batch: the same labels would give two values, and the mean over micro-batches or workers would
    not be that of the large batch. Divided by B, means weighted by batch size are exact.

    Args:
        logits: Class scores `[B, K]`.
        targets: Class indices, int64 `[B]`, or class shares, floats `[B, K]` whose rows sum to one.
        weight: Class weights `[K]`; best with mean one over the training samples, which keeps the loss's
            scale.
        smoothing: Share of the target spread evenly over all classes.

    >>> import torch
    >>> cross_entropy(torch.zeros(4, 2), torch.tensor([0, 1, 1, 0]))
    tensor(0.6931)
    """
    scores = full_precision(logits)
    total = functional.cross_entropy(
        scores,
        targets,
        weight=None if weight is None else weight.to(scores.dtype),
        label_smoothing=smoothing,
        reduction="sum",
    )
    return total / targets.shape[0]


class LabelSmoothingCrossEntropy(nn.Module):
    """Cross-entropy with smoothed targets and class weights, a mean over samples.

    `smoothing=0` is plain cross-entropy. The sum over samples is divided by their number, not by their weights; see
    `cross_entropy`, which has the formula. With weights of mean one over the training samples, one optimizer step over
    k accumulated micro-batches, or over k workers, equals one step over the large batch.

    Source: C. Szegedy, V. Vanhoucke, S. Ioffe, J. Shlens, Z. Wojna, "Rethinking the Inception architecture for computer
    vision", CVPR 2016.

    Args:
        smoothing: Share of the target spread evenly over all classes, in [0, 1).
        weight: Class weights `[K]`; None weighs all samples alike.

    Raises:
        ConfigError: `smoothing` is impossible.

    >>> import torch
    >>> LabelSmoothingCrossEntropy(0.1)(torch.tensor([[4.0, 0.0]]), torch.tensor([0]))
    tensor(0.2181)
    """

    weight: Tensor | None

    def __init__(self, smoothing: float = 0.1, weight: Tensor | None = None) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError(f"loss.smoothing must be at least 0 and below 1, got {smoothing:g}")
        self.smoothing = smoothing
        self.register_buffer("weight", weight)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar loss of `logits` `[B, K]` for class indices `[B]` or class shares `[B, K]`."""
        return cross_entropy(logits, targets, weight=self.weight, smoothing=self.smoothing)
