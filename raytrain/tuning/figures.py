"""The figures of a sweep, each made of its result as a Plotly figure: for notebooks, and for the HTML report.

Where there is nothing to draw, a figure says why. Names are shown as they are, whatever characters they have.
"""

from __future__ import annotations

from raytrain.tuning.confirmation_figure import confirmation
from raytrain.tuning.course_figures import cost, history, learning_curves
from raytrain.tuning.parallel_figure import parallel_coordinates
from raytrain.tuning.parameter_figures import importances, slices
from raytrain.tuning.verdict_figures import confusion, pareto_front, recordings

__all__ = [
    "confirmation",
    "confusion",
    "cost",
    "history",
    "importances",
    "learning_curves",
    "parallel_coordinates",
    "pareto_front",
    "recordings",
    "slices",
]
