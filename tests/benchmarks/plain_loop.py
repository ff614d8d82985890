"""The training loop one would write by hand for this one task, with nothing in it that the task does not need."""

from __future__ import annotations

import math

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
from tests.benchmarks.comparison import Outcome

__all__ = ["PlainLoop"]

WARMUP, FINAL, LR, DECAY = 0.05, 0.01, 1e-3, 1e-4
EVALUATED_AT_ONCE = 256
BINS = 15


class PlainLoop:
    """AdamW, warm-up cosine and clipping on windows that lie normalised in one tensor.

    Args:
        config: Model, batch size, epochs and seed are taken from it.
        store: Where the windows are cut from, here, before `train`.
    """

    def __init__(self, config: TrainConfig, store: SegmentStore) -> None:
        self.config = config
        self.classes = len(store.classes)
        self.inputs, self.targets, _ = _tensors(store, "train", config)
        self.val_inputs, self.val_targets, self.val_recordings = _tensors(store, "validation", config)
        torch.manual_seed(config.seed)
        self.model = create_model(
            config.model.name, in_channels=1, num_classes=self.classes, settings=config.model.settings
        )
        parameters = list(self.model.parameters())
        groups = [
            {"params": [one for one in parameters if one.ndim > 1], "weight_decay": DECAY},
            {"params": [one for one in parameters if one.ndim <= 1], "weight_decay": 0.0},
        ]
        self.optimizer = torch.optim.AdamW(groups, lr=LR, fused=True)
        self.weight = compute_class_weights(self.targets, num_classes=self.classes)
        total = math.ceil(len(self.targets) / config.batch_size) * config.epochs
        warmup = round(WARMUP * total)

        def factor(step: int) -> float:
            if step < warmup:
                return (step + 1) / (warmup + 1)
            done = min(1.0, (step - warmup) / (total - warmup))
            return FINAL + (1 - FINAL) * (1 + math.cos(math.pi * done)) / 2

        self.schedule = LambdaLR(self.optimizer, factor)

    def train(self) -> Outcome:
        """Train all epochs, evaluate after each, and return the metrics of the last."""
        metrics: dict[str, float] = {}
        for epoch in range(self.config.epochs):
            metrics = {**self._train_epoch(epoch), **self._evaluate()}
        return Outcome(metrics)

    def _train_epoch(self, epoch: int) -> dict[str, float]:
        self.model.train()
        count = len(self.targets)
        order = torch.from_numpy(np.random.default_rng([self.config.seed, epoch]).permutation(count))
        loss_sum, correct = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.int64)
        for indices in torch.split(order, self.config.batch_size):
            targets = self.targets[indices]
            self.optimizer.zero_grad(set_to_none=True)
            logits = self.model(self.inputs[indices])
            loss = self._loss(logits, targets)
            loss.backward()  # type: ignore[no-untyped-call]
            nn.utils.clip_grad_norm_(self.model.parameters(), 1.0)
            self.optimizer.step()
            self.schedule.step()
            with torch.no_grad():
                loss_sum += loss * len(targets)
                correct += (logits.argmax(dim=1) == targets).sum()
        return {"train/loss": float(loss_sum) / count, "train/accuracy": float(correct) / count}

    @torch.inference_mode()
    def _evaluate(self) -> dict[str, float]:
        self.model.eval()
        logits, loss_sum = [], torch.zeros((), dtype=torch.float64)
        batches = [torch.split(values, EVALUATED_AT_ONCE) for values in (self.val_inputs, self.val_targets)]
        for inputs, targets in zip(*batches, strict=True):
            logits.append(self.model(inputs))
            loss_sum += self._loss(logits[-1], targets) * len(targets)
        scores = torch.cat(logits)
        predicted, true = scores.argmax(dim=1).numpy(), self.val_targets.numpy()
        probabilities = scores.double().softmax(dim=1).numpy()
        voted, of = self._votes(predicted, probabilities)
        return {
            "val/loss": float(loss_sum) / len(true),
            **self._scores("val", true, predicted, balanced=True),
            "val/expected_calibration_error": _calibration_error(probabilities.max(axis=1), predicted == true),
            **self._scores("val/recording", of, voted),
        }

    def _loss(self, logits: Tensor, targets: Tensor) -> Tensor:
        return functional.cross_entropy(logits, targets, weight=self.weight, reduction="sum") / len(targets)

    def _votes(
        self, predicted: NDArray[np.int64], probabilities: NDArray[np.float64]
    ) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        """Return the voted and the true class of each recording; a tie goes to the more probable class."""
        voted, of = [], []
        for recording in np.unique(self.val_recordings):
            mine = self.val_recordings == recording
            votes = np.bincount(predicted[mine], minlength=self.classes)
            voted.append(np.argmax(votes + probabilities[mine].sum(axis=0) / (mine.sum() + 1)))
            of.append(self.val_targets[np.argmax(mine)])
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


def _tensors(store: SegmentStore, part: PartName, config: TrainConfig) -> tuple[Tensor, Tensor, NDArray[np.int64]]:
    """Return all windows of a part `[N, C, T]`, their classes `[N]` and their recordings `[N]`."""
    arrays = list(Windows(store, [part], config.windows).arrays())
    inputs = torch.from_numpy(np.concatenate([chunk.signal for chunk in arrays]))
    targets = torch.from_numpy(np.concatenate([chunk.targets for chunk in arrays]))
    return inputs, targets, np.concatenate([chunk.recordings for chunk in arrays])
