from __future__ import annotations

import plotly.graph_objects as go

from raytrain.tuning.figure_style import (
    STATUS_COLOURS,
    STATUS_SYMBOLS,
    describe_trial,
    explained,
    is_winner,
    styled,
    whole_ticks,
    winner_ring,
)
from raytrain.tuning.results import SweepResult


def test_no_two_ends_of_a_trial_look_alike() -> None:
    assert len(set(STATUS_COLOURS.values())) == len(set(STATUS_SYMBOLS.values())) == len(STATUS_COLOURS) == 4


def test_a_figure_without_data_says_why() -> None:
    figure = explained("No <b>trial</b> has a value.")
    assert figure.layout.annotations[0].text == "No &lt;b&gt;trial&lt;/b&gt; has a value."
    assert len(figure.data) == 0


def test_the_layout_reaches_every_axis() -> None:
    figure = styled(go.Figure(layout={"xaxis": {}, "yaxis": {}}), height=321)
    assert (figure.layout.height, figure.layout.xaxis.automargin, figure.layout.yaxis.automargin) == (321, True, True)


def test_whole_numbers_have_no_ticks_in_between() -> None:
    assert [whole_ticks(highest)["dtick"] for highest in (0, 1, 16, 17, 160)] == [1, 1, 1, 2, 10]


def test_hovering_tells_the_trial_with_names_as_they_are(sweep_result: SweepResult) -> None:
    first, second, third, *_ = sweep_result.trials
    first.point["model.name"] = "<i>wide</i>"
    told = describe_trial(sweep_result, first).split("<br>")
    assert told[:3] == ["<b>trial 1</b>, finished, the best", "val/macro_f1 0.9000", "3 epochs"]
    assert "model=&lt;i&gt;wide&lt;/i&gt;" in told
    assert "the best" not in describe_trial(sweep_result, second)
    assert describe_trial(sweep_result, third).split("<br>")[1] == "no value"
    assert describe_trial(sweep_result, third).endswith("CUDA out of memory")
    second.violations["model/parameters"] = 3.0
    assert describe_trial(sweep_result, second).endswith("breaks a constraint")


def test_only_the_winner_has_a_ring(sweep_result: SweepResult) -> None:
    assert [is_winner(sweep_result, one) for one in sweep_result.trials] == [True, False, False, False, False]
    ring = winner_ring(3, 0.5, number=3)
    assert (ring["x"], ring["y"], ring["name"]) == ([3], [0.5], "the best, trial 3")
