from __future__ import annotations

from functools import partial
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from raytrain.config.load import validate
from raytrain.config.schema import DataConfig, WindowConfig
from raytrain.config.space import FoldsConfig, SpaceConfig
from raytrain.data.folds import fold_split
from raytrain.data.recording import Recording
from raytrain.data.segments import Split
from raytrain.data.store import SegmentStore, store_key
from raytrain.errors import DataError
from raytrain.tuning import variants
from raytrain.tuning.space import grid_points, train_config
from raytrain.tuning.variants import RAW, baseline_windows, prepare_variants, window_configs

Parameters = dict[str, Any]


def choice(*values: object, **when: object) -> Parameters:
    return {"type": "choice", "values": list(values), "when": when}


def make_space(parameters: Parameters) -> SpaceConfig:
    settings = {"name": "trying", "fixed": {"windows": {"hop": 128}}, "parameters": parameters}
    return validate(SpaceConfig, settings, where="search space")


SPACES: dict[str, Parameters] = {
    "nothing varied": {"seed": choice(0, 1)},
    "two fields": {
        "windows.length": choice(512, 1024),
        "windows.input": choice("raw", "envelope"),
        "seed": choice(0, 1),
    },
    "conditional on another window field": {
        "windows.envelope_band_hz": choice(None, [500, 2000], **{"windows.input": "envelope"}),
        "windows.input": choice("raw", "envelope"),
    },
    "conditional on the child of a model": {
        "model.name": choice("cnn1d", "wdcnn"),
        "model.depth": {"type": "int", "low": 2, "high": 4, "when": {"model.name": "cnn1d"}},
        "windows.length": choice(512, 1024, **{"model.depth": [3, 4]}),
    },
    "a range": {"windows.length": {"type": "int", "low": 256, "high": 1024, "step": 256}},
    "whole settings at once": {"windows": choice({"length": 512}, {"length": 1024, "input": "envelope"})},
}


@pytest.mark.parametrize("name", SPACES)
def test_window_configs_are_those_of_all_points(name: str) -> None:
    space = make_space(SPACES[name])
    expected = {train_config(space, point).windows.model_dump_json() for point in grid_points(space)}
    found = [config.model_dump_json() for config in window_configs(space)]
    assert len(found) == len(set(found))
    assert set(found) == expected


def test_continuous_parameters_do_not_matter() -> None:
    rate = {"type": "loguniform", "low": 1e-4, "high": 1e-1}
    space = make_space({"optimizer.lr": rate, "windows.length": choice(512, 1024)})
    assert [config.length for config in window_configs(space)] == [512, 1024]


def test_each_variant_is_prepared_once_and_its_longest_window_tried(monkeypatch: pytest.MonkeyPatch) -> None:
    prepared: list[WindowConfig] = []
    tried: list[tuple[object, str, int]] = []

    def prepare(_: object, __: object, config: WindowConfig, *, target: str, folds: Any) -> Any:  # noqa: ANN401 - stands for a store
        prepared.append(config)
        return f"{target} of {store_key(config)}"

    monkeypatch.setattr(variants, "prepare", prepare)
    monkeypatch.setattr(variants, "Windows", lambda store, parts, config: tried.append((store, *parts, config.length)))
    configs = [WindowConfig(length=length, input=kind) for kind in ("raw", "envelope") for length in (512, 2048, 1024)]
    recordings: list[Recording] = []
    split: Any = Split
    stores: dict[str, Any] = dict(prepare_variants(recordings, split, configs, target="label"))
    keys = {store_key(config) for config in configs}
    assert stores == {key: f"label of {key}" for key in keys}
    assert len(keys) == 2
    assert len(prepared) == 2
    parts = ("train", "validation", "test")
    assert sorted(tried) == sorted((stores[key], part, 2048) for key in keys for part in parts)


def stores_at(rates: dict[str, float]) -> dict[str, SegmentStore]:
    found: Any = {key: SimpleNamespace(fs_hz=rate) for key, rate in rates.items()}
    return dict(found)


def test_baselines_see_windows_of_the_same_duration() -> None:
    slow = WindowConfig(length=1000, sample_rate_hz=6000)
    fast = WindowConfig(length=1000)
    stores = stores_at({store_key(RAW): 24000, store_key(slow): 6000})
    windows = baseline_windows([slow, fast], stores, limit=3)
    assert [one.length for one in windows] == [1000, 4000]
    assert all((one.input, one.normalize, one.sample_rate_hz) == ("raw", "none", None) for one in windows)


@pytest.mark.parametrize(
    ("limit", "lengths"), [(1, [100]), (2, [100, 900]), (3, [100, 500, 900]), (9, list(range(100, 1000, 100)))]
)
def test_baseline_windows_are_at_most_so_many_and_span_the_range(limit: int, lengths: list[int]) -> None:
    configs = [WindowConfig(length=length) for length in range(900, 0, -100)]
    windows = baseline_windows(configs, stores_at({store_key(RAW): 12000}), limit=limit)
    assert [one.length for one in windows] == lengths


def test_equal_durations_count_once() -> None:
    configs = [WindowConfig(length=512, hop=hop, input=kind) for hop in (64, 128) for kind in ("raw", "envelope")]
    stores = stores_at({store_key(config): 12000 for config in configs})
    assert [one.length for one in baseline_windows(configs, stores, limit=3)] == [512]


def test_a_window_that_fits_no_block_of_a_fold_is_refused_before_anything_is_trained() -> None:
    recordings = [folded_recording(f"{fault}{index}", fault) for fault in ("a", "b") for index in range(5)]
    data = DataConfig.model_validate({"split": {"rule": "by-recording", "block_classes": ["b"], "gap_s": 0.0}})
    folded = fold_split(recordings, data, FoldsConfig(by="by-recording", most=3))
    fits, too_long = WindowConfig(length=64), WindowConfig(length=900)
    for config in (fits, too_long):
        prepared = partial(prepare_variants, recordings, folded.split, [config], target="label", folds=folded.folds)
        if config is fits:
            [store] = prepared().values()
            assert list(store.folds) == [fold.name for fold in folded.folds]
        else:
            with pytest.raises(DataError, match="900 samples"):
                prepared()


def folded_recording(name: str, fault: str) -> Recording:
    return Recording(
        signal=np.random.default_rng(list(name.encode())).standard_normal((1, 1000)).astype(np.float32),
        fs_hz=1000.0,
        shaft_speed_rpm=1800.0,
        label=fault,
        fault_type=fault,
        recording_id=name,
        bearing_id=name,
        dataset="rig",
        channels=("x",),
    )
