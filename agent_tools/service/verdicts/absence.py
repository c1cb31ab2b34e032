"""Whether a channel that was searched could have shown the event. Only then may "not found" become "absent".

`why_not_shown` is the one place that decides it, from what is known of the event and of the channel."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from agent_tools.models.readable import alphabet_unread, unreadable
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.replies.coverage import subtitles_stand_for_speech, unread
from agent_tools.service.replies.missed_text import (
    between_pictures,
    hidden_s,
    missed_px,
    on_texture,
    too_small,
    unread_s,
)
from agent_tools.service.search.comparable import is_english, limit, sound_foreign, sound_strange, understands
from agent_tools.service.verdicts.other_writings import skeleton, written_otherwise
from agent_tools.service.verdicts.quoted_survey import QuotedSurvey, TrackTexts
from agent_tools.service.verdicts.quoted_words import Occurrence
from agent_tools.service.verdicts.text_facts import with_vector
from agent_tools.store import ChannelRow, Entry, Gap, spelling
from agent_tools.timeline import Span, clock, merged

if TYPE_CHECKING:
    from agent_tools.models.profiles import TextEncoder

GAPS_AT_MOST = 0.05  # share of the span that a channel may have missed; the same share as `decide` allows
DOUBT_S = 10.0  # of speech in doubt; less, in a long silence, is more often no speech at all
FASTEST = 30.0  # letters a second: nobody speaks faster, and few reach 20
ALONE_S = 0.8  # of silence around a sound: words that are heard before or behind it do not go on in it


@dataclass(frozen=True)
class Asked:
    """An event, as far as it matters for what could show it."""

    event: str
    words: tuple[str, ...] = ()  # must stand somewhere as they are
    by_meaning: bool = False  # what a text means counts too, so an encoder compares it with the event


@dataclass(frozen=True)
class Reach:
    """What one channel of one video could have caught in the asked span."""

    channel: str
    missed_share: float = 0.0  # of the span, by gaps
    doubted_share: float = 0.0  # of the span: speech whose words or language the speech model is in doubt of
    doubted_of_said: float = 0.0  # the same of all that is said in the span, where it is DOUBT_S or more
    dropped: str = ""  # what the speech model heard and left out, with its reason; "" if it left nothing out
    unfinished: bool = False  # it is being made, or its making failed, before the end of the span
    unread_s: float = 0.0  # how long text may have stood in the span on pictures that were not read
    hidden_s: float = 0.0  # how long the texture of pictures that were read or searched may have hidden words
    missed_px: float = 0.0  # smaller letters than this could not be read on the pictures; 0 if all could
    other_forms: Sequence[str] = ()  # its texts in languages whose endings and prefixes the index does not know
    languages: str = "many"  # that the encoder that compares by meaning understands
    heard: Sequence[str] = ()  # its texts, if a speech model wrote them down: one word of ten or twenty is wrong
    texts: Sequence[str] = ()  # all that it shows in the span
    unsure: Sequence[str] = ()  # of them, those read with doubt
    tracks: Sequence[Sequence[str]] = ()  # the same by subtitle track
    uncompared: int = 0  # of its texts, those without a vector of the encoder that compares by meaning
    alphabet: str = ""  # of the words read on its pictures, where the reader does not know all of its letters


def why_not_shown(asked: Asked, reach: Reach) -> str:
    """Why the event may have happened although this channel does not show it; "" if the channel would show it."""
    if reach.unfinished:
        return "not finished"
    if reach.dropped:
        return reach.dropped
    if reach.missed_share > GAPS_AT_MOST:
        return f"gaps in {reach.missed_share:.0%} of the span"
    if reach.doubted_share > GAPS_AT_MOST:
        return f"speech in {reach.doubted_share:.0%} of the span was heard with doubt"
    if reach.doubted_of_said > GAPS_AT_MOST:
        return f"{reach.doubted_of_said:.0%} of what is said in the span was heard with doubt"
    if asked.by_meaning and _strange(reach.languages, asked.event):
        return limit(reach.languages)
    if asked.by_meaning and reach.uncompared:
        return f"{reach.uncompared} of its texts have no vector of this server's model yet"
    for words in asked.words:
        if why := spelling.unhandled(words):
            return f"{words!r}: {why}"
        if reach.channel == "screen_text" and (scripts := unreadable(words)):
            return f"{scripts} letters on pictures cannot be read"
        if reach.channel == "screen_text" and (near := _misread(words, reach.texts)):
            return f"{words!r} may have been read as {near!r}"
        if near := next((found for text in reach.unsure if (found := Occurrence(words).guessed(text))), ""):
            return f"{words!r} may have been read as {near!r}, with doubt"
        if reach.heard and (why := _other_than_heard(words, reach.heard)):
            return why
        if longer := _longer(words, reach.other_forms):
            return f"{words!r} stands inside {longer!r}, which may be a form of it"
        if why := written_otherwise(words, reach.texts, spoken=reach.channel != "screen_text", tracks=reach.tracks):
            return why
    if asked.words and reach.alphabet:
        return f"{reach.alphabet} letters on pictures cannot be read, and it shows such words"
    if asked.words and reach.channel == "screen_text" and reach.unread_s:
        return between_pictures(reach.unread_s)
    if asked.words and reach.channel == "screen_text" and reach.hidden_s:
        return on_texture(reach.hidden_s)
    if asked.words and reach.channel == "screen_text" and reach.missed_px:
        return too_small(reach.missed_px)
    return ""


def missed(
    library: Library, scope: VideoSpan, asked: Asked, channels: Iterable[str], survey: QuotedSurvey | None = None
) -> dict[str, str]:
    """Of these channels, all of them searched, those that may have missed the event in the span, with the reason."""
    reasons = {name: why_not_shown(asked, _reach_for(asked, library, scope, name, survey)) for name in channels}
    if reasons.get("speech") and not reasons.get("subtitles") and subtitles_stand_for_speech(library, scope):
        del reasons["speech"]
    return {name: why for name, why in reasons.items() if why}


def _reach_for(
    asked: Asked, library: Library, scope: VideoSpan, name: str, survey: QuotedSurvey | None = None
) -> Reach:
    """Without words to look for, the reach of a channel is the same for every event, so it is kept, without texts."""
    row = next((row for row in library.store.channels(scope.video.id) if row.name == name), None)
    few = None
    if asked.words:
        tracks = survey.texts[scope.video.id] if survey is not None and survey.knows(scope, (name,)) else ()
        own = [track for track in tracks if track.channel == name]
        few = own[0] if len(own) == 1 and _is_plain(asked.words, own[0]) else None
        if few is None:
            return _reach(library, scope, name, row, asked.words)
    encoder = library.text_encoder(scope.video.id)
    key = "reach", name, scope.span, "" if encoder is None else encoder.producer
    reach = library.of_video.get(scope.video.id, key, lambda: _without_texts(_reach(library, scope, name, row)))
    if few is None:
        return reach
    if reach.dropped or reach.other_forms or reach.unsure:
        return _reach(library, scope, name, row, asked.words)
    texts = _like(asked.words, few, name)
    return replace(reach, texts=texts, tracks=[texts], heard=(texts or [""]) if name == "speech" else ())


def _is_plain(words: Sequence[str], texts: TrackTexts) -> bool:
    """Whether words and texts are of ASCII letters, so that a text without letters like theirs says nothing of them."""
    return texts.joined.isascii() and all(one.isascii() and any(map(str.isalnum, one)) for one in words)


def _like(words: Sequence[str], texts: TrackTexts, name: str) -> list[str]:
    """The texts that hold letters like those of some words: no other one has a say in `why_not_shown`."""
    letters: set[bytes] = set()
    for one in map(Occurrence, words):
        letters.add(one.compact.encode())
        if name == "screen_text":
            letters |= one.letters_near(heard=False)
        if name == "speech":
            letters |= one.letters_near(heard=True)
    bones = [skeleton(Occurrence(one).compact.encode()) for one in words]
    return [text for _, text in texts.holding(letters, bones)]


def _without_texts(reach: Reach) -> Reach:
    """Of its texts in other forms, and of those read with doubt, it keeps only that there are some."""
    return replace(
        reach,
        other_forms=[""] if reach.other_forms else (),
        unsure=[""] if reach.unsure else (),
        heard=(),
        texts=(),
        tracks=(),
    )


def _reach(library: Library, scope: VideoSpan, name: str, row: ChannelRow | None, words: Sequence[str] = ()) -> Reach:
    """Args: row: None for notes, which no ingest makes. words: that are looked for as they stand."""
    span, encoder = scope.span, library.text_encoder(scope.video.id)
    entries = library.store.entries(
        scope.video.id, channels=(name,), start_s=span.start_s, end_s=span.end_s, unsure=True
    )
    languages = "many" if encoder is None else encoder.languages
    others, uncompared = _other_forms(entries, row), _uncompared(library, scope, entries, encoder)
    texts = [entry.text for entry in entries]
    if row is None:
        return Reach(name, other_forms=others, languages=languages, texts=texts, uncompared=uncompared)
    tracks: dict[str, list[str]] = defaultdict(list)
    for entry in entries:
        tracks[str(entry.extra.get("track", ""))].append(entry.text)
    return Reach(
        name,
        _share(unread(library, scope, row), span),
        _share(_doubted(entries, span), span) if name == "speech" else 0.0,
        _doubted_of_said(entries, span) if name == "speech" else 0.0,
        _dropped(library, scope, words, entries) if name == "speech" else "",
        row.state not in ("done", "absent") and row.done_to_s < span.end_s,
        unread_s(row, span) if name == "screen_text" else 0.0,
        hidden_s(row, span) if name == "screen_text" else 0.0,
        missed_px(row, scope.video) if name == "screen_text" else 0.0,
        others,
        languages,
        texts if name == "speech" else (),
        texts,
        [entry.text for entry in entries if entry.unsure],
        list(tracks.values()),
        uncompared,
        alphabet_unread(texts) if name == "screen_text" else "",
    )


def _uncompared(library: Library, scope: VideoSpan, entries: Iterable[Entry], encoder: TextEncoder | None) -> int:
    """How many of the entries the encoder would compare with a question, but has no vector of."""
    if encoder is None:
        return 0
    there = with_vector(library, encoder, scope.video.id)
    return sum(one.id not in there and not one.unsure and spelling.has_enough_letters(one.text) for one in entries)


def _dropped(library: Library, scope: VideoSpan, words: Sequence[str], heard: Sequence[Entry]) -> str:
    """Sound in the span that may be speech, but that is not in the text; without sounds too short for the words."""
    gaps = [gap for gap in library.store.gaps(scope.video.id) if gap.channel == "speech"]
    inside = [gap for gap in gaps if Span(gap.start_s, gap.end_s).clipped(scope.span.start_s, scope.span.end_s)]
    inside = [gap for gap in inside if not _too_short(gap, words, [*heard, *(one for one in gaps if one is not gap)])]
    if not inside:
        return ""
    longest = max(inside, key=lambda gap: gap.end_s - gap.start_s)
    more = f" and {len(inside) - 1} more" if len(inside) > 1 else ""
    return f"not heard at {clock(longest.start_s)}{more}: {longest.why}"


def _too_short(sound: Gap, words: Sequence[str], beside: Iterable[Entry | Gap]) -> bool:
    """Whether a sound that stands by itself is too short to hold any of the quotations."""
    letters = min((sum(map(str.isalpha, one)) for one in words), default=0)
    if letters <= FASTEST * (sound.end_s - sound.start_s):
        return False
    return all(one.end_s + ALONE_S <= sound.start_s or one.start_s - ALONE_S >= sound.end_s for one in beside)


def _doubted(entries: Iterable[Entry], span: Span) -> list[Span]:
    """Speech that may be other words than its text, or words of another language."""
    inside = (
        Span(entry.start_s, entry.end_s).clipped(span.start_s, span.end_s)
        for entry in entries
        if entry.extra.get("doubtful") or entry.extra.get("language_unsure")
    )
    return merged(one for one in inside if one is not None)


def _doubted_of_said(entries: Sequence[Entry], span: Span) -> float:
    """An hour may hold ten minutes of talk: what is in doubt is compared with the talk, too."""
    said = (Span(entry.start_s, entry.end_s).clipped(span.start_s, span.end_s) for entry in entries)
    said_s = sum(one.length_s for one in merged(one for one in said if one is not None))
    doubted_s = sum(one.length_s for one in _doubted(entries, span))
    return doubted_s / said_s if said_s and doubted_s >= DOUBT_S else 0.0


def _share(holes: Iterable[Span], span: Span) -> float:
    return sum(hole.length_s for hole in holes) / span.length_s if span.length_s else 0.0


def _other_forms(entries: Sequence[Entry], row: ChannelRow | None) -> list[str]:
    """The texts that are not English, by the language they are said to be in, else by what they hold."""
    known = row.language if row is not None else ""
    texts = [entry.text for entry in entries if not entry.extra.get("language") and not entry.unsure]
    all_foreign = not known and sound_foreign(texts)
    return [
        entry.text
        for entry in entries
        if not is_english(str(entry.extra.get("language") or known or ""), entry.text)
        or (all_foreign and not entry.extra.get("language"))
    ]


def _other_than_heard(words: str, heard: Iterable[str]) -> str:
    """Why words that were said may stand otherwise in what a speech model wrote down; "" if nothing like them does."""
    if any(letter.isdigit() for letter in words):
        return f"{words!r}: a number that is heard may be written in words"
    occurrence = Occurrence(words)
    near = next((found for text in heard if (found := occurrence.misheard(text))), "")
    return f"{words!r} may have been heard as {near!r}" if near else ""


def _misread(words: str, texts: Iterable[str]) -> str:
    """The first words read on pictures that may be the words sought, with more wrong letters than `Occurrence.score`
    forgives: small letters and those with accents are misread more often."""
    occurrence = Occurrence(words)
    return next((found for text in texts if (found := occurrence.misread(text))), "")


def _longer(words: str, texts: Iterable[str]) -> str:
    """The first longer word of the texts that begins or ends with the words; "" if there is no such word."""
    occurrence = Occurrence(words)
    return next((found for text in texts if (found := occurrence.within(text))), "")


def _strange(languages: str, event: str) -> bool:
    return not understands(languages, "", event) or sound_strange(languages, [event])
