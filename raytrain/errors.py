"""What raytrain raises when it cannot go on, and the exit code each kind has on the command line."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from typing import ClassVar

__all__ = ["ConfigError", "DataError", "RaytrainError", "RunError", "nearest"]


class RaytrainError(Exception):
    """Base of every error a user can cause or cure; its text says what is wrong and what would work."""

    exit_code: ClassVar[int] = 1


class ConfigError(RaytrainError, ValueError):
    """A configuration, search space or command-line argument breaks a rule."""

    exit_code = 2


class DataError(RaytrainError, ValueError):
    """Recordings, a manifest or a split are not usable as asked."""

    exit_code = 2


class RunError(RaytrainError, RuntimeError):
    """Training or tuning started, or tried to, and could not finish."""


def nearest(name: str, known: Iterable[str]) -> str:
    """Return a hint that names the valid name nearest to `name`, else all valid names.

    >>> nearest("lerning_rate", ["learning_rate", "momentum"])
    "did you mean 'learning_rate'?"
    >>> nearest("zzz", ["b", "a"])
    'valid: a, b'
    """
    options = sorted(set(known))
    close = difflib.get_close_matches(name, options, n=1)
    return f"did you mean '{close[0]}'?" if close else f"valid: {', '.join(options)}"
