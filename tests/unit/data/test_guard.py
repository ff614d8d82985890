from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from hypothesis import example, given, reject
from hypothesis import strategies as st
from numpy.typing import NDArray

from raytrain.config.schema import SplitConfig
from raytrain.data.guard import prove_disjoint, prove_windows_disjoint
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, PartName, RandomWindows, Segment, Split
from raytrain.data.splits import make_split
from raytrain.errors import ConfigError, DataError

GROUP_FIELD = {
    "by-recording": "recording_id",
    "by-bearing": "bearing_id",
    "by-dataset": "dataset",
    "by-severity": "severity",
    "by-load": "load",
}


def recording(
    name: str,
    *,
    samples: int = 100,
    severity: str = "",
    load: float | None = None,
    fault_type: str = "inner",
    bearing: str = "",
    dataset: str = "rig",
) -> Recording:
    seed = np.frombuffer(name.encode(), dtype=np.uint8)
    return Recording(
        signal=np.random.default_rng(seed).standard_normal((1, samples)).astype(np.float32),
        fs_hz=100.0,
        shaft_speed_rpm=1800.0,
        label=fault_type,
        fault_type=fault_type,
        recording_id=name,
        bearing_id=bearing or name,
        dataset=dataset,
        channels=("x",),
        severity=severity,
        load=load,
    )


Segments = tuple[Segment, ...]


def split_of(
    rule: str = "by-recording",
    cut: tuple[str, ...] = (),
    *,
    train: Segments = (),
    validation: Segments = (),
    test: Segments = (),
) -> Split:
    return Split(rule, train, validation, test, classes=("inner",), cut_recordings=cut)


RECORDINGS = [
    recording("a", severity="7 mil", load=0.0, bearing="one"),
    recording("b", severity="7 mil", load=1.0, bearing="one"),
    recording("c", severity="14 mil", load=1.0, bearing="two", dataset="other"),
    recording("healthy"),
]


class TestHandMadeLeaks:
    @pytest.mark.parametrize("rule", ["by-block", "by-recording"])
    @pytest.mark.parametrize(("start", "stop"), [(59, 100), (0, 1), (20, 30), (0, 100)])
    def test_shared_samples(self, rule: str, start: int, stop: int) -> None:
        split = split_of(rule, ("a",), train=(Segment("a", 0, 60),), test=(Segment("a", start, stop),))
        with pytest.raises(DataError) as caught:
            prove_disjoint(split, RECORDINGS)
        message = str(caught.value)
        assert "recording 'a'" in message
        assert "train samples 0 to 60" in message
        assert f"test samples {start} to {stop} overlap" in message

    def test_adjacent_blocks_of_a_cut_recording_pass(self) -> None:
        prove_disjoint(
            split_of("by-block", ("a",), train=(Segment("a", 0, 60),), test=(Segment("a", 60, 100),)), RECORDINGS
        )

    def test_blocks_of_a_recording_that_is_not_declared_as_cut(self) -> None:
        split = split_of(train=(Segment("a", 0, 40),), test=(Segment("a", 60, 100),))
        with pytest.raises(DataError, match="recording 'a' is in two parts: train has samples 0 to 40 of 'a', test"):
            prove_disjoint(split, RECORDINGS)

    @pytest.mark.parametrize("rule", ["by-severity", "by-load", "by-block"])
    def test_a_recording_without_group_is_held_together_unless_declared_as_cut(self, rule: str) -> None:
        split = split_of(rule, train=(Segment("healthy", 0, 40),), test=(Segment("healthy", 60, 100),))
        with pytest.raises(DataError, match="recording 'healthy' is in two parts"):
            prove_disjoint(split, RECORDINGS)
        prove_disjoint(replace(split, cut_recordings=("healthy",)), RECORDINGS)

    @pytest.mark.parametrize(
        ("rule", "group", "train", "test"),
        [
            ("by-severity", "severity '7 mil'", "a", "b"),
            ("by-bearing", "bearing 'one'", "a", "b"),
            ("by-dataset", "dataset 'rig'", "a", "healthy"),
            ("by-load", "load '1'", "b", "c"),
        ],
    )
    def test_shared_groups(self, rule: str, group: str, train: str, test: str) -> None:
        split = split_of(rule, train=(Segment(train, 0, 100),), test=(Segment(test, 10, 90),))
        with pytest.raises(DataError) as caught:
            prove_disjoint(split, RECORDINGS)
        expected = (
            f"{group} is in two parts: train has samples 0 to 100 of {train!r}, test has samples 10 to 90 of {test!r}"
        )
        assert str(caught.value) == expected
        prove_disjoint(replace(split, rule="by-recording"), RECORDINGS)

    def test_validation_is_guarded_like_the_test(self) -> None:
        split = split_of("by-severity", validation=(Segment("a", 0, 100),), test=(Segment("b", 0, 100),))
        with pytest.raises(DataError, match="severity '7 mil' is in two parts: validation has"):
            prove_disjoint(split, RECORDINGS)

    @pytest.mark.parametrize(("start", "stop"), [(0, 0), (50, 40), (-1, 10), (0, 101)])
    def test_impossible_ranges(self, start: int, stop: int) -> None:
        with pytest.raises(DataError, match=rf"test samples {start} to {stop} of .*'a': not a stretch of its 100"):
            prove_disjoint(split_of(test=(Segment("a", start, stop),)), RECORDINGS)

    def test_unknown_recording(self) -> None:
        with pytest.raises(DataError, match="train samples 0 to 9 of recording 'z': no recording has this id"):
            prove_disjoint(split_of(train=(Segment("z", 0, 9),)), RECORDINGS)

    def test_one_measurement_under_two_ids(self) -> None:
        copy = replace(RECORDINGS[0], recording_id="copy", bearing_id="three")
        split = split_of(train=(Segment("a", 0, 50),), test=(Segment("copy", 50, 100),))
        with pytest.raises(DataError, match=r"recordings 'a' \(train\) and 'copy' \(test\) hold the same samples"):
            prove_disjoint(split, [*RECORDINGS, copy])
        both_train = split_of(train=(Segment("a", 0, 50), Segment("copy", 50, 100)))
        prove_disjoint(both_train, [*RECORDINGS, copy])

    def test_random_windows_pass_only_when_marked(self) -> None:
        drawn = RandomWindows((Segment("a", 0, 100),), 0.2, 0.2, 0)
        split = replace(split_of("random"), random=drawn)
        with pytest.raises(DataError, match="mark the split as leaky"):
            prove_disjoint(split, RECORDINGS)
        prove_disjoint(replace(split, leaky=True), RECORDINGS)


@st.composite
def bench(draw: st.DrawFn) -> list[Recording]:
    """Recordings whose fields are drawn independently, groups shared by classes in every way."""
    count = draw(st.integers(3, 14))
    return [
        recording(
            f"r{i}",
            samples=draw(st.integers(40, 90)),
            severity=draw(st.sampled_from(["", "7 mil", "14 mil", "21 mil", "28 mil"])),
            load=draw(st.sampled_from([None, 0.0, 1.0, 2.0, 3.0])),
            fault_type=draw(st.sampled_from(["inner", "outer"])),
            bearing=draw(st.sampled_from(list("pqrstuvw"))),
            dataset=draw(st.sampled_from(["x", "y", "z"])),
        )
        for i in range(count)
    ]


configs = st.builds(
    SplitConfig,
    rule=st.sampled_from([*GROUP_FIELD, "by-block"]),
    validation_fraction=st.sampled_from([0.1, 0.2, 0.45]),
    test_fraction=st.sampled_from([0.1, 0.2, 0.45]),
    block_classes=st.sampled_from([[], [], ["inner"]]),
    gap_s=st.sampled_from([0.0, 0.03]),
    seed=st.integers(0, 5),
)


def painted(split: Split, recordings: list[Recording]) -> dict[str, NDArray[np.int64]]:
    """Count, for each sample of each recording and each part, how often it is used: int64 `[part, sample]`."""
    canvas = {r.recording_id: np.zeros((len(PARTS), r.samples), dtype=np.int64) for r in recordings}
    for index, part in enumerate(PARTS):
        for segment in split.part(part):
            canvas[segment.recording_id][index, segment.start : segment.stop] += 1
    return canvas


@given(bench(), configs)
def test_guarantee_20_every_split_made_is_disjoint_sample_by_sample(
    recordings: list[Recording], config: SplitConfig
) -> None:
    try:
        split = make_split(recordings, config, target="fault_type")
    except (DataError, ConfigError):
        reject()
    prove_disjoint(split, recordings)
    canvas = painted(split, recordings)
    assert all(uses.sum(axis=0).max() <= 1 for uses in canvas.values())
    assert {r.fault_type for r in recordings} == {
        r.fault_type for r in recordings if canvas[r.recording_id][PARTS.index("train")].any()
    }
    if config.rule not in GROUP_FIELD:
        return
    parts_of: dict[object, set[int]] = {}
    for r in recordings:
        group = getattr(r, GROUP_FIELD[config.rule])
        if group not in (None, "") and r.fault_type not in config.block_classes:
            parts_of.setdefault(group, set()).update(np.flatnonzero(canvas[r.recording_id].any(axis=1)))
    assert all(len(parts) <= 1 for parts in parts_of.values())


@given(bench(), configs, st.data())
def test_guarantee_20_a_stolen_stretch_is_always_found(
    recordings: list[Recording], config: SplitConfig, data: st.DataObject
) -> None:
    try:
        split = make_split(recordings, config, target="fault_type")
    except (DataError, ConfigError):
        reject()
    filled: list[PartName] = [part for part in PARTS if split.part(part)]
    owner = data.draw(st.sampled_from(filled))
    victim = data.draw(st.sampled_from(split.part(owner)))
    start = data.draw(st.integers(victim.start, victim.stop - 1))
    stolen = Segment(victim.recording_id, start, data.draw(st.integers(start + 1, victim.stop)))
    thief = data.draw(st.sampled_from([part for part in PARTS if part != owner]))
    loot = (*split.part(thief), stolen)
    robbed = {
        "train": replace(split, train=loot),
        "validation": replace(split, validation=loot),
        "test": replace(split, test=loot),
    }
    with pytest.raises(DataError, match=repr(victim.recording_id)):
        prove_disjoint(robbed[thief], recordings)


@dataclass
class Index:
    recordings: NDArray[np.int64]
    window_start: NDArray[np.int64]
    length: int
    recording_ids: tuple[str, ...] = ("a", "b", "c")

    def samples(self) -> set[tuple[int, int]]:
        return {
            (int(recording), int(start) + k)
            for recording, start in zip(self.recordings, self.window_start, strict=True)
            for k in range(self.length)
        }


@st.composite
def indices(draw: st.DrawFn) -> Index:
    windows = draw(st.lists(st.tuples(st.integers(0, 2), st.integers(0, 40)), max_size=6))
    columns = np.array(windows, dtype=np.int64).reshape(-1, 2)
    return Index(columns[:, 0], columns[:, 1], draw(st.integers(1, 9)))


def index(*windows: tuple[int, int], length: int) -> Index:
    columns = np.array(windows, dtype=np.int64).reshape(-1, 2)
    return Index(columns[:, 0], columns[:, 1], length)


@given(indices(), indices())
@example(index((0, 0), length=5), index((0, 5), length=5))
@example(index((0, 0), length=5), index((0, 4), length=5))
@example(index((0, 40), length=9), index((1, 0), length=9))
def test_windows_are_proved_disjoint_just_when_they_share_no_sample(a: Index, b: Index) -> None:
    if a.samples() & b.samples():
        with pytest.raises(DataError, match="windows share samples with another part"):
            prove_windows_disjoint(a, b)
    else:
        prove_windows_disjoint(a, b)


def test_shared_windows_are_named() -> None:
    a, b = index((1, 0), (1, 100), length=10), index((0, 100), (1, 109), length=20)
    with pytest.raises(DataError) as caught:
        prove_windows_disjoint(a, b)
    assert str(caught.value) == (
        "1 windows share samples with another part; the first: recording 'b', samples 100 to 110 and 109 to 129"
    )
