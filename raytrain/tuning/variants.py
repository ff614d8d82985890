"""The preprocessing variants a sweep needs, each made once and shared by all its trials."""

from __future__ import annotations

import itertools
from collections.abc import Iterable, Mapping, Sequence

from raytrain.config.schema import WindowConfig
from raytrain.config.space import SpaceConfig
from raytrain.data.folds import Fold
from raytrain.data.preprocess import prepare
from raytrain.data.recording import Recording
from raytrain.data.segments import PARTS, Split
from raytrain.data.store import SegmentStore, store_key
from raytrain.data.windows import Windows
from raytrain.tuning.space import active_parameters, extremes, finite_values, train_config

__all__ = ["RAW", "baseline_windows", "prepare_variants", "window_configs"]

RAW = WindowConfig(length=16)
"""Raw signals at the recordings' own rate, which the classical features are computed from; its length is not used."""


def window_configs(space: SpaceConfig) -> list[WindowConfig]:
    """Return every distinct window setting that a trial of the space can have."""
    varied = _windows_and_ancestors(space)
    values = [finite_values(space.parameters[name]) or () for name in varied]
    found: dict[str, WindowConfig] = {}
    for combination in itertools.product(*values):
        fixed = dict(zip(varied, combination, strict=True))
        point = active_parameters(space, lambda name, one, fixed=fixed: fixed.get(name, extremes(one)[0]))  # type: ignore[misc]
        windows = train_config(space, point).windows
        found[windows.model_dump_json()] = windows
    return list(found.values())


def prepare_variants(
    recordings: Sequence[Recording],
    split: Split,
    configs: Iterable[WindowConfig],
    *,
    target: str,
    folds: Sequence[Fold] = (),
) -> dict[str, SegmentStore]:
    """Prepare the signals of each variant once, and check that every window fits its recordings.

    Args:
        recordings: All recordings of the split.
        split: What to prepare.
        configs: Windows that will be cut from it.
        target: What is predicted, `fault_type` or `label`.
        folds: How the training part of `split` is divided by folds, where there are some: all share the signals.

    Raises:
        DataError: A window is longer than a recording; before anything is trained.
        ConfigError: A recording cannot be preprocessed as asked.
    """
    stores: dict[str, SegmentStore] = {}
    for config in sorted(configs, key=lambda one: -one.length):
        key = store_key(config)
        if key not in stores:
            stores[key] = store = prepare(recordings, split, config, target=target, folds=folds)
            for divided in [store.fold(fold.name) for fold in folds] or [store]:
                for part in PARTS:
                    Windows(divided, [part], config)
    return stores


def baseline_windows(
    configs: Sequence[WindowConfig], stores: Mapping[str, SegmentStore], *, limit: int
) -> list[WindowConfig]:
    """Return raw windows of at most `limit` different durations, as long in seconds as the trials' windows.

    The classical features are computed from the raw signal at its full rate, whatever the trials see.
    """
    fs_hz = stores[store_key(RAW)].fs_hz
    lengths = sorted({round(one.length / stores[store_key(one)].fs_hz * fs_hz) for one in configs})
    if len(lengths) > limit:
        step = (len(lengths) - 1) / max(1, limit - 1)
        lengths = sorted({lengths[round(index * step)] for index in range(limit)})
    return [WindowConfig(length=length, normalize="none") for length in lengths]


def _windows_and_ancestors(space: SpaceConfig) -> list[str]:
    names = [name for name in space.parameters if name.split(".")[0] == "windows"]
    for name in names:
        names += [parent for parent in space.parameters[name].when if parent not in names]
    return names
