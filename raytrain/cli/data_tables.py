"""Tables of recordings and splits that a person can check."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from itertools import combinations

import numpy as np
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from raytrain.config.schema import WindowConfig
from raytrain.data.groups import group_of
from raytrain.data.guard import prove_disjoint, prove_windows_disjoint
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, PartName, Split
from raytrain.data.select import order_key
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.physics.catalogue import find_bearing

__all__ = ["make_console", "print_description", "print_split"]

FILE_WIDTH = 140
MOST_LISTED = 3


def make_console() -> Console:
    """Return a console as wide as the terminal, or wide enough for the tables where output goes to a file."""
    console = Console(markup=False, highlight=False, soft_wrap=True)
    if not console.is_terminal:
        console.width = max(console.width, FILE_WIDTH)
    return console


def print_description(console: Console, recordings: Sequence[Recording], *, source: str) -> None:
    """Print what there is: data sets, recordings by condition, and the balance of classes."""
    minutes = sum(recording.duration_s for recording in recordings) / 60
    console.print(f"{source}: {len(recordings)} recordings, {minutes:.1f} minutes", style="bold")
    for table in (_dataset_table(recordings), _condition_table(recordings), _class_table(recordings)):
        console.print(table)
    counts = Counter(recording.recording_id for recording in recordings)
    if repeated := sorted(name for name, count in counts.items() if count > 1):
        console.print(
            f"The same measurement more than once: {', '.join(repeated)}. Training and test would share it: "
            "choose by --dataset or --where.",
            style="yellow",
        )
    derived = sum(r.bearing_id == f"{r.dataset}:{r.fault_type}:{r.severity}" for r in recordings)
    console.print(f"Bearing ids: {len(recordings) - derived} given by the source, {derived} derived.")
    if derived:
        console.print(
            "Where the source names no specimen, recordings of one data set, fault and severity count as one bearing."
        )


def print_split(
    console: Console,
    recordings: Sequence[Recording],
    split: Split,
    *,
    store: SegmentStore,
    config: WindowConfig,
) -> None:
    """Print who trains, validates and tests, what to know about it, and the proof that the parts are disjoint.

    Raises:
        DataError: The parts are not disjoint, or a window does not fit.
    """
    windows = {part: Windows(store, (part,), config) for part in PARTS}
    console.print(_split_table(recordings, split, windows))
    console.print(
        f"Windows of {config.length} samples every {config.hop_samples}, at {store.fs_hz:g} Hz "
        f"({1e3 * config.length / store.fs_hz:.0f} ms); channels {', '.join(store.channels)}."
    )
    for note in split.notes:
        console.print(f"- {note}", style="bold red" if split.leaky else "")
    if split.leaky:
        return
    prove_disjoint(split, recordings)
    for one, other in combinations(windows.values(), 2):
        prove_windows_disjoint(one, other)
    console.print("Proved: no sample is in two parts, neither of a segment nor of a window.", style="green")


def _dataset_table(recordings: Sequence[Recording]) -> Table:
    table = _table(
        "Data sets",
        left=("data set", "channels", "bearing model"),
        right=("recordings", "rate, Hz", "seconds each", "shaft, rpm"),
    )
    for name, members in _grouped(recordings, lambda r: (r.dataset,)):
        models = {r.bearing_model or "unknown" for r in members}
        table.add_row(
            name[0],
            _listed({", ".join(r.channels) for r in members}, separator="; "),
            "; ".join(sorted(m if find_bearing(m) else f"{m} (fault orders unknown)" for m in models)),
            str(len(members)),
            _span([r.fs_hz for r in members]),
            _span([round(r.duration_s, 1) for r in members]),
            _span([round(r.shaft_speed_rpm) for r in members]),
        )
    return table


def _condition_table(recordings: Sequence[Recording]) -> Table:
    table = _table(
        "Recordings",
        left=("data set", "fault type", "severity", "location", "load", "bearing"),
        right=("recordings", "seconds"),
    )
    groups = _grouped(recordings, lambda r: (r.dataset, r.fault_type, r.severity, r.location))
    for condition, members in groups:
        table.add_row(
            *condition,
            _loads(members),
            _listed({r.bearing_id for r in members}),
            str(len(members)),
            f"{_seconds(members):.1f}",
        )
    return table


def _class_table(recordings: Sequence[Recording]) -> Table:
    table = _table(
        "Balance of fault types",
        left=("fault type",),
        right=("labels", "bearings", "recordings", "seconds", "share"),
    )
    total = _seconds(recordings)
    for name, members in _grouped(recordings, lambda r: (r.fault_type,)):
        table.add_row(
            *name,
            str(len({r.label for r in members})),
            str(len({r.bearing_id for r in members})),
            str(len(members)),
            f"{_seconds(members):.1f}",
            f"{_seconds(members) / total:.0%}",
        )
    return table


def _split_table(recordings: Sequence[Recording], split: Split, windows: Mapping[PartName, Windows]) -> Table:
    by_id = {recording.recording_id: recording for recording in recordings}
    table = _table(
        f"Split {split.rule}" + (" (LEAKY)" if split.leaky else ""),
        left=("part", "class", split.rule.removeprefix("by-")),
        right=("recordings", "seconds", "windows"),
    )
    for part, own in windows.items():
        total = len(set(own.recordings.tolist()))
        seconds_of = dict.fromkeys(own.recording_ids, 0.0)
        for segment in split.part(part):
            rate = by_id[segment.recording_id].fs_hz
            seconds_of[segment.recording_id] += (segment.stop - segment.start) / rate
        for index, name in enumerate(split.classes):
            mine = own.targets == index
            ids = [own.recording_ids[i] for i in np.unique(own.recordings[mine])]
            seconds = sum(seconds_of[i] for i in ids)
            table.add_row(
                part if index == 0 else "",
                name,
                _listed({_group_shown(by_id[i], split) for i in ids}),
                str(len(ids)),
                f"{seconds:.1f}" if seconds else "-",
                str(int(mine.sum())),
                style="" if ids else "yellow",
            )
        seconds = sum(seconds_of.values())
        table.add_row("", "all", "", str(total), f"{seconds:.1f}" if seconds else "-", str(len(own)), style="bold")
        table.add_section()
    return table


def _group_shown(recording: Recording, split: Split) -> str:
    """Return what decided the part of a recording: its group, a cut, or it alone."""
    if recording.recording_id in split.cut_recordings:
        return f"block of {recording.recording_id}"
    return group_of(recording, split.rule) or recording.recording_id


def _table(title: str, *, left: Iterable[str], right: Iterable[str]) -> Table:
    table = Table(title=f"\n{title}", title_justify="left", title_style="bold", header_style="", box=SIMPLE_HEAD)
    for name in left:
        table.add_column(name, overflow="fold")
    for name in right:
        table.add_column(name, justify="right", no_wrap=True)
    return table


def _grouped(
    recordings: Sequence[Recording], key: Callable[[Recording], tuple[str, ...]]
) -> list[tuple[tuple[str, ...], list[Recording]]]:
    """Return the recordings by key, in the order of the key's values, `7 mil` before `14 mil`."""
    groups: dict[tuple[str, ...], list[Recording]] = {}
    for recording in recordings:
        groups.setdefault(key(recording), []).append(recording)
    return sorted(groups.items(), key=lambda item: [order_key(value) for value in item[0]])


def _listed(values: Iterable[str], *, separator: str = ", ") -> str:
    """Return the values in order, the first few of them when there are many."""
    ordered = sorted((value for value in values if value), key=order_key)
    if len(ordered) > MOST_LISTED:
        return separator.join([*ordered[: MOST_LISTED - 1], f"... {len(ordered)} in all"])
    return separator.join(ordered)


def _loads(recordings: Sequence[Recording]) -> str:
    """Return the loads by unit, the first and last of them when there are many."""
    by_unit: dict[str, set[float]] = {}
    for recording in recordings:
        if recording.load is not None:
            by_unit.setdefault(recording.load_unit, set()).add(recording.load)
    shown = []
    for unit, loads in sorted(by_unit.items()):
        many = len(loads) > 3 * MOST_LISTED
        text = _span(loads) if many else ", ".join(f"{load:g}" for load in sorted(loads))
        shown.append(f"{text} {unit}".strip())
    return "; ".join(shown)


def _span(values: Collection[float]) -> str:
    low, high = f"{min(values):.6g}", f"{max(values):.6g}"
    return low if low == high else f"{low} to {high}"


def _seconds(recordings: Sequence[Recording]) -> float:
    return sum(recording.duration_s for recording in recordings)
