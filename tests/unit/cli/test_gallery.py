from __future__ import annotations

import csv
import math
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
import typer
from matplotlib.lines import Line2D
from numpy.typing import NDArray
from typer.testing import CliRunner

from raytrain.augment.build import AUGMENTATIONS
from raytrain.cli import gallery_examples
from raytrain.cli.gallery import DRAWS, gallery
from raytrain.cli.gallery_examples import Example, ShownWindows, make_examples, settings_to_show, take_windows
from raytrain.cli.gallery_figure import draw_gallery
from raytrain.data.read import read_source
from raytrain.data.recording import Recording
from raytrain.errors import ConfigError, DataError

FS_HZ = 2048.0
PNG = b"\x89PNG"


def recording(name: str, *, fault: str, fs_hz: float = FS_HZ, seed: int = 0) -> Recording:
    signal = np.random.default_rng(seed).standard_normal((2, 3000)).astype(np.float32)
    return Recording(
        signal=signal,
        fs_hz=fs_hz,
        shaft_speed_rpm=1800.0,
        label=fault,
        fault_type=fault,
        recording_id=name,
        bearing_id=name,
        dataset="rig",
        channels=("DE", "FE"),
        severity="7 mil" if fault != "normal" else "",
    )


@pytest.fixture
def windows() -> ShownWindows:
    return take_windows(recording("a", fault="inner"), recording("b", fault="ball", seed=1), length=1024)


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A healthy recording, two of one fault, one of another, and one of another at another rate."""
    folder = tmp_path_factory.mktemp("rig")
    with (folder / "manifest.csv").open("w", newline="", encoding="utf-8") as file:
        rows = csv.writer(file)
        rows.writerow(["file", "fs_hz", "rpm", "label", "fault_type"])
        for i, (name, fs_hz) in enumerate(
            [("normal", 2000), ("inner", 2000), ("inner_b", 2000), ("outer", 4000), ("ball", 2000)]
        ):
            np.save(folder / f"{name}.npy", np.random.default_rng(i).standard_normal(3000).astype(np.float32))
            rows.writerow([f"{name}.npy", fs_hz, 1800, name, name.removesuffix("_b")])
    return folder


def run(*arguments: str) -> str:
    app = typer.Typer()
    app.command()(gallery)
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


class TestExamples:
    def test_every_augmentation_is_shown(self) -> None:
        shown = [name for name, _ in settings_to_show()]
        assert set(shown) == AUGMENTATIONS.keys() - {"none"}
        assert shown.count("patch") == 3
        assert gallery_examples._SHOWN.keys() <= AUGMENTATIONS.keys()

    def test_each_changes_the_window_alone(self, windows: ShownWindows) -> None:
        before, state = windows.signal.clone(), torch.random.get_rng_state()
        examples = make_examples(windows, seed=DRAWS)
        assert torch.equal(windows.signal, before)
        assert torch.equal(torch.random.get_rng_state(), state)
        for example in examples:
            assert example.before.shape == example.after.shape, example.title
            assert torch.isfinite(example.after).all(), example.title
            assert not torch.equal(example.before, example.after), example.title
            if example.before.dim() == 1:
                assert torch.equal(example.before, windows.signal[0, 0])
        assert [example.before.dim() for example in examples].count(2) == 1

    def test_titles_say_the_settings(self, windows: ShownWindows) -> None:
        titles = [example.title for example in make_examples(windows, seed=0)]
        assert "gaussian_noise, std 0.3" in titles
        assert "patch, preset heavy, patch_length 64" in titles
        assert "compose, time_shift then gaussian_noise" in titles
        assert "auto_augment, amplitude_scaling and time_masking" in titles

    def test_notes_say_what_no_picture_shows(self, windows: ShownWindows) -> None:
        notes = {example.title.split(",")[0]: example.note for example in make_examples(windows, seed=DRAWS)}
        assert notes["adversarial"] == "against an untrained WDCNN"
        assert notes["cutmix"] == "label: 65% inner, 35% ball"
        assert notes["time_shift"] == ""

    def test_windows_are_standardised_and_from_either_end(self) -> None:
        own, partner = recording("a", fault="inner"), recording("b", fault="normal", seed=1)
        windows = take_windows(own, partner, length=1024)
        for window, raw in zip(windows.signal, (own.signal[0, :1024], partner.signal[0, -1024:]), strict=True):
            np.testing.assert_allclose(window[0], (raw - raw.mean()) / raw.std(), rtol=1e-4, atol=1e-5)
        assert windows.classes == ("inner", "normal")
        assert windows.caption == "a, channel DE (inner, 7 mil, 1800 rpm)"

    def test_real_recordings(self, real_data: Path) -> None:
        recordings = read_source(str(real_data), dataset=["cwru"])
        own = next(one for one in recordings if one.fault_type == "inner")
        partner = next(one for one in recordings if one.fault_type == "ball")
        for example in make_examples(take_windows(own, partner, length=2048), seed=DRAWS):
            assert torch.isfinite(example.after).all(), example.title
            assert not torch.equal(example.before, example.after), example.title


def drawn(line: Line2D) -> NDArray[np.float64]:
    """Return x and y of a line, `[2, N]`."""
    return np.array(line.get_data(), dtype=np.float64)


class TestFigure:
    def test_shows_before_and_after_over_seconds_and_hertz(self, windows: ShownWindows) -> None:
        time = torch.arange(1024) / FS_HZ
        tone = math.sqrt(2) * torch.sin(2 * torch.pi * 203 * time)
        figure = draw_gallery([Example("twice", "a note", tone, 2 * tone)], windows=windows, seed=3)
        whole, close_up, spectrum = figure.axes
        grey, blue = whole.lines
        np.testing.assert_allclose(drawn(grey), [time.numpy(), tone.numpy()])
        np.testing.assert_allclose(drawn(blue), [time.numpy(), 2 * tone.numpy()])
        assert drawn(close_up.lines[0]).shape == (2, 64)
        grey, blue = spectrum.lines
        assert spectrum.get_xlim() == (0, FS_HZ / 2)
        # 203 Hz is near line 102 of 2 Hz: in the 13th mean of 8 lines, from 194 to 208 Hz. Variance 1 over 8 lines.
        frequencies_hz, power_db = drawn(grey)
        assert frequencies_hz[power_db.argmax()] == pytest.approx(200, abs=1)
        np.testing.assert_allclose(drawn(blue)[1] - power_db, 20 * math.log10(2), atol=1e-3)
        assert [axes.get_xlabel() for axes in figure.axes] == ["time in s", "time in s", "frequency in Hz"]
        assert (whole.get_title(loc="left"), whole.get_title(loc="right")) == ("twice", "a note")
        assert figure.get_suptitle() == (
            "Augmentations of 1024 samples (0.5 s) of a, channel DE (inner, 7 mil, 1800 rpm); seed 3. "
            "Grey: before, blue: after."
        )

    def test_the_close_up_is_where_it_changes_most(self, windows: ShownWindows) -> None:
        before = windows.signal[0, 0]
        after = before.clone()
        after[700:720] += 5
        _, close_up, _ = draw_gallery([Example("bump", "", before, after)], windows=windows, seed=0).axes
        low, high = close_up.get_xlim()
        assert low <= 700 / FS_HZ < 719 / FS_HZ <= high

    def test_power_is_that_of_the_signal(self, windows: ShownWindows) -> None:
        noise = windows.signal[0, 0]
        spectrum = draw_gallery([Example("same", "", noise, noise)], windows=windows, seed=0).axes[2]
        power = 10 ** (drawn(spectrum.lines[0])[1] / 10)
        assert power.sum() * 8 == pytest.approx(1, abs=0.01)

    def test_shows_images_over_seconds_and_hertz(self, windows: ShownWindows) -> None:
        (example,) = (one for one in make_examples(windows, seed=DRAWS) if one.before.dim() == 2)
        before, after, hidden = draw_gallery([example], windows=windows, seed=DRAWS).axes
        for axes, shown in ((before, example.before), (after, example.after)):
            np.testing.assert_array_equal(np.asarray(axes.images[0].get_array()), shown.numpy())
            # Columns every 32 samples and rows every 16 Hz, centred on their time and frequency.
            assert list(axes.images[0].get_extent()) == [-16 / FS_HZ, 0.5 + 16 / FS_HZ, -8.0, 1032.0]
            assert (axes.get_xlim(), axes.get_ylim()) == ((0, 0.5), (0, FS_HZ / 2))
        changed = (example.before != example.after).numpy()
        np.testing.assert_array_equal(np.asarray(hidden.images[0].get_array()), changed)


class TestCommand:
    @pytest.fixture(autouse=True)
    def few_examples(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(gallery_examples, "settings_to_show", lambda: [("mixup", {}), ("spec_augment", {})])

    def test_draws_the_recording_that_was_named(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "new" / "picture.png"
        printed = run("--data", str(folder), "--recording", "ball", "--out", str(out), "--length", "1024")
        assert printed == f"ball (ball), mixed with normal (normal): {out}\n"
        assert out.read_bytes().startswith(PNG)

    def test_draws_the_first_fault_mixed_with_another_at_its_rate(self, folder: Path, tmp_path: Path) -> None:
        out = tmp_path / "picture.svg"
        assert run("--data", str(folder), "--out", str(out)).startswith("inner (inner), mixed with normal (normal)")
        assert b"<svg" in out.read_bytes()

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--recording", "bal"), "--recording: there is no recording 'bal'; did you mean 'ball'"),
            (("--out", "picture.bmp"), r"--out picture.bmp: pictures are .pdf, .png, .svg, got .bmp"),
            (("--out", "picture"), "got no ending"),
            (("--length", "4000"), "--length 4000: inner has 3000 samples"),
        ],
    )
    def test_what_cannot_be_drawn_is_refused(self, folder: Path, arguments: Sequence[str], message: str) -> None:
        with pytest.raises((ConfigError, DataError), match=message):
            run("--data", str(folder), *arguments)

    def test_without_matplotlib_says_what_to_install(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "matplotlib", None)
        with pytest.raises(ConfigError, match=r'pip install "raytrain\[plots\]"'):
            run()
