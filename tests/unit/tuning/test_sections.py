from __future__ import annotations

import dataclasses
import re

from raytrain.tuning.markup import Section
from raytrain.tuning.results import SweepResult
from raytrain.tuning.sections import sections_of

ALWAYS = [
    "summary",
    "leaderboard",
    "history",
    "curves",
    "importances",
    "parallel",
    "slices",
    "cost",
    "trials",
    "manifest",
]


def by_anchor(result: SweepResult) -> dict[str, Section]:
    return {one.anchor: one for one in sections_of(result)}


def test_a_sweep_has_every_section_and_one_of_objectives_where_it_has_such(planned_result: SweepResult) -> None:
    assert list(by_anchor(planned_result)) == [*ALWAYS[:7], "pareto", "confusion", "recordings", *ALWAYS[7:]]


def test_without_a_winner_and_a_manifest_there_is_less(sweep_result: SweepResult) -> None:
    sections = by_anchor(dataclasses.replace(sweep_result, best=None))
    assert list(sections) == ALWAYS
    assert "keeps no manifest.json" in sections["manifest"].above


def test_cost_tells_what_pruning_saved(planned_result: SweepResult) -> None:
    planned_result.trials[1].reason = "by the scheduler"
    content = by_anchor(planned_result)["cost"].above
    assert dict(re.findall(r'<b id="([^"]+)">([^<]*)</b>', content)) == {
        "cost-hours": "8 s",
        "cost-epochs": "5",
        "cost-pruned": "1",
        "cost-saved": "8",
        "cost-share": "62%",
        "cost-saved-hours": "about 12 s",
        "cost-failed": "1",
    }


def test_the_pareto_front_is_a_table_too(planned_result: SweepResult) -> None:
    content = by_anchor(planned_result)["pareto"].below
    rows = re.findall(
        r'<td class="number">(\d+)</td><td class="number">([\d.]+)</td><td class="number">([\d.]+)', content
    )
    assert rows == [("2", "0.5500", "2000"), ("1", "0.9000", "5000")]


def test_all_trials_are_listed_with_their_reasons(sweep_result: SweepResult) -> None:
    content = by_anchor(sweep_result)["trials"].above
    assert content.count("<tr") == 1 + len(sweep_result.trials)
    assert "CUDA out of memory" in content


def test_the_manifest_is_escaped(planned_result: SweepResult) -> None:
    path = planned_result.directory / "manifest.json"
    path.write_text(path.read_text("utf-8").replace("raytrain tune", "<script>"), encoding="utf-8")
    content = by_anchor(planned_result)["manifest"].above
    assert "&lt;script&gt;" in content
    assert "<script>" not in content
