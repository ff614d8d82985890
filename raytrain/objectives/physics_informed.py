"""The physics-informed objective: a data loss, and what the prediction contradicts of the machine's physics."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from raytrain.collective import world_size
from raytrain.errors import ConfigError
from raytrain.losses.physics_terms import PhysicsTerms
from raytrain.objectives.gradient_statistics import gradient_statistics
from raytrain.types import Batch, Objective, Progress, StepLoss

__all__ = ["PhysicsInformed"]

_NEW_SHARE = 0.1
"""Share of a new estimate in the moving average of the balance of gradients."""


class PhysicsInformed(nn.Module):
    """Minimise `L + sum_i lambda_i L_i`, L of another objective and L_i of physics; a `raytrain.types.Objective`.

    The physics losses see the measured windows and the operating conditions of each sample, whatever the model sees;
    where the model states a severity, that is held against the lubrication regime. The weights lambda_i rise with the
    share of training done (`raytrain.losses.lambda_schedule.ramp`), or, by `grad_norm`, follow the gradients with
    respect to the model's parameters theta::

        lambda_i = lambda_i,0 b_i      b_i <- 0.9 b_i + 0.1 max |grad_theta L| / mean |grad_theta L_i|

    with b_i = 1 at the start, at every `gradient_interval`-th optimizer step, on its first micro-batch, of all workers
    together (Wang et al. 2021, algorithm 1, where lambda_i,0 = 1). A loss without gradient leaves b_i as it is. Nothing
    is measured while the model is in evaluation mode.

    Logged, beside the base's own terms: its loss as `data` and each L_i by its name (`frequency`, `sommerfeld`,
    `temporal`), unweighted; each `lambda_<term>`; and `grad_norm_data` and each `grad_norm_<term>`, the norm of the
    gradient of the unweighted loss over all parameters when it was last measured.

    Source: Wang, Teng & Perdikaris, "Understanding and mitigating gradient flow pathologies in physics-informed neural
    networks", SIAM J. Sci. Comput. 43 (2021) A3055-A3081; of the terms, see `raytrain.losses`.

    >>> from raytrain.losses import PhysicalConstraintLoss, TemporalSmoothnessLoss
    >>> from raytrain.objectives import Supervised
    >>> smooth = PhysicalConstraintLoss(temporal=TemporalSmoothnessLoss(1.0, hop_samples=4))
    >>> objective = PhysicsInformed(Supervised(nn.CrossEntropyLoss()), PhysicsTerms(smooth, schedule="linear"))
    >>> place = {"recording": torch.tensor([0, 0]), "window_start": torch.tensor([0, 4])}
    >>> batch = Batch(torch.tensor([[[9.0, 0.0]], [[0.0, 9.0]]]), torch.tensor([0, 1]), place)
    >>> loss = objective(nn.Flatten(), batch, Progress(epoch=0, step=10, fraction=0.25))
    >>> {name: round(loss.terms[name].item(), 4) for name in ("data", "temporal", "lambda_temporal")}
    {'data': 0.0001, 'temporal': 0.9995, 'lambda_temporal': 0.05}

    Args:
        base: The data loss.
        physics: The physics losses, their weights, and how these change.
        data_weight: Of the data loss.

    Raises:
        ConfigError: On a mixed batch: the sum of two machines' signals has no physics.
    """

    base: Objective
    balance: Tensor
    gradient_norms: Tensor
    measured_step: Tensor

    def __init__(self, base: nn.Module, physics: PhysicsTerms, *, data_weight: float = 1.0) -> None:
        super().__init__()
        self.add_module("base", base)
        self.physics, self.data_weight = physics, data_weight
        count = len(physics.lambdas)
        self.register_buffer("balance", torch.ones(count, dtype=torch.float64))
        self.register_buffer("gradient_norms", torch.zeros(1 + count, dtype=torch.float64))
        self.register_buffer("measured_step", torch.tensor(-1))

    def forward(self, model: nn.Module, batch: Batch, progress: Progress) -> StepLoss:
        """Return the loss of `model` on `batch`."""
        if batch.mixture is not None:
            raise ConfigError(
                "physics needs windows of one machine and mixed ones are of two; remove mixup and cutmix from "
                "augmentation, or use physics: {name: none}"
            )
        base = self.base(model, batch, progress)
        terms = self.physics(base.logits, batch, severity=base.severity)
        if self._is_due(model, progress):
            self._measure(model, {"data": base.total, **terms}, batch, progress)
        lambdas = self._lambdas(progress)
        weighted = [lambdas[name].to(term.dtype) * term for name, term in terms.items()]
        return replace(
            base,
            total=self.data_weight * base.total + torch.stack(weighted).sum(),
            terms={**base.terms, **self._logged({"data": base.total, **terms}, lambdas)},
        )

    def _lambdas(self, progress: Progress) -> dict[str, Tensor]:
        weights = self.physics.weights(progress)
        if self.physics.schedule == "grad_norm":
            return {name: weight * one for (name, weight), one in zip(weights.items(), self.balance, strict=True)}
        return {name: torch.full_like(self.balance[0], weight) for name, weight in weights.items()}

    def _logged(self, losses: Mapping[str, Tensor], lambdas: Mapping[str, Tensor]) -> dict[str, Tensor]:
        norms = self.gradient_norms.clone()  # of this batch, where the buffer changes with the next
        return {
            **{name: loss.detach() for name, loss in losses.items()},
            **{f"lambda_{name}": weight for name, weight in lambdas.items()},
            **{f"grad_norm_{name}": norm for name, norm in zip(losses, norms, strict=True)},
        }

    def _is_due(self, model: nn.Module, progress: Progress) -> bool:
        if progress.step % self.physics.gradient_interval or not (model.training and torch.is_grad_enabled()):
            return False
        return int(self.measured_step) != progress.step

    def _measure(self, model: nn.Module, losses: Mapping[str, Tensor], batch: Batch, progress: Progress) -> None:
        """Measure the gradient of each loss, and let the balance follow it."""
        parameters = [parameter for parameter in model.parameters() if parameter.requires_grad]
        if not parameters:
            return
        weight = len(batch) * world_size() / batch.total
        found = [gradient_statistics(loss, parameters, weight=weight) for loss in losses.values()]
        norms = torch.stack([one.norm for one in found])
        self.gradient_norms.copy_(torch.where(norms.isfinite(), norms, self.gradient_norms))
        ratio = found[0].largest / torch.stack([one.mean for one in found[1:]])
        followed = (1 - _NEW_SHARE) * self.balance + _NEW_SHARE * ratio
        self.balance.copy_(torch.where(ratio.isfinite() & (ratio > 0), followed, self.balance))
        self.measured_step.fill_(progress.step)
