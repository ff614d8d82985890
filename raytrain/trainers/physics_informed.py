"""The trainer whose predictions may not contradict the physics of the machine."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Literal

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.data.adapter import AnyLoader
from raytrain.errors import ConfigError
from raytrain.losses.consistency import create_consistency
from raytrain.losses.loss_data import LossData
from raytrain.models.classifier import Classifier
from raytrain.objectives.build import create_objective
from raytrain.physics.kinematics import BearingGeometry
from raytrain.trainers.fault_orders import fault_orders
from raytrain.trainers.preparation import LearningRates, MixedPrecision, first_window, prepare_loader
from raytrain.trainers.trainer import Trainer
from raytrain.types import BatchTransform, Callback

__all__ = ["PINNTrainer"]


class PINNTrainer(Trainer):
    """Train on the classes and on what a prediction contradicts of the machine's physics.

    Terms look at the measured windows and at the operating conditions of each sample, which batches carry:
    `shaft_speed_rpm` for the fault lines of a rolling-element bearing, `sommerfeld_number` for the lubrication of a
    journal bearing, `recording` and `window_start` for smoothness along time. History has each term, its weight and
    its gradient's norm, as `train/frequency`, `train/lambda_frequency`, `train/grad_norm_frequency`, ...

    Source: Karpatne et al., "Theory-guided data science", IEEE Trans. Knowl. Data Eng. 29 (2017) 2318-2331; of
    `grad_norm`, Wang, Teng & Perdikaris, SIAM J. Sci. Comput. 43 (2021) A3055-A3081.

    >>> batch = {
    ...     "inputs": torch.randn(4, 1, 4096, generator=torch.Generator().manual_seed(0)),
    ...     "targets": torch.tensor([0, 0, 1, 1]),
    ...     "shaft_speed_rpm": torch.full((4,), 1800.0),
    ... }
    >>> model = nn.Sequential(nn.AvgPool1d(64), nn.Flatten(), nn.Linear(64, 2))
    >>> trainer = PINNTrainer(
    ...     model,
    ...     [batch],
    ...     sample_rate_hz=12_000.0,
    ...     classes=["normal", "outer"],
    ...     bearing="6205",
    ...     lambda_temporal=0.0,
    ...     device="cpu",
    ... )
    >>> {"train/frequency", "train/lambda_frequency"} <= set(trainer.fit(2))
    True

    Args:
        model: Returns class scores `[B, K]`.
        train_loader: Batches to learn from, mappings or `raytrain.types.Batch` with the conditions named above.
        val_loader: Batches to judge each epoch by.
        sample_rate_hz: Sampling rate of the windows.
        classes: Names of the classes, in the order of the scores: `normal`, `inner`, `outer`, `ball`, or those of a
            journal bearing.
        bearing: A name of `raytrain.physics.BEARINGS`, or a geometry; none for a journal bearing.
        hop_samples: Samples from the start of a window to that of the next one in the same recording; their length when
            absent, so that each begins where the one before ends.
        lambda_freq: Weight of the fault lines; 1 for rolling-element bearings and 0 for journal bearings when absent.
        lambda_sommerfeld: Weight of the lubrication regime; 0.5 for journal bearings and 0 for others when absent.
        lambda_temporal: Weight of the change from one window to the next.
        adaptive_lambda: Whether weights follow `lambda_schedule`; they are constant otherwise.
        lambda_schedule: How weights rise from 0, or `grad_norm`, which balances the gradients.
        criterion: Of the scores and the classes; cross-entropy when absent.

    All others are as of `Trainer`.

    Raises:
        ConfigError: The bearing is unknown, a term does not fit the classes, or batches lack what it needs.
    """

    def __init__(
        self,
        model: nn.Module,
        train_loader: AnyLoader,
        val_loader: AnyLoader | None = None,
        *,
        sample_rate_hz: float,
        classes: Sequence[str],
        bearing: BearingGeometry | str | None = None,
        hop_samples: int | None = None,
        lambda_freq: float | None = None,
        lambda_sommerfeld: float | None = None,
        lambda_temporal: float = 0.1,
        adaptive_lambda: bool = True,
        lambda_schedule: Literal["linear", "exponential", "step", "grad_norm"] = "linear",
        optimizer: Optimizer | None = None,
        criterion: nn.Module | None = None,
        transforms: Sequence[BatchTransform] = (),
        device: str | torch.device | None = None,
        callbacks: Sequence[Callback] | None = None,
        gradient_accumulation_steps: int = 1,
        max_grad_norm: float | None = 1.0,
        mixed_precision: MixedPrecision = False,
        loss_scaling: Mapping[str, float] | None = None,
        lr_scheduler: LearningRates | None = None,
        checkpoint_dir: Path | str | None = None,
        seed: int | None = None,
    ) -> None:
        window = first_window(prepare_loader(train_loader), torch.device("cpu"))
        samples = window.signal.shape[-1]
        data = LossData(
            targets=window.targets,
            classes=tuple(classes),
            sample_rate_hz=sample_rate_hz,
            window_samples=samples,
            hop_samples=samples if hop_samples is None else hop_samples,
            fault_orders=None if bearing is None else fault_orders(bearing),
            conditions=tuple(window.conditions),
        )
        physics = create_consistency(
            data,
            lambda_freq=lambda_freq,
            lambda_sommerfeld=lambda_sommerfeld,
            lambda_temporal=lambda_temporal,
            adaptive_lambda=adaptive_lambda,
            lambda_schedule=lambda_schedule,
        )
        super().__init__(
            model,
            train_loader,
            val_loader,
            optimizer=optimizer,
            objective=create_objective(
                criterion or nn.CrossEntropyLoss(), physics=physics, detailed=isinstance(model, Classifier)
            ),
            transforms=transforms,
            device=device,
            callbacks=callbacks,
            gradient_accumulation_steps=gradient_accumulation_steps,
            max_grad_norm=max_grad_norm,
            mixed_precision=mixed_precision,
            loss_scaling=loss_scaling,
            lr_scheduler=lr_scheduler,
            checkpoint_dir=checkpoint_dir,
            seed=seed,
        )
        if len(data.classes) != self._num_classes:
            raise ConfigError(f"classes names {len(data.classes)}, and the model tells {self._num_classes} apart")
