"""Each time-frequency transform against SciPy, PyWavelets or NumPy, and epochs of training with images made or kept."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
import pywt
import scipy.signal
import torch
from numpy.lib.stride_tricks import sliding_window_view
from numpy.typing import NDArray

from raytrain.models.build import create_model
from raytrain.tfr.build import IMAGES, TRANSFORMS, create_transform
from raytrain.tfr.cache import CachedImages
from raytrain.tfr.wavelet import Cwt
from raytrain.types import FINAL, Batch
from tests.benchmarks.comparison import Arm, Options, Outcome, Timing, check_agreement, interleave, ratios, spread
from tests.benchmarks.report import Report

__all__ = ["run"]

ROUNDS = 7
WINDOWS, SAMPLES, RATE_HZ, HOP, BINS = 64, 2048, 12_000.0, 32, 128
EPOCH_WINDOWS, CLASSES = 128, 4
REFLECTED = 489  # samples at each end, as `cwt` does for its lowest frequency

Signals: TypeAlias = NDArray[np.float32]
Image: TypeAlias = NDArray[np.floating]


@dataclass(frozen=True, slots=True)
class Reference:
    """What a transform is compared with.

    Attributes:
        name: Its library and how it is used.
        compute: From windows `[N, T]` to images `[N, F, T']`.
        calls: Batches of raytrain's arm per round, so that a round is long against the clock's resolution.
        tolerance: By how much the mean of a row may differ.
    """

    name: str
    compute: Callable[[Signals], Image]
    calls: int
    tolerance: float


def run(options: Options) -> Report:
    """Time the transforms of the table at their default settings, each in turn with its reference."""
    torch.set_num_threads(1)
    signals = np.random.default_rng(0).standard_normal((WINDOWS, SAMPLES), dtype=np.float32)
    found = {name: _compare(name, REFERENCES[name], signals, options) for name in IMAGES}
    epochs = {name: _epochs(name, options) for name in TRANSFORMS}
    rounds = len(next(iter(found.values()))["ratio by round"])
    return Report(
        title="Time-frequency transforms, windows per second",
        method=(
            f"{WINDOWS} windows of 1 x {SAMPLES}, float32, default settings, one thread, no gradients; STFT and CWT in "
            f"dB. SciPy and PyWavelets take the batch at once, NumPy one window at a time with all lags and instants "
            f"vectorised. Arms in turn, rounds: {rounds}; median (range). The means of each row agree to single "
            f"precision, those of the CWT to {REFERENCES['cwt'].tolerance:g} dB: PyWavelets stretches a sampled "
            f"wavelet. Images kept: wall time of an epoch of training cnn2d (views: multi_view), {EPOCH_WINDOWS} "
            "windows, that makes the images over that of one that may keep those of the epoch before, median; the "
            "losses are equal. Images of the STFT are never kept, so its ratio is that of an epoch with itself."
        ),
        columns=("transform", "raytrain", "reference", "", "ratio", "images kept"),
        rows=[(*_row(name, found.get(name)), f"{epochs[name]['made over kept'].median:.2f}") for name in TRANSFORMS],
        goals=[],
        figures={"transforms": found, "epochs": epochs},
    )


def _row(name: str, found: dict[str, Any] | None) -> tuple[str, ...]:
    if found is None:
        return (name, "", "", "", "")
    speeds = found["raytrain"].text(0), REFERENCES[name].name, found["reference"].text(0)
    return (name, *speeds, found["ratio"].text(1))


def _windows(*, epoch: int) -> Iterator[Batch]:
    """Yield random windows, in another order each epoch."""
    signals = torch.randn(EPOCH_WINDOWS, 1, SAMPLES, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(EPOCH_WINDOWS, generator=torch.Generator().manual_seed(epoch))
    for indices in torch.split(order, WINDOWS):
        yield Batch(signals[indices], indices % CLASSES, {"window": indices})


def _epochs(name: str, options: Options) -> dict[str, Any]:
    """Time the second epoch of training with images that are made again, and with those of the first epoch."""

    def prepared(limit_mb: float) -> Callable[[], Outcome]:
        torch.manual_seed(0)
        transform = create_transform(name, sample_rate_hz=RATE_HZ, settings={})
        images, generator = CachedImages(transform, count=EPOCH_WINDOWS, limit_mb=limit_mb), torch.Generator()
        model_name = "multi_view" if name == "views" else "cnn2d"
        model = create_model(model_name, in_channels=1, num_classes=CLASSES, settings={})
        optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
        for batch in _windows(epoch=0):
            images(batch, FINAL, generator)

        def work() -> Outcome:
            for batch in _windows(epoch=1):
                inputs = images(batch, FINAL, generator).inputs
                loss = torch.nn.functional.cross_entropy(model(inputs), batch.targets)
                optimizer.zero_grad()
                torch.autograd.backward(loss)
                optimizer.step()
            return Outcome({"loss": loss.item()})

        return work

    timings = interleave(
        {"made": lambda: prepared(0), "kept": lambda: prepared(1024)},
        rounds=options.count(default=ROUNDS, quick=2),
        cpu_clock=time.process_time,
        say=lambda line: options.say(f"{name}, images {line}"),
    )
    check_agreement(timings, tolerances={"": 0.0})
    made, kept = ([one.wall_s for one in timings[arm]] for arm in ("made", "kept"))
    return {"made": spread(made), "kept": spread(kept), "made over kept": ratios(made, kept)}


def _compare(name: str, reference: Reference, signals: Signals, options: Options) -> dict[str, Any]:
    transform, tensor = IMAGES[name](RATE_HZ), torch.from_numpy(signals[:, None])

    def ours() -> Outcome:
        with torch.inference_mode():
            for _ in range(reference.calls):
                image = transform.transform(tensor)
        return _outcome(image[:, 0].numpy())

    arms: dict[str, Arm] = {
        "raytrain": lambda: ours,
        "reference": lambda: lambda: _outcome(reference.compute(signals)),
    }
    timings = interleave(
        arms,
        rounds=options.count(default=ROUNDS, quick=2),
        cpu_clock=time.process_time,
        say=lambda line: options.say(f"{name}, {line}"),
    )
    check_agreement(timings, tolerances={"": reference.tolerance})
    mine, theirs = (_windows_per_s(timings["raytrain"], reference.calls), _windows_per_s(timings["reference"], 1))
    return {
        "raytrain": spread(mine),
        "reference": spread(theirs),
        "ratio": ratios(mine, theirs),
        "ratio by round": [one / other for one, other in zip(mine, theirs, strict=True)],
    }


def _windows_per_s(timings: list[Timing], calls: int) -> list[float]:
    return [calls * WINDOWS / one.wall_s for one in timings]


def _outcome(image: Image) -> Outcome:
    return Outcome({f"row {row}": float(value) for row, value in enumerate(image.mean(axis=(0, 2)))})


def _decibels(power: Image) -> Image:
    log: Image = 10 * np.log10(power + 1e-10)
    return log


def _short_time_fourier(signals: Signals) -> Image:
    window = scipy.signal.get_window("hann", 128)
    transform = scipy.signal.ShortTimeFFT(window, HOP, RATE_HZ, fft_mode="onesided2X", scale_to="magnitude")
    spectrum = transform.stft(signals, p0=0, p1=SAMPLES // HOP + 1, padding="even")
    power: Image = spectrum.real**2 + spectrum.imag**2
    return _decibels(power)


def _wavelet(signals: Signals) -> Image:
    frequencies_hz = Cwt(RATE_HZ).frequencies_hz.numpy()
    scales = 6 * RATE_HZ / (2 * np.pi * frequencies_hz)
    reflected = np.pad(signals, ((0, 0), (REFLECTED, REFLECTED)), mode="reflect")
    morlet = f"cmor2.0-{6 / (2 * np.pi):.15f}"
    # At its default precision a long wavelet jitters, which lets 0.7 dB of noise in.
    found, _ = pywt.cwt(reflected, scales, morlet, 1 / RATE_HZ, method="fft", precision=16)
    found = found[..., REFLECTED:-REFLECTED]
    # Theirs is the L2 norm, without the factor two, and averages the wavelet over each sample.
    gain = 4 / scales / np.sinc(frequencies_hz / RATE_HZ) ** 2
    power = (found.real**2 + found.imag**2) * gain[:, None, None]
    columns: Image = power.reshape(len(scales), len(signals), -1, HOP).mean(axis=-1)
    return _decibels(columns).swapaxes(0, 1)


def _lag_products(signal: Signals) -> NDArray[np.complexfloating]:
    """Return z[n+m] z*[n-m] of one window for all n and m >= 0, `[T, M]`."""
    lags = BINS // 2
    padded = np.pad(scipy.signal.hilbert(signal), lags - 1)
    after = sliding_window_view(padded[lags - 1 :], lags)
    before = sliding_window_view(padded[: SAMPLES + lags - 1], lags)[:, ::-1]
    products: NDArray[np.complexfloating] = after * before.conj()
    return products


def _wigner_ville(signals: Signals) -> Image:
    return np.stack([_over_lags(_lag_products(signal)[::HOP]) for signal in signals])


def _smoothed_wigner_ville(signals: Signals) -> Image:
    over_time, over_lags = (scipy.signal.windows.hann(length + 2)[1:-1] for length in (65, 127))
    images = []
    for signal in signals:
        padded = np.pad(_lag_products(signal), ((32, 32), (0, 0)))
        smoothed = sliding_window_view(padded, 65, axis=0)[::HOP] @ (over_time / over_time.sum())
        images.append(_over_lags(smoothed * over_lags[63:]))
    return np.stack(images)


def _over_lags(products: NDArray[np.complexfloating]) -> Image:
    """Return the distribution `[F, T']` of lag products `[T', M]`, which negative lags conjugate."""
    image: Image = np.fft.hfft(products, BINS, axis=-1, norm="forward").T
    return image


REFERENCES = {
    "cwt": Reference("PyWavelets, by FFT", _wavelet, 1, 0.1),
    "smoothed_pseudo_wvd": Reference("NumPy, each window", _smoothed_wigner_ville, 4, 1e-6),
    "stft": Reference("SciPy ShortTimeFFT", _short_time_fourier, 20, 1e-3),
    "wvd": Reference("NumPy, each window", _wigner_ville, 10, 1e-6),
}
