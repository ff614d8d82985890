from __future__ import annotations

from collections.abc import Iterable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest

from raytrain.config.schema import DataConfig, SplitConfig
from raytrain.data.read import read_recordings
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, PartName, Segment, Split, cut
from raytrain.data.splits import make_split
from raytrain.errors import ConfigError, DataError

FS_HZ = 1000.0


def recording(
    name: str,
    fault_type: str = "inner",
    *,
    samples: int = 1000,
    severity: str = "",
    load: float | None = None,
    bearing: str | None = None,
    dataset: str = "rig",
) -> Recording:
    seed = np.frombuffer(name.encode(), dtype=np.uint8)
    return Recording(
        signal=np.random.default_rng(seed).standard_normal((1, samples)).astype(np.float32),
        fs_hz=FS_HZ,
        shaft_speed_rpm=1800.0,
        label=f"{fault_type} {severity}".strip(),
        fault_type=fault_type,
        recording_id=name,
        bearing_id=name if bearing is None else bearing,
        dataset=dataset,
        channels=("x",),
        severity=severity,
        load=load,
        load_unit="hp",
    )


def like_cwru() -> list[Recording]:
    """Three faults of three sizes at four loads, one bearing for each fault and size, and two normal recordings."""
    faulty = [
        recording(f"{fault}{size}_{load}", fault, severity=f"{size} mil", load=load, bearing=f"{fault}{size}")
        for fault in ("ball", "inner", "outer")
        for size in (7, 14, 21)
        for load in range(4)
    ]
    return [*faulty, *(recording(f"normal_{load}", "normal", load=load, bearing="n") for load in (0, 3))]


def ids(segments: Iterable[Segment]) -> set[str]:
    return {segment.recording_id for segment in segments}


def seconds(split: Split, part: PartName, name: str) -> list[tuple[float, float]]:
    return [(s.start / FS_HZ, s.stop / FS_HZ) for s in split.part(part) if s.recording_id == name]


class TestSharedGroups:
    def test_named_groups_decide_and_normals_are_cut_in_order_of_load(self) -> None:
        config = SplitConfig(rule="by-severity", train=[7], validation=["14 mil"], test=[21])
        split = make_split(like_cwru(), config, target="fault_type")
        for part, size, normal in zip(PARTS, (7, 14, 21), (0, 0, 3), strict=True):
            faulty = {f"{fault}{size}_{load}" for fault in ("ball", "inner", "outer") for load in range(4)}
            assert ids(split.part(part)) == {*faulty, f"normal_{normal}"}
        # 1 s less a gap of 0.25 s, three quarters of which train
        assert seconds(split, "train", "normal_0") == [(0.0, 0.562)]
        assert seconds(split, "validation", "normal_0") == [(0.812, 1.0)]
        assert seconds(split, "test", "normal_3") == [(0.0, 1.0)]
        assert split.cut_recordings == ("normal_0",)
        assert split.classes == ("ball", "inner", "normal", "outer")
        assert not split.leaky
        loose, shared = split.notes
        assert loose == (
            "normal (no severity): normal_0 cut into training and validation blocks with a gap of 0.25 s; "
            "normal_3 tests"
        )
        assert shared.startswith("trained on and tested: 1 of 4 test bearings (n);")

    @pytest.mark.parametrize(
        ("named", "validates", "trains"),
        [
            ({"test": [21]}, 14, 7),
            ({"test": [14]}, 7, 21),
            ({"test": [7]}, 21, 14),
            ({}, 14, 7),
            ({"validation": [7]}, 7, 14),
            ({"train": [14], "test": [21]}, 7, 14),
        ],
    )
    def test_parts_not_named_are_chosen_nearest_below_the_test(
        self, named: dict[str, list[str | float]], validates: int, trains: int
    ) -> None:
        config = SplitConfig.model_validate({"rule": "by-severity", **named})
        split = make_split(like_cwru(), config, target="fault_type")
        assert f"inner{validates}_0" in ids(split.validation)
        assert {name for name in ids(split.train) if name.startswith("inner")} == {
            f"inner{trains}_{load}" for load in range(4)
        }
        if "validation" not in named:
            assert f"validation: severity {validates} mil, chosen because none was named" in split.notes

    def test_many_groups_are_chosen_by_fraction(self) -> None:
        recordings = [recording(f"r{load}", load=load) for load in range(10)]
        config = SplitConfig(rule="by-load", test_fraction=0.3, validation_fraction=0.2)
        split = make_split(recordings, config, target="fault_type")
        assert ids(split.test) == {"r7", "r8", "r9"}
        assert ids(split.validation) == {"r5", "r6"}
        assert ids(split.train) == {f"r{load}" for load in range(5)}

    def test_groups_named_nowhere_are_left_out_when_training_groups_are_named(self) -> None:
        config = SplitConfig(rule="by-load", train=[0], validation=[1], test=[3], block_classes=["normal"])
        split = make_split(like_cwru(), config, target="fault_type")
        everywhere = set.union(*(ids(split.part(part)) for part in PARTS))
        assert not any(name.endswith("_2") for name in everywhere)
        assert "left out (load named in no part; recordings): 2 hp (9)" in split.notes

    def test_by_dataset(self) -> None:
        recordings = [recording(f"{rig}_{i}", dataset=rig) for rig in ("a", "b", "c") for i in range(2)]
        split = make_split(recordings, SplitConfig(rule="by-dataset", test=["a"]), target="fault_type")
        assert [ids(split.part(part)) for part in PARTS] == [{"b_0", "b_1"}, {"c_0", "c_1"}, {"a_0", "a_1"}]

    def test_a_class_that_validation_lacks_is_noted(self) -> None:
        split = make_split(like_cwru(), SplitConfig(rule="by-load"), target="fault_type")
        assert "normal_0" in ids(split.train)
        assert "normal_3" in ids(split.test)
        assert "normal is absent from validation: scores there are means over the other classes" in split.notes

    def test_loads_of_different_units_are_different_groups(self) -> None:
        recordings = [recording(f"r{load}", load=load) for load in range(3)]
        other = recording("other", load=2)
        object.__setattr__(other, "load_unit", "lb")
        ambiguous = SplitConfig(rule="by-load", train=["2 lb", 0], validation=[1], test=[2])
        with pytest.raises(ConfigError, match="load '2 lb' is named in train and in test"):
            make_split([*recordings, other], ambiguous, target="fault_type")
        config = SplitConfig(rule="by-load", train=["2 lb", 0], validation=[1], test=["2 hp"])
        split = make_split([*recordings, other], config, target="fault_type")
        assert ids(split.train) == {"r0", "other"}


class TestRecordingsWithoutGroup:
    def healthy(self, count: int) -> list[Recording]:
        # Ids fall as loads rise, so the order must come from the load.
        return [recording(f"h{9 - load}", "healthy", load=float(load)) for load in range(count)]

    @pytest.mark.parametrize(
        ("count", "train", "validation", "test"),
        [
            (1, {"h9"}, {"h9"}, {"h9"}),
            (2, {"h9"}, {"h9"}, {"h8"}),
            (3, {"h9"}, {"h8"}, {"h7"}),
            (5, {"h9", "h8", "h7"}, {"h6"}, {"h5"}),
            (8, {"h9", "h8", "h7", "h6"}, {"h5", "h4"}, {"h3", "h2"}),
        ],
    )
    def test_are_divided_by_recording_or_cut(
        self, count: int, train: set[str], validation: set[str], test: set[str]
    ) -> None:
        faulty = [recording(f"f{size}", severity=f"{size} mil") for size in (7, 14, 21)]
        config = SplitConfig(rule="by-severity")
        split = make_split([*faulty, *self.healthy(count)], config, target="fault_type")
        assert ids(split.train) == {"f7", *train}
        assert ids(split.validation) == {"f14", *validation}
        assert ids(split.test) == {"f21", *test}
        assert any(note.startswith("healthy (no severity): ") for note in split.notes)

    def test_are_divided_per_class_beside_recordings_of_that_class_with_a_group(self) -> None:
        faulty = [recording(f"f{size}", severity=f"{size} mil") for size in (7, 14, 21)]
        odd = recording("odd")
        split = make_split([*faulty, odd], SplitConfig(rule="by-severity"), target="fault_type")
        assert split.cut_recordings == ("odd",)
        assert all("odd" in ids(split.part(part)) for part in PARTS)


class TestDrawnGroups:
    def test_each_class_is_in_each_part_and_the_seed_decides(self) -> None:
        recordings = [recording(f"{k}{i}", k) for k in ("inner", "outer") for i in range(10)]
        splits = [make_split(recordings, SplitConfig(seed=s), target="fault_type") for s in (0, 0, 1)]
        assert splits[0] == splits[1]
        assert splits[0].test != splits[2].test
        for part, count in zip(PARTS, (6, 2, 2), strict=True):
            for name in ("inner", "outer"):
                assert sum(i.startswith(name) for i in ids(splits[0].part(part))) == count
        assert "validation and test: recordings drawn from each class with seed 0" in splits[0].notes

    def test_every_recording_is_drawn_into_the_test_by_some_seed(self) -> None:
        recordings = [recording(f"r{i}") for i in range(4)]
        drawn = [
            make_split(recordings, SplitConfig(seed=s), target="fault_type").test[0].recording_id for s in range(40)
        ]
        assert set(drawn) == {"r0", "r1", "r2", "r3"}

    def test_a_class_of_two_recordings_is_refused_with_what_would_work(self) -> None:
        with pytest.raises(DataError) as caught:
            make_split(like_cwru(), SplitConfig(), target="fault_type")
        message = str(caught.value)
        assert "class 'normal' has too few groups for by-recording: 2 (normal_0, normal_3)" in message
        assert "at least 3" in message
        assert "data.split.block_classes: [normal]" in message

    def test_block_classes_are_cut_by_time_and_noted(self) -> None:
        config = SplitConfig(block_classes=["normal"], gap_s=0.1)
        split = make_split(like_cwru(), config, target="fault_type")
        assert split.cut_recordings == ("normal_0", "normal_3")
        for name in split.cut_recordings:
            assert seconds(split, "train", name) == [(0.0, 0.48)]
            assert seconds(split, "validation", name) == [(0.58, 0.74)]
            assert seconds(split, "test", name) == [(0.84, 1.0)]
        assert split.notes[0].startswith("normal (block_classes): every recording cut into")

    def test_named_recordings_go_where_they_are_named(self) -> None:
        recordings = [recording(f"r{i}") for i in range(6)]
        config = SplitConfig(test=["r0", "r1"], validation=["r5"])
        split = make_split(recordings, config, target="fault_type")
        assert ids(split.test) == {"r0", "r1"}
        assert ids(split.validation) == {"r5"}
        assert ids(split.train) == {"r2", "r3", "r4"}

    def test_a_bearing_stays_in_one_part(self) -> None:
        config = SplitConfig(rule="by-bearing", block_classes=["normal"])
        split = make_split(like_cwru(), config, target="fault_type")
        for fault in ("ball", "inner", "outer"):
            sizes = [{name.split("_")[0] for name in ids(split.part(part)) if name.startswith(fault)} for part in PARTS]
            assert [len(size) for size in sizes] == [1, 1, 1]
            assert len(set.union(*sizes)) == 3

    @pytest.mark.parametrize("seed", range(10))
    def test_a_bearing_of_two_classes_goes_to_one_part_for_both(self, seed: int) -> None:
        """Run to failure: each bearing is recorded healthy, then faulty."""
        recordings = [
            recording(f"{k}-{state}-{i}", state, bearing=f"{k}{i}")
            for k in ("inner", "outer")
            for i in range(3)
            for state in ("normal", k)
        ]
        split = make_split(recordings, SplitConfig(rule="by-bearing", seed=seed), target="fault_type")
        of = {r.recording_id: (r.bearing_id, r.fault_type) for r in recordings}
        bearings = [{of[name][0] for name in ids(split.part(part))} for part in PARTS]
        assert sum(map(len, bearings)) == len(set.union(*bearings)) == 6
        for part in PARTS:
            assert {of[name][1] for name in ids(split.part(part))} == {"normal", "inner", "outer"}

    def test_bearings_drawn_for_another_class_count(self) -> None:
        recordings = [
            *(recording(f"inner{i}", "inner", bearing=str(i)) for i in range(3)),
            *(recording(f"normal{i}", "normal", bearing=str(i)) for i in range(10)),
        ]
        split = make_split(recordings, SplitConfig(rule="by-bearing"), target="fault_type")
        counts = [sum(name.startswith("normal") for name in ids(split.part(part))) for part in PARTS]
        assert counts == [6, 2, 2]

    def test_bearings_shared_so_that_no_division_exists_are_refused(self) -> None:
        # Four bearings, of which any three are a class: no two may share a part, but there are only three.
        triples = ((1, 2, 3), (1, 2, 4), (1, 3, 4), (2, 3, 4))
        recordings = [
            recording(f"{name}{i}", name, bearing=str(i))
            for name, triple in zip("abcd", triples, strict=True)
            for i in triple
        ]
        with pytest.raises(DataError, match="no division with each class in each part; name the groups"):
            make_split(recordings, SplitConfig(rule="by-bearing"), target="fault_type")

    def test_too_few_groups_beside_the_named_ones(self) -> None:
        recordings = [recording(f"r{i}") for i in range(3)]
        with pytest.raises(DataError, match=r"3 \(r0, r1, r2\), 1 of them not named in data.split; validation"):
            make_split(recordings, SplitConfig(test=["r0", "r1"]), target="fault_type")


class TestBlocks:
    def test_every_recording_is_cut_in_time_order_with_gaps(self) -> None:
        split = make_split([recording("r", samples=2000)], SplitConfig(rule="by-block", gap_s=0.5), target="fault_type")
        assert split.train == (Segment("r", 0, 600),)
        assert split.validation == (Segment("r", 1100, 1300),)
        assert split.test == (Segment("r", 1800, 2000),)

    @pytest.mark.parametrize("samples", [500, 502])
    def test_a_recording_no_longer_than_its_gaps_is_refused(self, samples: int) -> None:
        with pytest.raises(DataError, match=rf"'r' lasts {samples / 1000:g} s, too short for 3 blocks.*gap_s"):
            make_split([recording("r", samples=samples)], SplitConfig(rule="by-block"), target="fault_type")

    def test_blocks_fill_the_recording_but_for_the_gaps(self) -> None:
        blocks = cut(recording("r", samples=997), (3, 1, 2), gap_s=0.01)
        assert blocks[0].start == 0
        assert blocks[-1].stop == 997
        assert [b.start - a.stop for a, b in pairwise(blocks)] == [10, 10]


class TestRandom:
    def test_is_refused_without_leave(self) -> None:
        with pytest.raises(ConfigError, match=r"say nothing about new recordings. Use by-recording, or set"):
            make_split(like_cwru(), SplitConfig(rule="random"), target="fault_type")

    def test_is_marked_as_leaky(self) -> None:
        config = SplitConfig(rule="random", allow_leakage=True, seed=3, test_fraction=0.3)
        split = make_split(like_cwru(), config, target="fault_type")
        assert split.leaky
        assert split.notes[0].startswith("LEAKY")
        assert split.random is not None
        assert (split.random.seed, split.random.test_fraction) == (3, 0.3)
        assert len(split.random.segments) == len(like_cwru())
        assert not any(split.part(part) for part in PARTS)


class TestRefusals:
    @pytest.mark.parametrize(
        ("settings", "message"),
        [
            ({"test": [28]}, "data.split.test: no severity matches 28; there are: 7 mil, 14 mil, 21 mil"),
            ({"test": ["x"]}, "data.split.test: no severity matches 'x'; there are: 7 mil"),
            ({"test": [21], "train": ["21 mil"]}, "severity '21 mil' is named in train and in test"),
            ({"test": []}, "data.split.test is empty; name at least one severity"),
            ({"block_classes": ["norml"]}, "no class 'norml'; did you mean 'normal'?"),
            ({"rule": "by-block", "test": [21]}, "data.split.test names groups, but rule by-block has none"),
            (
                {"rule": "random", "allow_leakage": True, "train": [7]},
                "data.split.train names groups, but rule random has none",
            ),
        ],
    )
    def test_settings(self, settings: dict[str, object], message: str) -> None:
        config = SplitConfig.model_validate({"rule": "by-severity", **settings})
        with pytest.raises(ConfigError) as caught:
            make_split(like_cwru(), config, target="fault_type")
        assert message in str(caught.value)

    def test_no_group_left_to_validate(self) -> None:
        config = SplitConfig(rule="by-severity", train=[7, 14], test=[21])
        with pytest.raises(DataError, match=r"no group is left for validation.*7 mil \(train\).*only") as caught:
            make_split(like_cwru(), config, target="fault_type")
        assert "name one of them in data.split.validation only" in str(caught.value)

    def test_two_groups_do_not_make_three_parts(self) -> None:
        recordings = [recording(f"r{load}", load=load) for load in range(2)]
        with pytest.raises(DataError, match=r"There are 2: 0 hp \(free\), 1 hp \(free\).*at least one each"):
            make_split(recordings, SplitConfig(rule="by-load"), target="fault_type")

    def test_a_class_with_nothing_to_train_on(self) -> None:
        with pytest.raises(DataError) as caught:
            make_split(like_cwru(), SplitConfig(rule="by-severity"), target="label")
        message = str(caught.value)
        assert "class 'ball 14 mil' has nothing to train on under by-severity: all of it (14 mil)" in message
        assert "data.split.block_classes: [ball 14 mil]" in message

    def test_repeated_ids_and_no_recordings(self) -> None:
        with pytest.raises(DataError, match="ids must be unique, repeated: r"):
            make_split([recording("r"), recording("r")], SplitConfig(), target="fault_type")
        with pytest.raises(DataError, match="no recordings to split"):
            make_split([], SplitConfig(), target="fault_type")


def test_cross_severity_of_the_real_recordings(real_data: Path) -> None:
    """The protocol of the data's own page: fault type on an unseen bearing, normal 0 hp against 3 hp."""
    data = DataConfig(source=str(real_data), dataset=["cwru"], where={"severity": [7, 14, 21]}, channels=["DE"])
    recordings = read_recordings(data)
    config = SplitConfig(rule="by-severity", test=[21], validation=[14])
    split = make_split(recordings, config, target="fault_type")
    by_id = {recording.recording_id: recording for recording in recordings}
    assert split.classes == ("ball", "inner", "normal", "outer")
    normals = ("cwru_normal_0", "cwru_normal_0", "cwru_normal_3")
    for part, size, normal, count in zip(PARTS, (7, 14, 21), normals, (20, 12, 20), strict=True):
        assert {by_id[name].severity for name in ids(split.part(part))} == {f"{size} mil", ""}
        assert len(split.part(part)) == count + 1
        assert normal in ids(split.part(part))
    assert split.notes[0] == (
        "normal (no severity): cwru_normal_0 cut into training and validation blocks with a gap of 0.25 s; "
        "cwru_normal_3 tests"
    )
