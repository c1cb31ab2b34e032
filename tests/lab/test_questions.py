"""The counts of lab.eval questions: by group of languages, and what is shown where there is no answer."""

from __future__ import annotations

from agent_tools.timeline import Span
from lab.eval.questions import Found, Question, figures, markdown

THERE = Span(10, 20)


def asked(id: str, language: str = "en", kind: str = "said") -> Question:
    answer = {} if kind == "absent" else {"video_id": "film", "span": THERE}
    return Question(id, "", language, kind, "held", **answer)


def at(start_s: float, *, strong: bool = False) -> Found:
    return Found("film", Span(start_s, start_s + 1), 0.5, strong)


def test_first_hits_and_hits_among_five_are_counted_by_group_of_languages() -> None:
    counted = figures(
        [
            (asked("first"), [at(12), at(50)]),
            (asked("second", "de"), [at(50), at(12)]),
            (asked("wrong", "ko"), [at(50)]),
            (asked("nothing"), []),
            (asked("absent", kind="absent"), [at(50, strong=True)]),
            (asked("quiet", "fr", kind="absent"), [at(50)]),
        ]
    )
    assert counted["asked"] == {"all": 4, "English": 2, "another language": 2}
    assert counted["first"] == {"all": 1, "English": 1, "another language": 0}
    assert counted["found"] == {"all": 2, "English": 1, "another language": 1}
    assert (counted["nothing"], counted["absent"], counted["strong"]) == (1, 2, 1)
    table = markdown({"clips": {"retrieve_memory": counted}}).splitlines()
    assert "another language (2)" in table[0]
    assert table[2].endswith("| 1 of 4 | 1 of 2 |")
