"""Augmentation policies: plain data that say which operations are applied, how likely and how strongly."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from itertools import combinations
from typing import TypeAlias

import torch
from torch import Tensor

from raytrain.augment.operations import MAX_MAGNITUDE, OPERATIONS
from raytrain.errors import ConfigError, nearest

__all__ = ["Policy", "check_policy", "rand_augment_policy", "setting_table"]

Policy: TypeAlias = Mapping[str, Mapping[str, Mapping[str, float]]]
"""Name of a sub-policy -> operation -> `probability` in [0, 1] (1 if absent) and `magnitude` in [0, 10] (5 if absent).

Names instead of lists, so that a sweep can address each number: `augmentation.policy.rough.time_shift.magnitude`."""

_LIMITS = {"probability": 1.0, "magnitude": MAX_MAGNITUDE}
_DEFAULTS = {"probability": 1.0, "magnitude": 5.0}


def check_policy(policy: Policy) -> None:
    """Check the names and numbers of a policy.

    Raises:
        ConfigError: One report of everything that is wrong, or the policy is empty.
    """
    if not policy:
        raise ConfigError("augmentation.policy must have at least one sub-policy; name: none augments nothing")
    if problems := list(_problems(policy)):
        raise ConfigError("\n  ".join(problems))


def _problems(policy: Policy) -> Iterator[str]:
    for name, operations in policy.items():
        for operation, settings in operations.items():
            where = f"augmentation.policy.{name}.{operation}"
            if operation not in OPERATIONS:
                yield f"{where}: there is no operation {operation!r}; {nearest(operation, OPERATIONS)}"
            for setting, value in settings.items():
                if setting not in _LIMITS:
                    yield f"{where}: there is no setting {setting!r}; {nearest(setting, _LIMITS)}"
                elif not 0 <= value <= _LIMITS[setting]:
                    yield f"{where}.{setting} must be from 0 to {_LIMITS[setting]:g}, got {value:g}"


def setting_table(policy: Policy, setting: str, operations: Sequence[str]) -> Tensor:
    """Return one setting of `operations` in each sub-policy, those by name, `[S, K]`; 0 where one lacks an operation.

    >>> policy = {"b": {"time_shift": {"magnitude": 3}}, "a": {"time_masking": {}}}
    >>> setting_table(policy, "magnitude", ["time_shift", "time_masking"])
    tensor([[0., 5.],
            [3., 0.]], dtype=torch.float64)
    """
    rows = [
        [policy[name][one].get(setting, _DEFAULTS[setting]) if one in policy[name] else 0.0 for one in operations]
        for name in sorted(policy)
    ]
    return torch.tensor(rows, dtype=torch.float64)


def rand_augment_policy(operations: int = 2, *, magnitude: float = 5.0) -> Policy:
    """Return the policy of RandAugment: every set of N different operations is a sub-policy, all at magnitude M.

    As each sample draws one sub-policy, this is Cubuk et al.'s choice of N operations for each sample, except that
    none is chosen twice.

    Raises:
        ConfigError: There are not so many operations, or the magnitude is outside [0, 10].

    >>> sorted(rand_augment_policy(1, magnitude=3))
    ['amplitude_scaling', 'gaussian_noise', 'time_masking', 'time_shift']
    """
    if not 1 <= operations <= len(OPERATIONS):
        raise ConfigError(f"augmentation.operations must be from 1 to {len(OPERATIONS)}, got {operations}")
    if not 0 <= magnitude <= MAX_MAGNITUDE:
        raise ConfigError(f"augmentation.magnitude must be from 0 to {MAX_MAGNITUDE:g}, got {magnitude:g}")
    sets = combinations(OPERATIONS, operations)
    return {"+".join(names): {name: {"probability": 1.0, "magnitude": magnitude} for name in names} for names in sets}
