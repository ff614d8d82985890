"""What a benchmark found: a table for people, goals, and figures for the JSON file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from rich.console import Console
from rich.table import Table

__all__ = ["Goal", "Report", "Skipped"]


@dataclass(frozen=True, slots=True)
class Goal:
    """A number that is to be reached."""

    name: str
    value: float
    least: float | None = None
    most: float | None = None

    @property
    def met(self) -> bool:
        """Return whether the value is within its bounds."""
        return (self.least is None or self.value >= self.least) and (self.most is None or self.value <= self.most)

    @property
    def bound(self) -> str:
        """Return the bound in words."""
        return f"at least {self.least:g}" if self.least is not None else f"at most {self.most:g}"


@dataclass(frozen=True, slots=True)
class Report:
    """One benchmark's result.

    Attributes:
        title: What was compared.
        method: How, in sentences.
        columns: Headings of the table.
        rows: Its cells.
        goals: What was to be reached.
        figures: Every number, for the JSON file.
    """

    title: str
    method: str
    columns: Sequence[str]
    rows: Sequence[Sequence[str]]
    goals: Sequence[Goal]
    figures: dict[str, Any] = field(default_factory=dict)

    def show(self, console: Console) -> None:
        """Print it."""
        table = Table(title=self.title, title_justify="left", title_style="bold", header_style="bold", box=None)
        for index, heading in enumerate(self.columns):
            table.add_column(heading, justify="left" if index == 0 else "right")
        for row in self.rows:
            table.add_row(*row)
        console.print()
        console.print(table)
        console.print(self.method, style="dim", highlight=False)
        for goal in self.goals:
            verdict = "[green]met[/]" if goal.met else "[red]missed[/]"
            console.print(f"  goal {goal.name}, {goal.bound}: {goal.value:.3g}, {verdict}", highlight=False)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        goals = [{"name": goal.name, "bound": goal.bound, "value": goal.value, "met": goal.met} for goal in self.goals]
        return {"title": self.title, "method": self.method, "goals": goals, **self.figures}


@dataclass(frozen=True, slots=True)
class Skipped:
    """A benchmark that could not be run here.

    Attributes:
        title: What would have been compared.
        reason: What is missing, and how to have it.
    """

    title: str
    reason: str

    def show(self, console: Console) -> None:
        """Print it."""
        console.print()
        console.print(self.title, style="bold", highlight=False, markup=False)
        console.print(f"not measured: {self.reason}", style="yellow", highlight=False, markup=False)

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values."""
        return {"title": self.title, "not measured": self.reason}
