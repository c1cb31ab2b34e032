"""The tables of lab.train: paired differences, what a claim needs to hold, and queries drawn from films in turn."""

from __future__ import annotations

import pytest

from agent_tools.training import memaug
from agent_tools.training.report import Asked, Query, share
from lab.train import verdicts
from lab.train.__main__ import _in_turn
from lab.train.figures import HeldOut, apart, difference, measured, pooled
from lab.train.tables import markdown
from lab.train.verdicts import HOLDS, NOT_SHOWN, OPPOSITE, of_memories, of_rows


def test_a_difference_is_paired_so_equal_answers_leave_no_doubt() -> None:
    half = [True, False] * 50
    assert difference(half, half) == {"value": 0.0, "low": 0.0, "high": 0.0}
    more = difference([True] * 100, half)
    assert more["value"] == 0.5
    assert 0.35 < more["low"] < 0.5 < more["high"] < 0.65


@pytest.mark.parametrize(
    ("without", "verdict"),
    [((-0.2, -0.3, -0.1), HOLDS), ((-0.1, -0.2, 0.0), NOT_SHOWN), ((0.2, 0.1, 0.3), OPPOSITE)],
)
def test_a_stage_helps_where_leaving_it_out_costs_more_than_the_interval(
    without: tuple[float, float, float], verdict: str
) -> None:
    figures = dict(zip(("value", "low", "high"), without, strict=True))
    (judged,) = of_rows({"apart": {"without 1-B (sparse)": {"R@1 at 0.3": figures}}})
    assert judged.verdict == verdict
    assert judged.value == -without[0]


def test_not_present_helps_where_leaving_it_out_names_more_absent_events() -> None:
    more = {"value": 0.3, "low": 0.2, "high": 0.4}
    row = {'without "not present"': {"named, alike": more, "named, other": more}}
    assert [one.verdict for one in of_rows({"apart": row})] == [HOLDS, HOLDS]


def test_the_difference_of_two_shares_has_newcombes_interval() -> None:
    """His example of 56 of 70 and 48 of 80: .2000 (.0524 to .3339)."""
    here, than = share([True] * 56 + [False] * 14), share([True] * 48 + [False] * 32)
    rows = {"whole videos, with memory": {verdicts.FORGOTTEN: here}, "short videos alone": {verdicts.FORGOTTEN: than}}
    (judged,) = of_memories(rows)
    assert (judged.value, judged.low, judged.high) == pytest.approx((0.2, 0.0524, 0.3339), abs=0.001)
    assert judged.verdict == HOLDS
    assert verdicts.FORGOTTEN == memaug.FORGOTTEN


def test_films_are_asked_in_turn_so_that_a_long_one_does_not_hide_the_short_ones() -> None:
    long, short = (
        [Query(f"{name} {i}", name, ()) for i in range(count)] for name, count in (("long", 9), ("short", 2))
    )
    assert [one.video for one in _in_turn([long, short], 6)] == ["long", "short", "long", "short", "long", "long"]


def test_a_run_of_some_rows_says_what_it_did_not_measure() -> None:
    answers = [Asked(0.4, True, 0.7, 1.0)] * 4
    asked = HeldOut(*([Query("a red circle", "film", ())] * count for count in (2, 1, 1)))
    rows = {name: [measured(asked, answers)] for name in (verdicts.CURVES, verdicts.PEAK, "all stages")}
    made = {
        "films": 1,
        "hours": 0.2,
        "seeds": 1,
        "cpu_s": 60,
        "command": "python -m lab.train FOLDER",
        "date": "2026-01-01",
        "pairs": {"train": {"pairs": 9}},
        "asked": {"R@1 at 0.3": 2, "named, alike": 1},
        "rows": {name: pooled(own, scored=True) for name, own in rows.items()},
        "apart": {name: apart(own, rows["all stages"]) for name, own in rows.items() if name != "all stages"},
    }
    last = markdown(made).splitlines()[-1]
    assert last.startswith("This run did not measure: the rows without 1-A (dense), without 1-B (sparse), ")
    assert "memaugs with and without memory" in last
    assert "| training finds more than the weightless search | +0.00 (+0.00 to +0.00) | not shown" in markdown(made)
