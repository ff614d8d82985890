from __future__ import annotations

import wave
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from scipy.io import savemat, wavfile

from raytrain.data.arrays import load_channels, load_variables, signal_faults, stack
from raytrain.errors import DataError

DE = np.linspace(-1, 1, 50, dtype=np.float32)
FE = np.cos(DE)
BOTH = np.stack([DE, FE])


def save_csv(path: Path, table: np.ndarray[Any, Any], header: str = "") -> None:
    lines = [",".join(repr(float(value)) for value in row) for row in table]
    path.write_text("\n".join([header, *lines] if header else lines) + "\n")


def save_npz(path: Path) -> None:
    np.savez_compressed(path, DE=DE, FE=FE.astype(np.float64), fs=np.array(12_000), note=np.array("text"))


def save_mat(path: Path) -> None:
    savemat(path, {"DE": DE, "FE": FE[:, None], "RPM": 1797.0, "note": "text", "cell": np.array([1, "a"], object)})


def assert_channels(path: Path, **expected: np.ndarray[Any, Any]) -> None:
    channels = load_channels(path).channels
    assert list(channels) == list(expected)
    for name, samples in expected.items():
        assert channels[name].dtype == np.float32
        np.testing.assert_array_equal(channels[name], samples.astype(np.float32))


@pytest.mark.parametrize(("suffix", "save"), [("npz", save_npz), ("mat", save_mat)])
def test_named_vectors_are_channels(tmp_path: Path, suffix: str, save: Callable[[Path], None]) -> None:
    path = tmp_path / f"a.{suffix}"
    save(path)
    assert_channels(path, DE=DE, FE=FE)


@pytest.mark.parametrize("layout", [BOTH, BOTH.T, BOTH[None], BOTH.astype(np.float64)])
def test_npy_longer_axis_is_time(tmp_path: Path, layout: np.ndarray[Any, Any]) -> None:
    np.save(tmp_path / "a.npy", layout)
    assert_channels(tmp_path / "a.npy", ch1=DE, ch2=FE)


@pytest.mark.parametrize("layout", [DE, DE[None], DE[:, None]])
def test_npy_of_one_channel(tmp_path: Path, layout: np.ndarray[Any, Any]) -> None:
    np.save(tmp_path / "a.npy", layout)
    assert_channels(tmp_path / "a.npy", ch1=DE)


@pytest.mark.parametrize("layout", [BOTH, BOTH.T])
def test_table_in_npz_is_split(tmp_path: Path, layout: np.ndarray[Any, Any]) -> None:
    np.savez(tmp_path / "a.npz", x=layout, y=DE)
    assert_channels(tmp_path / "a.npz", x1=DE, x2=FE, y=DE)


def test_structure_in_mat_is_opened_one_level_deep(tmp_path: Path) -> None:
    bearing = {"gs": DE[:, None], "sr": 97_656.0, "deeper": {"gs": FE}}
    savemat(tmp_path / "a.mat", {"bearing": bearing, "y": FE})
    assert_channels(tmp_path / "a.mat", **{"bearing.gs": DE, "y": FE})
    assert load_variables(tmp_path / "a.mat")["bearing.sr"] == 97_656


def test_csv_with_and_without_header(tmp_path: Path) -> None:
    save_csv(tmp_path / "a.csv", BOTH.T, ' DE ,"F,E"')
    assert_channels(tmp_path / "a.csv", **{"DE": DE, "F,E": FE})
    save_csv(tmp_path / "b.CSV", BOTH.T)
    assert_channels(tmp_path / "b.CSV", ch1=DE, ch2=FE)
    save_csv(tmp_path / "c.csv", DE[:1, None], "\ufeffDE")
    assert_channels(tmp_path / "c.csv", DE=DE[:1])
    (tmp_path / "d.csv").write_text("DE,FE\n\n")
    assert_channels(tmp_path / "d.csv", DE=DE[:0], FE=FE[:0])


@pytest.mark.parametrize(
    ("dtype", "full_scale"), [(np.int16, 2**15), (np.int32, 2**31), (np.float32, 1), (np.float64, 1)]
)
def test_wav_is_scaled_to_one(tmp_path: Path, dtype: type[Any], full_scale: int) -> None:
    table = (BOTH.T.astype(np.float64) * 0.5 * full_scale).astype(dtype)
    wavfile.write(tmp_path / "a.wav", 48_828, table)
    arrays = load_channels(tmp_path / "a.wav")
    assert arrays.fs_hz == 48_828
    np.testing.assert_allclose(arrays.channels["ch1"], DE / 2, atol=1 / min(full_scale, 2**15) if full_scale > 1 else 0)
    np.testing.assert_allclose(arrays.channels["ch2"], FE / 2, atol=1 / 2**14 if full_scale > 1 else 0)


def test_wav_of_integers_reaches_minus_one_exactly(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 8000, np.array([-(2**15), 0, 2**14], np.int16))
    assert_channels(tmp_path / "a.wav", ch1=np.array([-1, 0, 0.5]))
    wavfile.write(tmp_path / "b.wav", 8000, np.array([0, 128, 192], np.uint8))
    assert_channels(tmp_path / "b.wav", ch1=np.array([-1, 0, 0.5]))
    with wave.open(str(tmp_path / "c.wav"), "wb") as file:
        file.setparams((1, 3, 8000, 0, "NONE", ""))
        file.writeframes(b"\x00\x00\x80" + b"\x00\x00\x00" + b"\x00\x00\x40")
    assert_channels(tmp_path / "c.wav", ch1=np.array([-1, 0, 0.5]))


def test_wav_shorter_than_it_has_channels_keeps_time_apart(tmp_path: Path) -> None:
    wavfile.write(tmp_path / "a.wav", 8000, BOTH[:, :4].astype(np.float32))  # 2 frames of 4 channels
    assert_channels(tmp_path / "a.wav", ch1=BOTH[:, 0], ch2=BOTH[:, 1], ch3=BOTH[:, 2], ch4=BOTH[:, 3])


def test_only_wav_tells_its_rate(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", DE)
    assert load_channels(tmp_path / "a.npy").fs_hz is None


def test_empty_vectors_are_channels_without_samples(tmp_path: Path) -> None:
    np.savez(tmp_path / "a.npz", DE=np.empty(0), FE=np.empty((0, 3)))
    savemat(tmp_path / "a.mat", {"DE": np.empty((0, 0)), "FE": np.empty((0, 1))})
    np.save(tmp_path / "a.npy", np.empty((2, 0)))
    nothing = np.empty(0)
    assert_channels(tmp_path / "a.npz", DE=nothing, FE=nothing)
    assert_channels(tmp_path / "a.mat", DE=nothing, FE=nothing)
    assert_channels(tmp_path / "a.npy", ch1=nothing)


def test_pickled_objects_are_refused_unopened(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> tuple[Any, ...]:
            return (Path.touch, (tmp_path / "sprung",))

    np.save(tmp_path / "a.npy", np.array([Trap()], object))
    np.savez(tmp_path / "a.npz", x=np.array([Trap()], object))
    for name in ("a.npy", "a.npz"):
        with pytest.raises(DataError, match="allow_pickle"):
            load_channels(tmp_path / name)
    assert not (tmp_path / "sprung").exists()


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.txt", "1\n2", r"file type must be one of \.npz, \.npy, \.csv, \.mat, \.wav"),
        ("a.csv", "DE,FE\n1,2\n3,x\n", "'x'"),
        ("a.csv", "DE,FE\n1,2\n3\n", "columns"),
        ("a.csv", "DE,FE\n1,2,3\n", "2 column names stand above 3 columns"),
        ("a.csv", "DE,DE\n1,2\n", "column names must differ: DE, DE"),
        ("a.csv", "", "there must be a numeric vector"),
        ("a.npz", "no archive", r"not readable as \.npz"),
        ("a.npy", "no array", r"not readable as \.npy"),
        ("a.mat", "no matrix", r"not readable as \.mat"),
        ("a.wav", "no sound", r"not readable as \.wav"),
    ],
)
def test_unreadable_file_is_named_with_the_reason(tmp_path: Path, name: str, text: str, message: str) -> None:
    (tmp_path / name).write_text(text)
    with pytest.raises(DataError, match=message) as caught:
        load_channels(tmp_path / name)
    assert name in str(caught.value)


def test_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"nowhere\.mat"):
        load_variables(tmp_path / "nowhere.mat")


def test_matlab_73_is_told_how_to_save(tmp_path: Path) -> None:
    head = b"MATLAB 7.3 MAT-file".ljust(124) + b"\x00\x02IM"
    (tmp_path / "a.mat").write_bytes(head.ljust(600, b"\0"))
    with pytest.raises(DataError, match="save it with -v7"):
        load_channels(tmp_path / "a.mat")


def test_text_only_is_no_recording(tmp_path: Path) -> None:
    savemat(tmp_path / "a.mat", {"note": "text", "RPM": 1797})
    np.save(tmp_path / "a.npy", np.array(["a", "b"]))
    for name in ("a.mat", "a.npy"):
        with pytest.raises(DataError, match="there must be a numeric vector in it"):
            load_channels(tmp_path / name)


@pytest.mark.parametrize("shape", [(7, 7), (2, 3, 50)])
def test_shape_that_does_not_tell_time_is_refused(tmp_path: Path, shape: tuple[int, ...]) -> None:
    np.save(tmp_path / "a.npy", np.ones(shape))
    with pytest.raises(DataError, match=r"does not tell channels from time; save \[channels, samples\]"):
        load_channels(tmp_path / "a.npy")


@pytest.mark.parametrize("suffix", ["npz", "npy", "mat", "wav"])
def test_file_cut_short_is_an_error_not_a_shorter_recording(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"a.{suffix}"
    noise = np.random.default_rng(0).standard_normal(4000).astype(np.float32)
    {
        "npz": lambda: np.savez_compressed(path, x=noise),
        "npy": lambda: np.save(path, noise),
        "mat": lambda: savemat(path, {"x": noise}, do_compression=True),
        "wav": lambda: wavfile.write(path, 8000, noise),
    }[suffix]()
    whole = path.read_bytes()
    for size in range(0, len(whole), len(whole) // 8):
        path.write_bytes(whole[:size])
        with pytest.raises(DataError, match=f"a.{suffix}"):
            load_channels(path)


@given(hnp.arrays(np.float32, st.integers(2, 30), elements=st.floats(-1e6, 1e6, width=32)))
def test_every_format_gives_back_every_sample(
    tmp_path_factory: pytest.TempPathFactory, samples: np.ndarray[Any, np.dtype[np.float32]]
) -> None:
    folder = tmp_path_factory.mktemp("formats")
    np.savez(folder / "a.npz", x=samples)
    np.save(folder / "a.npy", samples)
    savemat(folder / "a.mat", {"x": samples})
    save_csv(folder / "a.csv", samples[:, None], "x")
    wavfile.write(folder / "a.wav", 8000, samples)
    for path in sorted(folder.iterdir()):
        (loaded,) = load_channels(path).channels.values()
        np.testing.assert_array_equal(loaded, samples, err_msg=path.name)


def test_stack_puts_channels_in_rows() -> None:
    signal = stack({"DE": DE, "FE": FE}, ["FE", "DE"])
    np.testing.assert_array_equal(signal, BOTH[::-1])
    assert signal.flags.c_contiguous


def test_sound_channels_have_no_faults() -> None:
    assert signal_faults({"DE": DE, "FE": FE}, ["DE", "FE"]) == []


@pytest.mark.parametrize(
    ("channels", "wanted", "faults"),
    [
        ({"DE": DE}, ["DE", "FE", "BA"], [("channels must be in the file, which has DE", "FE, BA")]),
        (
            {"DE": DE, "FE": FE[:9]},
            ["DE", "FE"],
            [("channels of a recording must be equally long", "DE 50, FE 9")],
        ),
        ({"DE": DE[:0]}, ["DE"], [("a recording must have samples", "0 in DE")]),
        ({"DE": DE[:0], "FE": FE}, ["FE"], []),
    ],
)
def test_faults_of_channels(
    channels: dict[str, np.ndarray[Any, Any]], wanted: list[str], faults: list[tuple[str, str]]
) -> None:
    assert signal_faults(channels, wanted) == faults


def test_every_channel_that_is_not_finite_is_told() -> None:
    bad, worse = DE.copy(), FE.copy()
    bad[7] = np.nan
    worse[[3, 9]] = np.inf, -np.inf
    assert signal_faults({"DE": bad, "FE": worse}, ["DE", "FE"]) == [
        ("samples must be finite", "1 NaN or infinite in DE, first at sample 7"),
        ("samples must be finite", "2 NaN or infinite in FE, first at sample 3"),
    ]


def test_number_too_large_for_float32_is_not_finite(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.array([0, 1e300, 1]))
    assert len(signal_faults(load_channels(tmp_path / "a.npy").channels, ["ch1"])) == 1
