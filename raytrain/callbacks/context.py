"""What a run gives the callbacks it builds from names."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from raytrain.errors import ConfigError

if TYPE_CHECKING:
    from rich.console import Console

__all__ = ["CallbackContext"]


@dataclass(frozen=True, slots=True)
class CallbackContext:
    """The run that callbacks are built for.

    Attributes:
        directory: Where its files are.
        monitor: What its epochs are compared by, e.g. `val/macro_f1`.
        mode: Whether a lower (`min`) or a higher (`max`) value of it is better.
        epochs: Epochs planned.
        console: Where its output goes; a console of the standard output when absent.

    >>> CallbackContext(Path("runs/one"), monitor="val/macro_f1", mode="max", epochs=20).compared_by(None, None)
    ('val/macro_f1', 'max')
    """

    directory: Path
    monitor: str
    mode: Literal["min", "max"]
    epochs: int
    console: Console | None = None

    def compared_by(self, monitor: str | None, mode: Literal["min", "max"] | None) -> tuple[str, Literal["min", "max"]]:
        """Return the metric and the direction asked for, or the run's where neither is.

        Raises:
            ConfigError: Only one of the two is given; the run's direction may be wrong for another metric.
        """
        if monitor is None and mode is None:
            return self.monitor, self.mode
        if monitor is None or mode is None:
            raise ConfigError(
                f"callbacks: monitor and mode must be given together or not at all, got {monitor!r} and {mode!r}"
            )
        return monitor, mode
