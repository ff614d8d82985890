from __future__ import annotations

import re
from functools import partial

import IPython.display
import pytest
from rich.console import Console
from rich.table import Table
from rich.text import Text

from raytrain.distributed import notebook_console
from raytrain.distributed.notebook_console import NotebookConsole, console_here


class Cell:
    """What a frontend would show: the outputs of the running cell, each as it was last replaced."""

    def __init__(self) -> None:
        self.outputs: list[dict[str, str]] = []
        self.replaced = 0

    @property
    def text(self) -> str:
        (output,) = self.outputs
        return output["text/plain"].rstrip()

    @property
    def html(self) -> str:
        (output,) = self.outputs
        return output["text/html"]


@pytest.fixture
def cell(monkeypatch: pytest.MonkeyPatch) -> Cell:
    shown = Cell()

    class Handle:
        def display(self, bundle: dict[str, str], *, raw: bool) -> None:
            assert raw
            self.index = len(shown.outputs)
            shown.outputs.append(bundle)

        def update(self, bundle: dict[str, str], *, raw: bool) -> None:
            assert raw
            shown.outputs[self.index] = bundle
            shown.replaced += 1

    monkeypatch.setattr(IPython.display, "DisplayHandle", Handle)
    return shown


def table(*rows: str) -> Table:
    made = Table("trial", box=None, pad_edge=False)
    for row in rows:
        made.add_row(row)
    return made


def test_everything_stands_in_one_output(cell: Cell) -> None:
    console = NotebookConsole()
    console.print("a line", style="bold")
    console.show(table("1"))
    console.show(table("1", "2"))
    console.print("another [green]line[/green]")
    assert [line.rstrip() for line in cell.text.splitlines()] == ["a line", "another line", "", "trial", "1", "2"]
    assert cell.replaced == 3
    assert re.search(r'<span style="[^"]*font-weight: bold[^"]*">a line</span>', cell.html)
    assert re.search(r'<span style="color: #[0-9a-f]{6}[^"]*">line</span>', cell.html)


def test_names_are_shown_as_they_are(cell: Cell) -> None:
    NotebookConsole().show(Text("<b>mine</b> & yours"))
    assert "&lt;b&gt;mine&lt;/b&gt; &amp; yours" in cell.html
    assert "<b>" not in cell.html


def test_what_is_being_done_comes_and_goes(cell: Cell) -> None:
    console = NotebookConsole()
    with console.status("preparing [the windows]"):
        assert cell.text == "preparing [the windows]"
    console.show(table("1"))
    with console.status("judging"):
        assert [line.rstrip() for line in cell.text.splitlines()] == ["trial", "1", "judging"]
    assert [line.rstrip() for line in cell.text.splitlines()] == ["trial", "1"]


def test_two_consoles_have_an_output_each(cell: Cell) -> None:
    NotebookConsole().show("one")
    NotebookConsole().show("two")
    assert [output["text/plain"].strip() for output in cell.outputs] == ["one", "two"]


def test_nothing_is_shown_before_there_is_something(cell: Cell) -> None:
    assert not NotebookConsole().is_terminal
    assert cell.outputs == []


@pytest.mark.parametrize("jupyter", [True, False])
def test_where_a_person_looks(monkeypatch: pytest.MonkeyPatch, jupyter: bool) -> None:
    monkeypatch.setattr(notebook_console, "Console", partial(Console, force_jupyter=jupyter))
    assert isinstance(console_here(), NotebookConsole) is jupyter
