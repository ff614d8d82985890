"""Adversarial examples by the fast gradient sign method."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace

import torch
from torch import Tensor, nn

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_not_negative, check_share
from raytrain.augment.draws import change_share
from raytrain.errors import RunError
from raytrain.types import Batch, Objective, Progress

__all__ = ["AdversarialAugmentation", "adversarial_augmentation"]


def adversarial_augmentation(
    signal: Tensor, loss: Callable[[Tensor], Tensor], *, model: nn.Module, epsilon: float = 0.01
) -> Tensor:
    """Return `signal + epsilon sign(d loss / d signal)`, the step of size `epsilon` that raises the loss fastest.

    Only the gradient with respect to the signal is computed: parameters keep the gradients they have. Meanwhile the
    model is in evaluation mode, so dropout draws nothing, BatchNorm's statistics are used and not updated, and
    samples do not influence each other; every module is then put back into the mode it was in. Works under
    `torch.no_grad()`. Where the gradient is exactly 0 the signal stays. Source: I. Goodfellow, J. Shlens, C. Szegedy,
    "Explaining and harnessing adversarial examples", ICLR 2015 (FGSM, equation in section 4).

    Args:
        signal: `[B, C, T]`.
        loss: Maps a signal to the scalar loss, by way of `model`.
        model: Put into evaluation mode while the loss is computed.
        epsilon: Largest change of a sample, in units of the signal (1 = the deviation of a standardised window).

    Raises:
        ConfigError: `epsilon` is negative.

    >>> model = nn.Linear(3, 1, bias=False)
    >>> _ = nn.init.ones_(model.weight)
    >>> adversarial_augmentation(torch.zeros(1, 1, 3), lambda signal: -model(signal).sum(), model=model, epsilon=0.5)
    tensor([[[-0.5000, -0.5000, -0.5000]]])
    """
    check_not_negative("epsilon", epsilon)
    with torch.enable_grad(), _evaluating(model):
        varied = signal.detach().requires_grad_()
        (gradient,) = torch.autograd.grad(loss(varied), varied)
    return signal + epsilon * gradient.sign()


@contextmanager
def _evaluating(model: nn.Module) -> Iterator[None]:
    modes = [(module, module.training) for module in model.modules()]
    model.eval()
    try:
        yield
    finally:
        for module, training in modes:
            module.training = training


class AdversarialAugmentation(Augmentation):
    """Adversarial examples of the model being trained (`adversarial_augmentation`); costs a forward and backward pass.

    The loss is that of the run's objective, given to `bind`; it is computed in the signal's own precision.

    Args:
        epsilon: Largest change of a sample, in units of the signal (1 = the deviation of a standardised window).
        probability: Share of samples that are changed, in [0, 1].

    Raises:
        ConfigError: A value is impossible.
        RunError: Called before `bind`.

    >>> AdversarialAugmentation(epsilon=0.02).epsilon
    0.02
    """

    def __init__(self, *, epsilon: float = 0.01, probability: float = 1.0) -> None:
        self.epsilon = check_not_negative("epsilon", epsilon)
        self.probability = check_share("probability", probability)
        self._bound: tuple[nn.Module, Objective] | None = None

    def bind(self, model: nn.Module, objective: Objective) -> None:
        """Attack this model on this objective."""
        self._bound = model, objective

    def __call__(self, batch: Batch, progress: Progress, generator: torch.Generator) -> Batch:
        """Return the batch with inputs `[B, C, T]` that the model finds harder."""
        if self._bound is None:
            raise RunError("augmentation adversarial needs the run's model: call bind(model, objective) first")
        model, objective = self._bound

        def loss(signal: Tensor) -> Tensor:
            return objective(model, replace(batch, inputs=signal), progress).total

        changed = adversarial_augmentation(batch.signal, loss, model=model, epsilon=self.epsilon)
        inputs = change_share(batch.signal, changed, probability=self.probability, generator=generator)
        return replace(batch, inputs=inputs)
