from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest
import torch
from torch import Tensor, nn

from raytrain.augment.draws import SharedGenerator
from raytrain.augment.mixup import MixupAugmentation
from raytrain.augment.spec_augment import SpecAugment
from raytrain.engine.inputs import EachView, KeepMeasured, OnSignals
from raytrain.models.classifier import Outputs
from raytrain.tfr.short_time_fourier import Stft
from raytrain.tfr.views import Views
from raytrain.types import FINAL, Batch, Progress, Share

START = Progress(0, 0, 0.0)
TARGETS = torch.tensor([0, 1, 1, 0, 1, 0])
HIDE = SpecAugment(time_mask_param=4, freq_mask_param=4)


def views(*, rows: int = 6) -> Batch:
    generator = torch.Generator().manual_seed(0)
    images = {name: torch.rand(6, 1, *size, generator=generator) for name, size in (("a", (8, 9)), ("b", (12, 7)))}
    return Batch({name: image[:rows] for name, image in images.items()}, TARGETS[:rows])


def seeded() -> SharedGenerator:
    generator = SharedGenerator()
    generator.manual_seed(3)
    return generator


def test_windows_are_kept_as_they_were_measured_whatever_is_made_of_them() -> None:
    batch = Batch(torch.rand(6, 1, 8), TARGETS)
    kept = KeepMeasured()(batch, START, seeded())
    assert batch.waveform is None
    assert replace(kept, inputs=2 * kept.signal).measured is batch.inputs


def test_what_is_kept_already_stays_and_views_are_no_window() -> None:
    waveform = torch.rand(6, 1, 8)
    kept = Batch(torch.rand(6, 1, 4), TARGETS, waveform=waveform)
    assert KeepMeasured()(kept, START, seeded()).waveform is waveform
    assert KeepMeasured()(views(), START, seeded()).waveform is None


def test_each_view_is_augmented_by_draws_of_its_own() -> None:
    batch = views()
    assert isinstance(batch.inputs, Mapping)
    generator = seeded()
    expected = {name: HIDE.augment(image, generator=generator) for name, image in batch.inputs.items()}
    found = EachView(HIDE)(batch, START, seeded()).inputs
    assert isinstance(found, Mapping)
    assert list(found) == ["a", "b"]
    for name, image in batch.inputs.items():
        assert torch.equal(found[name], expected[name])
        assert not torch.equal(found[name], image)
    assert not torch.equal(found["b"], HIDE.augment(batch.inputs["b"], generator=seeded()))


def test_a_worker_hides_of_each_view_what_one_worker_would() -> None:
    whole = EachView(HIDE)(views(), START, seeded()).inputs
    assert isinstance(whole, Mapping)
    generator = seeded()
    generator.share = Share(first=0, total=6)
    part = EachView(HIDE)(views(rows=2), START, generator).inputs
    assert isinstance(part, Mapping)
    assert all(torch.equal(part[name], image[:2]) for name, image in whole.items())


def test_one_image_is_augmented_as_it_is() -> None:
    batch = Batch(torch.rand(6, 1, 8, 9), TARGETS)
    assert torch.equal(EachView(HIDE)(batch, START, seeded()).signal, HIDE(batch, START, seeded()).signal)


def test_views_are_augmented_in_training_only_and_measured_windows_always_kept() -> None:
    assert not EachView(HIDE).in_evaluation
    assert KeepMeasured().in_evaluation


def test_labels_are_not_mixed_for_each_view_by_itself() -> None:
    with pytest.raises(NotImplementedError, match="MixupAugmentation augments whole batches"):
        EachView(MixupAugmentation())(views(), FINAL, seeded())


class Sum(nn.Module):
    """Scores are sums of what it is given."""

    def forward(self, inputs: Tensor | Mapping[str, Tensor], *, detailed: bool = False) -> Tensor | Outputs:
        images = [inputs] if isinstance(inputs, Tensor) else list(inputs.values())
        scores = torch.stack([image.sum((1, 2, 3)) for image in images], dim=1)
        return Outputs(scores, scores) if detailed else scores


@pytest.mark.parametrize("images", [Stft(12_000), Views(12_000, cwt=None)], ids=["one", "several"])
def test_a_model_of_images_is_asked_about_signals_with_a_gradient(images: Stft | Views) -> None:
    signal = torch.rand(2, 1, 512, dtype=torch.float64, requires_grad=True)
    asked = OnSignals(Sum(), images)
    expected = Sum()(images.transform(signal))
    assert torch.equal(asked(signal), expected)
    assert torch.equal(asked(signal, detailed=True).scores, expected)
    (gradient,) = torch.autograd.grad(asked(signal).sum(), signal)
    assert gradient.abs().sum() > 0


def test_a_model_that_knows_no_details_is_not_asked_for_any() -> None:
    plain = nn.Sequential(nn.Flatten(), nn.LazyLinear(3))
    assert OnSignals(plain, Stft(12_000))(torch.rand(2, 1, 512)).shape == (2, 3)
