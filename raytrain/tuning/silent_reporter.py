"""Tune's own reports of progress, left out."""

from __future__ import annotations

from typing import Any

from ray.tune import ProgressReporter

__all__ = ["SilentReporter"]


class SilentReporter(ProgressReporter):  # type: ignore[misc]  # ray is untyped
    """Reports nothing.

    Without it Tune's reporter for notebooks clears the running cell, what others show there included; `verbose=0` only
    empties what it would show.
    """

    def should_report(self, trials: list[Any], done: bool = False) -> bool:
        """Return False."""
        return False

    def report(self, trials: list[Any], done: bool, *sys_info: str) -> None:
        """Do nothing."""
