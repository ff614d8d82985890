"""Dropout of a model on several workers: the masks that one process would draw, each worker its rows of them."""

from __future__ import annotations

from torch import Tensor, nn

from raytrain.errors import RunError
from raytrain.types import Batch, Share

__all__ = ["DROPOUTS", "SharedDropout"]

DROPOUTS = (nn.Dropout, nn.Dropout1d, nn.Dropout2d, nn.Dropout3d)
"""Layers that multiply their input by a mask they draw."""


class SharedDropout(nn.Module):
    """A dropout layer whose mask is a worker's rows of the one drawn for the global batch.

    The mask is drawn by the layer itself from torch's global generator, for the rows of all workers. Where these have
    seeded it alike it stays in the same state on each of them, masks are those of one process that has the whole batch,
    and one worker's random state resumes all; N workers together draw N times as much. The products may differ in
    the last place where a device multiplies mask and scale apart.

    Rows are the first dimension. It may be a multiple of the batch's size, such as patches, which follow each other
    sample by sample. In evaluation nothing changes, and there is nothing to save.

    Source of dropout: N. Srivastava et al., "Dropout", JMLR 15:1929, 2014.

    Args:
        layer: The layer that draws, one of `DROPOUTS`.

    Raises:
        RunError: The rows are not a multiple of the batch's.

    >>> import torch
    >>> whole, ones = nn.Dropout(0.5), torch.ones(6, 1)
    >>> _ = torch.manual_seed(1)
    >>> whole(ones).flatten()
    tensor([2., 2., 2., 2., 0., 2.])
    >>> part = SharedDropout(whole)
    >>> part.place(Batch(ones[:2], torch.tensor([0, 1]), share=Share(first=4, total=6)))
    >>> _ = torch.manual_seed(1)
    >>> part(ones[:2]).flatten()
    tensor([0., 2.])
    """

    def __init__(self, layer: nn.Module) -> None:
        super().__init__()
        self.layer = layer
        self._size = 0
        self._share: Share | None = None

    def place(self, batch: Batch) -> None:
        """Draw for this batch from now on."""
        self._size, self._share = len(batch), batch.share

    def forward(self, inputs: Tensor) -> Tensor:
        """Return the inputs `[n B, ...]` with some of their values set to zero, the others scaled up."""
        share = self._share
        if not self.training or share is None:
            alone: Tensor = self.layer(inputs)
            return alone
        times, rest = divmod(len(inputs), self._size)
        if rest:
            raise RunError(f"dropout cannot tell the samples apart: {len(inputs)} rows in a batch of {self._size}")
        mask: Tensor = self.layer(inputs.new_ones(times * share.total, *inputs.shape[1:]))
        first = times * share.first
        return inputs * mask[first : first + len(inputs)]
