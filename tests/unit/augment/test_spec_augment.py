from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import chisquare
from torch import Tensor

from raytrain.augment.spec_augment import SpecAugment, spec_augment
from raytrain.errors import ConfigError, DataError
from raytrain.types import Batch, Progress

Floats = NDArray[np.float64]


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def images(*shape: int, seed: int = 9) -> Tensor:
    return torch.randn(*shape, generator=seeded(seed), dtype=torch.float64) + 3


def reference(image: Floats, uniform: Floats, *, widest: tuple[int, int], counts: tuple[int, int]) -> Floats:
    """One image `[C, F, T']`, one stripe after the other; the draws are widths then starts, frequency before time."""
    hidden = image.copy()
    drawn = iter(np.split(uniform, np.cumsum([counts[0], counts[0], counts[1]])))
    for axis in (0, 1):
        size = image.shape[axis + 1]
        for for_width, for_start in zip(next(drawn), next(drawn), strict=True):
            width = int(np.floor(for_width * (min(widest[axis], size) + 1)))
            start = int(np.floor(for_start * (size - width + 1)))
            for channel in range(len(image)):
                stripe = hidden[channel] if axis == 0 else hidden[channel].T
                stripe[start : start + width] = image[channel].mean()
    return hidden


@pytest.mark.parametrize(("frequencies", "times"), [(24, 60), (8, 5), (1, 1)])
@pytest.mark.parametrize("counts", [(2, 2), (1, 3), (0, 1), (0, 0)])
def test_equals_one_image_at_a_time(frequencies: int, times: int, counts: tuple[int, int]) -> None:
    image = images(7, 2, frequencies, times)
    masked = spec_augment(
        image,
        time_mask_param=30,
        freq_mask_param=11,
        num_freq_masks=counts[0],
        num_time_masks=counts[1],
        generator=seeded(4),
    )
    generator = seeded(4)
    rows, columns = (
        torch.rand(2 * count, 7, 1, 1, generator=generator, dtype=torch.float64).numpy()[:, :, 0, 0] for count in counts
    )
    uniform = np.concatenate([rows, columns])
    expected = [reference(one, uniform[:, i], widest=(11, 30), counts=counts) for i, one in enumerate(image.numpy())]
    np.testing.assert_allclose(masked.numpy(), np.stack(expected), rtol=1e-13)


def stripes_of_time(*, samples: int, times: int, param: int, max_time_share: float = 1.0) -> tuple[Tensor, Tensor]:
    """Start and width of the one stripe of time in each of `samples` images."""
    image = torch.linspace(1, 2, 2 * times, dtype=torch.float64).view(1, 1, 2, times).expand(samples, 1, 2, times)
    masked = spec_augment(
        image,
        time_mask_param=param,
        num_time_masks=1,
        num_freq_masks=0,
        max_time_share=max_time_share,
        generator=seeded(1),
    )
    hidden = (masked != image).all(dim=2)[:, 0]
    return hidden.long().argmax(dim=1), hidden.sum(dim=1)


def test_widths_are_uniform_from_nothing_to_the_parameter() -> None:
    _, widths = stripes_of_time(samples=8000, times=50, param=9)
    counts = torch.bincount(widths, minlength=10)
    assert len(counts) == 10
    assert chisquare(counts.numpy()).pvalue > 0.01


def test_starts_are_uniform_over_all_places_where_the_stripe_fits() -> None:
    starts, widths = stripes_of_time(samples=40_000, times=12, param=4)
    for width in range(1, 5):
        counts = torch.bincount(starts[widths == width], minlength=12 - width + 1)
        assert len(counts) == 12 - width + 1
        assert chisquare(counts.numpy()).pvalue > 0.01


def test_a_stripe_is_no_wider_than_the_axis_or_its_share() -> None:
    assert torch.unique(stripes_of_time(samples=500, times=6, param=40)[1]).tolist() == list(range(7))
    narrow = stripes_of_time(samples=500, times=10, param=40, max_time_share=0.25)[1]
    assert torch.unique(narrow).tolist() == [0, 1, 2]


def test_whole_rows_and_columns_become_the_mean_of_their_channel_and_the_rest_stays() -> None:
    image = images(32, 3, 20, 30)
    masked = spec_augment(image, time_mask_param=8, freq_mask_param=5, generator=seeded())
    changed = masked != image
    rows, columns = changed.all(dim=3), changed.all(dim=2)
    assert torch.equal(changed, rows[..., None] | columns[:, :, None, :])
    mean = image.mean(dim=(2, 3), keepdim=True).expand_as(image)
    assert torch.equal(masked[changed], mean[changed])
    assert 0 < int(rows.sum(dim=2).max()) <= 2 * 5
    assert 0 < int(columns.sum(dim=2).max()) <= 2 * 8
    assert torch.equal(rows[:, :1].expand_as(rows), rows), "channels of a sample are masked alike"
    assert len(torch.unique(rows[:, 0], dim=0)) > 16, "samples are masked independently"


@given(
    shape=st.tuples(st.integers(1, 4), st.integers(1, 2), st.integers(1, 9), st.integers(1, 9)),
    params=st.tuples(st.integers(0, 12), st.integers(0, 12)),
    dtype=st.sampled_from([torch.float32, torch.float64]),
    seed=st.integers(0, 99),
)
def test_keeps_shape_type_and_input_and_repeats(
    shape: tuple[int, int, int, int], params: tuple[int, int], dtype: torch.dtype, seed: int
) -> None:
    image = images(*shape).to(dtype)
    before, hide = image.clone(), SpecAugment(time_mask_param=params[0], freq_mask_param=params[1])
    masked = hide.augment(image, generator=seeded(seed))
    assert (masked.shape, masked.dtype) == (image.shape, dtype)
    assert torch.isfinite(masked).all()
    assert torch.equal(image, before)
    assert torch.equal(masked, hide.augment(image, generator=seeded(seed)))


def test_masks_training_batches_of_images() -> None:
    hide = SpecAugment()
    batch = Batch(images(4, 1, 64, 100), targets=torch.arange(4))
    masked = hide(batch, Progress(0, 0, 0.0), seeded())
    assert not torch.equal(masked.signal, batch.signal)
    assert torch.equal(masked.signal, hide.augment(batch.signal, generator=seeded()))
    assert masked.targets is batch.targets
    assert (hide.in_evaluation, hide.domain, hide.mixes_labels) == (False, "image", False)


def test_settings_reach_the_mask() -> None:
    image = images(64, 1, 30, 50)
    hide = SpecAugment(time_mask_param=3, freq_mask_param=0, num_time_masks=1, num_freq_masks=1, max_time_share=0.05)
    changed = hide.augment(image, generator=seeded()) != image
    assert torch.unique(changed.any(dim=2).sum(dim=2)).tolist() == [0, 1, 2]


def test_a_constant_image_stays_as_it_is() -> None:
    image = torch.full((2, 1, 8, 8), 0.5)
    assert torch.equal(SpecAugment().augment(image, generator=seeded()), image)


def test_torchaudio_hides_as_wide_stripes() -> None:
    """Its stripes are of 0 .. T - 1 frames (a real width cut to a whole one); ours reach T, as the paper says."""
    functional = pytest.importorskip(
        "torchaudio.functional", reason="NOT COMPARED WITH torchaudio: it is not installed"
    )
    torch.manual_seed(0)
    image = torch.rand(4000, 1, 2, 50) + 1
    widths = (functional.mask_along_axis_iid(image, 10, 0.0, 3) == 0).all(dim=2).sum(dim=-1)
    counts = torch.bincount(widths.flatten(), minlength=10)
    ours = torch.bincount(stripes_of_time(samples=4000, times=50, param=9)[1], minlength=10)
    assert chisquare(counts.numpy()).pvalue > 0.01
    assert len(counts) == len(ours)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"time_mask_param": -1}, "augmentation.time_mask_param must be at least 0, got -1"),
        ({"freq_mask_param": -2}, "augmentation.freq_mask_param must be at least 0, got -2"),
        ({"num_time_masks": -1}, "augmentation.num_time_masks must be at least 0"),
        ({"num_freq_masks": -1}, "augmentation.num_freq_masks must be at least 0"),
        ({"max_time_share": 1.5}, r"augmentation.max_time_share must be from 0 to 1, got 1\.5"),
    ],
)
def test_impossible_settings_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        SpecAugment(**settings)


def test_a_signal_is_no_image() -> None:
    with pytest.raises(DataError, match=r"takes images \[batch, channels, frequencies, times\], got \[2, 1, 64\]"):
        spec_augment(torch.zeros(2, 1, 64), generator=seeded())
