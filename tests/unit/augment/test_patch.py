from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom, chisquare, kstest
from torch import Tensor

from raytrain.augment.patch import (
    patch_cutout,
    patch_dropout,
    patch_jitter,
    patch_mixup,
    patch_permutation,
    patch_temporal_shift,
)
from raytrain.errors import ConfigError, DataError

OPERATIONS: dict[str, Callable[..., Tensor]] = {
    "dropout": patch_dropout,
    "cutout": patch_cutout,
    "temporal shift": patch_temporal_shift,
    "permutation": patch_permutation,
    "jitter": patch_jitter,
    "mixup": lambda patches, **settings: patch_mixup(patches, **settings).patches,
}
every_operation = pytest.mark.parametrize("name", OPERATIONS)


def seeded(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def noise(*shape: int, dtype: torch.dtype = torch.float32) -> Tensor:
    return torch.randn(*shape, generator=seeded(9), dtype=dtype)


def numbered(samples: int, patches: int) -> Tensor:
    """Every patch holds its own place, counted from 1, so that what was moved or hidden can be read off."""
    return torch.arange(1.0, patches + 1).view(1, patches, 1).expand(samples, patches, 3)


def places(patches: Tensor) -> Tensor:
    """Read `numbered` patches back, int64 `[B, P]`; 0 is hidden."""
    assert torch.equal(patches, patches[..., :1].expand_as(patches)), "patches are changed as a whole"
    return patches[..., 0].long()


class TestEveryOperation:
    @every_operation
    @given(
        shape=st.tuples(st.integers(1, 5), st.integers(1, 9), st.integers(1, 4)),
        dtype=st.sampled_from([torch.float32, torch.float64]),
        seed=st.integers(0, 99),
    )
    def test_keeps_shape_type_and_input_and_repeats(
        self, name: str, shape: tuple[int, int, int], dtype: torch.dtype, seed: int
    ) -> None:
        operation, patches = OPERATIONS[name], noise(*shape, dtype=dtype)
        before, state = patches.clone(), torch.random.get_rng_state()
        changed = operation(patches, generator=seeded(seed))
        assert (changed.shape, changed.dtype) == (patches.shape, dtype)
        assert torch.isfinite(changed).all()
        assert torch.equal(patches, before)
        assert torch.equal(changed, operation(patches, generator=seeded(seed)))
        assert torch.equal(torch.random.get_rng_state(), state), "nothing is drawn from the global generator"

    @every_operation
    def test_draws_for_each_sample_and_anew_each_time(self, name: str) -> None:
        patches, generator = noise(64, 12, 4), seeded()
        first, second = (OPERATIONS[name](patches, generator=generator) for _ in range(2))
        assert not torch.equal(first, second)
        if name != "mixup":  # which leaves equal samples as they are
            of_equals = OPERATIONS[name](patches[:1].expand(64, 12, 4), generator=generator)
            assert len(torch.unique(of_equals, dim=0)) > 4

    @every_operation
    def test_does_nothing_at_strength_zero(self, name: str) -> None:
        setting = {"dropout": "probability", "permutation": "share", "jitter": "std"}.get(name, "max_share")
        patches = noise(8, 10, 4)
        assert torch.equal(OPERATIONS[name](patches, **{setting: 0.0}, generator=seeded()), patches)

    @every_operation
    def test_gradients_pass(self, name: str) -> None:
        patches = noise(4, 6, 2, dtype=torch.float64).requires_grad_()
        assert torch.autograd.gradcheck(lambda inputs: OPERATIONS[name](inputs, generator=seeded()), patches)

    @every_operation
    def test_other_dimensions_are_refused(self, name: str) -> None:
        if name != "jitter":  # which treats every value alike
            with pytest.raises(DataError, match=r"got \[2, 8\]"):
                OPERATIONS[name](torch.zeros(2, 8), generator=seeded())

    @pytest.mark.parametrize(
        ("name", "settings", "message"),
        [
            ("dropout", {"probability": 1.1}, r"augmentation.probability must be from 0 to 1, got 1\.1"),
            ("cutout", {"max_share": -0.1}, "augmentation.max_share must be from 0 to 1"),
            ("temporal shift", {"max_share": 2.0}, "augmentation.max_share must be from 0 to 1, got 2"),
            ("permutation", {"share": 1.5}, "augmentation.share must be from 0 to 1"),
            ("jitter", {"std": -1.0}, "augmentation.std must be at least 0 and finite, got -1"),
            ("mixup", {"max_share": 1.5}, "augmentation.max_share must be from 0 to 1"),
        ],
    )
    def test_impossible_settings_are_refused(self, name: str, settings: dict[str, Any], message: str) -> None:
        with pytest.raises(ConfigError, match=message):
            OPERATIONS[name](numbered(2, 4), **settings, generator=seeded())


def test_dropout_hides_each_patch_with_the_probability() -> None:
    kept = places(patch_dropout(numbered(4000, 6), probability=0.3, generator=seeded()))
    place = torch.arange(1, 7).expand_as(kept)
    assert torch.equal(kept, torch.where(kept > 0, place, 0)), "the others stay, unscaled"
    hidden = (kept == 0).sum(dim=1)
    expected = binom(6, 0.3).pmf(np.arange(7)) * len(kept)  # independent of each other
    counts = torch.bincount(hidden, minlength=7).numpy()
    assert chisquare(np.append(counts[:5], counts[5:].sum()), np.append(expected[:5], expected[5:].sum())).pvalue > 0.01
    each = (kept == 0).sum(dim=0).numpy()
    assert np.abs(each / len(kept) - 0.3).max() < 4 * np.sqrt(0.3 * 0.7 / len(kept))


def test_dropout_of_probability_one_hides_all() -> None:
    assert not patch_dropout(numbered(3, 4), probability=1.0, generator=seeded()).any()


def test_cutout_hides_one_run_of_uniform_length_and_place() -> None:
    kept = places(patch_cutout(numbered(12_000, 10), max_share=0.35, generator=seeded()))
    hidden = kept == 0
    assert torch.equal(kept, torch.where(hidden, 0, torch.arange(1, 11)))
    edges = hidden.long().diff(dim=1, prepend=torch.zeros(len(kept), 1), append=torch.zeros(len(kept), 1))
    lengths = hidden.sum(dim=1)
    assert torch.equal(edges.abs().sum(dim=1) / 2, (lengths > 0).float()), "one run, or none"
    assert chisquare(torch.bincount(lengths, minlength=4).numpy()).pvalue > 0.01
    assert int(lengths.max()) == 3  # floor(0.35 * 10)
    for length in (1, 2, 3):
        starts = torch.bincount(hidden.long().argmax(dim=1)[lengths == length], minlength=11 - length)
        assert len(starts) == 11 - length
        assert chisquare(starts.numpy()).pvalue > 0.01


def test_temporal_shift_is_circular_and_uniform_to_both_sides() -> None:
    moved = places(patch_temporal_shift(numbered(7000, 10), max_share=0.3, generator=seeded()))
    shift = (1 - moved[:, 0]) % 10  # the first patch shows where it came from
    expected = torch.stack([numbered(1, 10)[0, :, 0].long().roll(int(step)) for step in shift])
    assert torch.equal(moved, expected)
    counts = torch.bincount(shift, minlength=10)
    assert counts[4:7].sum() == 0
    assert chisquare(counts[[7, 8, 9, 0, 1, 2, 3]].numpy()).pvalue > 0.01


def test_temporal_shift_of_a_signal_keeps_its_magnitude_spectrum() -> None:
    patches = noise(16, 8, 32, dtype=torch.float64)
    moved = patch_temporal_shift(patches, max_share=0.5, generator=seeded())
    assert not torch.equal(moved, patches)
    torch.testing.assert_close(torch.fft.rfft(moved.flatten(1)).abs(), torch.fft.rfft(patches.flatten(1)).abs())


def test_permutation_keeps_every_patch_and_moves_no_more_than_asked() -> None:
    order = places(patch_permutation(numbered(3000, 8), share=0.5, generator=seeded()))
    assert torch.equal(order.sort(dim=1).values, torch.arange(1, 9).expand_as(order))
    moved = (order != torch.arange(1, 9)).sum(dim=1)
    assert torch.unique(moved).tolist() == [0, 2, 3, 4]


def test_permutation_draws_every_order_alike() -> None:
    order = places(patch_permutation(numbered(12_000, 4), share=1.0, generator=seeded()))
    counts = torch.unique(order, dim=0, return_counts=True)[1]
    assert len(counts) == 24
    assert chisquare(counts.numpy()).pvalue > 0.01


def test_permutation_draws_every_pair_alike() -> None:
    order = places(patch_permutation(numbered(12_000, 5), share=0.4, generator=seeded()))
    moved = (order != torch.arange(1, 6))[(order != torch.arange(1, 6)).any(dim=1)]
    assert len(moved) / 12_000 == pytest.approx(0.5, abs=0.02)  # two patches change places, or do not
    counts = torch.unique(moved, dim=0, return_counts=True)[1]
    assert len(counts) == 10
    assert chisquare(counts.numpy()).pvalue > 0.01


def test_jitter_is_gaussian_white_and_of_the_deviation() -> None:
    patches = noise(50, 16, 64, dtype=torch.float64)
    added = patch_jitter(patches, std=0.3, generator=seeded()) - patches
    assert kstest(added.flatten().numpy() / 0.3, "norm").pvalue > 0.01
    spectrum = torch.fft.rfft(added.flatten(1)).abs().square().mean(dim=0)[1:-1] / 1024
    bands = spectrum[:510].view(10, 51).mean(dim=1)
    torch.testing.assert_close(bands, torch.full_like(bands, 0.3**2), rtol=0.1, atol=0)


def test_mixup_exchanges_patches_in_their_places_and_shares_labels_as_exactly() -> None:
    samples, count = 600, 12
    owner = torch.arange(samples, dtype=torch.float64)[:, None]
    patches = torch.stack([owner.expand(samples, count), torch.arange(count).double().expand(samples, count)], dim=2)
    mixed = patch_mixup(patches, max_share=0.75, generator=seeded())
    assert torch.equal(mixed.patches[..., 1], patches[..., 1]), "in the same places"
    foreign = mixed.patches[..., 0] != owner
    assert torch.equal(mixed.patches[..., 0], torch.where(foreign, mixed.partners[:, None].double(), owner))
    assert torch.equal(mixed.weight, 1 - foreign.sum(dim=1).float() / count)
    assert (mixed.partners != torch.arange(samples)).all()
    assert torch.equal(mixed.partners.sort().values, torch.arange(samples))


def test_mixup_exchanges_a_uniform_number_of_patches_anywhere() -> None:
    two = torch.tensor([0.0, 1.0]).repeat(4000).view(-1, 1, 1).expand(8000, 8, 1)
    patches = two + 2 * torch.arange(8000.0).view(-1, 1, 1)
    mixed = patch_mixup(patches, max_share=0.5, generator=seeded())
    foreign = (mixed.patches != patches)[..., 0]
    counts = torch.bincount(foreign.sum(dim=1), minlength=5)
    assert len(counts) == 5
    assert chisquare(counts.numpy()).pvalue > 0.01
    single = foreign[foreign.sum(dim=1) == 1].sum(dim=0)
    assert chisquare(single.numpy()).pvalue > 0.01


def test_mixup_of_one_sample_is_that_sample() -> None:
    patches = noise(1, 6, 3)
    mixed = patch_mixup(patches, max_share=1.0, generator=seeded())
    assert torch.equal(mixed.patches, patches)
    assert mixed.partners.tolist() == [0]
