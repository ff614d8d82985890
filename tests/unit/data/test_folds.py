from __future__ import annotations

import dataclasses
from collections import Counter
from collections.abc import Sequence

import numpy as np
import pytest

from raytrain.config.load import validate
from raytrain.config.schema import DataConfig, WindowConfig
from raytrain.config.space import FoldsConfig
from raytrain.data.folds import FoldedSplit, fold_split, prove_folds
from raytrain.data.guard import prove_windows_disjoint
from raytrain.data.preprocess import prepare
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, Segment
from raytrain.data.windows import Windows
from raytrain.errors import ConfigError, DataError

FS_HZ = 1000.0
SAMPLES = 2400


def recording(name: str, fault: str, *, severity: str = "", load: float | None = None, bearing: str = "") -> Recording:
    seed = np.frombuffer(name.encode(), dtype=np.uint8)
    return Recording(
        signal=np.random.default_rng(seed).standard_normal((1, SAMPLES)).astype(np.float32),
        fs_hz=FS_HZ,
        shaft_speed_rpm=1800.0,
        label=fault,
        fault_type=fault,
        recording_id=name,
        bearing_id=bearing or name,
        dataset="rig",
        channels=("x",),
        severity=severity,
        load=load,
        load_unit="hp",
    )


def rig() -> list[Recording]:
    """Two faults of four sizes at three loads, a bearing for each fault and size, and normal at two loads."""
    faulty = [
        recording(f"{fault}{size}_{load}", fault, severity=f"{size} mil", load=load, bearing=f"{fault}{size}")
        for fault in ("inner", "outer")
        for size in (7, 14, 21, 28)
        for load in range(3)
    ]
    return [*faulty, *(recording(f"normal_{load}", "normal", load=load, bearing="n") for load in (0, 2))]


def folded(recordings: Sequence[Recording], split: dict[str, object], **folds: object) -> FoldedSplit:
    data = validate(DataConfig, {"split": split}, where="data")
    return fold_split(recordings, data, validate(FoldsConfig, folds, where="folds"))


def ids(segments: Sequence[Segment]) -> set[str]:
    return {segment.recording_id for segment in segments}


RULES = [
    ({"rule": "by-severity", "test": [28]}, "by-severity"),
    ({"rule": "by-severity", "test": [28], "block_classes": ["normal"]}, "by-load"),
    ({"rule": "by-bearing", "block_classes": ["normal"]}, "by-bearing"),
    ({"rule": "by-bearing", "block_classes": ["normal"]}, "by-recording"),
    ({"rule": "by-load", "test": [1]}, "by-severity"),
    ({"rule": "by-block", "gap_s": 0.05}, "by-load"),
    ({"rule": "by-recording", "block_classes": ["normal"]}, "by-recording"),
]


@pytest.mark.parametrize(("split", "by"), RULES)
def test_everything_but_the_test_part_validates_once_and_nothing_leaks(split: dict[str, object], by: str) -> None:
    recordings = rig()
    result = folded(recordings, {"gap_s": 0.05, **split}, by=by)
    assert len(result.folds) >= 2
    validated = Counter(segment for fold in result.folds for segment in fold.validation)
    assert set(validated) == set(result.split.train)
    assert set(validated.values()) == {1}
    assert not set(result.split.test) & set(validated)

    config = WindowConfig(length=64)
    store = prepare(recordings, result.split, config, target="fault_type", folds=result.folds)
    tested = Windows(store, ["test"], config)
    for fold in result.folds:
        divided = store.fold(fold.name)
        assert divided.signal is store.signal  # folds cost no memory
        assert np.array_equal(divided.part == PARTS.index("test"), store.part == PARTS.index("test"))
        parts = [Windows(divided, [part], config) for part in PARTS]
        prove_windows_disjoint(parts[0], parts[1])
        prove_windows_disjoint(parts[0], parts[2])
        prove_windows_disjoint(parts[1], parts[2])
        assert np.array_equal(parts[2].window_start, tested.window_start)
        assert np.array_equal(parts[2].recordings, tested.recordings)
        assert set(parts[0].targets) == {0, 1, 2}


def test_groups_that_classes_share_make_a_fold_each() -> None:
    result = folded(rig(), {"rule": "by-severity", "test": [28]}, by="by-severity")
    assert [fold.name for fold in result.folds] == ["7 mil", "14 mil", "21 mil"]
    for fold, size in zip(result.folds, (7, 14, 21), strict=True):
        faulty = {name for name in ids(fold.validation) if not name.startswith("normal")}
        assert faulty == {f"{fault}{size}_{load}" for fault in ("inner", "outer") for load in range(3)}


def test_recordings_without_a_group_are_cut_into_a_block_per_fold_with_gaps() -> None:
    result = folded(rig(), {"rule": "by-severity", "test": [28], "gap_s": 0.1}, by="by-severity")
    blocks = [next(s for s in fold.validation if s.recording_id == "normal_0") for fold in result.folds]
    assert [(block.start, block.stop) for block in blocks] == [(0, 733), (833, 1567), (1667, 2400)]
    assert ids(result.split.test) >= {"normal_2"}
    assert any("normal_0 cut into 3 blocks with gaps of 0.1 s" in note for note in result.split.notes)


def test_enough_recordings_without_a_group_are_dealt_out_whole_in_the_order_of_load() -> None:
    recordings = [*rig()[:-2], *(recording(f"normal_{load}", "normal", load=load) for load in range(6))]
    result = folded(recordings, {"rule": "by-severity", "test": [28]}, by="by-severity")
    normal = [sorted(name for name in ids(fold.validation) if "normal" in name) for fold in result.folds]
    assert normal == [["normal_0", "normal_1"], ["normal_2", "normal_3"], ["normal_4"]]
    assert {segment.stop for segment in result.split.train} == {SAMPLES}


def test_the_blocks_of_a_recording_that_is_also_tested_keep_away_from_its_test_block() -> None:
    split = {"rule": "by-severity", "test": [28], "block_classes": ["normal"], "gap_s": 0.1}
    result = folded(rig(), split, by="by-severity")
    for name in ("normal_0", "normal_2"):
        tested = next(s for s in result.split.test if s.recording_id == name)
        assert max(s.stop for s in result.split.train if s.recording_id == name) + 100 == tested.start


def test_groups_of_one_class_are_dealt_out_so_that_every_fold_validates_every_class() -> None:
    result = folded(rig(), {"rule": "by-bearing", "block_classes": ["normal"]}, by="by-bearing")
    assert len(result.folds) == 3  # of four bearings per class one is tested
    for fold in result.folds:
        assert Counter(name.rsplit("_", 1)[0][:5] for name in ids(fold.validation)) >= Counter(inner=3, outer=3)
    assert not any("absent" in note for note in result.split.notes)


def test_more_groups_than_folds_are_put_together_with_their_neighbours() -> None:
    result = folded(rig(), {"rule": "by-severity", "test": [28]}, by="by-severity", most=2)
    assert [fold.name for fold in result.folds] == ["7 mil + 14 mil", "21 mil"]
    many = [recording(f"{fault}{index}", fault) for fault in ("a", "b") for index in range(12)]
    result = folded(many, {"rule": "by-recording"}, by="by-recording", most=2)
    assert [fold.name for fold in result.folds] == ["a0 + 9 more", "a1 + 9 more"]


def test_a_class_that_a_fold_lacks_is_noted() -> None:
    recordings = [one for one in rig() if one.recording_id[:7] != "outer21"]
    notes = folded(recordings, {"rule": "by-severity", "test": [28]}, by="by-severity").split.notes
    assert "outer is absent from what validates in fold 21 mil: its scores are means over the other classes" in notes
    assert notes[0].startswith("3 folds by-severity, each validates once, trained on the others: 7 mil | 14 mil")


def test_notes_on_a_validation_part_that_is_not_used_are_left_out() -> None:
    notes = folded(rig(), {"rule": "by-severity"}, by="by-severity").split.notes
    assert any(note.startswith("test: severity 28 mil, chosen") for note in notes)
    assert not any(note.startswith("validation:") for note in notes)


@pytest.mark.parametrize(
    ("split", "by", "error", "said"),
    [
        ({"rule": "by-severity", "test": [14, 21, 28], "validation": [7], "train": [7]}, "by-load", ConfigError, "7"),
        ({"rule": "by-load", "test": [1, 2]}, "by-load", DataError, "no group is left"),
        ({"rule": "by-load", "test": [1]}, "by-dataset", ConfigError, "two groups outside the test part.*: rig"),
        ({"rule": "by-recording"}, "by-bearing", DataError, "class 'normal' has too few"),
        ({"rule": "by-load", "test": [1]}, "by-bearing", ConfigError, "'normal' has one bearing.*block_classes"),
        ({"rule": "by-load", "test": [2]}, "by-load", DataError, "normal has nothing to train on while 0 hp"),
        ({"rule": "random", "allow_leakage": True}, "by-load", ConfigError, "random shares recordings"),
    ],
)
def test_what_cannot_be_folded_is_refused(split: dict[str, object], by: str, error: type[Exception], said: str) -> None:
    with pytest.raises(error, match=said):
        folded(rig(), split, by=by)


class TestProof:
    @pytest.fixture
    def good(self) -> FoldedSplit:
        return folded(rig(), {"rule": "by-severity", "test": [28]}, by="by-severity")

    def test_what_is_good_passes(self, good: FoldedSplit) -> None:
        prove_folds(good, rig())

    def test_a_group_on_both_sides_is_refused(self, good: FoldedSplit) -> None:
        first, second, *rest = good.folds
        moved = next(segment for segment in first.validation if segment.recording_id == "inner7_0")
        other = next(segment for segment in second.validation if segment.recording_id == "inner14_0")
        swapped = [
            dataclasses.replace(
                fold,
                train=tuple((set(fold.train) - {taken}) | {given}),
                validation=tuple((set(fold.validation) - {given}) | {taken}),
            )
            for fold, given, taken in ((first, moved, other), (second, other, moved))
        ]
        with pytest.raises(DataError, match=r"severity '(7|14) mil' is in two parts"):
            prove_folds(dataclasses.replace(good, folds=(*swapped, *rest)), rig())

    def test_a_fold_that_uses_what_is_tested_is_refused(self, good: FoldedSplit) -> None:
        first, *rest = good.folds
        greedy = dataclasses.replace(first, train=(*first.train, good.split.test[0]))
        with pytest.raises(DataError, match="uses what is tested"):
            prove_folds(dataclasses.replace(good, folds=(greedy, *rest)), rig())

    def test_what_never_validates_is_refused(self, good: FoldedSplit) -> None:
        with pytest.raises(DataError, match="exactly once"):
            prove_folds(dataclasses.replace(good, folds=good.folds[1:]), rig())

    def test_a_test_part_that_shares_a_group_is_refused(self, good: FoldedSplit) -> None:
        taken = next(segment for segment in good.split.train if segment.recording_id == "inner7_0")
        leaking = dataclasses.replace(
            good.split, train=tuple(s for s in good.split.train if s != taken), test=(*good.split.test, taken)
        )
        with pytest.raises(DataError, match="7 mil"):
            prove_folds(dataclasses.replace(good, split=leaking), rig())
