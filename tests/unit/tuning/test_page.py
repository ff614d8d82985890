from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser
from pathlib import Path

import pytest

from raytrain.tuning import page
from raytrain.tuning.page import write_page
from raytrain.tuning.results import SweepResult

FIGURES = {"history", "curves", "importances", "parallel", "slices", "confusion", "recordings", "cost"}
VOID = {"meta", "link", "br", "img", "hr", "input"}


class Outline(HTMLParser):
    """What a browser would make of a page: its elements with ids, what it would load, and whether tags are closed."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.loaded: list[str] = []
        self.open: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        named = dict(attrs)
        self.ids += [named["id"] or ""] if "id" in named else []
        self.loaded += [value or "" for key, value in attrs if key == "src" or (key == "href" and tag == "link")]
        self.open += [tag] if tag not in VOID else []

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


@pytest.fixture(autouse=True)
def short_library(monkeypatch: pytest.MonkeyPatch) -> None:
    """Plotly's own five megabytes are the browser test's."""
    monkeypatch.setattr(page, "get_plotlyjs", lambda: "/* plotly.js */")


def written(result: SweepResult, path: Path, *, note: str = "") -> str:
    write_page(result, path, note=note)
    return path.read_text("utf-8")


def test_the_page_is_whole_and_loads_nothing(planned_result: SweepResult, tmp_path: Path) -> None:
    text = written(planned_result, tmp_path / "new" / "folder" / "report.html")
    outline = Outline(text)
    assert outline.open == []
    assert outline.loaded == ["data:,"]
    assert len(outline.ids) == len(set(outline.ids))
    assert {f"figure-{name}" for name in {*FIGURES, "pareto"}} <= set(outline.ids)
    assert text.count("/* plotly.js */") == 1
    assert "default-src 'none'" in text


def test_links_lead_to_sections(sweep_result: SweepResult, tmp_path: Path) -> None:
    text = written(sweep_result, tmp_path / "report.html")
    links = re.findall(r'<a href="#([^"]+)">', text)
    assert set(links) <= set(Outline(text).ids)
    assert set(links) > FIGURES


def test_names_cannot_break_out_of_the_page(planned_result: SweepResult, tmp_path: Path) -> None:
    nasty = "</script><script>alert(1)</script>"
    planned_result.trials[0].point["model.name"] = nasty
    planned_result.trials[2].reason = nasty
    changed = dataclasses.replace(
        planned_result, name=nasty, command=nasty, classes=(*planned_result.classes, nasty), notes=(nasty,)
    )
    plain, broken = (written(one, tmp_path / "report.html") for one in (planned_result, changed))
    assert "<script>alert" not in broken
    assert broken.count("<script") == plain.count("<script")
    assert Outline(broken).open == []


def test_a_note_stands_before_everything(sweep_result: SweepResult, tmp_path: Path) -> None:
    text = written(sweep_result, tmp_path / "report.html", note="still <running>")
    assert text.index("still &lt;running&gt;") < text.index('<section id="summary">')
    assert "unfinished" not in written(sweep_result, tmp_path / "report.html").split("</style>")[1]


@pytest.mark.parametrize("kept", [slice(0, 1), slice(2, 4), slice(0, 0)])
def test_a_sweep_of_little_is_a_page_too(kept: slice, sweep_result: SweepResult, tmp_path: Path) -> None:
    little = dataclasses.replace(sweep_result, trials=sweep_result.trials[kept], best=None, baselines=())
    assert Outline(written(little, tmp_path / "report.html")).open == []


def test_a_metric_that_is_the_same_everywhere_makes_a_whole_page(planned_result: SweepResult, tmp_path: Path) -> None:
    first, *_ = planned_result.trials
    row = dict(first.curve[0])
    trials = tuple(
        dataclasses.replace(
            first, number=number, curve=[row], best=row, point={**first.point, "optimizer.lr": number / 100}
        )
        for number in range(1, 9)
    )
    outline = Outline(written(dataclasses.replace(planned_result, trials=trials), tmp_path / "report.html"))
    assert outline.open == []
    assert {"figure-history", "figure-slices"} <= set(outline.ids)
