"""The multi-view objective: each view of a window is classified by itself, and all together."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import nn

from raytrain.errors import ConfigError
from raytrain.models.opinion_pool import normalised_weights
from raytrain.objectives.targets import criterion_targets
from raytrain.types import Batch, Progress, StepLoss

__all__ = ["MultiView"]


class MultiView(nn.Module):
    """Minimise `sum_v w_v criterion(z_v, targets)` over the views of a model; implements `raytrain.types.Objective`.

    The model is called with `detailed=True` and states the scores z_v of each view and those it combines of them, which
    are what is evaluated. Each view's loss is logged by its name. Mixed batches reach the criterion as class shares.

    Source: of one loss per view beside a combined prediction, deep supervision, Lee et al., AISTATS 2015; here of the
    views of one window.

    Args:
        criterion: As for `Supervised`.
        weights: View -> weight, above 0; they are divided by their sum, once.

    Raises:
        ConfigError: There is no view, or a weight is not positive and finite (a view of weight zero would have
            parameters that nothing trains); at the first batch, when the model's views have other names.

    >>> from raytrain.models import Outputs
    >>> class Model(nn.Module):
    ...     def forward(self, inputs, *, detailed=False):
    ...         scores = sum(inputs.values()) / 2
    ...         return Outputs(scores=scores, embedding=scores, views=inputs) if detailed else scores
    >>> views = {"stft": torch.zeros(1, 2), "cwt": torch.tensor([[9.0, 0.0]])}
    >>> objective = MultiView(nn.CrossEntropyLoss(), {"stft": 3.0, "cwt": 1.0})
    >>> loss = objective(Model(), Batch(views, torch.tensor([0])), Progress(epoch=0, step=0, fraction=0.0))
    >>> loss.total, loss.terms["stft"]
    (tensor(0.5199), tensor(0.6931))
    """

    def __init__(self, criterion: nn.Module, weights: Mapping[str, float]) -> None:
        super().__init__()
        self.criterion = criterion
        self.weights = normalised_weights(tuple(weights), weights)

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:  # noqa: ARG002
        """Return the loss of `model` on `batch`."""
        said = model(batch.inputs, detailed=True)
        if said.views.keys() != self.weights.keys():
            raise ConfigError(
                f"tfr.weights are of the views {', '.join(self.weights)}, and the model states scores of "
                f"{', '.join(said.views) or 'none'}"
            )
        targets = criterion_targets(batch, said.scores)
        terms = {name: self.criterion(said.views[name], targets) for name in self.weights}
        return StepLoss(
            total=torch.stack([weight * terms[name] for name, weight in self.weights.items()]).sum(),
            logits=said.scores,
            terms={name: term.detach() for name, term in terms.items()},
            views=said.views,
            severity=said.severity,
        )
