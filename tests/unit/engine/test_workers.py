"""With one worker, alone or in a group of its own; tests/unit/distributed/test_world_size.py has two and four."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import nn

from raytrain.engine.dropout import SharedDropout
from raytrain.engine.workers import DataParallel, data_parallel
from raytrain.types import Batch, Share

Make = Callable[..., Any]
CPU = torch.device("cpu")


@pytest.fixture
def group() -> Iterator[None]:
    store = dist.HashStore()  # type: ignore[attr-defined]
    dist.init_process_group("gloo", store=store, rank=0, world_size=1)
    yield
    dist.destroy_process_group()


def test_a_single_worker_needs_no_wrapper(training: Make) -> None:
    run = training()
    assert data_parallel(run) is run.model


@pytest.mark.usefixtures("group")
def test_dropout_is_replaced_once_and_nothing_else_changes(network: Make) -> None:
    model = network(dropout=0.5, norm=True)
    plain, names = copy.deepcopy(model), list(model.state_dict())
    parameters = list(model.parameters())
    for _ in range(2):  # wrapped again, a model is as before
        DataParallel(model, CPU)
        assert [type(layer) for layer in model] == [
            SharedDropout if isinstance(layer, nn.Dropout) else type(layer) for layer in plain
        ]
        assert not [one for one in model.modules() if isinstance(getattr(one, "layer", None), SharedDropout)]
    assert list(model.state_dict()) == names
    assert all(one is other for one, other in zip(model.parameters(), parameters, strict=True))
    inputs = torch.randn(4, 6, generator=torch.Generator().manual_seed(0))
    assert torch.equal(copy.deepcopy(model).eval()(inputs), plain.eval()(inputs))


@pytest.mark.usefixtures("group")
def test_a_layer_in_two_places_stays_one_layer() -> None:
    dropout = nn.Dropout(0.5)
    inner = nn.Sequential(nn.Linear(3, 3), dropout)
    model = nn.Sequential(nn.Linear(3, 3), dropout, inner)
    DataParallel(model, CPU)
    assert isinstance(model[1], SharedDropout)
    assert model[1] is inner[1]


@pytest.mark.usefixtures("group")
def test_layers_draw_for_the_batch_that_was_announced() -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.Dropout(0.5))
    whole, inputs = copy.deepcopy(model), torch.ones(6, 5)
    forward = DataParallel(model, CPU)
    forward.place(Batch(inputs[2:4], torch.zeros(2, dtype=torch.int64), share=Share(first=2, total=6)))
    torch.manual_seed(0)
    part = forward(inputs[2:4])
    torch.manual_seed(0)
    torch.testing.assert_close(part, whole(inputs)[2:4])
