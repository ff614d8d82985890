from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from raytrain.engine.dropout import DROPOUTS, SharedDropout
from raytrain.errors import RunError
from raytrain.types import Batch, Share

SHARES = [Share(0, 7), Share(3, 7), Share(5, 7)]
SIZES = [3, 2, 2]
SHAPES: dict[type[nn.Module], tuple[int, ...]] = {
    nn.Dropout: (5,),
    nn.Dropout1d: (4, 5),
    nn.Dropout2d: (4, 5, 3),
    nn.Dropout3d: (4, 2, 3, 3),
}


def placed(layer: nn.Module, share: Share | None, size: int) -> SharedDropout:
    dropout = SharedDropout(layer)
    dropout.place(Batch(torch.zeros(size, 1), torch.zeros(size, dtype=torch.int64), share=share))
    return dropout


def parts_of(values: Tensor, apply: Callable[[SharedDropout, Tensor], Tensor], layer: nn.Module) -> list[Tensor]:
    parts = []
    for share, rows in zip(SHARES, torch.split(values, SIZES), strict=True):
        torch.manual_seed(3)
        parts.append(apply(placed(layer, share, len(rows)), rows))
    return parts


@pytest.mark.parametrize("kind", DROPOUTS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_shares_together_have_the_masks_of_one_process(kind: type[nn.Module], dtype: torch.dtype) -> None:
    layer = kind(0.4)
    values = torch.randn(7, *SHAPES[kind], generator=torch.Generator().manual_seed(0)).to(dtype)
    torch.manual_seed(3)
    whole = [layer(values), layer(values)]
    after = torch.get_rng_state()
    parts = parts_of(values, lambda dropout, rows: torch.stack([dropout(rows), dropout(rows)]), layer)
    for number, expected in enumerate(whole):
        assert torch.equal(torch.cat([part[number] for part in parts]), expected)
        assert bool((expected == 0).any())
    assert not torch.equal(whole[0], whole[1])
    assert torch.equal(torch.get_rng_state(), after)  # workers stay in step, each being where one process is


def test_gradients_pass_where_values_do() -> None:
    values = torch.ones(7, 5, dtype=torch.float64, requires_grad=True)
    torch.manual_seed(3)
    (expected,) = torch.autograd.grad(nn.Dropout(0.4)(values).sum(), values)
    parts = parts_of(values, lambda dropout, rows: torch.autograd.grad(dropout(rows).sum(), values)[0], nn.Dropout(0.4))
    assert torch.equal(torch.stack(parts).sum(dim=0), expected)


def test_patches_follow_each_other_sample_by_sample() -> None:
    values, layer = torch.ones(7 * 3, 5), nn.Dropout(0.5)
    torch.manual_seed(3)
    expected = layer(values)
    dropout = placed(layer, Share(3, 7), 2)
    torch.manual_seed(3)
    assert torch.equal(dropout(values[9:15]), expected[9:15])


def test_rows_that_cannot_be_told_apart_are_refused() -> None:
    with pytest.raises(RunError, match="7 rows in a batch of 2"):
        placed(nn.Dropout(0.5), Share(0, 4), 2)(torch.ones(7, 5))


def test_evaluation_and_a_whole_batch_are_the_layers_own() -> None:
    values = torch.ones(4, 5)
    assert torch.equal(placed(nn.Dropout(0.5), Share(0, 9), 4).eval()(values), values)
    torch.manual_seed(1)
    expected = nn.Dropout(0.5)(values)
    torch.manual_seed(1)
    assert torch.equal(placed(nn.Dropout(0.5), None, 4)(values), expected)


def test_there_is_nothing_to_save() -> None:
    assert SharedDropout(nn.Dropout(0.5)).state_dict() == {}
