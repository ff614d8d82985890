"""AutoAugment: a policy of operations applied to signals; RandAugment is one such policy."""

from __future__ import annotations

import torch
from torch import Tensor

from raytrain.augment.augmentation import Augmentation
from raytrain.augment.checks import check_share
from raytrain.augment.draws import change_share, draw_uniform, whole_number
from raytrain.augment.operations import OPERATIONS, STRENGTH_PER_MAGNITUDE
from raytrain.augment.policy import Policy, check_policy, rand_augment_policy, setting_table

__all__ = ["AutoAugment", "RandAugment"]


class AutoAugment(Augmentation):
    """A policy of named operations with magnitudes; each sample draws one of its sub-policies, all equally likely.

    A sub-policy applies each of its operations with that operation's probability and magnitude, in the order of
    `OPERATIONS` (gaussian_noise, amplitude_scaling, time_shift, time_masking), so the order in which a policy is
    written means nothing. Each operation runs once on the whole batch; a sample it is not meant for has strength 0,
    which leaves it exactly as it is. A searched policy is a sweep over `augmentation.policy.*`, as in
    search_spaces/auto_augment.yaml. Source: E. Cubuk, B. Zoph, D. Mane, V. Vasudevan, Q. Le, "AutoAugment: Learning
    augmentation strategies from data", CVPR 2019.

    Args:
        policy: Sub-policy -> operation -> probability (0 to 1) and magnitude (0 to 10); RandAugment's when absent.

    Raises:
        ConfigError: The policy names an unknown operation or setting, or a number is out of range.

    >>> louder = {"only": {"amplitude_scaling": {"probability": 1.0, "magnitude": 10}}}
    >>> AutoAugment(louder).augment(torch.ones(3, 1, 1), generator=torch.Generator().manual_seed(0)).flatten()
    tensor([0.6786, 0.8511, 1.0813])
    """

    def __init__(self, policy: Policy | None = None) -> None:
        self.policy = rand_augment_policy() if policy is None else policy
        check_policy(self.policy)
        used = {name for operations in self.policy.values() for name in operations}
        names = [name for name in OPERATIONS if name in used]
        self._operations = [OPERATIONS[name] for name in names]
        self._probabilities = setting_table(self.policy, "probability", names)
        self._strengths = setting_table(self.policy, "magnitude", names) * STRENGTH_PER_MAGNITUDE

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return augmented inputs `[B, C, T]`."""
        for operation, strength in zip(self._operations, self._draw(inputs, generator), strict=True):
            inputs = operation(inputs, strength, generator)
        return inputs

    def _draw(self, signal: Tensor, generator: torch.Generator) -> Tensor:
        """Return the strength of each operation for each sample, `[K, B, 1, 1]`; 0 where it is not applied."""
        if self._strengths.device != signal.device:  # once, so that later batches wait for no copy
            self._probabilities = self._probabilities.to(signal.device)
            self._strengths = self._strengths.to(signal.device)
        for_policy, *for_operations = draw_uniform(signal, 1 + len(self._operations), generator=generator)
        chosen = whole_number(for_policy, len(self._strengths)).flatten()
        applied = torch.stack(for_operations) < _columns(self._probabilities[chosen])
        return applied * _columns(self._strengths[chosen])


def _columns(per_sample: Tensor) -> Tensor:
    """Return the columns of a table `[B, K]`, each to be broadcast over signals: `[K, B, 1, 1]`."""
    return per_sample.t()[:, :, None, None]


class RandAugment(AutoAugment):
    """RandAugment: N different operations, chosen anew for each sample, all at the same magnitude M.

    It is `AutoAugment` with the policy `rand_augment_policy(N, magnitude=M)`, which has two numbers to search instead
    of two per operation. The paper draws with replacement and in random order; here the N differ and keep the order
    of `OPERATIONS`, so each operation runs once on the batch. Source: E. Cubuk, B. Zoph, J. Shlens, Q. Le,
    "RandAugment: Practical automated data augmentation with a reduced search space", NeurIPS 2020.

    Args:
        operations: N, how many of the four operations each sample gets.
        magnitude: M, from 0 (nothing changes) to 10.
        probability: Share of samples that are changed, in [0, 1].

    Raises:
        ConfigError: A value is impossible.

    >>> still = torch.ones(4, 1, 8)
    >>> torch.equal(RandAugment(magnitude=0.0).augment(still, generator=torch.Generator().manual_seed(0)), still)
    True
    """

    def __init__(self, *, operations: int = 2, magnitude: float = 5.0, probability: float = 1.0) -> None:
        super().__init__(rand_augment_policy(operations, magnitude=magnitude))
        self.probability = check_share("probability", probability)

    def augment(self, inputs: Tensor, *, generator: torch.Generator) -> Tensor:
        """Return augmented inputs `[B, C, T]`."""
        augmented = super().augment(inputs, generator=generator)
        return change_share(inputs, augmented, probability=self.probability, generator=generator)
