"""One quiet live table while a sweep runs, in a terminal and in a notebook; plain lines where neither is there."""

from __future__ import annotations

import time
from collections import Counter
from typing import Any

from ray.tune import Callback
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from raytrain.config.schema import METRICS
from raytrain.config.space import SpaceConfig
from raytrain.distributed.notebook_console import NotebookConsole
from raytrain.tuning.recorder import Recorder
from raytrain.tuning.records import Status, TrialRecord
from raytrain.tuning.space import describe_point

__all__ = ["LiveTable"]

_ROWS = 12
_REFRESH_S = 0.5
_STYLES: dict[Status, str] = {"running": "cyan", "finished": "green", "stopped": "yellow", "failed": "red"}


class LiveTable(Callback):  # type: ignore[misc]  # ray is untyped
    """Shows the sweep as its recorder knows it.

    Where the output is no terminal (a log file, CI) it prints one line per ended trial instead.

    Args:
        recorder: The sweep's records; must stand before this callback.
        space: The sweep.
        total: Trials planned.
        console: Where to show it.
    """

    def __init__(self, recorder: Recorder, space: SpaceConfig, total: int, console: Console) -> None:
        self._recorder = recorder
        self._space = space
        self._total = total
        self._console = console
        self._started = time.monotonic()
        self._notebook = console if isinstance(console, NotebookConsole) else None
        self._animated = console.is_terminal or self._notebook is not None
        self._live: Live | None = None
        self._shown_at = 0.0

    def __getstate__(self) -> dict[str, Any]:
        """Leave out of what Tune writes down of its callbacks where they show it."""
        return self.__dict__ | {"_console": None, "_notebook": None, "_live": None}

    def start(self) -> None:
        """Begin to show."""
        if self._notebook is not None:
            self._notebook.show(self._render())
        elif self._animated:
            self._live = Live(
                get_renderable=self._render, console=self._console, refresh_per_second=1 / _REFRESH_S, transient=True
            )
            self._live.start()

    def stop(self) -> None:
        """Take the table away from a terminal, where the sweep's report says what remains; leave it in a notebook."""
        if self._notebook is not None:
            self._notebook.show(self._render())
        if self._live is not None:
            self._live.stop()
            self._live = None

    def on_step_end(self, iteration: int, trials: list[Any], **_: Any) -> None:
        """Show the present state in a notebook; Tune steps many times a second, also while nothing happens.

        A thread, as a terminal has it, would write into whichever cell runs by then.
        """
        if self._notebook is not None and time.monotonic() - self._shown_at >= _REFRESH_S:
            self._shown_at = time.monotonic()
            self._notebook.show(self._render())

    def on_trial_complete(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Print a line where there is no live table."""
        self._line(self._recorder.of(trial))

    def on_trial_error(self, iteration: int, trials: list[Any], trial: Any, **_: Any) -> None:
        """Print a line where there is no live table; of a trial whose process died, too, and that is begun again."""
        record = self._recorder.of(trial)
        if record.status != "running":
            self._line(record)
        elif not self._animated:
            self._console.print(
                f"trial {record.number} lost its process after {len(record.curve)} epochs and is begun again",
                highlight=False,
            )

    def _line(self, record: TrialRecord) -> None:
        if not self._animated:
            ended = sum(one.status != "running" for one in self._recorder.records.values())
            value = record.value(self._space.fixed.metric)
            score = "no result" if value is None else f"{self._space.fixed.metric} {value:.4f}"
            detail = f" ({record.reason})" if record.reason else ""
            self._console.print(
                f"[{ended}/{self._total}] trial {record.number} {record.status}{detail} "
                f"after {len(record.curve)} epochs: {score}",
                highlight=False,
                markup=False,
                soft_wrap=True,
            )

    def _render(self) -> RenderableType:
        records = list(self._recorder.records.values())
        ended = sum(record.status != "running" for record in records)
        by_status = Counter(record.status for record in records)
        counts = ", ".join(f"{by_status[status]} {status}" for status in _STYLES if by_status[status])
        minutes, seconds = divmod(int(time.monotonic() - self._started), 60)
        head = Table.grid(padding=(0, 1))
        head.add_row(
            f"{self._space.name}: {ended}/{self._total} trials",
            ProgressBar(total=self._total, completed=ended, width=30),
            f"{counts}  {minutes}:{seconds:02d}",
        )
        return Group(head, self._table(records) if records else Text("starting the trial processes", style="dim"))

    def _table(self, records: list[TrialRecord]) -> Table:
        metric = self._space.fixed.metric
        sign = 1.0 if METRICS[metric] == "max" else -1.0
        running = [record for record in records if record.status == "running"]
        rest = [record for record in records if record.status != "running"]
        rest.sort(key=lambda record: -sign * (record.value(metric) or 0.0) if record.best else float("inf"))
        table = Table(box=None, pad_edge=False, header_style="bold", expand=True)
        for heading in ("trial", "status", "epoch", f"best {metric}"):
            table.add_column(heading, no_wrap=True)
        table.add_column("settings", no_wrap=True, overflow="ellipsis", ratio=1)  # the only one that gives way
        for record in [*running, *rest][:_ROWS]:
            value = record.value(metric)
            table.add_row(
                str(record.number),
                Text(record.status, style=_STYLES[record.status]),
                str(len(record.curve)),
                "" if value is None else f"{value:.4f}",
                describe_point(record.point),
            )
        return table
