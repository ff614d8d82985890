"""One HTML file that explains a sweep, with all it needs inside: no network, no other files."""

from __future__ import annotations

import html
from pathlib import Path

import plotly.graph_objects as go
from plotly.offline import get_plotlyjs

from raytrain.engine.checkpoint import write_atomically
from raytrain.tuning.markup import Section
from raytrain.tuning.results import SweepResult
from raytrain.tuning.sections import sections_of

__all__ = ["write_page"]

_STYLE = """
:root { color-scheme: light; }
* { box-sizing: border-box; }
body { margin: 0; color: #27313b; background: #f5f7f9; line-height: 1.5;
  font: 15px/1.5 system-ui, -apple-system, 'Segoe UI', Roboto, 'Helvetica Neue', Arial, sans-serif; }
header, main { max-width: 1160px; margin: 0 auto; padding: 0 20px; }
h1 { margin: 28px 0 4px; font-size: 26px; } h2 { margin: 0 0 6px; font-size: 19px; }
nav { display: flex; flex-wrap: wrap; gap: 4px 16px; margin: 10px 0 18px; font-size: 14px; }
a { color: #0072b2; text-decoration: none; } a:hover { text-decoration: underline; }
section { background: #fff; border: 1px solid #e1e5ea; border-radius: 8px; padding: 18px 22px; margin: 0 0 16px; }
p { margin: 6px 0; max-width: 100ch; } .explanation { color: #5f6b76; font-size: 14px; }
.banner { border-radius: 8px; padding: 12px 22px; margin: 0 0 16px; font-weight: 600; border: 1px solid; }
.leaky { color: #8a1f11; background: #fdecea; border-color: #e5a59d; }
.unfinished { color: #7a5200; background: #fff5e0; border-color: #e6c98f; }
.won { color: #00684a; font-weight: 600; } .lost { color: #9a4a00; font-weight: 600; }
.tiles { display: flex; flex-wrap: wrap; gap: 10px; margin: 10px 0 14px; }
.tile { border: 1px solid #e1e5ea; border-radius: 6px; padding: 6px 14px; min-width: 100px; }
.tile b { display: block; font-size: 21px; line-height: 1.3; } .tile span { color: #5f6b76; font-size: 13px; }
.table { overflow-x: auto; margin: 10px 0; }
table { border-collapse: collapse; font-size: 13.5px; }
th, td { padding: 4px 18px 4px 0; text-align: left; vertical-align: top; border-bottom: 1px solid #edf0f3; }
th { color: #5f6b76; font-weight: 600; white-space: nowrap; }
td.number, th.number { text-align: right; font-variant-numeric: tabular-nums; white-space: nowrap; }
tr.marked td { font-weight: 600; color: #00684a; } tr.wrong td { color: #9a4a00; }
code, pre { font: 13px/1.45 ui-monospace, 'SF Mono', Menlo, Consolas, 'DejaVu Sans Mono', monospace; }
code { overflow-wrap: anywhere; } pre { overflow-x: auto; max-height: 480px; margin: 8px 0 0; }
details > summary { cursor: pointer; color: #0072b2; margin: 6px 0; }
"""
_BUTTONS = [["toImage", "zoom2d", "pan2d", "resetScale2d"]]
# The page may load nothing from anywhere, whatever is in it.
_POLICY = (
    "default-src 'none'; script-src 'unsafe-inline'; style-src 'unsafe-inline'; img-src data: blob:; font-src data:"
)


def write_page(result: SweepResult, path: Path, *, note: str = "") -> None:
    """Write the page of a sweep atomically, its folder too.

    Args:
        result: The sweep.
        path: The file.
        note: What a reader must know first; empty when nothing.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    write_atomically(path, _page(result, note=note).encode())


def _page(result: SweepResult, *, note: str) -> str:
    sections = sections_of(result)
    links = "".join(f'<a href="#{one.anchor}">{html.escape(one.title)}</a>' for one in sections)
    warning = f'<div class="banner unfinished">{html.escape(note)}</div>' if note else ""
    return (
        f'<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        f'<meta http-equiv="Content-Security-Policy" content="{_POLICY}">'
        f'<meta name="viewport" content="width=device-width, initial-scale=1"><link rel="icon" href="data:,">'
        f"<title>{html.escape(result.name)}: raytrain sweep</title><style>{_STYLE}</style>"
        f"<script>{get_plotlyjs()}</script></head>\n<body><header><h1>{html.escape(result.name)}</h1>"
        f"<nav>{links}</nav></header>\n<main>{warning}{''.join(map(_section, sections))}</main></body></html>\n"
    )


def _section(section: Section) -> str:
    explanation = f'<p class="explanation">{html.escape(section.explanation)}</p>' if section.explanation else ""
    figure = "" if section.figure is None else _figure(section.figure, name=f"figure-{section.anchor}")
    return (
        f'<section id="{section.anchor}"><h2>{html.escape(section.title)}</h2>{explanation}'
        f"{section.above}{figure}{section.below}</section>\n"
    )


def _figure(figure: go.Figure, *, name: str) -> str:
    content: str = figure.to_html(
        full_html=False,
        include_plotlyjs=False,
        div_id=name,
        config={"displaylogo": False, "responsive": True, "modeBarButtons": _BUTTONS},
    )
    return content
