"""The one sentence with which a reply begins: the answer first, then what to do with it."""

from __future__ import annotations

from agent_tools.timeline import clock
from agent_tools.types import (
    Elsewhere,
    GroundReply,
    Hit,
    IngestReply,
    ListReply,
    RememberReply,
    Reply,
    RetrieveReply,
    VideoVerdict,
)
from agent_tools.untrusted import clean

MOST_NAMED = 5  # videos that a sentence names
LEAST_GUESS = 0.2  # confidence of a span that a sentence names as a guess
WEAK = (
    "No hit holds the words asked for; the nearest are weak: do not conclude from them. "
    "Say that you did not find it, or ask ground_event whether it is absent."
)
NOTHING = "Nothing found. Say so, ask in other words, or ask ground_event whether it is absent."


def summary_of(reply: Reply) -> str:
    """The sentence of a reply, about what is left in it. "" for a reply without one."""
    match reply:
        case RetrieveReply():
            return _hits(reply.hits) if reply.elsewhere is None else _not_here(reply.elsewhere)
        case GroundReply(videos=None):
            return _verdict(reply)
        case GroundReply():
            return _verdicts(reply)
        case ListReply(episodes=None):
            return _library(reply)
        case ListReply():
            return (
                f"{_count(len(reply.episodes or ()), reply.level or 'episode')} of {_title(reply.title)}{_more(reply)}."
            )
        case RememberReply():
            done = "Already noted" if reply.same_as_before else "Noted"
            return f"{done} at {reply.at}; searches find it {reply.findable}."
        case IngestReply():
            return _ingest(reply)
    return ""


def short_clock(seconds: float) -> str:
    """`0:34` or `1:02:03`: a time as people write it."""
    hours, _, rest = clock(seconds).partition(":")
    return f"{hours}:{rest}" if hours != "0" else rest.removeprefix("0")


def _hits(hits: list[Hit]) -> str:
    if not hits:
        return NOTHING
    best = hits[0]
    begins = best.start_s if best.match_s is None else best.match_s
    where = f"best: {short_clock(begins)} in {_title(best.title)}"
    strong, fair = (sum(hit.strength == word for hit in hits) for word in ("strong", "fair"))
    if strong:
        return f"{_count(strong, 'strong hit')}; {where}."
    if fair:
        return f"{_count(fair, 'fair hit')}, none strong; {where}; check it with zoom_segment."
    return WEAK


def _not_here(elsewhere: Elsewhere) -> str:
    found = "does" if elsewhere.strength == "strong" else "comes nearer"
    place = f"{_title(elsewhere.title)} at {short_clock(elsewhere.start_s)}"
    return (
        f"Nothing where you searched answers this, but another video {found}: {place}. Leave video out to search all."
    )


def _verdict(reply: GroundReply) -> str:
    best = reply.spans[0] if reply.spans else None
    if reply.verdict == "present" and best is not None:
        return f"Present: best at {short_clock(best.start_s)}, confidence {best.confidence:.2f}."
    if reply.verdict == "absent":
        return "Absent: everything that could show it was searched."
    guess = best or reply.best_rejected
    if guess is not None and guess.confidence >= LEAST_GUESS:
        at = f"{short_clock(guess.start_s)} (confidence {guess.confidence:.2f})"
        return f"Uncertain: the best guess is {at}; look there with zoom_segment before you say that it happens."
    searched = _listed([_name(one) for one in reply.judged or () if one != "notes"], "and")
    found = f"no sign of it in {searched}" if searched else "nothing that could show it was searched"
    missing = _listed([_name(one.channel) for one in reply.not_judged or ()], "and")
    but = f", but {missing} could show it and were not searched" if searched and missing else ""
    return f"Uncertain: {found}{but}. Say just that; zoom_segment shows the pictures of a span."


def _listed(names: list[str], last: str) -> str:
    return f" {last} ".join(filter(None, (", ".join(names[:-1]), *names[-1:])))


def _name(channel: str) -> str:
    """A channel as people name it."""
    return "pictures" if channel == "frames" else channel.replace("_", " ")


def _verdicts(reply: GroundReply) -> str:
    counts = reply.counts
    if counts is None:
        return ""
    by = {word: [one for one in reply.videos or () if one.verdict == word] for word in ("present", "uncertain")}
    guesses = [one for one in by["uncertain"] if one.best is not None and one.best.confidence >= LEAST_GUESS]
    total = counts.present + counts.absent + counts.uncertain
    parts = [
        f"Present in {counts.present} of {total}{_places(by['present'])}"
        if counts.present
        else f"Present in none of {_count(total, 'video')}"
    ]
    parts += [f"absent in {counts.absent}"] if counts.absent else []
    parts += [f"uncertain in {counts.uncertain}{_places(guesses)}"] if counts.uncertain else []
    if counts.uncertain and not counts.present and not guesses:
        parts.append("uncertain means that there is no sign of it, but not all of it could be searched (see hints)")
    return "; ".join(parts) + "."


def _places(videos: list[VideoVerdict]) -> str:
    named = [
        _title(one.title) + (f" at {short_clock(one.best.start_s)}" if one.best else "") for one in videos[:MOST_NAMED]
    ]
    return f": {', '.join(named)}" if named else ""


def _library(reply: ListReply) -> str:
    left = reply.not_ingested.count if reply.not_ingested else 0
    more = f"; {_count(left, 'file')} not ingested yet" if left else ""
    shown = len(reply.videos or ())
    part = f"; {shown} of them are listed here, and {reply.more} follow with the cursor as more" if reply.more else ""
    return f"{_count(shown + (reply.more or 0), 'video')} in memory{part}{more}."


def _more(reply: ListReply) -> str:
    return f"; {reply.more} more follow" if reply.more else ""


def _ingest(reply: IngestReply) -> str:
    if reply.folder is not None:
        refused = f", {len(reply.refused)} refused" if reply.refused else ""
        return (
            f"{_count(reply.found or 0, 'video')}: {reply.done} done, {reply.running} running, {reply.queued} queued, "
            f"{reply.failed} failed{refused}."
        )
    reached = ""
    if reply.state in ("queued", "running") and reply.searchable_to_s is not None:
        reached = f", searchable to {short_clock(reply.searchable_to_s)}"
    return f"{_title(reply.title)} is {reply.state}{reached}." if reply.state else ""


def _count(number: int, noun: str) -> str:
    return f"{number} {noun}{'' if number == 1 else 's'}"


def _title(title: str | None) -> str:
    return clean(title or "the video", 60)
