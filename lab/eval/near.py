"""Events that are near what is said, and not there: "stairs are replaced by a lift" beside "stairs have 198 steps".

    python -m lab.eval near [--json OUT]

The films of near.json are lists of ten sentences. Of each, paraphrases of what is said and events of the same matter
that nobody says are asked, and the verdicts are counted with and without the rule that each word of the event needs a
counterpart (agent_tools/service/verdicts/counterparts.py). On one film the rule's constants were chosen."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.grounding import wilson
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import Library
from agent_tools.service.verdicts import counterparts
from agent_tools.settings import Settings, go_offline

NEAR = Path(__file__).with_name("near.json")
EACH_S, SAID_S = 8.0, 7.0  # from line to line, and how long one is said


def main(arguments: Sequence[str]) -> None:
    parser = argparse.ArgumentParser(prog="python -m lab.eval near", description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, help="write the figures here")
    given = parser.parse_args(arguments)
    go_offline()
    figures = measure(json.loads(NEAR.read_text("utf-8")))
    sys.stdout.write(f"{markdown(figures)}\n")
    if given.json is not None:
        given.json.write_text(json.dumps(figures, indent=1) + "\n", encoding="utf-8")


def measure(films: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """For each film: how many of its paraphrases and near events are called present, without the rule and with it."""
    rows = []
    with tempfile.TemporaryDirectory() as home, closing(Library(Settings.load({}, home=Path(home)))) as library:
        encoder = library.models.text(120)
        assert encoder is not None
        for one in films:
            lines = (Line(EACH_S * i, EACH_S * i + SAID_S, text) for i, text in enumerate(one["said"]))
            film = Film(one["title"], EACH_S * len(one["said"]), tuple(lines), ())
            lay_down(library.store, film, Remembered(encoder))
            row = {"title": film.title, "chosen_on": one["chosen_on"]}
            for kind in ("there", "near"):
                with _without_the_rule():
                    before = _present(library, film, one[kind])
                row[kind] = {"asked": len(one[kind]), "without": before, "with": _present(library, film, one[kind])}
            rows.append(row)
    return rows


def markdown(rows: Sequence[dict[str, Any]]) -> str:
    """The figures as a table."""
    lines = [
        "| film of sentences | said in other words: called present, without the rule -> with it "
        "| near and not said: called present, without the rule -> with it |",
        "|---|---|---|",
    ]
    lines += [
        f"| {row['title']}{' (the constants were chosen on it)' if row['chosen_on'] else ''} "
        f"| {_cell(row['there'])} | {_cell(row['near'])} |"
        for row in rows
    ]
    held = [row for row in rows if not row["chosen_on"]]
    total = {
        kind: {key: sum(row[kind][key] for row in held) for key in ("asked", "without", "with")}
        for kind in ("there", "near")
    }
    low, high = wilson(total["near"]["with"], total["near"]["asked"])
    near = f"{_cell(total['near'])} ({100 * low:.0f}% to {100 * high:.0f}%)"
    lines.append(f"| the others together | {_cell(total['there'])} | {near} |")
    return "\n".join(lines)


def _cell(count: dict[str, int]) -> str:
    return f"{count['without']} -> {count['with']} of {count['asked']}"


def _present(library: Library, film: Film, events: Sequence[str]) -> int:
    replies = (ground_event(library, event=event, video_id=film.video_id) for event in events)
    return sum(reply.verdict == "present" for reply in replies)


@contextmanager
def _without_the_rule() -> Iterator[None]:
    least, counterparts.LEAST = counterparts.LEAST, -1.0
    try:
        yield
    finally:
        counterparts.LEAST = least
