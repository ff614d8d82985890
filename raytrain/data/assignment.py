"""Fill the three parts: classes cut by time, recordings by group, and recordings that have no group."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from raytrain.config.schema import SplitConfig
from raytrain.data.groups import choose_groups, draw_groups, group_of
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, PartName, Segment, cut
from raytrain.data.select import order_key

__all__ = ["SHARED_BY_CLASSES", "Draft", "assign", "in_order_of_load"]

SHARED_BY_CLASSES = {"by-load", "by-severity", "by-dataset"}
"""Rules whose groups usually have recordings of several classes; those of the others have one class each."""


@dataclass(slots=True)
class Draft:
    """A split while its parts are being filled."""

    config: SplitConfig
    parts: dict[PartName, list[Segment]] = field(default_factory=lambda: {part: [] for part in PARTS})
    notes: list[str] = field(default_factory=list)
    cut_recordings: list[str] = field(default_factory=list)

    def put(self, recording: Recording, part: PartName) -> None:
        """Put a whole recording into a part."""
        self.parts[part].append(Segment(recording.recording_id, 0, recording.samples))

    def cut(self, recordings: Iterable[Recording], parts: Sequence[PartName]) -> None:
        """Cut each recording along time into the given parts."""
        test, validation = self.config.test_fraction, self.config.validation_fraction
        shares = {"train": 1 - test - validation, "validation": validation, "test": test}
        for recording in recordings:
            blocks = cut(recording, [shares[part] for part in parts], gap_s=self.config.gap_s)
            for part, block in zip(parts, blocks, strict=True):
                self.parts[part].append(block)
            self.cut_recordings.append(recording.recording_id)


def assign(draft: Draft, recordings: Sequence[Recording], class_of: Mapping[str, str]) -> None:
    """Assign all recordings under a rule with groups.

    Args:
        draft: Is filled, and gets a note for every decision the user did not make.
        recordings: All recordings.
        class_of: Recording id -> class.
    """
    config = draft.config
    for name in dict.fromkeys(config.block_classes):
        draft.cut([r for r in recordings if class_of[r.recording_id] == name], PARTS)
        draft.notes.append(
            f"{name} (block_classes): every recording cut into training, validation and test blocks "
            f"with gaps of {config.gap_s:g} s"
        )
    rest = [r for r in recordings if class_of[r.recording_id] not in config.block_classes]
    grouped = [(r, group) for r in rest if (group := group_of(r, config.rule)) is not None]
    if grouped:
        parts = _parts_of_groups(draft, grouped, class_of)
        for recording, group in grouped:
            if group in parts:
                draft.put(recording, parts[group])
    loose: dict[str, list[Recording]] = {}
    for recording in rest:
        if group_of(recording, config.rule) is None:
            loose.setdefault(class_of[recording.recording_id], []).append(recording)
    for name in sorted(loose):
        _assign_loose(draft, name, loose[name])


def _parts_of_groups(
    draft: Draft, grouped: Sequence[tuple[Recording, str]], class_of: Mapping[str, str]
) -> dict[str, PartName]:
    """Return the part of each group; note what was chosen and what is left out."""
    config, noun = draft.config, draft.config.rule.removeprefix("by-")
    groups = sorted({group for _, group in grouped}, key=order_key)
    if config.rule in SHARED_BY_CLASSES:
        parts = choose_groups(groups, config)
        for part in ("test", "validation"):
            if getattr(config, part) is None:
                chosen = ", ".join(group for group in groups if parts.get(group) == part)
                draft.notes.append(f"{part}: {noun} {chosen}, chosen because none was named")
    else:
        members: dict[str, set[str]] = {}
        for recording, group in grouped:
            members.setdefault(class_of[recording.recording_id], set()).add(group)
        parts = draw_groups(dict(sorted(members.items())), config)
        drawn = [part for part in ("validation", "test") if getattr(config, part) is None]
        if drawn:
            draft.notes.append(f"{' and '.join(drawn)}: {noun}s drawn from each class with seed {config.seed}")
    counts = Counter(group for _, group in grouped if group not in parts)
    if counts:
        left = ", ".join(f"{group} ({counts[group]})" for group in groups if group in counts)
        draft.notes.append(f"left out ({noun} named in no part; recordings): {left}")
    return parts


def in_order_of_load(recordings: Iterable[Recording]) -> list[Recording]:
    """Return recordings by load, those without one last."""
    return sorted(recordings, key=lambda r: (math.inf if r.load is None else r.load, r.recording_id))


def _assign_loose(draft: Draft, name: str, recordings: Sequence[Recording]) -> None:
    """Assign a class's recordings without a group by recording, in the order of load: the last ones test.

    Of two, the first is cut into training and validation blocks; a single one is cut into all three.
    """
    config = draft.config
    ordered = in_order_of_load(recordings)
    ids = [recording.recording_id for recording in ordered]
    match ordered:
        case [only]:
            draft.cut([only], PARTS)
            note = f"{ids[0]} cut into training, validation and test blocks with gaps of {config.gap_s:g} s"
        case [first, last]:
            draft.cut([first], ("train", "validation"))
            draft.put(last, "test")
            blocks = f"{ids[0]} cut into training and validation blocks with a gap of {config.gap_s:g} s"
            note = f"{blocks}; {ids[1]} tests"
        case _:
            test = min(max(1, round(config.test_fraction * len(ids))), len(ids) - 2)
            validation = min(max(1, round(config.validation_fraction * len(ids))), len(ids) - test - 1)
            train = len(ids) - validation - test
            parts = [PARTS[0]] * train + [PARTS[1]] * validation + [PARTS[2]] * test
            for recording, part in zip(ordered, parts, strict=True):
                draft.put(recording, part)
            middle, end = ", ".join(ids[train:-test]), ", ".join(ids[-test:])
            note = f"by recording in the order of load: {middle} validate, {end} test, {train} before them train"
    draft.notes.append(f"{name} (no {config.rule.removeprefix('by-')}): {note}")
