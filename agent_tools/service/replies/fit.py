"""Replies cut to a number of tokens, and cursors to go on where one ended.

Every tool that has max_tokens cuts its reply here."""

from __future__ import annotations

import base64
import binascii
import hashlib
import json
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from agent_tools.budget import reply_tokens
from agent_tools.errors import InvalidArgument
from agent_tools.excerpts import excerpt
from agent_tools.service.replies.sentences import summary_of
from agent_tools.types import ChannelWords, Coverage, Reply

R = TypeVar("R", bound=Reply)
Cut = Callable[[], bool]  # takes one thing out of the reply; False where nothing is left to take
LEAST, MOST = 200, 20_000


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
        return _cost(reply, image_tokens)

    tokens = cut_until_it_fits(cost, max_tokens, [*cuts, leave_out_the_summary])
    object.__setattr__(reply, "tokens", tokens)
    return reply


def cut_until_it_fits(cost: Callable[[], int], max_tokens: int, cuts: Sequence[Cut]) -> int:
    """Cut until `cost` gives at most max_tokens or nothing is left to cut. Returns what it costs then.

    The first cut is repeated until it has nothing left to take, then the second, and so on."""
    waiting = list(cuts)
    while (tokens := cost()) > max_tokens and waiting:
        if not waiting[0]():
            waiting.pop(0)
    return tokens


def _cost(reply: Reply, image_tokens: int) -> int:
    body = reply.compact()
    body["tokens"] = 88_888  # as wide as the widest number that may stand there
    return reply_tokens(body.get("summary", "") + compact_json(body), image_tokens)


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
    """Where to go on with this very question."""
    payload = json.dumps([offset, _mark(question)]).encode()
    return base64.urlsafe_b64encode(payload).decode().rstrip("=")


def offset_of(text: str, *question: object) -> int:
    """The offset that a cursor holds. Raises: InvalidArgument: not a cursor, or one of another question."""
    if not text:
        return 0
    try:
        offset, mark = json.loads(base64.urlsafe_b64decode(text + "=" * (-len(text) % 4)))
        good = isinstance(offset, int) and 0 <= offset < 1_000_000
    except (ValueError, TypeError, binascii.Error) as error:
        raise InvalidArgument("cursor is not one that a reply gave. Leave it out to begin again.") from error
    if not good or mark != _mark(question):
        raise InvalidArgument("cursor belongs to a call with other arguments. Repeat those, or leave it out.")
    return int(offset)


def _mark(question: tuple[object, ...]) -> str:
    return hashlib.blake2b(repr(question).encode(), digest_size=4).hexdigest()
