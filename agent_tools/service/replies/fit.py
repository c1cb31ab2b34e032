"""Replies cut to a number of tokens, and cursors to go on where one ended.

Every tool that has max_tokens cuts its reply here."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any, TypeVar

from agent_tools.budget import reply_tokens
from agent_tools.errors import InvalidArgument
from agent_tools.excerpts import excerpt
from agent_tools.service.replies.sentences import summary_of
from agent_tools.types import ChannelWords, Coverage, Reply

R = TypeVar("R", bound=Reply)
Cut = Callable[[], bool]  # takes one thing out of the reply; False where nothing is left to take
LEAST, MOST = 200, 20_000
_CURSOR = re.compile(r"(?P<offset>\d{1,6})-(?P<mark>[0-9a-f]{8})", re.ASCII)
WIDEST = 88_888  # as wide as the widest number that may stand as `tokens`


def compact_json(value: dict[str, Any]) -> str:
    """The JSON text a client gets: no spaces, no escapes of readable characters."""
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"))


def trim_to_tokens(reply: R, max_tokens: int, cuts: Sequence[Cut], image_tokens: int = 0) -> R:
    """The reply with `summary` and `tokens` set, cut until it costs at most max_tokens. Cuts go in their order.

    The summary goes last of all; it stands in the text before the JSON too, and counts twice."""
    silent = False

    def leave_out_the_summary() -> bool:
        nonlocal silent
        before, silent = silent, True
        return not before

    def cost() -> int:
        if "summary" in type(reply).model_fields:
            object.__setattr__(reply, "summary", "" if silent else summary_of(reply))
        return _cost(reply.compact(), WIDEST, image_tokens)

    cut_until_it_fits(cost, max_tokens, [*cuts, leave_out_the_summary])
    object.__setattr__(reply, "tokens", stated_tokens(reply.compact(), image_tokens))
    return reply


def cut_until_it_fits(cost: Callable[[], int], max_tokens: int, cuts: Sequence[Cut]) -> int:
    """Cut until `cost` gives at most max_tokens or nothing is left to cut. Returns what it costs then.

    The first cut is repeated until it has nothing left to take, then the second, and so on."""
    waiting = list(cuts)
    while (tokens := cost()) > max_tokens and waiting:
        if not waiting[0]():
            waiting.pop(0)
    return tokens


def stated_tokens(facts: Mapping[str, Any], image_tokens: int = 0) -> int:
    """What a reply costs with that very number in it as its `tokens`."""
    return _cost(facts, _cost(facts, WIDEST, image_tokens), image_tokens)


def _cost(facts: Mapping[str, Any], stated: int, image_tokens: int) -> int:
    """What the sentence and the JSON cost that a client gets, with this number as `tokens`."""
    return reply_tokens(facts.get("summary", "") + compact_json({**facts, "tokens": stated}), image_tokens)


def check_tokens(max_tokens: int) -> None:
    """Raises: InvalidArgument: outside 200..20000."""
    if not LEAST <= max_tokens <= MOST:
        raise InvalidArgument(f"max_tokens is {max_tokens}; it must be from {LEAST} to {MOST}.")


def thin(coverage: Coverage | None) -> Cut:
    """Leave of coverage the share alone."""

    def cut() -> bool:
        if coverage is None or coverage.channels == ChannelWords():
            return False
        coverage.channels = ChannelWords()
        return True

    return cut


def drop_gaps(coverage: Coverage | None) -> Cut:
    """Take the last gap out and count it."""

    def cut() -> bool:
        if coverage is None or not coverage.gaps:
            return False
        coverage.gaps.pop()
        coverage.gaps_omitted = (coverage.gaps_omitted or 0) + 1
        return True

    return cut


def drop_last(items: list[Any] | None, keep: int, on_drop: Callable[[Any], None] | None = None) -> Cut:
    """Take the last item of a list out, as long as more than `keep` are left."""

    def cut() -> bool:
        if items is None or len(items) <= keep:
            return False
        gone = items.pop()
        if on_drop is not None:
            on_drop(gone)
        return True

    return cut


def halve(target: Any, name: str, least: int = 40, gone: str | None = None, around: str = "") -> Cut:
    """Halve a text field around some words until it has about `least` characters, then leave it out."""

    def cut() -> bool:
        text = getattr(target, name)
        if not text:
            return False
        setattr(target, name, excerpt(text, around, len(text) // 2) if len(text) > 2 * least else gone)
        return True

    return cut


def clear(target: Any, name: str, empty: Any = None) -> Cut:
    """Leave a field out."""

    def cut() -> bool:
        if getattr(target, name) in (None, [], ""):
            return False
        setattr(target, name, empty)
        return True

    return cut


def cursor(offset: int, *question: object) -> str:
    """Where to go on with this very question, as `8-67d147c5`: a client's model copies it, so it is short."""
    return f"{offset}-{_mark(question)}"


def offset_of(text: str, *question: object) -> int:
    """The offset that a cursor holds. Raises: InvalidArgument: not a cursor, or one of another question."""
    if not text:
        return 0
    if (match := _CURSOR.fullmatch(text.strip())) is None:
        raise InvalidArgument("cursor is not one that a reply gave. Leave it out to begin again.")
    if match["mark"] != _mark(question):
        raise InvalidArgument("cursor belongs to a call with other arguments. Repeat those, or leave it out.")
    return int(match["offset"])


def _mark(question: tuple[object, ...]) -> str:
    return hashlib.blake2b(repr(question).encode(), digest_size=4).hexdigest()
