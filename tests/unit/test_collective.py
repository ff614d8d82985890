"""With one worker; tests/unit/distributed/test_data_parallel.py has two, test_world_size.py four."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from raytrain.collective import global_rows, rank, share_buffers, sum_over_workers, world_size
from raytrain.errors import RunError


def test_one_worker_is_rank_zero_of_one() -> None:
    assert (rank(), world_size()) == (0, 1)


def test_sums_and_buffers_of_one_worker_are_its_own() -> None:
    values = torch.tensor([1.0, 2.0])
    sum_over_workers(values, values)
    assert values.tolist() == [1.0, 2.0]
    norm = nn.BatchNorm1d(2)
    norm(torch.tensor([[1.0, 2.0], [3.0, 6.0]]))
    share_buffers(norm)
    torch.testing.assert_close(norm.running_mean, torch.tensor([0.2, 0.4]))


def test_a_whole_batch_is_its_own_rows_and_the_rest_of_one_is_missed() -> None:
    rows = torch.tensor([1, 2])
    assert global_rows(rows, first=0, total=2) is rows
    with pytest.raises(RunError, match="2 of the 5 rows of a batch are here, and no other worker has the rest"):
        global_rows(rows, first=2, total=5)
