"""Whether probabilities are honest: of the predictions made with confidence p, a share p should be right."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.errors import ConfigError
from raytrain.metrics.inputs import checked_probabilities

__all__ = ["check_bins", "compute_expected_calibration_error", "confidence_bins"]


def confidence_bins(confidences: Tensor, bins: int) -> Tensor:
    """Return the index m of each confidence's bin `(m / bins, (m + 1) / bins]`, int64; 0 is in the first."""
    inner = torch.arange(1, bins, dtype=torch.float64, device=confidences.device) / bins
    return torch.bucketize(confidences, inner)


def check_bins(name: str, bins: int) -> None:
    """Refuse a number of bins that is none.

    Raises:
        ConfigError: It is below 1.
    """
    if bins < 1:
        raise ConfigError(f"{name} must be at least 1, got {bins}")


def compute_expected_calibration_error(probabilities: Tensor, targets: Tensor, *, bins: int = 15) -> float:
    """Return the mean gap between confidence and accuracy, over bins of equal width.

    A sample's confidence is the probability of its predicted class (the highest; of equal ones the first). Bin m
    of M holds the confidences in `((m - 1) / M, m / M]`, and with `n_m` samples of N in it::

        ECE = sum_m n_m / N * |accuracy of bin m - mean confidence of bin m|

    (Guo et al. 2017, "On calibration of modern neural networks", equation 3). Empty bins add nothing.

    >>> compute_expected_calibration_error(torch.tensor([[0.75, 0.25]] * 4), torch.tensor([0, 0, 0, 1]))
    0.0
    >>> compute_expected_calibration_error(torch.tensor([[1.0, 0.0]] * 4), torch.tensor([0, 0, 0, 1]))
    0.25

    Args:
        probabilities: Class probabilities `[N, K]`.
        targets: True class indices, integers `[N]`.
        bins: Number of bins M.

    Raises:
        ConfigError: `bins` is below 1.
        DataError: There are no samples, a probability is NaN or outside [0, 1], or probabilities and targets do
            not fit each other.
    """
    check_bins("bins", bins)
    values, indices = checked_probabilities(probabilities, targets)
    predictions = values.argmax(dim=1)
    confidences = values.gather(1, predictions[:, None]).squeeze(1)
    gaps = (predictions == indices).double() - confidences
    # n_m |accuracy - mean confidence| is the size of the bin's summed gaps.
    sums = gaps.new_zeros(bins).index_add_(0, confidence_bins(confidences, bins), gaps)
    return float(sums.abs().sum()) / len(gaps)
