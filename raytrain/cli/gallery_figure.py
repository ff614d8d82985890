"""The picture of the gallery: a row per augmentation, before in grey and after in colour."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from torch import Tensor
from torch.nn import functional

from raytrain.cli.gallery_examples import Example, ShownWindows
from raytrain.tfr.short_time_fourier import Stft

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["draw_gallery"]

BEFORE, AFTER = "#9a9a9a", "#0b6fb8"
CAPTION = "#606060"
WIDTH_INCHES, ROW_INCHES, TOP_INCHES, BOTTOM_INCHES = 14.0, 1.8, 0.9, 0.45
CLOSE_UP = 16  # parts of the window, of which one is shown large
LINES_PER_POINT = 8
FLOOR_DB = 60.0


def draw_gallery(examples: Sequence[Example], *, windows: ShownWindows, seed: int) -> Figure:
    """Return a figure with a row per example: the window, a close-up and the spectrum, or images before and after."""
    from matplotlib.figure import Figure

    height = TOP_INCHES + ROW_INCHES * len(examples)
    figure = Figure(figsize=(WIDTH_INCHES, height), dpi=110)
    rows = figure.subplots(len(examples), 3, squeeze=False, width_ratios=[1.6, 1, 1])
    # Margins in inches: to have matplotlib find them takes longer than to draw.
    figure.subplots_adjust(
        left=0.05, right=0.985, bottom=BOTTOM_INCHES / height, top=1 - TOP_INCHES / height, wspace=0.17, hspace=0.8
    )
    for (time, close_up, spectrum), example in zip(rows, examples, strict=True):
        if example.before.dim() == 1:
            _draw_signal(time, example, fs_hz=windows.fs_hz)
            _draw_close_up(close_up, example, fs_hz=windows.fs_hz)
            _draw_spectrum(spectrum, example, fs_hz=windows.fs_hz)
        else:
            _draw_images((time, close_up, spectrum), example, windows)
        time.set_title(example.title, loc="left", fontsize=10, fontweight="bold")
        if example.note:
            time.set_title(example.note, loc="right", fontsize=9, color=AFTER)
    samples = windows.signal.shape[-1]
    figure.suptitle(
        f"Augmentations of {samples} samples ({samples / windows.fs_hz:.3g} s) of {windows.caption}; seed {seed}. "
        f"Grey: before, blue: after.",
        fontsize=11,
        y=1 - 0.3 / height,
    )
    return figure


def _draw_signal(axes: Axes, example: Example, *, fs_hz: float, chosen: slice = slice(None)) -> None:
    """Draw `chosen` samples of the signal before and after over time."""
    seconds = (torch.arange(len(example.before)) / fs_hz)[chosen]
    axes.plot(seconds.numpy(), example.before[chosen].numpy(), color=BEFORE, linewidth=1.3)
    axes.plot(seconds.numpy(), example.after[chosen].numpy(), color=AFTER, linewidth=0.8)
    axes.set_xlabel("time in s", fontsize=8)
    axes.set_ylabel("std deviations", fontsize=8)
    _plain(axes)
    axes.set_xlim(float(seconds[0]), float(seconds[-1]))


def _draw_close_up(axes: Axes, example: Example, *, fs_hz: float) -> None:
    """Draw the part that changes most, before and after."""
    samples = len(example.before)
    shown = samples // CLOSE_UP
    change = functional.avg_pool1d((example.after - example.before).abs()[None, None], shown, stride=shown // 4)
    start = int(change.argmax()) * (shown // 4)
    _draw_signal(axes, example, fs_hz=fs_hz, chosen=slice(start, start + shown))
    axes.set_ylabel("")
    axes.set_title("close-up of where it changes most", loc="left", fontsize=8, color=CAPTION)
    axes.locator_params(axis="x", nbins=5)


def _draw_spectrum(axes: Axes, example: Example, *, fs_hz: float) -> None:
    """Draw the spectra before and after in dB over frequency."""
    before, after = (_power_db(signal) for signal in (example.before, example.after))
    frequencies_hz = (torch.arange(len(before)) + 0.5) * LINES_PER_POINT * fs_hz / len(example.before)
    axes.plot(frequencies_hz.numpy(), before.numpy(), color=BEFORE, linewidth=1.8)
    axes.plot(frequencies_hz.numpy(), after.numpy(), color=AFTER, linewidth=0.9)
    top = float(torch.maximum(before, after).max())
    axes.set_ylim(top - FLOOR_DB, top + 3)
    axes.set_xlim(0, fs_hz / 2)
    axes.set_xlabel("frequency in Hz", fontsize=8)
    axes.set_ylabel("dB", fontsize=8)
    axes.set_title(f"power spectrum, mean of {LINES_PER_POINT} lines", loc="left", fontsize=8, color=CAPTION)
    _plain(axes)


def _power_db(signal: Tensor) -> Tensor:
    """Return the mean power of neighbouring lines in dB of the window's variance, `[T]` -> `[T // 2 // 8]`."""
    power = torch.fft.rfft(signal).abs().square()[1:] * 2 / len(signal) ** 2
    mean = functional.avg_pool1d(power[None, None], LINES_PER_POINT)[0, 0]
    return 10 * torch.log10(mean.clamp_min(1e-12))


def _draw_images(row: Sequence[Axes], example: Example, windows: ShownWindows) -> None:
    """Draw the image before, after, and what is hidden."""
    transform = Stft(windows.fs_hz)
    (left, right), (low_hz, high_hz) = (
        _edges(axis) for axis in (transform.times_s(windows.signal.shape[-1]), transform.frequencies_hz)
    )
    top = float(example.before.max())
    hidden = (example.after != example.before).float()
    shown = ((example.before, "", "viridis"), (example.after, "after", "viridis"), (hidden, "what is hidden", "Blues"))
    for axes, (image, caption, colours) in zip(row, shown, strict=True):
        low, high = (0.0, 1.4) if image is hidden else (top - FLOOR_DB, top)
        axes.imshow(
            image.numpy(),
            origin="lower",
            aspect="auto",
            extent=(left, right, low_hz, high_hz),
            cmap=colours,
            vmin=low,
            vmax=high,
            interpolation="none",
        )
        if caption:
            axes.set_title(caption, loc="left", fontsize=8, color=CAPTION)
        axes.set_xlim(0, windows.signal.shape[-1] / windows.fs_hz)
        axes.set_ylim(0, windows.fs_hz / 2)
        axes.set_xlabel("time in s", fontsize=8)
        axes.set_ylabel("frequency in Hz", fontsize=8)
        axes.tick_params(labelsize=7)


def _edges(centres: Tensor) -> tuple[float, float]:
    """Return where the first of evenly spaced cells begins and the last one ends."""
    half = float(centres[1] - centres[0]) / 2
    return float(centres[0]) - half, float(centres[-1]) + half


def _plain(axes: Axes) -> None:
    axes.spines[["top", "right"]].set_visible(False)
    axes.tick_params(labelsize=7)
    axes.grid(alpha=0.2, linewidth=0.5)
