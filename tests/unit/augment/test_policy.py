from __future__ import annotations

from typing import Any

import pytest
import torch

from raytrain.augment import rand_augment_policy
from raytrain.augment.operations import MAX_MAGNITUDE, OPERATIONS
from raytrain.augment.policy import Policy, check_policy, setting_table
from raytrain.errors import ConfigError


@pytest.mark.parametrize(("operations", "sets"), [(1, 4), (2, 6), (3, 4), (4, 1)])
def test_rand_augment_is_the_policy_of_all_sets_of_different_operations(operations: int, sets: int) -> None:
    policy = rand_augment_policy(operations, magnitude=7.0)
    assert len({frozenset(one) for one in policy.values()}) == len(policy) == sets
    assert all(len(one) == operations for one in policy.values())
    settings = [setting for one in policy.values() for setting in one.values()]
    assert all(setting == {"probability": 1.0, "magnitude": 7.0} for setting in settings)
    check_policy(policy)


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        ({"operations": 0}, "augmentation.operations must be from 1 to 4, got 0"),
        ({"operations": 5}, "augmentation.operations must be from 1 to 4, got 5"),
        ({"magnitude": 11.0}, "augmentation.magnitude must be from 0 to 10, got 11"),
        ({"magnitude": -1.0}, "augmentation.magnitude must be from 0 to 10, got -1"),
    ],
)
def test_impossible_numbers_are_refused(settings: dict[str, Any], message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        rand_augment_policy(**settings)


def test_everything_wrong_with_a_policy_is_in_one_report() -> None:
    policy = {
        "rough": {"time_shft": {"magnitude": 3.0}, "time_masking": {"magnitud": 3.0, "probability": 1.5}},
        "fine": {"gaussian_noise": {"magnitude": 10.5}},
    }
    with pytest.raises(ConfigError) as caught:
        check_policy(policy)
    assert str(caught.value).split("\n  ") == [
        "augmentation.policy.rough.time_shft: there is no operation 'time_shft'; did you mean 'time_shift'?",
        "augmentation.policy.rough.time_masking: there is no setting 'magnitud'; did you mean 'magnitude'?",
        "augmentation.policy.rough.time_masking.probability must be from 0 to 1, got 1.5",
        "augmentation.policy.fine.gaussian_noise.magnitude must be from 0 to 10, got 10.5",
    ]


def test_an_empty_policy_is_refused() -> None:
    with pytest.raises(ConfigError, match=r"augmentation.policy must have at least one sub-policy; name: none"):
        check_policy({})


def test_settings_that_are_absent_have_their_defaults() -> None:
    policy: Policy = {"a": {"time_shift": {}}, "b": {"time_shift": {"probability": 0.25, "magnitude": 2.0}}, "c": {}}
    assert setting_table(policy, "probability", ["time_shift"]).tolist() == [[1.0], [0.25], [0.0]]
    assert setting_table(policy, "magnitude", ["time_shift"]).tolist() == [[5.0], [2.0], [0.0]]


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_strength_zero_leaves_a_sample_exactly_as_it_is_and_more_changes_more(name: str) -> None:
    signal = torch.randn(400, 2, 512, generator=torch.Generator().manual_seed(1))
    strength = torch.tensor([0.0, 0.1, 0.5, 0.5]).repeat(100)[:, None, None].double()
    changed = OPERATIONS[name](signal, strength, torch.Generator().manual_seed(0))
    assert changed.shape == signal.shape
    assert changed.dtype == signal.dtype
    distance = (changed - signal).square().mean(dim=(1, 2)).view(100, 4)
    assert not distance[:, 0].any()
    if name == "time_shift":  # white noise, shifted by any amount, is as far from itself
        lengths = torch.tensor([_shift(one, two) for one, two in zip(signal[:, 0], changed[:, 0], strict=True)])
        distance = lengths.abs().double().view(100, 4)
        assert int(distance[:, 1].max()) <= 51
        assert 51 < int(distance[:, 2:].max()) <= 256
    assert float(distance[:, 2].mean()) > 3 * float(distance[:, 1].mean()) > 0


def _shift(before: torch.Tensor, after: torch.Tensor) -> int:
    found = int(torch.fft.irfft(torch.fft.rfft(after) * torch.fft.rfft(before).conj()).argmax())
    return found if found <= 256 else found - 512


def test_strengths_mean_what_the_table_says() -> None:
    signal = 3 * torch.randn(2000, 1, 256, generator=torch.Generator().manual_seed(1), dtype=torch.float64) + 7
    strength = torch.full((2000, 1, 1), 0.4, dtype=torch.float64)

    def apply(name: str) -> torch.Tensor:
        return OPERATIONS[name](signal, strength, torch.Generator().manual_seed(0))

    noise = apply("gaussian_noise") - signal
    assert float(noise.std() / signal.std()) == pytest.approx(0.4, rel=0.01)
    factor = (apply("amplitude_scaling") / signal).mean(dim=-1)
    assert float(factor.min()) == pytest.approx(0.6, abs=0.005)
    assert float(factor.max()) == pytest.approx(1.4, abs=0.005)
    masked = (apply("time_masking") != signal).double().mean(dim=-1)
    assert float(masked.max()) == pytest.approx(0.4, abs=1 / 256)
    assert MAX_MAGNITUDE == 10
