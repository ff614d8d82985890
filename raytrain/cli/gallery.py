"""`raytrain gallery`: a picture of what each augmentation does to one window of a recording."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from raytrain.errors import ConfigError, DataError, nearest

if TYPE_CHECKING:
    from raytrain.data.recording import Recording

__all__ = ["gallery"]

FORMATS = (".pdf", ".png", ".svg")
DRAWS = 8  # a seed with which every effect is large enough to be seen
SHORTEST = 1024  # of WDCNN, which the adversarial example is made for


def gallery(
    *,
    data: Annotated[
        str, typer.Option(help="A folder of recordings, or embedded, which is synthetic: rolling, journal.")
    ] = "rolling",
    recording: Annotated[str | None, typer.Option(help="Its id; the first with a fault when absent.")] = None,
    out: Annotated[Path, typer.Option(help="Where to draw: .png, .pdf or .svg.")] = Path("gallery.png"),
    length: Annotated[int, typer.Option(min=SHORTEST, help="Samples of the window.")] = 2048,
    seed: Annotated[int, typer.Option(help="What the augmentations draw from.")] = DRAWS,
) -> None:
    """Draw what each augmentation does to one window of a recording, in time and in frequency."""
    if out.suffix.lower() not in FORMATS:
        raise ConfigError(f"--out {out}: pictures are {', '.join(FORMATS)}, got {out.suffix or 'no ending'}")
    _check_matplotlib()
    from raytrain.cli.gallery_examples import make_examples, take_windows
    from raytrain.cli.gallery_figure import draw_gallery
    from raytrain.data.read import read_source

    own, partner = _choose(read_source(data), recording, length=length)
    windows = take_windows(own, partner, length=length)
    figure = draw_gallery(make_examples(windows, seed=seed), windows=windows, seed=seed)
    out.parent.mkdir(parents=True, exist_ok=True)
    figure.savefig(out)
    shown, mixed = (f"{one.recording_id} ({one.fault_type})" for one in (own, partner))
    typer.echo(f"{shown}, mixed with {mixed}: {out}")


def _check_matplotlib() -> None:
    try:
        import matplotlib.figure  # noqa: F401 - is it there?
    except ImportError as error:
        raise ConfigError('pictures need matplotlib: pip install "raytrain[plots]"') from error


def _choose(recordings: Sequence[Recording], name: str | None, *, length: int) -> tuple[Recording, Recording]:
    """Return the recording to show, and one to mix it with: at the same rate, and of another fault if there is one."""
    ids = [recording.recording_id for recording in recordings]
    if name is None:
        own = next((one for one in recordings if one.fault_type != "normal"), recordings[0])
    elif name in ids:
        own = recordings[ids.index(name)]
    else:
        raise ConfigError(f"--recording: there is no recording {name!r}; {nearest(name, ids)}")
    if own.samples < length:
        raise DataError(f"--length {length}: {own.recording_id} has {own.samples} samples")
    others = [one for one in recordings if one.fs_hz == own.fs_hz and one.samples >= length and one is not own]
    partner = min(others, key=lambda one: (one.fault_type == own.fault_type, one.dataset != own.dataset), default=own)
    return own, partner
