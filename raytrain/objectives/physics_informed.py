"""The physics-informed objective: a data loss, and what the prediction contradicts of the machine's physics."""

from __future__ import annotations

from torch import nn

from raytrain.errors import ConfigError
from raytrain.losses.physics_informed import PhysicsInformedLoss
from raytrain.types import Batch, Progress, StepLoss

__all__ = ["PhysicsInformed"]


class PhysicsInformed(nn.Module):
    """Minimise a data loss and physics losses of the model's scores; implements `raytrain.types.Objective`.

    The physics losses see the inputs as the model does and the operating conditions of each sample. All terms are
    logged unweighted, as `data`, `frequency`, `sommerfeld` and `temporal`, those that there are.

    Source: see `raytrain.losses.PhysicsInformedLoss`.

    >>> import torch
    >>> from raytrain.losses.physical_constraint import PhysicalConstraintLoss
    >>> from raytrain.losses.temporal_smoothness import TemporalSmoothnessLoss
    >>> physics = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(hop_samples=4))
    >>> objective = PhysicsInformed(PhysicsInformedLoss(nn.CrossEntropyLoss(), physics))
    >>> place = {"recording": torch.tensor([0, 0]), "window_start": torch.tensor([0, 4])}
    >>> batch = Batch(torch.zeros(2, 1, 3), torch.tensor([0, 0]), place)
    >>> loss = objective(nn.Flatten(), batch, Progress(epoch=0, step=0, fraction=0.0))
    >>> loss.terms
    {'data': tensor(1.0986), 'temporal': tensor(0.)}

    Args:
        criterion: The losses and their weights.

    Raises:
        ConfigError: On a mixed batch: the sum of two machines' signals has no physics.
    """

    def __init__(self, criterion: PhysicsInformedLoss) -> None:
        super().__init__()
        self.criterion = criterion

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:  # noqa: ARG002
        """Return the loss of `model` on `batch`."""
        if batch.mixture is not None:
            raise ConfigError(
                "loss.name: 'physics_informed' needs windows of one machine and mixed ones are of two; remove mixup "
                "and cutmix from augmentation, or use another loss"
            )
        logits = model(batch.inputs)
        terms = self.criterion.terms(logits, batch)
        return StepLoss(
            total=self.criterion.combine(terms),
            logits=logits,
            terms={name: term.detach() for name, term in terms.items()},
        )
