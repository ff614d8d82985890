"""Arrays from files (.npz, .npy, .csv, .mat, .wav) as named channels, and channels as one signal."""

from __future__ import annotations

import csv
import warnings
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.io import loadmat, wavfile

from raytrain.errors import DataError

__all__ = ["Arrays", "load_channels", "load_variables", "named_vectors", "signal_faults", "stack"]

Signal: TypeAlias = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Arrays:
    """What a file holds.

    Attributes:
        channels: Name -> samples, float32 `[T]`.
        fs_hz: Sampling rate, where the file itself tells it (.wav).
    """

    channels: dict[str, Signal]
    fs_hz: float | None = None


def load_channels(path: Path) -> Arrays:
    """Load the channels of a file; the suffix tells how.

    - `.npz`, `.mat` (version 7 and older): each numeric vector is a channel of that name; a field of a
      structure is `structure.field`; a table `x` becomes `x1`, `x2`, ... Scalars and texts are passed over.
    - `.npy`: channels `ch1`, `ch2`, ...
    - `.csv`: columns, separated by commas, named by the first line, or `ch1`, ... where that is numbers too.
    - `.wav`: channels `ch1`, ...; integers are scaled to [-1, 1).

    A table in `.npy`, `.npz` and `.mat` may be `[C, T]` or `[T, C]`: the longer axis is time.

    Raises:
        DataError: The file cannot be read, or holds no numeric vector. Nothing in a file is ever executed.
    """
    loader = _LOADERS.get(path.suffix.lower())
    if loader is None:
        raise DataError(f"{path}: the file type must be one of {', '.join(_LOADERS)}")
    try:
        arrays = loader(path)
    except DataError:
        raise
    except Exception as error:  # parsers of damaged files raise anything: zlib.error, struct.error, ...
        raise DataError(f"{path}: not readable as {path.suffix.lower()}: {error}") from error
    if not arrays.channels:
        raise DataError(f"{path}: there must be a numeric vector in it")
    return arrays


def load_variables(path: Path) -> dict[str, Any]:
    """Return the variables of a `.mat` file, squeezed; a field of a structure is `structure.field`.

    Raises:
        DataError: The file cannot be read.
    """
    try:
        variables = loadmat(path, simplify_cells=True)
    except NotImplementedError as error:
        raise DataError(f"{path}: MATLAB 7.3 files are not supported; save it with -v7") from error
    except Exception as error:  # as above
        raise DataError(f"{path}: not readable as .mat: {error}") from error
    flat: dict[str, Any] = {}
    for name, value in variables.items():
        if isinstance(value, dict):
            flat |= {f"{name}.{field}": inner for field, inner in value.items()}
        elif not name.startswith("__"):
            flat[name] = value
    return flat


def named_vectors(arrays: Mapping[str, Any]) -> dict[str, Signal]:
    """Return the numeric vectors among `arrays` as channels; a table becomes `name1`, `name2`, ..."""
    channels: dict[str, Signal] = {}
    for name, array in arrays.items():
        if _is_vector(array):
            rows = _channels_first(array)
            channels |= {name: _float32(rows[0])} if len(rows) == 1 else _numbered(rows, name)
    return channels


def signal_faults(channels: Mapping[str, Signal], wanted: Sequence[str]) -> list[tuple[str, str]]:
    """Return each rule that the wanted channels break, with the value that breaks it."""
    missing = [name for name in wanted if name not in channels]
    if missing:
        return [(f"channels must be in the file, which has {', '.join(channels)}", ", ".join(missing))]
    lengths = {name: channels[name].size for name in wanted}
    empty = [name for name, samples in lengths.items() if samples == 0]
    if empty:
        return [("a recording must have samples", f"0 in {', '.join(empty)}")]
    faults = []
    if len(set(lengths.values())) > 1:
        text = ", ".join(f"{name} {samples}" for name, samples in lengths.items())
        faults.append(("channels of a recording must be equally long", text))
    for name in wanted:
        wrong = np.flatnonzero(~np.isfinite(channels[name]))
        if wrong.size:
            text = f"{wrong.size} NaN or infinite in {name}, first at sample {wrong[0]}"
            faults.append(("samples must be finite", text))
    return faults


def stack(channels: Mapping[str, Signal], wanted: Sequence[str]) -> Signal:
    """Return the wanted channels, in which `signal_faults` found none, as a signal `[C, T]`."""
    return np.stack([channels[name] for name in wanted])


def _npz(path: Path) -> Arrays:
    with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
        return Arrays(named_vectors(arrays))


def _npy(path: Path) -> Arrays:
    array = np.load(path, allow_pickle=False)
    return Arrays(_numbered(_channels_first(array)) if _is_vector(array) else {})


def _mat(path: Path) -> Arrays:
    return Arrays(named_vectors(load_variables(path)))


def _csv(path: Path) -> Arrays:
    lines = [line for line in path.read_text(encoding="utf-8-sig").splitlines() if line.strip()]
    names = [cell.strip() for cell in next(csv.reader(lines[:1]), [])]
    if all(map(_is_number, names)):
        names = []
    if len(set(names)) < len(names):
        raise ValueError(f"column names must differ: {', '.join(names)}")
    rows = lines[1:] if names else lines
    if not rows:
        return Arrays({name: np.empty(0, np.float32) for name in names})
    table = np.loadtxt(rows, delimiter=",", ndmin=2, comments=None, quotechar='"').T
    if names and len(names) != len(table):
        raise ValueError(f"{len(names)} column names stand above {len(table)} columns")
    return Arrays(dict(zip(names, _float32(table), strict=True)) if names else _numbered(table))


def _wav(path: Path) -> Arrays:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", wavfile.WavFileWarning)  # chunks of notes beside the samples
        warnings.filterwarnings("error", "Reached EOF", wavfile.WavFileWarning)  # a file cut short
        fs_hz, samples = wavfile.read(path)
    if samples.dtype == np.uint8:
        samples = samples.astype(np.float32) / 128 - 1
    elif np.issubdtype(samples.dtype, np.signedinteger):
        samples = samples / -float(np.iinfo(samples.dtype).min)
    return Arrays(_numbered(np.atleast_2d(samples.T)), float(fs_hz))


_LOADERS = {".npz": _npz, ".npy": _npy, ".csv": _csv, ".mat": _mat, ".wav": _wav}


def _is_vector(value: object) -> bool:
    """Whether `value` is a numeric array of more than a number; an empty one counts."""
    return isinstance(value, np.ndarray) and value.dtype.kind in "iuf" and value.size != 1


def _numbered(rows: NDArray[Any], name: str = "ch") -> dict[str, Signal]:
    return {f"{name}{index}": row for index, row in enumerate(_float32(rows), start=1)}


def _channels_first(array: NDArray[Any]) -> NDArray[Any]:
    """Return `[T]`, `[C, T]` or `[T, C]` as `[C, T]`."""
    if array.size == 0:
        return np.empty((1, 0))
    table = np.atleast_2d(np.squeeze(array))
    if table.ndim > 2 or table.shape[0] == table.shape[1]:
        shape = list(array.shape)
        raise ValueError(f"shape {shape} does not tell channels from time; save [channels, samples]")
    return table if table.shape[0] < table.shape[1] else table.T


def _float32(array: NDArray[Any]) -> Signal:
    with np.errstate(over="ignore"):  # becomes infinite, which `signal_faults` tells
        return array.astype(np.float32, copy=False)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
