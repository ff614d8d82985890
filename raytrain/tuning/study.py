"""A sweep to look into afterwards, or while it runs: tables and figures in a notebook, and one HTML file."""

from __future__ import annotations

import html
import math
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd

from raytrain.config.load import validate
from raytrain.config.space import SearchConfig
from raytrain.errors import ConfigError
from raytrain.tuning.asked import MANIFEST_FILE, Asked, read_asked
from raytrain.tuning.conclusions import LEAKY, count_by_status, describe_duration, honest_verdict
from raytrain.tuning.records import EVENTS_FILE, records_of
from raytrain.tuning.results import RESULT_FILE, Best, SweepResult, load_result

if TYPE_CHECKING:
    import optuna
    import plotly.graph_objects as go

__all__ = ["Study"]

_ROWS = 10
_COLUMNS = ("rank", "name", "status", "settings")
_TESTED = ("test/macro_f1", "test/recording_macro_f1", "test_refit/macro_f1")


class Study:
    """A sweep's result with what makes it readable; in a notebook it shows itself.

    Figures are Plotly's; see `raytrain.tuning.figures`.

    Args:
        result: The sweep's result.
        finished: Whether the sweep was judged to its end.
    """

    def __init__(self, result: SweepResult, *, finished: bool = True) -> None:
        self.result = result
        self.finished = finished

    @classmethod
    def from_run(cls, path: str | Path) -> Study:
        """Read the folder of a sweep, also of one that still runs or was killed.

        Without a result the trials are those its events tell of, and there is no winner.

        Raises:
            ConfigError: The folder is not that of a sweep.
            RunError: What it holds is damaged.
        """
        directory = Path(path)
        if (directory / RESULT_FILE).is_file() or not (directory / EVENTS_FILE).is_file():
            return cls(load_result(directory))
        if not (directory / MANIFEST_FILE).is_file():
            raise ConfigError(
                f"{directory}: has {EVENTS_FILE} but no {MANIFEST_FILE}, which says what the sweep was judged by; "
                "name the folder of a whole run"
            )
        return cls(_unfinished(directory.resolve()), finished=False)

    @property
    def note(self) -> str:
        """What a reader must know of a study that is not finished; empty for one that is."""
        if self.finished:
            return ""
        return (
            f"This sweep has no {RESULT_FILE}: it still runs or was killed. Shown are the trials of {EVENTS_FILE}; "
            "none was judged on the test part, and there is no winner yet."
        )

    @property
    def best(self) -> Best | None:
        """The winner; None when there is none, or none yet."""
        return self.result.best

    @property
    def asked(self) -> Asked:
        """What the sweep was asked for."""
        return read_asked(self.result.directory)

    def dataframe(self) -> pd.DataFrame:
        """Return one row per trial; see `SweepResult.dataframe`."""
        return self.result.dataframe()

    def curves(self) -> pd.DataFrame:
        """Return one row per trial and epoch; see `SweepResult.curves`."""
        return self.result.curves()

    def leaderboard(self) -> pd.DataFrame:
        """Return trials and baselines together, best validation first; see `SweepResult.leaderboard`."""
        return self.result.leaderboard()

    def history(self) -> go.Figure:
        """Return what each trial was worth, and the best so far."""
        return self._figure("history")

    def importances(self) -> go.Figure:
        """Return how much each parameter matters."""
        return self._figure("importances")

    def parallel_coordinates(self) -> go.Figure:
        """Return each trial as a line through its parameters."""
        return self._figure("parallel_coordinates")

    def slices(self) -> go.Figure:
        """Return the metric over each parameter."""
        return self._figure("slices")

    def learning_curves(self) -> go.Figure:
        """Return the metric over the epochs of each trial."""
        return self._figure("learning_curves")

    def pareto_front(self) -> go.Figure:
        """Return the metric over each further objective."""
        return self._figure("pareto_front")

    def confusion(self) -> go.Figure:
        """Return the winner's confusion on the test part."""
        return self._figure("confusion")

    def recordings(self) -> go.Figure:
        """Return how the winner did on each test recording."""
        return self._figure("recordings")

    def confirmation(self) -> go.Figure:
        """Return what the best configurations are worth over seeds."""
        return self._figure("confirmation")

    def cost(self) -> go.Figure:
        """Return the epochs of each trial, run and saved."""
        return self._figure("cost")

    def optuna(self) -> optuna.Study:
        """Return the sweep's Optuna study, to look into; the sweep alone writes to it.

        Raises:
            ConfigError: The run keeps no study, or its storage needs a password (`RAYTRAIN_STORAGE`).
            RunError: The storage cannot be read.
        """
        from raytrain.tuning.recorded_study import load_study
        from raytrain.tuning.storage_location import read_location

        return load_study(read_location(self.result.directory))

    def report(self, output: str | Path | None = None) -> Path:
        """Write everything as one HTML file that needs no network; return its path.

        Args:
            output: The file; `report.html` in the run's folder when absent.
        """
        from raytrain.tuning.page import write_page

        path = self.result.directory / "report.html" if output is None else Path(output)
        write_page(self.result, path, note=self.note)
        return path

    def __repr__(self) -> str:
        return f"<Study {self.result.name!r}: {self._counts()}>"

    def _repr_html_(self) -> str:
        """Return what a notebook shows: the counts, the verdict and the top of the leaderboard."""
        result = self.result
        search = f"{self._counts()} by {html.escape(result.algorithm)} in {describe_duration(result.seconds)}"
        lines = [
            f"<b>{html.escape(result.name)}</b>: {search}",
            *([f"<b>{LEAKY}</b>"] if result.leaky else []),
            html.escape(self.note or honest_verdict(result)[1]),
        ]
        board = result.leaderboard().head(_ROWS)
        told = [name for name in (*_COLUMNS, result.metric, *_TESTED) if name in board]
        table: str = board[told].to_html(index=False, border=0, float_format="{:.4f}".format, na_rep="")
        return "".join(f"<p>{line}</p>" for line in lines) + table

    def _counts(self) -> str:
        trials = self.result.trials
        told = ", ".join(f"{count} {status}" for status, count in count_by_status(trials).items())
        return f"{len(trials)} trial{'s' if len(trials) != 1 else ''}" + (f" ({told})" if told else "")

    def _figure(self, name: str) -> Any:  # noqa: ANN401 - plotly is untyped
        from raytrain.tuning import figures

        return getattr(figures, name)(self.result)


def _unfinished(directory: Path) -> SweepResult:
    """Return what is known of a sweep before its end."""
    asked = read_asked(directory)
    config = asked.manifest["config"]
    metric = config["fixed"]["metric"]
    trials = tuple(records_of(directory / EVENTS_FILE, metric=metric, folder=directory / "trials").values())
    search = validate(SearchConfig, config["search"], where=f"{directory / MANIFEST_FILE}: search")
    for record in trials:
        record.measure(search)
    return SweepResult(
        name=config["name"],
        directory=directory,
        command=asked.manifest["command"],
        metric=metric,
        algorithm=f"{config['search']['algorithm']}, scheduler {config['scheduler']['name']}",
        classes=(),
        leaky=asked.manifest["data"]["leaky"],
        notes=(),
        seconds=math.nan,
        interrupted=True,
        trials=trials,
        baselines=(),
        best=None,
    )
