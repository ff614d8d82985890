"""The training loop one would write by hand for this one task, with nothing in it that the task does not need."""

from __future__ import annotations

import math
from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from torch.nn import functional
from torch.optim.lr_scheduler import LambdaLR

from raytrain.config.schema import TrainConfig
from raytrain.data.segments import PartName
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.losses.class_weights import compute_class_weights
from raytrain.models.build import create_model
from raytrain.models.classifier import Inputs
from tests.benchmarks.comparison import Outcome

__all__ = ["Part", "PlainLoop", "Rows"]

WARMUP, FINAL, LR, DECAY = 0.05, 0.01, 1e-3, 1e-4
EVALUATED_AT_ONCE = 256
BINS = 15

Rows: TypeAlias = Tensor | slice
"""Which windows of a part: indices `[B]`, or a stretch of them, which copies nothing."""


@dataclass(frozen=True, slots=True)
class Part:
    """All windows of a part of the split, cut and normalised beforehand.

    Attributes:
        inputs: `[N, C, T]`.
        targets: Classes `[N]`.
        windows: Where they come from.
    """

    inputs: Tensor
    targets: Tensor
    windows: Windows


class PlainLoop:
    """AdamW, warm-up cosine and clipping on windows that lie normalised in one tensor.

    A loop for another task says what else its model sees (`inputs`), what it minimises (`loss`), in which order it
    visits the windows (`order`) and what it does beforehand (`begin`).

    Args:
        config: Model, batch size, epochs and seed are taken from it.
        store: Where the windows are cut from, here, before `train`.
    """

    def __init__(self, config: TrainConfig, store: SegmentStore) -> None:
        self.config = config
        self.classes = len(store.classes)
        self.training, self.validation = _part(store, "train", config), _part(store, "validation", config)
        torch.manual_seed(config.seed)
        self.model = create_model(
            config.model.name, in_channels=1, num_classes=self.classes, settings=config.model.settings
        )
        self.parameters = list(self.model.parameters())
        groups = [
            {"params": [one for one in self.parameters if one.ndim > 1], "weight_decay": DECAY},
            {"params": [one for one in self.parameters if one.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=LR, fused=True)
        self.weight = compute_class_weights(self.training.targets, num_classes=self.classes)
        self.batches = math.ceil(len(self.training.targets) / config.batch_size)
        self.step = 0
        self.steps = self.batches * config.epochs
        warmup = round(WARMUP * self.steps)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            done = min(1.0, (step - warmup) / (self.steps - warmup))
            return FINAL + (1 - FINAL) * (1 + math.cos(math.pi * done)) / 2

        self.schedule = LambdaLR(self.optimizer, factor)

    def train(self) -> Outcome:
        """Train all epochs, evaluate after each, and return the metrics of the last."""
        self.begin()
        metrics: dict[str, float] = {}
        for epoch in range(self.config.epochs):
            metrics = {**self._train_epoch(epoch), **self._evaluate()}
        return Outcome(metrics)

    def begin(self) -> None:
        """Do what is done once."""

    def begin_epoch(self, epoch: int) -> None:
        """Do what is done before each epoch."""

    def order(self, epoch: int) -> Sequence[Tensor]:
        """Return the windows of each batch of an epoch."""
        rng = np.random.default_rng([self.config.seed, epoch])
        return torch.from_numpy(rng.permutation(len(self.training.targets))).tensor_split(self.batches)

    def inputs(self, part: Part, rows: Rows) -> Inputs:
        """Return what the model sees of these windows."""
        return part.inputs[rows]

    def loss(self, inputs: Inputs, part: Part, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the class scores `[B, K]` and the mean loss."""
        logits = self.model(inputs)
        return logits, self.cross_entropy(logits, part.targets[rows])

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over samples of the weighted cross-entropy."""
        return functional.cross_entropy(logits, targets, weight=self.weight, reduction="sum") / len(targets)

    def autocast(self) -> AbstractContextManager[object]:
        """Return what the forward pass runs in."""
        return nullcontext()

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        self.model.train()
        self.begin_epoch(epoch)
        loss_sum, correct = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
        for rows in self.order(epoch):
            inputs = self.inputs(self.training, rows)
            self.optimizer.zero_grad(set_to_none=True)
            with self.autocast():
                logits, loss = self.loss(inputs, self.training, rows)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.parameters, 1.0)
            self.optimizer.step()
            self.schedule.step()
            self.step += 1
            with torch.no_grad():
                loss_sum += loss * len(rows)
                correct += (logits.argmax(dim=1) == self.training.targets[rows]).sum()
        count = len(self.training.targets)
        return {"train/loss": float(loss_sum) / count, "train/accuracy": float(correct) / count}

    @torch.inference_mode()
    def _evaluate(self) -> dict[str, float]:
        self.model.eval()
        count = len(self.validation.targets)
        collected, loss_sum = [], torch.zeros((), dtype=torch.float64)
        for first in range(0, count, EVALUATED_AT_ONCE):
            rows = slice(first, min(first + EVALUATED_AT_ONCE, count))
            inputs = self.inputs(self.validation, rows)
            with self.autocast():
                logits, loss = self.loss(inputs, self.validation, rows)
            collected.append(logits)
            loss_sum += loss * len(logits)
        scores = torch.cat(collected)
        predicted, true = scores.argmax(dim=1).numpy(), self.validation.targets.numpy()
        probabilities = scores.double().softmax(dim=1).numpy()
        voted, of = self._votes(predicted, probabilities)
        return {
            "val/loss": float(loss_sum) / len(true),
            **self._scores("val", true, predicted, balanced=True),
            "val/expected_calibration_error": _calibration_error(probabilities.max(axis=1), predicted == true),
            **self._scores("val/recording", of, voted),
        }

    def _votes(
        self, predicted: NDArray[np.int64], probabilities: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the voted and the true class of each recording; a tie goes to the more probable class."""
        voted, of, recordings = [], [], self.validation.windows.recordings
        for recording in np.unique(recordings):
            mine = recordings == recording
            votes = np.bincount(predicted[mine], minlength=self.classes)
            voted.append(np.argmax(votes + probabilities[mine].sum(axis=0) / (mine.sum() + 1)))
            of.append(self.validation.targets[np.argmax(mine)])
        return np.array(voted), np.array(of)

    def _scores(
        self, prefix: str, true: NDArray[np.int64], predicted: NDArray[np.int64], *, balanced: bool = False
    ) -> dict[str, float]:
        separator = "/" if prefix == "val" else "_"
        hits = np.bincount(true[true == predicted], minlength=self.classes)
        support, claimed = np.bincount(true, minlength=self.classes), np.bincount(predicted, minlength=self.classes)
        present = support > 0
        scores = {
            "accuracy": hits.sum() / len(true),
            "macro_f1": (2 * hits[present] / (support + claimed)[present]).mean(),
        }
        if balanced:
            scores["balanced_accuracy"] = (hits[present] / support[present]).mean()
        return {f"{prefix}{separator}{name}": float(value) for name, value in scores.items()}


def _calibration_error(confidence: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    bins = np.clip(np.ceil(confidence * BINS).astype(int) - 1, 0, BINS - 1)
    gaps = np.bincount(bins, weights=right - confidence, minlength=BINS)
    return float(np.abs(gaps).sum()) / len(right)


def _part(store: SegmentStore, part: PartName, config: TrainConfig) -> Part:
    windows = Windows(store, [part], config.windows)
    inputs = torch.from_numpy(np.concatenate([chunk.signal for chunk in windows.arrays()]))
    return Part(inputs, torch.from_numpy(windows.targets), windows)
