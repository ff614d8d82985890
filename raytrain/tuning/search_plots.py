"""Figures of a search's results, made of its table alone; plotly is imported when one is drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import optuna
import pandas as pd

from raytrain.errors import ConfigError, nearest

if TYPE_CHECKING:
    from plotly.graph_objects import Figure

__all__ = ["heatmap", "history", "importance_shares", "importances", "parameter_against_score"]

_PREFIX = "param_"
_BLUE, _ORANGE, _GREY = "#1f6fb4", "#d9690f", "#9aa3ad"
_LOGARITHMIC_SPAN = 20  # a positive range this wide is looked at in decades
_SHORT_LABEL = 28
_ABSENT = "absent"


def heatmap(table: pd.DataFrame, x: str | None, y: str | None, *, scorer: str) -> Figure:
    """Return the best mean score at each pair of values of two parameters.

    Args:
        table: Results, as `cv_results_` has them.
        x: Parameter along the columns; the first that varies when absent.
        y: Parameter along the rows; the next that varies when absent.
        scorer: Whose scores.

    Raises:
        ConfigError: A parameter is unknown, or fewer than two vary.
    """
    import plotly.graph_objects as go

    varying = [name for name in _parameters(table) if _varies(table, name)]
    chosen = [_known(table, one) for one in (x, y) if one is not None]
    chosen += [name for name in varying if name not in chosen][: 2 - len(chosen)]
    if len(set(chosen)) < 2:
        raise ConfigError(f"a heat map needs two different parameters that vary, got {', '.join(chosen) or 'none'}")
    if x is None and y is not None:
        chosen.reverse()
    columns, rows = (_ordered(_values(table, name)) for name in chosen)
    labels = [_labels(table, name) for name in chosen]
    best = table.groupby([labels[1], labels[0]])[f"mean_test_{scorer}"].max()
    scores = [[best.get((row, column), math.nan) for column in columns] for row in rows]
    shown = [["" if math.isnan(score) else f"{score:.3f}" for score in row] for row in scores]
    figure = go.Figure(
        go.Heatmap(
            z=scores, x=columns, y=rows, text=shown, texttemplate="%{text}", colorscale="Blues",
            colorbar={"title": {"text": scorer, "side": "right"}}, xgap=2, ygap=2, hoverongaps=False,
        )
    )  # fmt: skip
    others = [name for name in varying if name not in chosen]
    figure.update_xaxes(type="category", title=chosen[0])
    figure.update_yaxes(type="category", title=chosen[1])
    return _finished(figure, table, f"Mean {scorer}" + (f", best over {_listed(others)}" if others else ""))


def parameter_against_score(table: pd.DataFrame, name: str, *, scorer: str) -> Figure:
    """Return each candidate's mean score with its standard deviation over folds, against one parameter.

    Raises:
        ConfigError: There is no such parameter.
    """
    import plotly.graph_objects as go

    _known(table, name)
    rows = table[[name in one for one in table["params"]]]
    values = _values(rows, name)
    numeric = all(map(_is_number, values))
    figure = go.Figure(
        go.Scatter(
            x=values if numeric else _labels(rows, name).tolist(),
            y=rows[f"mean_test_{scorer}"],
            error_y={"type": "data", "array": rows[f"std_test_{scorer}"], "color": _GREY, "thickness": 1, "width": 3},
            mode="markers",
            marker={"size": 8, "color": _BLUE},
            text=rows["params"].map(_described),
            hovertemplate="%{text}<br>%{y:.4f}<extra></extra>",
        )
    )
    logarithmic = numeric and min(values) > 0 and max(values) / min(values) >= _LOGARITHMIC_SPAN
    order = {} if numeric else {"categoryorder": "array", "categoryarray": _ordered(values)}
    kind = "log" if logarithmic else "linear" if numeric else "category"
    figure.update_xaxes(type=kind, title=name, **order)
    figure.update_yaxes(title=f"mean {scorer} ± std over folds")
    return _finished(figure, table, f"{name} against {scorer}")


def history(table: pd.DataFrame, *, scorer: str) -> Figure:
    """Return each candidate's mean score in the order they were proposed, and the best so far."""
    import plotly.graph_objects as go

    scores = table[f"mean_test_{scorer}"]
    numbers = list(range(1, len(table) + 1))
    figure = go.Figure(
        [
            go.Scatter(
                x=numbers, y=scores, mode="markers", name="candidate", marker={"size": 8, "color": _BLUE},
                text=table["params"].map(_described), hovertemplate="%{x}: %{text}<br>%{y:.4f}<extra></extra>",
            ),
            go.Scatter(
                x=numbers, y=scores.cummax().ffill(), mode="lines", name="best so far",
                line={"color": _ORANGE, "shape": "hv", "width": 2}, hovertemplate="%{y:.4f}<extra></extra>",
            ),
        ]
    )  # fmt: skip
    figure.update_xaxes(title="candidate", rangemode="tozero")
    figure.update_yaxes(title=f"mean {scorer}")
    figure.update_layout(legend={"x": 1.0, "xanchor": "right", "y": 0.02, "yanchor": "bottom", "borderwidth": 1})
    return _finished(figure, table, "Search history")


def importances(table: pd.DataFrame, *, scorer: str) -> Figure:
    """Return the share of the scores' variance that each parameter explains, by fANOVA.

    Source: F. Hutter, H. Hoos, K. Leyton-Brown, "An efficient approach for assessing hyperparameter importance", 2014.

    Raises:
        ConfigError: Fewer than two candidates have a score, or no parameter varies.
    """
    import plotly.graph_objects as go

    shares = importance_shares(table, scorer=scorer)
    names = sorted(shares, key=lambda name: shares[name])
    figure = go.Figure(
        go.Bar(
            x=[shares[name] for name in names], y=names, orientation="h", marker={"color": _BLUE},
            text=[f"{shares[name]:.2f}" for name in names], textposition="outside", cliponaxis=False,
        )
    )  # fmt: skip
    figure.update_xaxes(title="share of the explained variance", range=[0, 1.05])
    figure.update_yaxes(ticksuffix=" ")
    left_out = [name for name in _parameters(table) if name not in shares]
    omitted = f" (not in every candidate, or constant: {_listed(left_out)})" if left_out else ""
    return _finished(figure, table, f"Parameter importances for {scorer}{omitted}")


def importance_shares(table: pd.DataFrame, *, scorer: str) -> dict[str, float]:
    """Return what share of the explained variance is each parameter's, of those that vary and that all candidates have.

    Zero for all where every candidate scores the same.

    Raises:
        ConfigError: Fewer than two candidates have a score, or no such parameter varies.
    """
    scored = table[np.isfinite(table[f"mean_test_{scorer}"])]
    names = [
        name for name in _parameters(scored) if all(name in one for one in scored["params"]) and _varies(scored, name)
    ]
    if len(scored) < 2 or not names:
        raise ConfigError("importances need two scored candidates, and a parameter that they all have and that varies")
    scores = [float(score) for score in scored[f"mean_test_{scorer}"]]
    if max(scores) == min(scores):
        return dict.fromkeys(names, 0.0)
    columns = {name: _values(scored, name) for name in names}
    distributions = {name: _distribution(values) for name, values in columns.items()}
    optuna.logging.set_verbosity(optuna.logging.ERROR)
    study = optuna.create_study(direction="maximize")
    for row, score in enumerate(scores):
        point = {
            name: _label(values[row]) if isinstance(distributions[name], _CATEGORIES) else values[row]
            for name, values in columns.items()
        }
        study.add_trial(optuna.trial.create_trial(params=point, distributions=distributions, value=score))
    evaluator = optuna.importance.FanovaImportanceEvaluator(seed=0)
    return dict(optuna.importance.get_param_importances(study, evaluator=evaluator, params=names))


_CATEGORIES = optuna.distributions.CategoricalDistribution


def _distribution(values: Sequence[Any]) -> optuna.distributions.BaseDistribution:
    if not all(map(_is_number, values)):
        return _CATEGORIES(list(dict.fromkeys(map(_label, values))))
    low, high = float(min(values)), float(max(values))
    return optuna.distributions.FloatDistribution(low, high, log=low > 0 and high / low >= _LOGARITHMIC_SPAN)


def _finished(figure: Figure, table: pd.DataFrame, title: str) -> Figure:
    """Give a figure its title and look, and what a reader must know of its scores."""
    notes = [note.partition(";")[0] for note in table.attrs.get("notes", ())]
    figure.update_layout(
        template="plotly_white",
        title={"text": title, "subtitle": {"text": "<br>".join(notes), "font": {"size": 12, "color": _GREY}}},
        margin={"t": 90 + 16 * max(0, len(notes) - 1)},
    )
    return figure


def _parameters(table: pd.DataFrame) -> list[str]:
    return [str(column).removeprefix(_PREFIX) for column in table if str(column).startswith(_PREFIX)]


def _varies(table: pd.DataFrame, name: str) -> bool:
    return len(set(_labels(table, name))) > 1


def _known(table: pd.DataFrame, name: str) -> str:
    if name not in (known := _parameters(table)):
        raise ConfigError(f"there is no parameter '{name}'; {nearest(name, known)}")
    return name


def _values(table: pd.DataFrame, name: str) -> list[Any]:
    """Return a parameter's values as they were set; the columns of the table may hold them as another type."""
    return [one.get(name, _ABSENT) for one in table["params"]]


def _labels(table: pd.DataFrame, name: str) -> pd.Series[str]:
    return pd.Series([_label(value) for value in _values(table, name)], index=table.index)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float | np.number) and not isinstance(value, bool)


def _ordered(values: Sequence[Any]) -> list[str]:
    """Return the labels of a parameter's values: numbers by size, then others as they first came."""
    distinct = {_label(value): value for value in values}
    numbers = [label for label, value in distinct.items() if _is_number(value)]
    return sorted(numbers, key=lambda label: distinct[label]) + [one for one in distinct if one not in numbers]


def _label(value: Any) -> str:  # noqa: ANN401 - any value
    text = f"{value:.4g}" if isinstance(value, float | np.floating) else str(value)
    return text if len(text) <= _SHORT_LABEL else text[: _SHORT_LABEL - 1] + "…"


def _described(point: dict[str, Any]) -> str:
    return ", ".join(f"{name}={_label(value)}" for name, value in point.items())


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names)
