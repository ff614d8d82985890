"""Divide what is not tested several times, so that every group of a rule validates once: cross-validation by groups.

The test part is that of `data.split` and the same in every fold. All folds are made of the same pieces: whole
recordings and, where a class has no groups, blocks of recordings. So signals are prepared once, and a fold only says
which pieces validate.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from raytrain.config.schema import DataConfig
from raytrain.config.space import FoldsConfig
from raytrain.data.dealing import Piece, deal_groups, deal_loose
from raytrain.data.groups import group_of
from raytrain.data.guard import prove_disjoint
from raytrain.data.recording import Recording
from raytrain.data.segments import Segment, Split
from raytrain.data.splits import make_split, target_of
from raytrain.errors import ConfigError, DataError

__all__ = ["Fold", "FoldedSplit", "fold_split", "prove_folds"]

_NAMED = 3


@dataclass(frozen=True, slots=True)
class Fold:
    """One division of what is not tested.

    Attributes:
        name: The groups that validate, e.g. `14 mil`.
        train: What is trained on.
        validation: What validates.
    """

    name: str
    train: tuple[Segment, ...]
    validation: tuple[Segment, ...]


@dataclass(frozen=True, slots=True)
class FoldedSplit:
    """The test part, everything else, and the folds of everything else.

    Attributes:
        split: Its training part is all that is not tested; its validation part is empty; its notes tell of the folds.
        folds: In each, another share of the training part validates.
        by: The rule whose groups no fold divides between training and validation.
        unbound: Ids of the recordings whose group does not bind them: of `block_classes`, or cut by time by the folds.
    """

    split: Split
    folds: tuple[Fold, ...]
    by: str
    unbound: tuple[str, ...] = ()


def fold_split(recordings: Sequence[Recording], data: DataConfig, folds: FoldsConfig) -> FoldedSplit:
    """Divide recordings into a test part, by the rule of `data.split`, and folds of all else, by that of `folds`.

    Groups that classes share (loads, severities, data sets) make a fold each; more than `folds.most` are put together
    with their neighbours in order. Groups of one class (recordings, bearings) are dealt out so that every fold
    validates every class; there are no more folds than the smallest class has groups. Recordings without a group,
    and those of `data.split.block_classes`, are dealt out by recording in the order of load, or, where a class has
    fewer of them than there are folds, cut by time into a block per fold with gaps between.

    Raises:
        ConfigError: The split leaks, or there are fewer than two groups; the message names what there is.
        DataError: As `make_split`, or a class would have nothing to train on in a fold.
    """
    split = make_split(recordings, data.split, target=data.target)
    if split.leaky:
        raise ConfigError("folds: data.split.rule random shares recordings between parts; use a rule that does not")
    stretches = _stretches(split)
    bound: dict[str, list[Recording]] = {}
    loose: dict[str, list[Recording]] = {}
    members: dict[str, set[str]] = {}
    for recording in recordings:
        if recording.recording_id not in stretches:
            continue
        name, group = target_of(recording, data.target), group_of(recording, folds.by)
        if group is None or name in data.split.block_classes:
            loose.setdefault(name, []).append(recording)
        else:
            bound.setdefault(group, []).append(recording)
            members.setdefault(name, set()).add(group)
    dealt = deal_groups(members, folds)
    pieces = [
        Piece(stretches[one.recording_id], index, target_of(one, data.target))
        for index, groups in enumerate(dealt)
        for group in groups
        for one in bound[group]
    ]
    notes, unbound = [], []
    for name in sorted(loose):
        more, note = deal_loose(name, loose[name], stretches, count=len(dealt), gap_s=data.split.gap_s)
        pieces += more
        notes.append(note)
        if len(loose[name]) < len(dealt) or name in data.split.block_classes:
            unbound += [recording.recording_id for recording in loose[name]]
    names = [_fold_name(groups) for groups in dealt]
    notes = [*_told(split, folds, names), *notes, *_absent(pieces, names, split.classes)]
    folded = FoldedSplit(
        split=replace(split, train=tuple(piece.segment for piece in pieces), validation=(), notes=tuple(notes)),
        folds=tuple(_fold(index, name, pieces) for index, name in enumerate(names)),
        by=folds.by,
        unbound=tuple(unbound),
    )
    prove_folds(folded, recordings)
    return folded


def prove_folds(folded: FoldedSplit, recordings: Sequence[Recording]) -> None:
    """Prove that no fold leaks, that none touches the test part, and that everything else validates exactly once.

    The test part is proved against everything else by the rule of the split, training against validation by that of
    the folds: two rules may differ, as when a severity is tested and loads validate.

    Raises:
        DataError: One does; the message says where.
    """
    prove_disjoint(folded.split, recordings)
    everything = sorted(folded.split.train, key=_place)
    if sorted((segment for fold in folded.folds for segment in fold.validation), key=_place) != everything:
        raise DataError("folds: not everything outside the test part validates exactly once")
    for fold in folded.folds:
        if sorted((*fold.train, *fold.validation), key=_place) != everything:
            raise DataError(f"folds: {fold.name} leaves something out, or uses what is tested")
        alone = replace(folded.split, train=fold.train, validation=fold.validation, test=())
        prove_disjoint(replace(alone, rule=folded.by, cut_recordings=folded.unbound), recordings)


def _stretches(split: Split) -> dict[str, Segment]:
    """Return what is not tested of each recording; training and validation blocks of one are put together again."""
    stretches: dict[str, Segment] = {}
    for segment in (*split.train, *split.validation):
        held = stretches.get(segment.recording_id, segment)
        joined = Segment(segment.recording_id, min(held.start, segment.start), max(held.stop, segment.stop))
        stretches[segment.recording_id] = joined
    return stretches


def _fold(index: int, name: str, pieces: Sequence[Piece]) -> Fold:
    missing = {piece.target for piece in pieces} - {piece.target for piece in pieces if piece.fold != index}
    if missing:
        what = ", ".join(sorted(missing))
        raise DataError(
            f"folds: class {what} has nothing to train on while {name} validates: all of it is there. What would work: "
            f"data.split.block_classes: [{what}] (cuts its recordings by time), or another rule in folds.by"
        )
    return Fold(
        name,
        train=tuple(piece.segment for piece in pieces if piece.fold != index),
        validation=tuple(piece.segment for piece in pieces if piece.fold == index),
    )


def _fold_name(groups: Sequence[str]) -> str:
    return " + ".join(groups if len(groups) <= _NAMED else [groups[0], f"{len(groups) - 1} more"])


def _told(split: Split, folds: FoldsConfig, names: Sequence[str]) -> list[str]:
    """Return the notes of the split without those of the validation part, which the folds take the place of."""
    kept = [note for note in split.notes if not note.startswith("validation:") and "absent from validation" not in note]
    told = (
        f"{len(names)} folds {folds.by}, each validates once, trained on the others: {' | '.join(names)}; "
        "where a note below speaks of a validation part, the folds take its place"
    )
    return [told, *kept]


def _absent(pieces: Sequence[Piece], names: Sequence[str], classes: Sequence[str]) -> list[str]:
    present = {(piece.fold, piece.target) for piece in pieces}
    return [
        f"{name} is absent from what validates in fold {fold}: its scores are means over the other classes"
        for index, fold in enumerate(names)
        for name in classes
        if (index, name) not in present
    ]


def _place(segment: Segment) -> tuple[str, int, int]:
    return (segment.recording_id, segment.start, segment.stop)
