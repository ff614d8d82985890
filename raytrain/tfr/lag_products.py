"""What Wigner-Ville distributions are the Fourier transform of: products of the signal before and after an instant."""

from __future__ import annotations

from torch import Tensor
from torch.nn import functional

__all__ = ["smoothed_lag_products"]


def smoothed_lag_products(analytic: Tensor, *, lag_window: Tensor, time_window: Tensor, hop: int) -> Tensor:
    """Return `h[m] sum_u g[u] z[n+u+m] z*[n+u-m]` for n = 0, hop, 2 hop, ... below T, complex `[..., M, T']`.

    The sum runs over |u| <= G // 2; outside the signal z is zero. One lag is worked on at a time: beside the result
    there are never more than about four arrays of T' x G values.

    >>> import torch
    >>> z = torch.tensor([1, 2, 3], dtype=torch.complex64)
    >>> smoothed_lag_products(z, lag_window=torch.ones(2), time_window=torch.ones(1), hop=1).real.tolist()
    [[1.0, 4.0, 9.0], [0.0, 3.0, 0.0]]

    Args:
        analytic: z, complex `[..., T]`.
        lag_window: h, real `[M]`, for lags 0 to M - 1; negative lags are the conjugates.
        time_window: g, real `[G]`, G odd.
        hop: Samples from one instant to the next.
    """
    samples, lags, width = analytic.shape[-1], len(lag_window), len(time_window)
    margin = lags - 1 + width // 2
    padded = functional.pad(analytic, (margin, margin))
    conjugate = padded.conj().resolve_conj()  # once, and not in each product
    span = (samples - 1) // hop * hop + width
    first = lags - 1

    def around(values: Tensor, shift: int) -> Tensor:
        """Return the values at n + u + shift as a view `[..., T', G]`."""
        return values[..., first + shift : first + shift + span].unfold(-1, width, hop)

    weights = (lag_window[:, None] * time_window).to(analytic.dtype)
    # The result as a whole first: small results kept between the large products would leave holes in the heap.
    products = analytic.new_empty(*analytic.shape[:-1], lags, (samples - 1) // hop + 1)
    for lag, weight in enumerate(weights):
        products[..., lag, :] = (around(padded, lag) * around(conjugate, -lag)) @ weight
    return products
