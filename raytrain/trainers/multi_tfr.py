"""The trainer on several time-frequency images of each window at once."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import nn
from torch.optim import Optimizer

from raytrain.data.adapter import AnyLoader
from raytrain.errors import ConfigError
from raytrain.models.multi_view import SharedViews
from raytrain.objectives.build import create_objective
from raytrain.trainers.preparation import LearningRates, MixedPrecision
from raytrain.trainers.spectrogram import SpectrogramTrainer
from raytrain.trainers.views import one_loader, sees_views, weights_of_views
from raytrain.types import BatchTransform, Callback

__all__ = ["MultiTFRTrainer"]


class MultiTFRTrainer(SpectrogramTrainer):
    """Train on several time-frequency images of each window, whose predictions are weighted and combined.

    The loss is the weighted sum of each view's; the combined prediction is the weighted mean of the views'
    probabilities, and is judged beside each view's own, as `val/stft/accuracy`, ... Weights are normalised to a sum of
    1, once.

    Source: of the combination, the linear opinion pool of Stone, Ann. Math. Stat. 32 (1961) 1339-1342.

    >>> images = torch.rand(4, 1, 8, 8, generator=torch.Generator().manual_seed(0))
    >>> targets = torch.tensor([0, 0, 1, 1])
    >>> loaders = {"stft": [(images, targets)], "cwt": [(images.square(), targets)]}
    >>> model = nn.Sequential(nn.Flatten(), nn.Linear(64, 2))
    >>> weights = {"stft": 2.0, "cwt": 1.0}
    >>> trainer = MultiTFRTrainer(model, train_loaders=loaders, tfr_weights=weights, device="cpu")
    >>> {"train/stft", "train/cwt"} <= set(trainer.fit(1))
    True

    Args:
        model: A `raytrain.models.multi_view.MultiViewNet`, or a model of one image, which is shared by all views.
        train_loader: Batches to learn from: signals, or mappings of images where there is no `transform`.
        val_loader: Batches to judge each epoch by.
        train_loaders: By view instead, images; batch by batch of the same windows.
        val_loaders: By view instead.
        tfr_weights: Of the views, above 0; those of the model or of the transform, else all alike, when absent.
        transform: Makes the views, such as `raytrain.tfr.Views`.
        criterion: Of a view's scores and the classes; cross-entropy when absent.

    All others are as of `SpectrogramTrainer`.

    Raises:
        ConfigError: Loaders are given twice or not at all, or weights do not fit the views.
        DataError: Loaders of different views give different targets.
    """

    def __init__(
        self,
        model: nn.Module,
        train_loader: AnyLoader | None = None,
        val_loader: AnyLoader | None = None,
        *,
        train_loaders: Mapping[str, AnyLoader] | None = None,
        val_loaders: Mapping[str, AnyLoader] | None = None,
        tfr_weights: Mapping[str, float] | None = None,
        transform: BatchTransform | None = None,
        use_specaugment: bool = True,
        time_mask_param: int = 40,
        freq_mask_param: int = 20,
        num_time_masks: int = 2,
        num_freq_masks: int = 2,
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
        train = one_loader(train_loader, train_loaders, name="train")
        if train is None:
            raise ConfigError("train_loader, or train_loaders with a loader of each view, is needed; got neither")
        weights = weights_of_views(model, train, transform, tfr_weights)
        super().__init__(
            model if sees_views(model) else SharedViews(model, weights=weights),
            train,
            one_loader(val_loader, val_loaders, name="val"),
            transform=transform,
            use_specaugment=use_specaugment,
            time_mask_param=time_mask_param,
            freq_mask_param=freq_mask_param,
            num_time_masks=num_time_masks,
            num_freq_masks=num_freq_masks,
            optimizer=optimizer,
            objective=create_objective(criterion or nn.CrossEntropyLoss(), view_weights=weights),
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
