"""How far a few repeated scores can be trusted, and whether two sets of them differ.

Everything here is about the repeats alone. Runs that differ in their seed say how much training varies; they say
nothing about other recordings or other bearings, however many there are.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy.special import stdtr, stdtrit

__all__ = ["Interval", "PairedTest", "holm", "interval", "paired_test", "sign_flip_p"]

_EXACT_UP_TO = 16
_DRAWS = 100_000


@dataclass(frozen=True, slots=True)
class Interval:
    """The mean of n repeats and the range that holds the mean of endlessly many, were they normally distributed.

    Attributes:
        mean: Their mean; NaN where one is NaN.
        low: Lower end of the interval; NaN where there are fewer than two repeats.
        high: Its upper end.
        deviation: Their standard deviation (n - 1); NaN where there are fewer than two.
        count: n.
    """

    mean: float
    low: float
    high: float
    deviation: float
    count: int


@dataclass(frozen=True, slots=True)
class PairedTest:
    """Whether repeats of two candidates, paired by seed, differ in their mean.

    Attributes:
        difference: The mean of the differences, first minus second, with its interval.
        t_p: Two-sided p-value of Student's paired t-test, which takes differences to be normal. NaN where they do not
            vary but are not zero: no variance, no t.
        sign_flip_p: Two-sided p-value of the exact sign-flip test, which only takes them to be symmetric.
        least_p: The smallest p-value that the sign-flip test can give for so many pairs, 2 / 2^n.
        effect: Mean difference in standard deviations of the differences (Cohen's d_z); NaN where they do not vary.
    """

    difference: Interval
    t_p: float
    sign_flip_p: float
    least_p: float
    effect: float


def interval(values: Sequence[float], *, confidence: float = 0.95) -> Interval:
    """Return the mean of `values` and its confidence interval by Student's t (Student 1908, "The probable error").

    Identical values give an interval of no width: seeds did not change them, which is not certainty of anything else.

    >>> found = interval([0.90, 0.92, 0.94])
    >>> round(found.low, 4), round(found.mean, 4), round(found.high, 4)
    (0.8703, 0.92, 0.9697)
    """
    count = len(values)
    if count == 0:
        return Interval(math.nan, math.nan, math.nan, math.nan, 0)
    mean = math.fsum(values) / count
    if count == 1:
        return Interval(mean, math.nan, math.nan, math.nan, 1)
    deviation = 0.0 if _same(values) else float(np.std(values, ddof=1))
    half = float(stdtrit(count - 1, 0.5 + confidence / 2)) * deviation / math.sqrt(count)
    return Interval(mean, mean - half, mean + half, deviation, count)


def paired_test(first: Sequence[float], second: Sequence[float], *, confidence: float = 0.95) -> PairedTest:
    """Compare repeats of two candidates, paired by seed.

    Args:
        first: Scores of one candidate, by seed.
        second: Those of the other, of the same seeds in the same order.
        confidence: Of the interval of the mean difference.

    Raises:
        ValueError: They are not of the same length.

    >>> found = paired_test([0.92, 0.95, 0.93, 0.96, 0.94], [0.90, 0.91, 0.92, 0.93, 0.90])
    >>> round(found.t_p, 4), found.sign_flip_p, found.least_p
    (0.0086, 0.0625, 0.0625)
    """
    differences = [a - b for a, b in zip(first, second, strict=True)]
    mean = interval(differences, confidence=confidence)
    return PairedTest(
        difference=mean,
        t_p=_t_p(mean),
        sign_flip_p=sign_flip_p(differences),
        least_p=2.0 ** (1 - mean.count) if mean.count else math.nan,
        effect=mean.mean / mean.deviation if mean.deviation > 0 else math.nan,
    )


def sign_flip_p(differences: Sequence[float], *, seed: int = 0) -> float:
    """Return how often differences of random sign have a mean at least as far from zero, both sides counted.

    All 2^n signs up to n = 16, and 100 000 drawn ones beyond, of which the p-value is (hits + 1) / (draws + 1) (Phipson
    & Smyth 2010, "Permutation p-values should never be zero"). Source: Fisher 1935, "The Design of Experiments", 21.

    >>> sign_flip_p([0.02, 0.04, 0.01, 0.03, 0.04])
    0.0625
    """
    count = len(differences)
    if count == 0 or any(math.isnan(one) for one in differences):
        return math.nan
    sizes = np.abs(np.asarray(differences, dtype=np.float64))
    # Sums that are equal but for rounding are as far from zero as the observed one.
    observed = abs(math.fsum(differences)) - 1e-9 * float(sizes.sum())
    if count <= _EXACT_UP_TO:
        # The other half of the signs gives the same sums with the opposite sign.
        signs = np.array(list(itertools.product((1.0, -1.0), repeat=count - 1))).reshape(-1, count - 1)
        sums = sizes[0] + signs @ sizes[1:]
        return float(np.mean(np.abs(sums) >= observed))
    signs = np.random.default_rng(seed).choice((-1.0, 1.0), size=(_DRAWS, count))
    return float((1 + np.count_nonzero(np.abs(signs @ sizes) >= observed)) / (1 + _DRAWS))


def holm(p_values: Sequence[float]) -> list[float]:
    """Return p-values that may be compared with a level although there are several (Holm 1979); NaN stays NaN.

    >>> holm([0.01, 0.04, 0.03])
    [0.03, 0.06, 0.06]
    """
    known = [index for index, p in enumerate(p_values) if not math.isnan(p)]
    adjusted = [math.nan] * len(p_values)
    least = 0.0
    for rank, index in enumerate(sorted(known, key=lambda index: p_values[index])):
        least = max(least, min(1.0, p_values[index] * (len(known) - rank)))
        adjusted[index] = least
    return adjusted


def _t_p(mean: Interval) -> float:
    if mean.deviation > 0:
        t = abs(mean.mean) / (mean.deviation / math.sqrt(mean.count))
        return float(2 * stdtr(mean.count - 1, -t))
    return 1.0 if mean.deviation == 0 and mean.mean == 0 else math.nan


def _same(values: Sequence[float]) -> bool:
    return all(value == values[0] for value in values)
