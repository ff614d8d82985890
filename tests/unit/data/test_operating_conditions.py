from __future__ import annotations

import math
from collections.abc import Mapping

import numpy as np
import pytest
import torch
from torch import Tensor

from raytrain.config.schema import WindowConfig
from raytrain.data.operating_conditions import CONDITIONS, OperatingConditions, operating_values
from raytrain.data.store import SegmentStore
from raytrain.data.windows import Windows
from raytrain.errors import ConfigError
from raytrain.types import FINAL, Batch, Progress

GENERATOR = torch.Generator()


def windows_of(conditions: Mapping[str, list[float]], *, rpm: list[float], load: list[float]) -> Windows:
    """Training windows of one recording per value, four of each; the last recording is of the test part."""
    count = len(rpm)
    store = SegmentStore(
        signal=np.random.default_rng(0).standard_normal((1, 128 * count)).astype(np.float32),
        fs_hz=1000.0,
        offset=128 * np.arange(count),
        samples=np.full(count, 128),
        start=np.zeros(count, dtype=np.int64),
        part=np.array([0] * (count - 1) + [2], dtype=np.int8),
        target=np.arange(count) % 2,
        recording=np.arange(count),
        shaft_speed_rpm=np.array(rpm, dtype=np.float32),
        load=np.array(load, dtype=np.float32),
        fault_orders=np.ones((count, 4)),
        classes=("a", "b"),
        recording_ids=tuple(f"r{i}" for i in range(count)),
        channels=("x",),
        conditions={name: np.array(values, dtype=np.float32) for name, values in conditions.items()},
    )
    return Windows(store, ["train"], WindowConfig(length=32, hop=32))


def conditions_of(transform: OperatingConditions, batch: Batch) -> Tensor:
    inputs = transform(batch, FINAL, GENERATOR).inputs
    assert isinstance(inputs, Mapping)
    return inputs["conditions"]


@pytest.fixture
def journal() -> Windows:
    viscosity = {"viscosity_pa_s": [0.01, 0.02, 0.08, 9.0], "sommerfeld_number": [0.1, math.nan, 10.0, 9.0]}
    return windows_of(viscosity, rpm=[1200.0, 1800.0, 3000.0, 600.0], load=[1.0, 2.0, math.nan, 77.0])


def test_columns_are_the_formulas_and_the_flags(journal: Windows) -> None:
    batch = journal.batch(torch.tensor([0, 4, 8]))
    got = conditions_of(OperatingConditions.of(journal), batch).double().numpy()
    load = np.array([1.0, 2.0])
    viscosity = np.log([0.01, 0.02, 0.08])
    sommerfeld = np.log([0.1, 10.0])
    expected = np.zeros((3, 8))
    expected[:, 0] = np.array([1200.0, 1800.0, 3000.0]) / 60 / 1000
    expected[:2, 1] = (load - load.mean()) / load.std()
    expected[:, 2] = (viscosity - viscosity.mean()) / viscosity.std()
    expected[[0, 2], 3] = (sommerfeld - sommerfeld.mean()) / sommerfeld.std()
    expected[:, 4:] = [[1, 1, 1, 1], [1, 1, 1, 0], [1, 0, 1, 1]]
    np.testing.assert_allclose(got, expected, rtol=1e-5, atol=1e-6)


def test_statistics_are_of_the_training_windows_alone(journal: Windows) -> None:
    transform = OperatingConditions.of(journal)
    np.testing.assert_allclose(transform.mean, [1.5, np.log([0.01, 0.02, 0.08]).mean(), 0.0], rtol=1e-6, atol=1e-6)
    np.testing.assert_allclose(transform.scale, [0.5, np.log([0.01, 0.02, 0.08]).std(), np.log(10)], rtol=1e-6)
    assert transform.sample_rate_hz == 1000.0


def test_standardised_columns_have_mean_zero_and_deviation_one(journal: Windows) -> None:
    got = conditions_of(OperatingConditions.of(journal), journal.batch(torch.arange(len(journal))))
    for column in (1, 2, 3):
        known = got[got[:, column + 4] == 1, column]
        torch.testing.assert_close(known.mean(), torch.tensor(0.0), atol=1e-6, rtol=0)
        torch.testing.assert_close(known.std(correction=0), torch.tensor(1.0))


def test_a_condition_that_never_changes_is_zero_and_known() -> None:
    windows = windows_of({}, rpm=[1200.0] * 4, load=[0.3, 0.3, 0.3, 5.0])
    transform = OperatingConditions.of(windows)
    assert transform.scale == (1.0, 1.0, 1.0)
    got = conditions_of(transform, windows.batch(torch.tensor([0, 5])))
    assert got[:, 1].tolist() == [0.0, 0.0]
    assert got[:, 4:].tolist() == [[1, 1, 0, 0]] * 2


def test_signal_and_everything_else_stay(journal: Windows) -> None:
    batch = journal.batch(torch.tensor([3, 1]))
    after = OperatingConditions.of(journal)(batch, Progress(0, 0, 0.0), GENERATOR)
    assert isinstance(after.inputs, Mapping)
    assert set(after.inputs) == {"signal", "conditions"}
    assert after.inputs["signal"] is batch.inputs
    assert after.inputs["conditions"].dtype == batch.signal.dtype
    assert torch.equal(after.targets, batch.targets)
    assert after.conditions is batch.conditions
    assert OperatingConditions.in_evaluation


def test_a_batch_without_conditions_knows_nothing() -> None:
    transform = OperatingConditions(12_000, mean=(1.0, 2.0, 3.0), scale=(1.0, 1.0, 1.0))
    batch = Batch(torch.zeros(3, 1, 8, dtype=torch.float64), torch.zeros(3, dtype=torch.int64))
    got = conditions_of(transform, batch)
    assert got.dtype == torch.float64
    assert torch.equal(got, torch.zeros(3, 8, dtype=torch.float64))


@pytest.mark.parametrize("impossible", [0.0, -1.0, math.nan, math.inf])
def test_impossible_values_count_as_unknown(impossible: float) -> None:
    values = torch.tensor([impossible, 2.0])
    given = {name: values for name in CONDITIONS if name != "load"}
    got = operating_values(given, sample_rate_hz=10.0, like=values)
    assert got[0].isnan().all()
    torch.testing.assert_close(got[1], torch.tensor([2 / 600, math.nan, math.log(2), math.log(2)]), equal_nan=True)


def test_rows_do_not_depend_on_the_rest_of_the_batch(journal: Windows) -> None:
    transform = OperatingConditions.of(journal)
    together = conditions_of(transform, journal.batch(torch.arange(len(journal))))
    alone = [conditions_of(transform, journal.batch(torch.tensor([i]))) for i in range(len(journal))]
    assert torch.equal(together, torch.cat(alone))


@pytest.mark.parametrize(
    ("rate", "mean", "scale", "message"),
    [
        (0.0, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "sample_rate_hz must be positive, got 0"),
        (math.nan, (0.0, 0.0, 0.0), (1.0, 1.0, 1.0), "sample_rate_hz must be positive, got nan"),
        (10.0, (0.0, 0.0), (1.0, 1.0, 1.0), r"a number each for load, .* got \(0.0, 0.0\)"),
        (10.0, (0.0, 0.0, 0.0), (1.0, 0.0, 1.0), r"scales must be positive; got .*\(1.0, 0.0, 1.0\)"),
    ],
)
def test_impossible_statistics_are_refused(
    rate: float, mean: tuple[float, ...], scale: tuple[float, ...], message: str
) -> None:
    with pytest.raises(ConfigError, match=message):
        OperatingConditions(rate, mean=mean, scale=scale)
