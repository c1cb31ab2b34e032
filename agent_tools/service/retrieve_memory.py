"""retrieve_memory: the moments that answer a query, as hits with snippets around the match, within max_tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Literal

from agent_tools.errors import InvalidArgument
from agent_tools.excerpts import excerpt
from agent_tools.progress import OnStep, silent, within
from agent_tools.service.ingest.status import unfinished_hint
from agent_tools.service.library.library import Library, VideoSpan, checked_channels
from agent_tools.service.replies import coverage
from agent_tools.service.replies.fit import (
    Cut,
    check_tokens,
    clear,
    cursor,
    drop_gaps,
    drop_last,
    halve,
    offset_of,
    thin,
    trim_to_tokens,
)
from agent_tools.service.replies.hints import negation_hint, repeat_hint
from agent_tools.service.search.answer_kind import answering_line, preferred
from agent_tools.service.search.elsewhere import best_elsewhere
from agent_tools.service.search.likeness import maker_of, similar_moments
from agent_tools.service.search.moments import Moment, fold_repeats, merge, with_pictures
from agent_tools.service.search.pictures import frames_matching
from agent_tools.service.search.recall import EntrySearchResult, ScoredEntry, recall
from agent_tools.service.search.strength import likeness
from agent_tools.store import Entry, Job, speakers
from agent_tools.timeline import clock, rounded, video_uri
from agent_tools.types import TEXT_CHANNELS, Coverage, Elsewhere, Hit, RetrieveReply
from agent_tools.untrusted import clean

SNIPPET = {"concise": 220, "full": 900}
ELSEWHERE = 160  # characters of what another video holds
LINE = {"concise": 160, "full": 400}  # characters of the line of an on-screen text that answers
BESIDE = {"concise": 90, "full": 300}  # characters of a channel that did not match, shown for context
QUERY_LENGTH = 2000
MATCHED_WORDS = 0.1  # share of the query's word mass from which words are named as what matched: "the" alone is not
MATCHED_COSINE = 0.25
JOINT = " / "
CURSOR_TOKENS = 16  # what the cursor adds
LEAST_BESIDE, LEAST_MATCHED = 40, 20  # characters that a text has at least where a reply is too long, or it is left out
LEAST_LATER_S = 1.0
TITLE_LENGTH = 80
MOST_HINTS = 4
MOST_REGIONS = 1  # hits of a concise reply that say where on the picture their line stands: the best one is looked at
LIMIT = 8  # hits of one reply, unless a caller asks for another number
FEWEST, FEWEST_UNSURE = 3, 5  # hits that a reply shows before it leaves out weak ones: beside a strong one, and else
MOST_NEAREST = 3  # hits where no text comes near the query
NEAREST = "No text comes near the query; the nearest by meaning are shown, marked weak."


@dataclass(frozen=True, kw_only=True)
class SearchRequest:
    """What retrieve_memory is asked. `query` is words, `like` a `video://` uri; `like` wins where both are given."""

    query: str = ""
    like: str = ""
    video_ids: Sequence[str] | None = None  # all videos if None
    start_s: float | None = None
    end_s: float | None = None
    channels: Sequence[str] | None = None  # all channels if None
    limit: int = LIMIT  # hits of one reply, at most
    detail: Literal["concise", "full"] = "concise"
    cursor: str = ""
    max_tokens: int = 2000

    def check(self) -> None:
        """Raises: InvalidArgument: neither query nor like is given, or a bound breaks its rule."""
        if not clean(self.query) and not self.like.strip():
            raise InvalidArgument("query and like are both empty. Give words to search for, or like=<a video:// uri>.")
        if len(self.query) > QUERY_LENGTH:
            raise InvalidArgument(
                f"query has {len(self.query)} characters; at most {QUERY_LENGTH}. Ask for one thing at a time."
            )
        if not 1 <= self.limit <= 20:
            raise InvalidArgument(f"limit is {self.limit}; it must be from 1 to 20.")
        if self.detail not in SNIPPET:
            raise InvalidArgument(f"detail is {self.detail!r}; it must be concise or full.")
        check_tokens(self.max_tokens)


@dataclass(frozen=True)
class _Found:
    """What answers a request: moments, best first, and how they were found."""

    moments: list[Moment]
    entries: EntrySearchResult
    coverage: Coverage
    near: bool = False  # nothing passed the floor: the moments are only the nearest


def retrieve_memory(
    library: Library, request: SearchRequest, *, caller: str = "", on_step: OnStep = silent, wait_s: float = 0.0
) -> RetrieveReply:
    """Moments that answer `query`, or look like the moment of the uri `like`.

    Args:
        caller: whose searches count for the hint that a search repeats itself.
        wait_s: how long to wait for the sentence encoder if it still loads; then words alone answer.
    Raises: RequestError: a name, span, channel, cursor or bound breaks its rule; neither query nor like is given.
    """
    request.check()
    channels = checked_channels(request.channels)
    with library.store.snapshot():
        named, notes = library.without_empty_names(request.video_ids, request.query)
        request = replace(request, video_ids=named)
        scopes = library.chosen(request.video_ids, request.start_s, request.end_s)
        on_step(0.1, f"searching {len(scopes)} video{'s' if len(scopes) != 1 else ''}")
        found = _find(library, scopes, request, channels, within(on_step, 0.1, 0.8), wait_s)
        on_step(0.8, f"found {len(found.moments)} moments")
        question = (
            request.query,
            request.like,
            tuple(request.video_ids or ()),
            request.start_s,
            request.end_s,
            channels,
            request.limit,
            request.detail,
        )
        offset = offset_of(request.cursor, *question)
        page = _worth_showing(found.moments[offset : offset + request.limit], request)
        ranked = [(offset + i + 1, moment) for i, moment in enumerate(page)]
        titles = {one.video.id: one.video.title for one in scopes}
        spans = [(moment.video_id, moment.span.start_s, moment.span.end_s) for moment in page]
        hits = [
            _hit(moment, rank, titles[moment.video_id], request, beside)
            for (rank, moment), beside in zip(ranked, library.store.entries_in(spans), strict=True)
        ]
        reply = RetrieveReply(hits=hits, coverage=found.coverage, more=max(0, len(found.moments) - offset - len(page)))
        _shorten_weak(hits, request)
        if _is_worth_asking_elsewhere(request, hits):
            reply.elsewhere = _elsewhere(library, request, {one.video.id for one in scopes}, channels, wait_s)
        if (not hits or found.near) and len(scopes) == 1:
            reply.not_known = coverage.not_known(library, scopes[0].video) or None
        reply.hints = [
            *notes,
            *([NEAREST] if found.near else []),
            *_hints(library, scopes, request, reply.hits, caller),
        ]
        if request.detail == "concise":
            reply.coverage.producers = None
        trim_to_tokens(reply, request.max_tokens - CURSOR_TOKENS, _cuts(reply, hits, page, request.query))
        if reply.more:
            reply.cursor = cursor(offset + len(reply.hits), *question)
        return trim_to_tokens(reply, request.max_tokens, [])


def _find(
    library: Library,
    scopes: Sequence[VideoSpan],
    request: SearchRequest,
    channels: tuple[str, ...] | None,
    on_step: OnStep,
    wait_s: float,
) -> _Found:
    short = request.detail == "concise"
    if request.like.strip():
        moments = similar_moments(library, scopes, request.like)
        notes = coverage.SearchNotes(by_picture=maker_of(library, request.like))
        view = coverage.coverage(library, scopes, ("frames",), notes, short=short)
        return _Found(moments, EntrySearchResult([], False, ""), view)
    result = recall(library, scopes, request.query, channels, wait_s=wait_s, on_step=on_step)
    moments = merge(preferred(request.query, result.found), scopes)
    if channels is None or "frames" in channels:
        moments = with_pictures(moments, frames_matching(library, scopes, request.query, wait_s=wait_s))
    near = not moments and bool(result.nearest)
    if near:
        moments = merge(result.nearest, scopes)[:MOST_NEAREST]
    notes = coverage.SearchNotes(result.words_only)
    return _Found(fold_repeats(moments), result, coverage.coverage(library, scopes, channels, notes, short=short), near)


def _worth_showing(page: Sequence[Moment], request: SearchRequest) -> Sequence[Moment]:
    """The moments of a page without the weak ones at its end, but for a few: the cursor leads to them. Who asks for
    more hits than usual, for full texts or for a further page gets all."""
    if request.detail == "full" or request.limit > LIMIT or request.cursor or request.like.strip():
        return page
    words = [moment.strength for moment in page]
    last = max((place for place, word in enumerate(words, 1) if word != "weak"), default=0)
    return page[: max(FEWEST if "strong" in words else FEWEST_UNSURE, last)]


def _shorten_weak(hits: Sequence[Hit], request: SearchRequest) -> None:
    """Weak hits beside a strong one prove nothing: they keep their place and time, and a little of their texts."""
    if request.detail == "full" or all(hit.strength != "strong" for hit in hits):
        return
    for hit in hits:
        if hit.strength == "weak":
            hit.line = hit.region = None
            for name, text in hit.texts().items():
                setattr(hit, name, excerpt(text, request.query, BESIDE[request.detail]))


def _is_worth_asking_elsewhere(request: SearchRequest, hits: Sequence[Hit]) -> bool:
    """Whether a caller may have named the wrong video: no hit there is strong or fair."""
    first = bool(request.video_ids) and not request.like.strip() and not request.cursor
    return first and all(hit.strength == "weak" for hit in hits)


def _elsewhere(
    library: Library, request: SearchRequest, named: set[str], channels: tuple[str, ...] | None, wait_s: float
) -> Elsewhere | None:
    """The best moment of the videos that were not named, unless it is weak."""
    found = best_elsewhere(library, request.query, named, channels, wait_s)
    if found is None or (word := found[0].strength) == "weak":
        return None
    best, title = found
    beside = library.store.entries(best.video_id, start_s=best.span.start_s, end_s=best.span.end_s)
    hit = _hit(best, 1, title, request, beside)
    text = clean(JOINT.join(hit.texts().values()), ELSEWHERE)
    return Elsewhere(title=hit.title, start_s=hit.start_s, at=hit.at, strength=word, text=text, uri=hit.uri)


def _cuts(reply: RetrieveReply, hits: Sequence[Hit], page: Sequence[Moment], query: str) -> list[Cut]:
    """What goes first where the reply is too long. `hits` are those of the moments of the page, in its order."""

    def drop_worst() -> bool:
        if len(reply.hits) <= 1:
            return False
        reply.hits.pop()
        reply.more += 1
        return True

    def shrunk(*, context: bool) -> list[Cut]:
        """Texts shorter around their words: those that merely stand beside a match, or those that match, which stay
        longest."""
        least = LEAST_BESIDE if context else LEAST_MATCHED
        return [
            halve(
                hit,
                name,
                least,
                around=f"{query} {best.line.text if best.line else best.entry.text}" if best else query,
            )
            for hit, moment in zip(hits, page, strict=True)
            for name in TEXT_CHANNELS
            if ((best := _best(moment, name)) is None) == context
        ]

    return [
        drop_gaps(reply.coverage),
        clear(reply.coverage, "producers"),
        drop_worst,
        drop_last(reply.hints, 0),
        clear(reply, "not_known"),
        clear(reply, "elsewhere"),
        *shrunk(context=True),
        *(clear(hit, name) for hit in hits[:1] for name in ("frame", "repeats", "match_s")),
        thin(reply.coverage),
        *shrunk(context=False),
    ]


def _hit(moment: Moment, rank: int, title: str, request: SearchRequest, beside: Sequence[Entry]) -> Hit:
    """Args: beside: all entries of the moment's span."""
    query, detail = request.query, request.detail
    texts: dict[str, str] = {}
    for name in TEXT_CHANNELS:
        if found := [r for r in moment.found if r.entry.channel == name]:
            texts[name] = _snippet([r.entry for r in found], query, SNIPPET[detail], _best(moment, name))
    shown = _best(moment, "screen_text")
    line = answering_line(query, shown) if shown else None
    has_region = rank <= MOST_REGIONS or detail == "full"
    wanted = [name for name in TEXT_CHANNELS if name in (request.channels or ())] or TEXT_CHANNELS
    for name in wanted:
        if name not in texts:
            own = [entry for entry in beside if entry.channel == name]
            if own:
                texts[name] = _snippet(own, query, BESIDE[detail])
    matched = []
    for name in TEXT_CHANNELS:
        own_found = [r for r in moment.found if r.entry.channel == name]
        by_words = any(r.words >= MATCHED_WORDS for r in own_found)
        by_meaning = any(r.cosine is not None and r.cosine > MATCHED_COSINE for r in own_found)
        if own_found and not by_words and not by_meaning:  # a weak hit, but not one without a reason
            by_words = all(r.cosine is None for r in own_found)
            by_meaning = not by_words
        matched += [f"{name}:{how}" for how, it in (("words", by_words), ("meaning", by_meaning)) if it]
    if moment.shows:
        matched.append("frames:meaning")
    elif not moment.found:
        matched.append("frames:likeness")
    middle = moment.span.middle_s
    score = round(min(1.0, max(0.0, moment.best)), 3)
    return Hit(
        video_id=moment.video_id,
        title=clean(title, TITLE_LENGTH),
        start_s=rounded(moment.span.start_s),
        end_s=rounded(moment.span.end_s),
        at=clock(moment.span.start_s),
        rank=rank,
        score=score,
        strength=likeness(score) if request.like.strip() else moment.strength,
        matched=matched,
        line=excerpt(line.text, query, LINE[detail]) if line else None,
        region=[round(side, 3) for side in line.region] if line and line.region and has_region else None,
        frame=f"video://{moment.video_id}/frame/{rounded(middle):g}" if detail == "full" else None,
        repeats=moment.repeats or None,
        match_s=_match_s(moment),
        uri=video_uri(moment.video_id, moment.span.start_s, moment.span.end_s),
        **texts,
    )


def _match_s(moment: Moment) -> float | None:
    """Where the entry that answers best begins, if a neighbour begins the moment a second or more before it."""
    best = min(moment.found, key=lambda r: (-r.score, r.entry.start_s), default=None)
    if best is None or best.entry.start_s < moment.span.start_s + LEAST_LATER_S:
        return None
    return rounded(best.entry.start_s)


def _best(moment: Moment, name: str) -> ScoredEntry | None:
    """The entry of the channel that answers best; None where none was found, only what stands beside."""
    found = [r for r in moment.found if r.entry.channel == name]
    return min(found, key=lambda r: (-r.score, r.entry.start_s)) if found else None


def _snippet(entries: Sequence[Entry], query: str, length: int, best: ScoredEntry | None = None) -> str:
    """Their texts in order, each once, around the best one, or its line that answers, and the words of the query."""
    texts = list(dict.fromkeys(speakers.shown(entry) for entry in sorted(entries, key=lambda entry: entry.start_s)))
    if best is None:
        return excerpt(JOINT.join(texts), query, length)
    own = speakers.shown(best.entry)
    start = sum(len(text) + len(JOINT) for text in texts[: texts.index(own)])
    first, last = (best.line.start, best.line.end) if best.line else (0, len(own))
    return excerpt(JOINT.join(texts), query, length, (start + first, start + last))


def _hints(
    library: Library, scopes: Sequence[VideoSpan], request: SearchRequest, hits: Sequence[Hit], caller: str
) -> list[str]:
    both = request.like.strip() and request.query.strip()
    hints = [one.note for one in scopes if one.note]
    hints += ["like was given, so query was not used. Search for each alone."] if both else []
    if (hint := negation_hint(request.query)) is not None:
        hints.append(hint)
    for one, job in _unfinished(library, scopes)[:MOST_HINTS]:
        if job.state in ("queued", "running"):
            hints.append(f"{one.video.id} is still being ingested ({job.progress:.0%}): later searches may find more.")
        elif (hint := unfinished_hint(library, one.video.id, job)) is not None:
            hints.append(hint)
    if library.attention.searched(caller, [(hit.video_id, hit.start_s) for hit in hits]) and hits:
        video = hits[0].video_id
        whole = next(one.span for one in scopes if one.video.id == video)
        hints.append(repeat_hint(library.attention.unseen(caller, video, whole)))
    return hints[:MOST_HINTS]


def _unfinished(library: Library, scopes: Sequence[VideoSpan]) -> list[tuple[VideoSpan, Job]]:
    """The videos whose newest job is not done, with that job."""

    def found() -> list[tuple[VideoSpan, Job]]:
        known = library.store.overview()
        jobs = ((one, known[one.video.id].job) for one in scopes if one.video.id in known)
        return [(one, job) for one, job in jobs if job is not None and job.state != "done"]

    return library.kept.get("unfinished", found) if scopes is library.everything() else found()
