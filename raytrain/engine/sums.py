"""What an epoch adds up over its samples: the loss, its terms and the correct predictions."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from raytrain.collective import rank, sum_over_workers
from raytrain.types import Batch, StepLoss

__all__ = ["EpochSums"]


class EpochSums:
    """Sums over an epoch's samples, in float64 on the device, so that adding a batch waits for nothing.

    Args:
        device: Where the losses are.
    """

    def __init__(self, device: torch.device) -> None:
        self._main = torch.zeros(3, dtype=torch.float64, device=device)
        self._terms: dict[str, Tensor] = {}

    @torch.no_grad()
    def add(self, loss: StepLoss, batch: Batch) -> None:
        """Add one batch; a mixed sample counts as correct by the share of the class that is predicted."""
        losses, hits, count = self._main.unbind()
        losses.add_(loss.total, alpha=len(batch))
        hits.add_(batch.hits(loss.logits.argmax(dim=1)).sum())
        count.add_(len(batch))
        for name, value in loss.terms.items():
            if name not in self._terms:
                self._terms[name] = torch.zeros_like(losses)
            self._terms[name].add_(value, alpha=len(batch))

    def metrics(self) -> dict[str, float]:
        """Return the means over the samples of all workers: `train/loss`, `train/accuracy`, `train/{term}`."""
        sums = self._all()
        sum_over_workers(sums)
        loss, correct, samples, *terms = sums.tolist()
        named = {f"train/{name}": value / samples for name, value in zip(sorted(self._terms), terms, strict=True)}
        return {"train/loss": loss / samples, "train/accuracy": correct / samples, **named}

    def state_dict(self, *, over_workers: bool) -> dict[str, Any]:
        """Return the sums so far: over all workers, which then must all ask, or this worker's own."""
        sums = self._all()
        if over_workers:
            sum_over_workers(sums)
        return {"sums": sums, "terms": sorted(self._terms)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Go on from sums over all workers: the first worker has them, the others begin from zero."""
        sums = state["sums"].to(self._main)
        if rank() > 0:
            sums = torch.zeros_like(sums)
        self._main.copy_(sums[:3])
        self._terms = {name: value.clone() for name, value in zip(state["terms"], sums[3:], strict=True)}

    def _all(self) -> Tensor:
        return torch.cat([self._main, *(self._terms[name].view(1) for name in sorted(self._terms))])
