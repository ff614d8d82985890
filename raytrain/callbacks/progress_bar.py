"""A live bar of the run and of its epoch."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Any

from raytrain.types import Callback, FitState

if TYPE_CHECKING:
    from rich.console import Console
    from rich.progress import Progress

__all__ = ["ProgressBar"]

_REFRESH_S = 0.1


class ProgressBar(Callback):
    """Show how far the run and its epoch are, with the loss, in a terminal or a notebook; elsewhere nothing.

    Only rank 0 shows it. The loss is read from the device ten times a second at most.

    Args:
        console: A rich console, the one that other output of the run goes to; one of its own when absent.
        epochs: Epochs planned, to be shown.
        steps_per_epoch: Optimizer steps of an epoch; learned from the first when absent.

    >>> import io
    >>> from types import SimpleNamespace
    >>> from rich.console import Console
    >>> file = io.StringIO()
    >>> bar = ProgressBar(Console(file=file))
    >>> bar.on_fit_start(SimpleNamespace(is_writer=True))
    >>> file.getvalue()  # a file is no terminal
    ''
    """

    def __init__(
        self, console: Console | None = None, *, epochs: int | None = None, steps_per_epoch: int | None = None
    ) -> None:
        self._console = console
        self._epochs = epochs
        self._steps_per_epoch = steps_per_epoch
        self._progress: Progress | None = None
        self._steps = 0
        self._shown_at = 0.0

    def on_fit_start(self, state: FitState) -> None:
        """Show the bars."""
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TaskProgressColumn, TextColumn, TimeRemainingColumn

        console = self._console or Console()
        if not state.is_writer or not (console.is_terminal or console.is_jupyter):
            return
        self._progress = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            TextColumn("{task.fields[note]}"),
            console=console,
        )
        self._run = self._progress.add_task("run", total=1.0, note="")
        self._epoch = self._progress.add_task(
            self._title(state), total=self._steps_per_epoch, completed=self._steps, note=""
        )
        self._progress.start()

    def on_epoch_start(self, state: FitState) -> None:
        """Begin the epoch's bar."""
        self._steps = 0
        if self._progress is None:
            return
        self._progress.update(self._run, completed=state.progress.fraction)
        self._progress.reset(self._epoch, total=self._steps_per_epoch, description=self._title(state))

    def on_step_end(self, state: FitState) -> None:
        """Move on, when the bars were last moved long enough ago to be seen."""
        self._steps += 1
        if self._progress is None or time.monotonic() - self._shown_at < _REFRESH_S:
            return
        self._shown_at = time.monotonic()
        loss = "" if state.step_loss is None else f"loss {state.step_loss.item():.4f}"
        self._progress.update(self._epoch, completed=self._steps, note=loss)
        self._progress.update(self._run, completed=state.progress.fraction)

    def on_epoch_end(self, state: FitState) -> None:
        """Complete the epoch's bar, with its losses."""
        self._steps_per_epoch = self._steps
        if self._progress is None:
            return
        losses = [f"{key} {state.metrics[key]:.4f}" for key in ("train/loss", "val/loss") if key in state.metrics]
        self._progress.update(self._epoch, total=self._steps, completed=self._steps, note="  ".join(losses))
        self._progress.update(self._run, completed=state.progress.fraction)

    def on_fit_end(self, state: FitState) -> None:  # noqa: ARG002 - the hook's
        """Leave the bars as they are, and the terminal as it was."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None

    def state_dict(self) -> dict[str, Any]:
        """Return the steps of the running epoch, and of a whole one where that is known."""
        return {"steps": self._steps, "steps_per_epoch": self._steps_per_epoch}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Restore them."""
        self._steps, self._steps_per_epoch = state["steps"], state["steps_per_epoch"]

    def _title(self, state: FitState) -> str:
        of = "" if self._epochs is None else f"/{self._epochs}"
        return f"epoch {state.progress.epoch + 1}{of}"
