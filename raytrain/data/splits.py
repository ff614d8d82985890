"""Divide recordings into training, validation and test parts that share no group: the rules of `SplitConfig`.

Whatever a reader must know to judge a score (groups that were chosen, classes cut by time, bearings that
training and test share) is in `Split.notes`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from raytrain.config.schema import SplitConfig
from raytrain.data.assignment import Draft, assign
from raytrain.data.groups import group_of
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, PartName, RandomWindows, Segment, Split
from raytrain.data.select import order_key
from raytrain.errors import ConfigError, DataError, nearest

__all__ = ["PARTS", "PartName", "RandomWindows", "Segment", "Split", "make_split", "target_of"]

LEAKY_NOTE = (
    "LEAKY: windows of the same recordings, and samples of overlapping windows, are in all parts; "
    "scores say nothing about new recordings"
)


def target_of(recording: Recording, target: str) -> str:
    """Return the class of a recording: its `fault_type` or its `label`."""
    return recording.fault_type if target == "fault_type" else recording.label


def make_split(recordings: Sequence[Recording], config: SplitConfig, *, target: str) -> Split:
    """Divide recordings by the rule of `config`.

    Args:
        recordings: All recordings, with unique ids.
        config: The rule and its settings.
        target: What is predicted, `fault_type` or `label`.

    Raises:
        ConfigError: A setting contradicts another or names what is not there.
        DataError: The recordings cannot be divided so, or a class would have nothing to train on.
    """
    _check_ids(recordings)
    class_of = {recording.recording_id: target_of(recording, target) for recording in recordings}
    classes = tuple(sorted(set(class_of.values())))
    _check_config(config, classes)
    if config.rule == "random":
        return _random_split(recordings, config, classes)
    draft = Draft(config)
    if config.rule == "by-block":
        draft.cut(recordings, PARTS)
    else:
        assign(draft, recordings, class_of)
    _note_classes(draft, recordings, class_of)
    _note_bearings(draft, recordings)
    return Split(
        rule=config.rule,
        train=tuple(draft.parts["train"]),
        validation=tuple(draft.parts["validation"]),
        test=tuple(draft.parts["test"]),
        classes=classes,
        notes=tuple(draft.notes),
        cut_recordings=tuple(draft.cut_recordings),
    )


def _random_split(recordings: Sequence[Recording], config: SplitConfig, classes: tuple[str, ...]) -> Split:
    segments = tuple(Segment(r.recording_id, 0, r.samples) for r in recordings)
    return Split(
        rule=config.rule,
        train=(),
        validation=(),
        test=(),
        classes=classes,
        leaky=True,
        notes=(LEAKY_NOTE,),
        random=RandomWindows(segments, config.validation_fraction, config.test_fraction, config.seed),
    )


def _note_classes(draft: Draft, recordings: Sequence[Recording], class_of: Mapping[str, str]) -> None:
    """Refuse a class without training data; note one that validation or test lacks."""
    present = {part: {class_of[s.recording_id] for s in segments} for part, segments in draft.parts.items()}
    rule = draft.config.rule
    for name in sorted(set(class_of.values())):
        if name not in present["train"]:
            members = [r for r in recordings if class_of[r.recording_id] == name]
            groups = sorted({group_of(r, rule) or r.recording_id for r in members}, key=order_key)
            raise DataError(
                f"class {name!r} has nothing to train on under {rule}: all of it ({', '.join(groups)}) "
                f"validates, tests or is left out. What would work: other groups in data.split, or "
                f"data.split.block_classes: [{name}], which cuts its recordings by time"
            )
        draft.notes.extend(
            f"{name} is absent from {part}: scores there are means over the other classes"
            for part in ("validation", "test")
            if name not in present[part]
        )


def _note_bearings(draft: Draft, recordings: Sequence[Recording]) -> None:
    """Note how many of the tested bearings were trained on: such scores say nothing of a new bearing."""
    bearing_of = {recording.recording_id: recording.bearing_id for recording in recordings}
    trained = {bearing_of[segment.recording_id] for segment in draft.parts["train"]} - {""}
    tested = {bearing_of[segment.recording_id] for segment in draft.parts["test"]} - {""}
    shared = sorted(trained & tested)
    if shared:
        names = ", ".join(shared[:3]) + (", ..." if len(shared) > 3 else "")
        draft.notes.append(
            f"trained on and tested: {len(shared)} of {len(tested)} test bearings ({names}); "
            "for them the scores say nothing about an unseen bearing"
        )


def _check_ids(recordings: Sequence[Recording]) -> None:
    if not recordings:
        raise DataError("there are no recordings to split")
    counts = Counter(recording.recording_id for recording in recordings)
    repeated = sorted(name for name, count in counts.items() if count > 1)
    if repeated:
        raise DataError(f"recording ids must be unique, repeated: {', '.join(repeated)}")


def _check_config(config: SplitConfig, classes: Sequence[str]) -> None:
    """Refuse settings the rule would ignore or cannot meet."""
    if config.rule == "random" and not config.allow_leakage:
        raise ConfigError(
            "data.split.rule: random puts windows of one recording, even overlapping ones, into training and "
            "test, so its scores say nothing about new recordings. Use by-recording, or set "
            "data.split.allow_leakage: true to see the difference; its results are then marked as leaky"
        )
    for part in PARTS if config.rule in {"random", "by-block"} else ():
        if getattr(config, part) is not None:
            raise ConfigError(f"data.split.{part} names groups, but rule {config.rule} has none; leave it out")
    for name in config.block_classes:
        if name not in classes:
            raise ConfigError(f"data.split.block_classes: no class {name!r}; {nearest(name, classes)}")
