"""An optimizer with its settings as a value, and four proven ones."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

from torch import nn
from torch.optim import Optimizer
from torch.optim.optimizer import ParamsT

from raytrain.optim.adam import create_adam_optimizer
from raytrain.optim.adamw import create_adamw_optimizer
from raytrain.optim.rmsprop import create_rmsprop_optimizer
from raytrain.optim.sgd import create_sgd_optimizer

__all__ = ["ALGORITHMS", "OptimizerConfig"]

ALGORITHMS: dict[str, Callable[..., Optimizer]] = {
    "adam": create_adam_optimizer,
    "adamw": create_adamw_optimizer,
    "rmsprop": create_rmsprop_optimizer,
    "sgd": create_sgd_optimizer,
}
"""Name -> function, called as `create(params, *, settings...)`."""


@dataclass(frozen=True, slots=True)
class OptimizerConfig:
    """An optimizer's name and settings; the presets are class methods.

    `default` and `strong_regularization` are AdamW (Loshchilov & Hutter 2019), the latter with the decay of Touvron et
    al. 2021; `fast_convergence` is AdamW with the moments of Howard & Gugger 2020; `sgd_baseline` is the SGD of
    Zagoruyko & Komodakis 2016. Each is also an optimizer of that name in a configuration.

    Attributes:
        name: The algorithm.
        lr: Learning rate, the peak of the schedule.
        weight_decay: Weight decay, of the algorithm's kind.
        settings: The algorithm's other settings, by name.

    >>> config = OptimizerConfig.sgd_baseline()
    >>> config.name, config.lr, config.weight_decay, dict(config.settings)
    ('sgd', 0.01, 0.0005, {'momentum': 0.9, 'nesterov': True})
    >>> optimizer = config.create(nn.Linear(4, 3))
    >>> optimizer.param_groups[0]["momentum"]
    0.9
    """

    name: Literal["adam", "adamw", "rmsprop", "sgd"]
    lr: float
    weight_decay: float
    settings: Mapping[str, Any] = field(default_factory=dict)

    @classmethod
    def default(cls) -> OptimizerConfig:
        """AdamW at 1e-3 with little decay: a start for any of the models."""
        return cls("adamw", lr=1e-3, weight_decay=1e-4)

    @classmethod
    def fast_convergence(cls) -> OptimizerConfig:
        """AdamW at 3e-3 with a shorter memory of squared gradients (beta2 0.99, Howard & Gugger 2020): short runs."""
        return cls("adamw", lr=3e-3, weight_decay=1e-4, settings={"betas": (0.9, 0.99)})

    @classmethod
    def strong_regularization(cls) -> OptimizerConfig:
        """AdamW at 5e-4 with a decay of 0.05 (as for vision transformers, Touvron et al. 2021): few recordings."""
        return cls("adamw", lr=5e-4, weight_decay=5e-2)

    @classmethod
    def sgd_baseline(cls) -> OptimizerConfig:
        """SGD with Nesterov momentum 0.9 and decay 5e-4 (Zagoruyko & Komodakis 2016), at 1e-2: a reference."""
        return cls("sgd", lr=1e-2, weight_decay=5e-4, settings={"momentum": 0.9, "nesterov": True})

    def create(self, params: nn.Module | ParamsT) -> Optimizer:
        """Create the optimizer over a model's decay groups, or over parameters or groups as they are.

        Raises:
            ConfigError: A value is impossible, or there is nothing to optimise.
        """
        return ALGORITHMS[self.name](params, lr=self.lr, weight_decay=self.weight_decay, **self.settings)
