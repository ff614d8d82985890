"""Cross-entropy with class weights and label smoothing, normalised by the number of samples."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional

from raytrain.errors import ConfigError
from raytrain.losses.class_weights import compute_class_weights

__all__ = ["CrossEntropy", "cross_entropy"]


def cross_entropy(logits: Tensor, targets: Tensor, *, weight: Tensor | None = None, smoothing: float = 0.0) -> Tensor:
    r"""Return the mean over samples of the smoothed, weighted cross-entropy.

    With `p` the softmax of a sample's logits and `y` its class, the sample's loss is::

        (1 - smoothing) w_y (-log p_y) + smoothing / K * sum_c w_c (-log p_c)

    (Szegedy et al. 2016, section 7). The sum over samples is divided by their number B. torch's own weighted
    mean divides by the weights that happen to be in the batch, so the mean over micro-batches or workers
    would not be that of the large batch; dividing by B makes the two equal, weighted by their sizes.

    Args:
        logits: Class scores `[B, K]`.
        targets: Class indices, int64 `[B]`.
        weight: Class weights `[K]`; best with mean one over the training samples, which keeps the loss's
            scale.
        smoothing: Share of the target spread evenly over all classes.
    """
    total = functional.cross_entropy(logits, targets, weight=weight, label_smoothing=smoothing, reduction="sum")
    return total / targets.shape[0]


class CrossEntropy(nn.Module):
    """`cross_entropy` with the class weights of a training set.

    The weights have mean one over the training samples and the loss is a mean over samples, so one optimizer
    step over k accumulated micro-batches, or over k workers, equals one step over the large batch.

    Args:
        targets: Class indices of the training samples, integers `[N]`.
        num_classes: Number of classes K.
        smoothing: Share of the target spread evenly over all classes, in [0, 1).
        class_weights: `balanced` weighs each class by the inverse of its frequency; `none` weighs all samples
            alike.

    Raises:
        ConfigError: A value is impossible.
        DataError: Balanced weights cannot be computed from `targets`.
    """

    weight: Tensor | None

    def __init__(
        self,
        targets: Tensor,
        num_classes: int,
        *,
        smoothing: float = 0.0,
        class_weights: Literal["none", "balanced"] = "balanced",
    ) -> None:
        super().__init__()
        if not 0 <= smoothing < 1:
            raise ConfigError(f"loss.smoothing must be at least 0 and below 1, got {smoothing:g}")
        if class_weights not in ("none", "balanced"):
            raise ConfigError(f"loss.class_weights must be none or balanced, got {class_weights!r}")
        self.smoothing = smoothing
        balanced = class_weights == "balanced"
        self.register_buffer("weight", compute_class_weights(targets, num_classes) if balanced else None)

    def forward(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the scalar loss of `logits` `[B, K]` for the class indices `targets` `[B]`."""
        return cross_entropy(logits, targets, weight=self.weight, smoothing=self.smoothing)
