"""What every time-frequency transform of the table keeps, at its default settings unless it says otherwise."""

from __future__ import annotations

import inspect
import math
from typing import Any

import pytest
import torch
from torch import Tensor

from raytrain.errors import ConfigError, DataError
from raytrain.tfr.build import IMAGES
from raytrain.tfr.transform import TimeFrequencyTransform
from raytrain.types import Batch, Mixture, Progress

RATE_HZ = 12_000.0
SMALL: dict[str, dict[str, Any]] = {
    "cwt": {"frequency_bins": 3, "low_hz": 2000.0, "hop": 4, "scale": "power"},
    "smoothed_pseudo_wvd": {"frequency_bins": 6, "hop": 4, "time_window_length": 5, "lag_window_length": 5},
    "stft": {"window_length": 8, "hop": 4, "scale": "power"},
    "wvd": {"frequency_bins": 6, "hop": 4},
}
DECIBELS = {"stft", "cwt"}

pytestmark = pytest.mark.parametrize("name", sorted(IMAGES))


def create(name: str, **settings: Any) -> TimeFrequencyTransform:  # noqa: ANN401
    return IMAGES[name](RATE_HZ, **settings)


def noise(*shape: int, seed: int = 1, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, dtype=dtype, generator=torch.Generator().manual_seed(seed))


def tone(frequency_hz: float, samples: int = 2048) -> Tensor:
    phase = 2 * math.pi * frequency_hz / RATE_HZ * torch.arange(samples, dtype=torch.float64)
    return torch.cos(phase + 0.7)[None, None]


def chirp(low_hz: float, high_hz: float, samples: int) -> Tensor:
    time = torch.arange(samples, dtype=torch.float64) / RATE_HZ
    rate = (high_hz - low_hz) * RATE_HZ / samples
    return torch.cos(2 * math.pi * (low_hz * time + rate * time.square() / 2))[None, None]


def rows_of(transform: TimeFrequencyTransform, frequencies_hz: Tensor) -> Tensor:
    """Return the fractional row of each frequency."""
    rows = transform.frequencies_hz
    after = torch.searchsorted(rows, frequencies_hz).clamp(1, len(rows) - 1)
    return after - (rows[after] - frequencies_hz) / (rows[after] - rows[after - 1])


def test_every_setting_is_keyword_only_annotated_and_has_a_default(name: str) -> None:
    parameters = list(inspect.signature(IMAGES[name]).parameters.values())
    assert parameters[0].name == "sample_rate_hz"
    assert parameters[0].default is inspect.Parameter.empty
    for parameter in parameters[1:]:
        assert parameter.kind is inspect.Parameter.KEYWORD_ONLY
        assert parameter.default is not inspect.Parameter.empty
        assert parameter.annotation is not inspect.Parameter.empty


@pytest.mark.parametrize("samples", [1024, 2048, 2049, 3001, 20_480])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_the_image_has_the_shape_that_is_announced(name: str, samples: int, dtype: torch.dtype) -> None:
    transform = create(name)
    image = transform.transform(noise(2, 3, samples, dtype=dtype))
    rows, columns = transform.output_shape(samples)
    assert image.shape == (2, 3, rows, columns)
    assert image.dtype == dtype
    assert torch.isfinite(image).all()
    assert transform.frequencies_hz.shape == (rows,)
    assert transform.times_s(samples).shape == (columns,)


def test_a_usual_window_gives_a_moderate_image(name: str) -> None:
    rows, columns = create(name).output_shape(2048)
    assert 64 <= rows <= 128
    assert 64 <= columns <= 128


def test_axes_rise_within_the_signals_band_and_duration(name: str) -> None:
    transform = create(name)
    frequencies, times = transform.frequencies_hz, transform.times_s(2048)
    assert frequencies.dtype == times.dtype == torch.float64
    assert (frequencies.diff() > 0).all()
    assert (times.diff() > 0).all()
    assert frequencies[0] >= 0
    assert frequencies[-1] <= RATE_HZ / 2
    assert times[0] >= 0
    assert times[-1] <= 2048 / RATE_HZ


def test_the_sample_rate_names_the_axes_and_does_not_change_the_image(name: str) -> None:
    slow, fast = IMAGES[name](1000), IMAGES[name](4000)
    torch.testing.assert_close(fast.frequencies_hz, 4 * slow.frequencies_hz)
    torch.testing.assert_close(fast.times_s(2048), slow.times_s(2048) / 4)
    signal = noise(1, 1, 2048, dtype=torch.float64)
    torch.testing.assert_close(fast.transform(signal), slow.transform(signal))


@pytest.mark.parametrize("frequency_hz", [437.0, 1000.0, 2031.25, 3333.0])
def test_a_tone_peaks_on_its_row(name: str, frequency_hz: float) -> None:
    transform = create(name)
    image = transform.transform(tone(frequency_hz))[0, 0]
    middle = image[:, image.shape[1] // 4 : -(image.shape[1] // 4)]
    expected = rows_of(transform, torch.tensor([frequency_hz], dtype=torch.float64))
    assert ((middle.argmax(dim=0) - expected).abs() <= 1).all()


def test_a_chirp_peaks_along_its_instantaneous_frequency(name: str) -> None:
    transform, samples, low_hz, high_hz = create(name), 8192, 700.0, 3300.0
    image = transform.transform(chirp(low_hz, high_hz, samples))[0, 0]
    times = transform.times_s(samples)
    expected = rows_of(transform, low_hz + (high_hz - low_hz) * RATE_HZ / samples * times)
    inner = slice(len(times) // 8, -(len(times) // 8))
    assert ((image.argmax(dim=0) - expected)[inner].abs() <= 1).all()


@pytest.mark.parametrize("sample", [512, 800, 1536])
def test_an_impulse_peaks_at_its_time(name: str, sample: int) -> None:
    transform = create(name)
    signal = torch.zeros(1, 1, 2048, dtype=torch.float64)
    signal[..., sample] = 1
    upper = transform.transform(signal)[0, 0, len(transform.frequencies_hz) // 4 :]  # long wavelets blur time
    at = transform.times_s(2048)[upper.sum(dim=0).argmax()]
    step = transform.times_s(2048)[1] - transform.times_s(2048)[0]
    assert abs(at - sample / RATE_HZ) <= 0.51 * step


def test_later_signals_give_later_columns(name: str) -> None:
    transform = create(name)
    step = round((transform.times_s(4096)[1] - transform.times_s(4096)[0]).item() * RATE_HZ)
    signal = torch.zeros(1, 1, 4096, dtype=torch.float64)
    signal[..., 1500:2500] = noise(1, 1, 1000, dtype=torch.float64) * torch.hann_window(1000, dtype=torch.float64)
    image, later = transform.transform(signal), transform.transform(signal.roll(5 * step, -1))
    torch.testing.assert_close(later[..., 45:85], image[..., 40:80], rtol=1e-5, atol=1e-5)


def test_a_louder_signal_is_as_much_stronger_in_the_image(name: str) -> None:
    transform = create(name)
    signal = noise(1, 1, 2048, dtype=torch.float64)
    image, louder = transform.transform(signal), transform.transform(10 * signal)
    expected = image + 20 if name in DECIBELS else 100 * image
    torch.testing.assert_close(louder, expected, rtol=1e-4, atol=1e-4)


def test_windows_and_channels_are_transformed_each_alone(name: str) -> None:
    transform = create(name)
    signal = noise(3, 2, 1500, dtype=torch.float64)
    alone = torch.stack(
        [torch.stack([transform.transform(row[None, None])[0, 0] for row in window]) for window in signal]
    )
    torch.testing.assert_close(transform.transform(signal), alone, rtol=1e-10, atol=1e-10)


def test_single_precision_is_near_double_precision(name: str) -> None:
    transform = create(name)
    signal = noise(2, 1, 2048, dtype=torch.float64)
    exact, image = transform.transform(signal), transform.transform(signal.float()).double()
    if name in DECIBELS:
        exact, image = 10 ** (exact / 10), 10 ** (image / 10)
    assert (image - exact).abs().max() < 1e-5 * exact.abs().max()


def test_gradients_are_those_of_finite_differences(name: str) -> None:
    transform = create(name, **SMALL[name])
    signal = noise(2, 1, 24, dtype=torch.float64).requires_grad_()
    assert torch.autograd.gradcheck(transform.transform, (signal,))


@pytest.mark.parametrize("scale", ["magnitude", "power", "log"])
def test_silence_is_finite_and_so_is_its_gradient(name: str, scale: str) -> None:
    transform = create(name, **({"scale": scale} if name in DECIBELS else {}))
    silent = torch.zeros(1, 1, 1024, requires_grad=True)
    image = transform.transform(silent)
    torch.autograd.backward(image.sum())
    assert (image == image[0, 0, 0, 0]).all()
    assert silent.grad is not None
    assert torch.isfinite(silent.grad).all()


def test_a_batch_gets_the_image_and_keeps_everything_else(name: str) -> None:
    transform = create(name)
    signal = noise(2, 1, 1024)
    kept = signal.clone()
    mixture = Mixture(torch.tensor([1, 0]), torch.tensor([0.5, 0.5]))
    batch = Batch(signal, torch.tensor([0, 1]), {"load": torch.zeros(2)}, mixture)
    generator = torch.Generator().manual_seed(0)
    before = generator.get_state()
    result = transform(batch, Progress(0, 0, 0.0), generator)
    assert torch.equal(result.signal, transform.transform(signal))
    assert torch.equal(signal, kept)
    assert torch.equal(generator.get_state(), before)
    assert result.targets is batch.targets
    assert result.conditions is batch.conditions
    assert result.mixture is mixture
    assert transform.in_evaluation


def test_everything_is_on_the_signals_device(name: str) -> None:
    # The meta device refuses to compute with tensors of another one, as an accelerator would.
    transform = create(name)
    image = transform.transform(torch.empty(2, 1, 2048, device="meta"))
    assert image.device.type == "meta"
    assert image.shape[2:] == transform.output_shape(2048)


def test_reduced_precision_around_it_changes_nothing(name: str) -> None:
    transform, signal = create(name), noise(2, 1, 1024)
    with torch.inference_mode(), torch.autocast("cpu", dtype=torch.bfloat16):
        image = transform.transform(signal)
    assert torch.equal(image, transform.transform(signal))


@pytest.mark.parametrize(
    ("shape", "dtype"),
    [
        ((2, 1024), torch.float32),
        ((2, 1, 0), torch.float32),
        ((2, 1, 1024), torch.float16),
        ((2, 1, 1024), torch.int64),
    ],
)
def test_what_is_no_signal_is_refused(name: str, shape: tuple[int, ...], dtype: torch.dtype) -> None:
    message = rf"take signals \[batch, channels, samples\] of float32 or float64, got .* of {str(dtype)[6:]}"
    with pytest.raises(DataError, match=message):
        create(name).transform(torch.ones(shape, dtype=dtype))


def test_windows_that_are_too_short_are_refused(name: str) -> None:
    transform = create(name)
    fewest = {"stft": 128, "cwt": 490}.get(name, 1)
    assert transform.transform(noise(1, 1, fewest)).shape[2:] == transform.output_shape(fewest)
    if fewest > 1:
        message = rf"windows of {fewest - 1} samples are too short: .* at least {fewest}; raise windows.length"
        with pytest.raises(ConfigError, match=message):
            transform.transform(noise(1, 1, fewest - 1))
        with pytest.raises(ConfigError, match=message):
            transform.output_shape(fewest - 1)


@pytest.mark.parametrize("rate", [0.0, -1.0, math.nan, math.inf])
def test_an_impossible_sample_rate_is_refused(name: str, rate: float) -> None:
    with pytest.raises(ConfigError, match="sample_rate_hz must be a positive finite number"):
        IMAGES[name](rate)


@pytest.mark.parametrize("hop", [0, -3])
def test_an_impossible_hop_is_refused(name: str, hop: int) -> None:
    with pytest.raises(ConfigError, match=rf"tfr.hop must be a finite number of at least 1, got {hop}"):
        create(name, hop=hop)
