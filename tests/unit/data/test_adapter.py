from __future__ import annotations

import pytest
import torch
from torch import Tensor
from torch.utils.data import DataLoader, TensorDataset

from raytrain.data.adapter import BatchAdapter, as_batch
from raytrain.errors import DataError
from raytrain.types import Batch, Loader

INPUTS, TARGETS = torch.arange(20.0).reshape(10, 1, 2), torch.arange(10) % 3


def test_a_data_loader_gives_batches_in_its_own_sizes() -> None:
    loader: Loader = BatchAdapter(DataLoader(TensorDataset(INPUTS, TARGETS), batch_size=4))
    assert len(loader) == 3
    for _ in range(2):  # each epoch anew
        batches = list(loader)
        assert [len(batch) for batch in batches] == [4, 4, 2]
        assert torch.equal(torch.cat([batch.signal for batch in batches]), INPUTS)
        assert torch.equal(torch.cat([batch.targets for batch in batches]), TARGETS)
        assert dict(batches[0].conditions) == {}


def test_a_mapping_brings_its_conditions() -> None:
    speed = torch.full((10,), 1797.0)
    batch = as_batch({"inputs": INPUTS, "targets": TARGETS, "shaft_speed_rpm": speed})
    assert batch.conditions["shaft_speed_rpm"] is speed
    assert set(batch.conditions) == {"shaft_speed_rpm"}


def test_a_batch_is_left_as_it_is() -> None:
    batch = Batch(INPUTS, TARGETS)
    assert as_batch(batch) is batch


@pytest.mark.parametrize(
    ("batch", "got"),
    [
        ({"x": INPUTS, "y": TARGETS}, "got dict with the keys x, y"),
        ((INPUTS,), "got tuple"),
        ([INPUTS, [0, 1]], "got list"),
        (INPUTS, "got Tensor"),
    ],
)
def test_other_forms_are_refused_by_name(batch: object, got: str) -> None:
    with pytest.raises(DataError, match=r"^a batch must be a pair of tensors .*" + got + "$"):
        as_batch(batch)  # type: ignore[arg-type]


class Announced(list[tuple[Tensor, Tensor]]):
    """A loader that wants to know the epoch."""

    epoch = -1

    def set_epoch(self, epoch: int) -> None:
        self.epoch = epoch


def test_the_epoch_is_announced_to_the_loader_or_its_sampler() -> None:
    loader = Announced([(INPUTS, TARGETS)])
    BatchAdapter(loader).set_epoch(3)
    assert loader.epoch == 3
    sampler: torch.utils.data.DistributedSampler[int] = torch.utils.data.DistributedSampler(
        TensorDataset(INPUTS), num_replicas=1, rank=0, shuffle=True
    )
    BatchAdapter(DataLoader(TensorDataset(INPUTS), sampler=sampler)).set_epoch(4)
    assert sampler.epoch == 4
    BatchAdapter([(INPUTS, TARGETS)]).set_epoch(5)
