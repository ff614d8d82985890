from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from torch import Tensor

from raytrain.augment.draws import (
    SharedGenerator,
    change_share,
    draw_beta,
    draw_normal,
    draw_partners,
    draw_uniform,
    own_indices,
    rows_of_all,
    whole_number,
)
from raytrain.errors import DataError, RunError
from raytrain.types import Share

MANY = 20_000


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def signals(count: int, *, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.zeros(count, 1, 1, dtype=dtype)


def test_uniform_draws_are_uniform_and_differ_by_sample_and_draw() -> None:
    draws = draw_uniform(signals(MANY), 2, generator=seeded())
    assert draws.shape == (2, MANY, 1, 1)
    assert draws.dtype == torch.float64
    for one in draws:
        assert stats.kstest(one.flatten().numpy(), "uniform").pvalue > 0.01
    assert abs(torch.corrcoef(draws.flatten(1))[0, 1]) < 0.03


@pytest.mark.parametrize("shape", [(4, 8), (4, 1, 8, 8)])
def test_signals_of_other_dimensions_are_refused(shape: tuple[int, ...]) -> None:
    with pytest.raises(DataError, match=r"takes signals \[batch, channels, samples\], got \[4, "):
        draw_uniform(torch.zeros(shape), 1, generator=seeded())


@given(below=st.integers(1, 2**31))
def test_whole_numbers_never_reach_their_bound(below: int) -> None:
    largest = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert whole_number(largest, below).tolist() == [0, below - 1]


def test_whole_numbers_are_equally_likely() -> None:
    drawn = whole_number(draw_uniform(signals(MANY), 1, generator=seeded()), 7).flatten()
    assert stats.chisquare(drawn.bincount(minlength=7).numpy()).pvalue > 0.01


@pytest.mark.parametrize("alpha", [0.2, 0.5, 1.0, 2.0, 8.0, 500.0])
def test_beta_draws_have_the_distribution_of_scipy(alpha: float) -> None:
    drawn = draw_beta(signals(MANY), alpha=alpha, generator=seeded(1)).flatten()
    assert bool(((drawn >= 0) & (drawn <= 1)).all())
    assert stats.kstest(drawn.numpy(), stats.beta(alpha, alpha).cdf).pvalue > 0.01
    assert stats.kstest(drawn.numpy(), stats.beta(1.3 * alpha, 1.3 * alpha).cdf).pvalue < 1e-6


@pytest.mark.parametrize("alpha", [1e-4, 1e6])
def test_extreme_beta_draws_are_finite(alpha: float) -> None:
    drawn = draw_beta(signals(2000), alpha=alpha, generator=seeded()).flatten()
    assert bool(torch.isfinite(drawn).all())
    centre = float((drawn - 0.5).abs().mean())
    assert centre == pytest.approx(0.5 if alpha < 1 else 0.0, abs=1e-3)


@given(count=st.integers(2, 70), seed=st.integers(0, 2**31))
def test_everybody_has_another_partner_and_is_partner_once(count: int, seed: int) -> None:
    partners = draw_partners(signals(count), generator=seeded(seed))
    assert sorted(partners.tolist()) == list(range(count))
    assert bool((partners != torch.arange(count)).all())


def test_a_single_sample_is_its_own_partner() -> None:
    assert draw_partners(signals(1), generator=seeded()).tolist() == [0]


def test_each_of_the_others_is_equally_likely() -> None:
    generator = seeded()
    drawn = torch.stack([draw_partners(signals(5), generator=generator) for _ in range(2000)])
    for sample in range(5):
        counts = drawn[:, sample].bincount(minlength=5)
        assert counts[sample] == 0
        assert stats.chisquare(counts[counts > 0].numpy()).pvalue > 0.001


@pytest.mark.parametrize(("probability", "expected"), [(0.0, 0.0), (0.3, 0.3), (1.0, 1.0)])
def test_the_asked_share_of_samples_is_changed(probability: float, expected: float) -> None:
    signal = torch.zeros(MANY, 2, 3)
    changed = change_share(signal, signal + 1, probability=probability, generator=seeded())
    per_sample = changed.flatten(1)
    assert bool((per_sample == per_sample[:, :1]).all())
    assert float(changed.mean()) == pytest.approx(expected, abs=0.01)


def shared(first: int, total: int) -> SharedGenerator:
    generator = SharedGenerator()
    generator.manual_seed(4)
    generator.share = Share(first, total)
    return generator


@pytest.mark.parametrize(
    "draw",
    [
        lambda signal, generator: draw_uniform(signal, 2, generator=generator).transpose(0, 1),
        lambda signal, generator: draw_normal(signal, generator=generator),
        lambda signal, generator: draw_beta(signal, alpha=0.4, generator=generator),
        lambda signal, generator: draw_partners(signal, generator=generator),
        lambda signal, generator: own_indices(signal, generator=generator),
    ],
    ids=["uniform", "normal", "beta", "partners", "own"],
)
def test_shares_together_draw_what_one_worker_draws(draw: Callable[[Tensor, torch.Generator], Tensor]) -> None:
    signal, alone = torch.zeros(11, 2, 5), seeded(4)
    whole, further = draw(signal, alone), torch.rand(3, generator=alone)
    parts = []
    for first, size in ((0, 4), (4, 4), (8, 3)):
        generator = shared(first, 11)
        parts.append(draw(signal[first : first + size], generator))
        assert torch.equal(torch.rand(3, generator=generator), further)
    assert torch.equal(torch.cat(parts), whole)


def test_rows_of_workers_that_are_not_there_are_missed() -> None:
    rows = torch.zeros(3, 2)
    assert rows_of_all(rows, generator=seeded()) is rows
    assert rows_of_all(rows, generator=shared(0, 3)) is rows
    with pytest.raises(RunError, match="3 of the 9 rows of a batch are here, and no other worker has the rest"):
        rows_of_all(rows, generator=shared(3, 9))
