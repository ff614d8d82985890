from __future__ import annotations

import pytest

from raytrain.tuning.markup import details, number, paragraph, table, tiles

NASTY = "<script>alert('&')</script>"
SAFE = "&lt;script&gt;alert(&#x27;&amp;&#x27;)&lt;/script&gt;"


@pytest.mark.parametrize(
    "content",
    [
        paragraph(NASTY),
        table([{"a": NASTY}], columns={"a": NASTY}),
        tiles([(NASTY, NASTY, NASTY)]),
        details(NASTY, ""),
    ],
)
def test_every_text_is_escaped(content: str) -> None:
    assert "<script>" not in content
    assert SAFE in content


def test_a_table_has_its_cells_in_the_order_of_its_columns() -> None:
    content = table([{"b": 1, "a": "x"}, {"a": "y", "b": None}], columns={"a": "A", "b": "B"}, marks=["marked", ""])
    assert content == (
        '<div class="table"><table><thead><tr><th>A</th><th class="number">B</th></tr></thead><tbody>'
        '<tr class="marked"><td>x</td><td class="number">1</td></tr><tr><td>y</td><td class="number"></td></tr>'
        "</tbody></table></div>"
    )


def test_missing_numbers_are_empty_cells() -> None:
    assert [number(one) for one in (0.25, 2, None, float("nan"), "nan")] == ["0.2500", "2", "", "", "nan"]


def test_the_kind_of_a_paragraph_is_its_class() -> None:
    assert paragraph("a", kind="won") == '<p class="won">a</p>'
