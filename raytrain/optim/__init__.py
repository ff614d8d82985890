"""Optimizers, parameter groups and learning-rate schedules, and the tables that name them."""

from __future__ import annotations

from raytrain.optim.adam import create_adam_optimizer
from raytrain.optim.adamw import create_adamw_optimizer
from raytrain.optim.build import create_optimizer, create_schedule, create_scheduler
from raytrain.optim.cosine import create_cosine_scheduler
from raytrain.optim.exponential import create_exponential_scheduler
from raytrain.optim.one_cycle import create_onecycle_scheduler
from raytrain.optim.optimizer_config import OptimizerConfig
from raytrain.optim.param_groups import get_parameter_groups
from raytrain.optim.plateau import create_plateau_scheduler
from raytrain.optim.polynomial import PolynomialLRScheduler
from raytrain.optim.rmsprop import create_rmsprop_optimizer
from raytrain.optim.schedule import RunLength, Schedule
from raytrain.optim.sgd import create_sgd_optimizer
from raytrain.optim.step_decay import create_step_scheduler
from raytrain.optim.transformer_schedules import (
    create_noam_schedule,
    create_warmup_cosine_schedule,
    create_warmup_linear_schedule,
    get_scheduler,
)
from raytrain.optim.warm_restarts import create_cosine_warmrestarts_scheduler
from raytrain.optim.warmup import WarmupScheduler
from raytrain.optim.warmup_cosine import WarmupCosineScheduler

__all__ = [
    "OptimizerConfig",
    "PolynomialLRScheduler",
    "RunLength",
    "Schedule",
    "WarmupCosineScheduler",
    "WarmupScheduler",
    "create_adam_optimizer",
    "create_adamw_optimizer",
    "create_cosine_scheduler",
    "create_cosine_warmrestarts_scheduler",
    "create_exponential_scheduler",
    "create_noam_schedule",
    "create_onecycle_scheduler",
    "create_optimizer",
    "create_plateau_scheduler",
    "create_rmsprop_optimizer",
    "create_schedule",
    "create_scheduler",
    "create_sgd_optimizer",
    "create_step_scheduler",
    "create_warmup_cosine_schedule",
    "create_warmup_linear_schedule",
    "get_parameter_groups",
    "get_scheduler",
]
