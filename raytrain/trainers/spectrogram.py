"""The trainer on time-frequency images, parts of which are hidden while training."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.augment.spec_augment import SpecAugment
from raytrain.data.adapter import AnyLoader
from raytrain.engine.inputs import EachView
from raytrain.trainers.preparation import LearningRates, MixedPrecision
from raytrain.trainers.trainer import Trainer
from raytrain.types import BatchTransform, Callback, Objective

__all__ = ["SpectrogramTrainer"]


class SpectrogramTrainer(Trainer):
    """Train on time-frequency images with SpecAugment, the images made on the device, a batch at a time.

    Stripes of time and of frequency are hidden in training only, drawn for each sample.

    Source: Park et al., "SpecAugment", Interspeech 2019.

    >>> from raytrain.tfr import Stft
    >>> signals = torch.sin(torch.arange(512) * torch.tensor([[0.2], [0.4], [0.8], [1.6]]))[:, None]
    >>> batches = [(signals, torch.tensor([0, 0, 1, 1]))]
    >>> model = nn.Sequential(nn.AdaptiveAvgPool2d((8, 1)), nn.Flatten(), nn.Linear(8, 2))
    >>> trainer = SpectrogramTrainer(model, batches, transform=Stft(12_000.0), time_mask_param=3, device="cpu")
    >>> len(trainer.fit(3)["train/loss"])
    3

    Args:
        model: Returns class scores `[B, K]` of images `[B, C, F, T']`.
        train_loader: Batches to learn from.
        val_loader: Batches to judge each epoch by.
        transform: Makes images of signals; batches hold images already when absent.
        use_specaugment: Whether stripes are hidden while training.
        time_mask_param: Widest stripe of time in frames; widths are uniform from 0 to it.
        freq_mask_param: Widest stripe of frequency in bins; widths are uniform from 0 to it.
        num_time_masks: Stripes of time per image.
        num_freq_masks: Stripes of frequency per image.
        transforms: Applied before `transform`, to the signals.

    All others are as of `Trainer`.

    Raises:
        ConfigError: A setting is impossible.
    """

    def __init__(
        self,
        model: nn.Module,
        train_loader: AnyLoader,
        val_loader: AnyLoader | None = None,
        *,
        transform: BatchTransform | None = None,
        use_specaugment: bool = True,
        time_mask_param: int = 40,
        freq_mask_param: int = 20,
        num_time_masks: int = 2,
        num_freq_masks: int = 2,
        optimizer: Optimizer | None = None,
        criterion: nn.Module | None = None,
        objective: Objective | None = None,
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
        images: list[BatchTransform] = [] if transform is None else [transform]
        if use_specaugment:
            hide = SpecAugment(
                time_mask_param=time_mask_param,
                freq_mask_param=freq_mask_param,
                num_time_masks=num_time_masks,
                num_freq_masks=num_freq_masks,
            )
            images.append(EachView(hide))
        super().__init__(
            model,
            train_loader,
            val_loader,
            optimizer=optimizer,
            criterion=criterion,
            objective=objective,
            transforms=[*transforms, *images],
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
