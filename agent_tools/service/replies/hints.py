"""The sentences of a reply's `hints`."""

from __future__ import annotations

import re

from agent_tools.service.library.attention import REPEATS
from agent_tools.timeline import Span, clock

HINT_LENGTH = 300
_NEGATION = re.compile(
    r"\b(?:not|no|never|without|isn't|aren't|doesn't|don't|didn't|nobody|nothing|nicht|kein\w*|ohne)\b", re.I
)


def repeat_hint(spans: list[Span]) -> str:
    """The sentence for a search that gave the same spans three times in a row."""
    unseen = ", ".join(f"{clock(s.start_s)}-{clock(s.end_s)}" for s in sorted(spans, key=lambda s: -s.length_s)[:3])
    return (
        f"The last {REPEATS} searches returned the same spans. "
        f"Not looked at by zoom_segment yet: {unseen or 'nothing'}."
    )


def negation_hint(query: str) -> str | None:
    """The sentence for a question in the negative, which no encoder understands."""
    found = _NEGATION.search(query)
    if found is None:
        return None
    return f"The query holds a negation ({found.group(0)!r}): search for the positive, then verify with zoom_segment."
