from __future__ import annotations

import torch
from torch import Tensor, nn

from raytrain.tfr import Stft
from raytrain.trainers import SpectrogramTrainer

IMAGES = Stft(12_000.0, window_length=32, hop=16)


def batches(seed: int = 0) -> list[tuple[Tensor, Tensor]]:
    generator = torch.Generator().manual_seed(seed)
    return [(torch.randn(6, 1, 512, generator=generator), torch.arange(6) % 2)]


class Watching(nn.Module):
    """A small model of images that keeps what it is shown, in training and in evaluation."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.AdaptiveAvgPool2d((4, 1)), nn.Flatten(), nn.Linear(4, 2))
        self.trained: list[Tensor] = []
        self.judged: list[Tensor] = []

    def forward(self, images: Tensor) -> Tensor:
        (self.trained if self.training else self.judged).append(images.clone())
        scores: Tensor = self.layers(images)
        return scores


def hidden(images: Tensor) -> Tensor:
    """Return where images differ from those of the signals, `[B, F, T']`."""
    return (images != IMAGES.transform(batches()[0][0]))[:, 0]


def test_stripes_are_hidden_in_training_only_and_drawn_per_sample_and_epoch() -> None:
    model = Watching()
    trainer = SpectrogramTrainer(
        model, batches(), batches(1), transform=IMAGES, time_mask_param=6, freq_mask_param=5, device="cpu"
    )
    model.judged.clear()  # a first look at the model counts its classes
    trainer.fit(2)
    [judged, again] = model.judged
    assert torch.equal(judged, IMAGES.transform(batches(1)[0][0]))
    assert torch.equal(again, judged)
    first, second = (hidden(images) for images in model.trained)
    assert not torch.equal(first, second)
    assert len({str(mask.tolist()) for mask in first}) == 6
    # Whole rows and columns, no more than two of each, and no wider than asked for.
    for mask in first:
        rows, columns = mask.all(dim=1), mask.all(dim=0)
        assert torch.equal(mask, rows[:, None] | columns)
        assert rows.sum() <= 2 * 5
        assert columns.sum() <= 2 * 6


def test_without_specaugment_images_are_what_the_transform_makes() -> None:
    model = Watching()
    SpectrogramTrainer(model, batches(), transform=IMAGES, use_specaugment=False, device="cpu").fit(1)
    assert not hidden(model.trained[0]).any()


def test_images_made_before_are_masked_too() -> None:
    model = Watching()
    images = [(IMAGES.transform(signals), targets) for signals, targets in batches()]
    SpectrogramTrainer(model, images, time_mask_param=6, freq_mask_param=5, device="cpu").fit(1)
    assert hidden(model.trained[0]).any()
