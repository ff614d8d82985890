"""The eight paradigms as one would write each by hand: torch, and raytrain's models, losses and transforms alone."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional

from raytrain.augment.resize import ResizeMethod, resize_signal
from raytrain.augment.spec_augment import spec_augment
from raytrain.config.schema import TrainConfig
from raytrain.data.neighbours import grouped_order, run_starts
from raytrain.data.store import SegmentStore
from raytrain.losses.consistency import create_consistency
from raytrain.losses.distillation import soft_target_loss
from raytrain.losses.loss_data import LossData
from raytrain.models.build import create_model
from raytrain.models.classifier import Inputs
from raytrain.tfr.short_time_fourier import Stft
from raytrain.tfr.views import Views
from raytrain.types import Batch
from tests.benchmarks.plain_loop import Part, PlainLoop, Rows

__all__ = [
    "TEACHER",
    "Bfloat16Loop",
    "DistillationLoop",
    "PhysicsLoop",
    "ResizingLoop",
    "SmoothedLoop",
    "SpectrogramLoop",
    "ViewsLoop",
    "untrained_teacher",
]

MADE_AT_ONCE = 128  # images, for the memory of their making
TEACHER = "wdcnn"


def untrained_teacher(classes: int) -> nn.Module:
    """Return the same teacher each time, in evaluation mode; what it knows changes nothing of the time it takes."""
    with torch.random.fork_rng():
        torch.manual_seed(1)
        return create_model(TEACHER, in_channels=1, num_classes=classes, settings={}).eval()


class SmoothedLoop(PlainLoop):
    """Cross-entropy with smoothed targets."""

    smoothing = 0.1

    def cross_entropy(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Return the mean over samples of the weighted cross-entropy; the even share is weighted class by class."""
        loss = functional.cross_entropy(
            logits, targets, weight=self.weight, reduction="sum", label_smoothing=self.smoothing
        )
        return loss / len(targets)


class Bfloat16Loop(PlainLoop):
    """The forward pass under autocast."""

    def autocast(self) -> AbstractContextManager[object]:
        """Return the context of bfloat16 on a CPU."""
        return torch.autocast("cpu", dtype=torch.bfloat16)


class SpectrogramLoop(PlainLoop):
    """Spectrograms, made batch by batch, which is cheap; in training masked by SpecAugment."""

    def __init__(self, config: TrainConfig, store: SegmentStore) -> None:
        super().__init__(config, store)
        self.transform = Stft(store.fs_hz)
        self.masks = config.augmentation.settings

    def begin_epoch(self, epoch: int) -> None:
        """Seed what the masks are drawn from."""
        seed = np.random.SeedSequence([self.config.seed, epoch]).generate_state(1, np.uint64)[0]
        self.generator = torch.Generator().manual_seed(int(seed))

    def inputs(self, part: Part, rows: Rows) -> Inputs:
        """Return images, masked in training."""
        images = self.transform.transform(part.inputs[rows])
        return spec_augment(images, **self.masks, generator=self.generator) if part is self.training else images


class ViewsLoop(PlainLoop):
    """Several images of each window, made once, and the mean of the losses of the views."""

    def __init__(self, config: TrainConfig, store: SegmentStore) -> None:
        super().__init__(config, store)
        self.transform = Views(store.fs_hz)

    def begin(self) -> None:
        """Make the images of all windows."""
        self.images = {
            part.windows: {
                name: torch.cat([transform.transform(some) for some in torch.split(part.inputs, MADE_AT_ONCE)])
                for name, transform in self.transform.transforms.items()
            }
            for part in (self.training, self.validation)
        }

    def inputs(self, part: Part, rows: Rows) -> Inputs:
        """Return the images of each view."""
        return {name: images[rows] for name, images in self.images[part.windows].items()}

    def loss(self, inputs: Inputs, part: Part, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the combined scores, and the mean of the views' losses."""
        said = self.model(inputs, detailed=True)
        targets = part.targets[rows]
        losses = [self.cross_entropy(scores, targets) for scores in said.views.values()]
        return said.scores, torch.stack(losses).mean()


class ResizingLoop(PlainLoop):
    """Windows that grow by stages; judged at the last length."""

    method: ResizeMethod

    def __init__(self, config: TrainConfig, store: SegmentStore) -> None:
        super().__init__(config, store)
        self.method = config.resize.name  # type: ignore[assignment]  # checked with the configuration
        self.lengths = [length for length, epochs in config.resize.settings["schedule"] for _ in range(epochs)]

    def begin_epoch(self, epoch: int) -> None:
        """Take the length of the epoch."""
        self.length = self.lengths[epoch]

    def inputs(self, part: Part, rows: Rows) -> Inputs:
        """Return windows of the stage's length."""
        length = self.length if part is self.training else self.lengths[-1]
        return resize_signal(part.inputs[rows], length, method=self.method)


class DistillationLoop(PlainLoop):
    """A teacher's scores beside the classes."""

    temperature, alpha = 4.0, 0.7

    def __init__(self, config: TrainConfig, store: SegmentStore) -> None:
        super().__init__(config, store)
        self.teacher = untrained_teacher(self.classes)

    def loss(self, inputs: Inputs, part: Part, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the student's scores, and the loss of the classes mixed with that of the teacher's scores."""
        with torch.no_grad():
            guide = self.teacher(inputs)
        logits, hard = super().loss(inputs, part, rows)
        soft = soft_target_loss(logits, guide, temperature=self.temperature)
        return logits, (1 - self.alpha) * hard + self.alpha * soft


class PhysicsLoop(PlainLoop):
    """Physics losses whose weights rise linearly over the first half; gradients' norms are measured now and then."""

    ramp = 0.5

    def __init__(self, config: TrainConfig, store: SegmentStore) -> None:
        super().__init__(config, store)
        windows = self.training.windows
        (orders,) = np.unique(store.fault_orders[np.isin(store.recording, windows.recordings)], axis=0).tolist()
        self.physics = create_consistency(
            LossData(
                self.training.targets,
                store.classes,
                sample_rate_hz=store.fs_hz,
                window_samples=config.windows.length,
                hop_samples=config.windows.hop_samples,
                fault_orders=tuple(orders),
                conditions=windows.condition_names,
                shaft_speed_rpm=windows.condition("shaft_speed_rpm"),
            )
        )
        self.runs = run_starts(
            windows.recordings, windows.window_start, hop=config.windows.hop_samples, longest=config.neighbours
        )
        count = len(self.training.targets)
        self.sizes = [len(some) for some in torch.arange(count).tensor_split(self.batches)]

    def order(self, epoch: int) -> Sequence[Tensor]:
        """Return batches in which neighbouring windows are together."""
        rng = np.random.default_rng([self.config.seed, epoch])
        return torch.split(torch.from_numpy(grouped_order(self.runs, self.sizes, rng)), self.sizes)

    def loss(self, inputs: Inputs, part: Part, rows: Rows) -> tuple[Tensor, Tensor]:
        """Return the scores, and the losses of the classes and of physics together."""
        logits, data = super().loss(inputs, part, rows)
        names = ("shaft_speed_rpm", "recording", "window_start")
        conditions = {name: part.windows.condition(name)[rows] for name in names}
        terms = self.physics(logits, Batch(part.inputs[rows], part.targets[rows], conditions))
        if part is self.training and self.step % self.physics.gradient_interval == 0:
            self.norms = {name: self._norm(one) for name, one in {"data": data, **terms}.items()}
        done = min(1.0, self.step / self.steps / self.ramp) if part is self.training else 1.0
        return logits, data + sum(done * self.physics.lambdas[name] * term for name, term in terms.items())

    def _norm(self, loss: Tensor) -> Tensor:
        gradients = torch.autograd.grad(loss, self.parameters, retain_graph=True, materialize_grads=True)
        norm: Tensor = torch.linalg.vector_norm(torch.cat([one.flatten() for one in gradients]))
        return norm
