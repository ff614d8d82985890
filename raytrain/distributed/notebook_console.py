"""A console that writes into one output of a notebook's cell, replaced in place as long as something changes."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

from rich.console import Console, Group, RenderableType
from rich.status import Status
from rich.text import Text

if TYPE_CHECKING:
    from IPython.display import DisplayHandle

__all__ = ["NotebookConsole", "console_here"]

_WIDTH = 110
_HTML = (
    '<pre style="white-space:pre;overflow-x:auto;line-height:normal;'
    "font-family:Menlo,'DejaVu Sans Mono',consolas,'Courier New',monospace\">{code}</pre>"
)


class NotebookConsole(Console):
    """Everything said through it stands in one output of the running cell: lines, then what is live, then a note.

    rich prints each line as an output of its own, and leaves what is live to ipywidgets; without those it warns, and
    shows nothing. Here a cell of any frontend, and the file it is saved in, has what there was to see at the end.
    """

    def __init__(self) -> None:
        self._cell = _Cell()
        super().__init__(
            file=self._cell, force_terminal=False, force_jupyter=False, color_system="standard", width=_WIDTH
        )

    def show(self, live: RenderableType) -> None:
        """Replace what is live; the last of it stays."""
        self._cell.live = live
        self._cell.draw()

    def note(self, text: RenderableType) -> None:
        """Say below everything what is being done; an empty text takes the note away."""
        self._cell.remark = text
        self._cell.draw()

    def status(
        self,
        status: RenderableType,
        *,
        spinner: str = "dots",  # noqa: ARG002 - nothing spins in a cell
        spinner_style: object = "status.spinner",  # noqa: ARG002
        speed: float = 1.0,  # noqa: ARG002
        refresh_per_second: float = 12.5,  # noqa: ARG002
    ) -> Status:
        """Return a context that notes what is being done in it; see `rich.console.Console.status`."""
        return _Note(status, self)


def console_here() -> Console:
    """Return where a person looks: the running cell of a notebook, else the terminal or file of the process."""
    console = Console()
    return NotebookConsole() if console.is_jupyter else console


class _Note(Status):
    """What is being done, without an animation."""

    def __init__(self, status: RenderableType, console: NotebookConsole) -> None:
        super().__init__(status, console=console)
        self._notebook = console

    def start(self) -> None:
        self._notebook.note(Text(self.status, style="dim") if isinstance(self.status, str) else self.status)

    def stop(self) -> None:
        self._notebook.note("")


class _Cell(io.StringIO):
    """One output of a cell; what is written to it stands above the rest."""

    def __init__(self) -> None:
        super().__init__()
        self.live: RenderableType = ""
        self.remark: RenderableType = ""
        self._handle: DisplayHandle | None = None

    def flush(self) -> None:
        self.draw()

    def draw(self) -> None:
        """Show everything, in the place where it was shown before."""
        from IPython.display import DisplayHandle

        shown = self._rendered()
        if self._handle is not None:
            self._handle.update(shown, raw=True)
        else:
            self._handle = DisplayHandle()
            self._handle.display(shown, raw=True)

    def _rendered(self) -> dict[str, str]:
        """Return it as HTML, and as text for frontends without."""
        paper = Console(record=True, file=io.StringIO(), force_jupyter=False, force_terminal=False, width=_WIDTH)
        written = Text.from_ansi(self.getvalue()) if self.getvalue() else ""
        paper.print(Group(*(part for part in (written, self.live, self.remark) if part)))
        html = paper.export_html(code_format=_HTML, inline_styles=True, clear=False)
        return {"text/html": html, "text/plain": paper.export_text()}
