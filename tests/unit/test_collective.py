"""With one worker; tests/unit/distributed/test_data_parallel.py has two."""

from __future__ import annotations

import torch
from torch import nn

from raytrain.collective import rank, share_buffers, sum_over_workers, world_size


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
