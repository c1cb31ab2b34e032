"""The labelled queries that lite's calibrations are fitted on, and the films that they are asked about.

The films are assembled and drawn: sentences of a novel and cues of real subtitle files, eight to hundreds of them, over
drawn and natural-looking pictures, and drawn slides with text. Some have no subtitles and are heard. Each source of
text has films of its own. An absent thing that is asked for comes from the same source, so it resembles the film as
much as an absent thing can. People wrote the paraphrases by hand."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple, get_args

from agent_tools.evals.films.cue_lists import Film, Line
from agent_tools.evals.grounding.phrases import (
    is_telling,
    phrase,
    quotation,
    topic,
    with_one_word_exchanged,
)
from agent_tools.evals.grounding.text_sources import TextSource, text_sources
from agent_tools.grounding import named
from agent_tools.service.verdicts.event_search import FEW, FEW_WORDS, calibration_of
from agent_tools.store import spelling

Kind = Literal["meaning", "mentions", "words"]
# Voices of espeak-ng by source and language: one film of each is heard and has no subtitles. What Whisper base hears of
# its German, Spanish and Russian voices is in so many languages that such a film is not judged by meaning at all.
VOICES = {("novel 2", "en"): "en-us", ("novel 3", "en"): "en-gb", ("descriptions", "en"): "en-us+f3"}
HEARD = "five minutes"  # that film
_APART = re.compile(r"\s?'\s?s\b")  # one track writes "it 's", which looks like a quotation
LEAST_WORDS = 4  # of a translated line: "Yes." stands in every film
# With which a sentence begins that "someone says that" may stand before.
_SUBJECTS = set(
    "a all an any both each every everybody everyone he her his i it its my nobody no one our people several she so "
    "some somebody someone that the their there these they this those we you your".split()
)


@dataclass(frozen=True)
class Query:
    """One event asked of one film."""

    event: str
    present: bool
    kind: Kind  # how its wording has it judged
    form: str  # what it was made from
    paraphrased: bool
    film: Film
    source: str  # of text; queries of one source stay together when a part is held out
    language: str = "en"  # of the event

    @property
    def languages(self) -> str:
        """Of the query and of the film, as a group that figures are given for."""
        asked, held = ("English" if one == "en" else "other" for one in (self.language, self.film.language))
        if asked == held == "other":
            return "one other language" if self.language == self.film.language else "two other languages"
        return "English" if asked == held else f"{asked} to {held}".replace("other", "another")


def labelled_queries(videos: Path, seed: int = 0) -> list[Query]:
    """All queries: for each kind and film as many present as absent ones, so that how long a film is says nothing.

    Args:
        videos: a folder with filler.txt and edge/subtitles."""
    queries: list[Query] = []
    for source in text_sources(videos, random.Random(seed)):
        queries += _of_source(source, seed)
    rng = random.Random(seed)
    balanced: list[Query] = []
    for kind in get_args(Kind):
        for film in dict.fromkeys(query.film for query in queries):
            of_film = [query for query in queries if query.film == film and query.kind == kind]
            sides = [[query for query in of_film if query.present is present] for present in (True, False)]
            for side in sides:
                side.sort(key=lambda q: not q.paraphrased)  # of the longer side, paraphrases are the last to go
                kept = side[: min(map(len, sides))]
                rng.shuffle(kept)
                balanced += kept
    return balanced


# -- films


class _Plan(NamedTuple):
    """A film of one source."""

    name: str
    duration_s: int
    cues: int
    slides: int
    half: int  # of the paraphrased lines, which one is laid
    by_meaning: int  # queries
    by_words: int


def _plans(lines: int, slides: int) -> list[_Plan]:
    """From eight cues to hundreds: how near the nearest of so many comes by chance depends on how many there are."""
    few = min(8, lines // 2)
    short = [
        _Plan(f"short {letter}", duration_s, few, min(1, slides), number % 2, 6, 4)
        for number, (letter, duration_s) in enumerate((("a", 60), ("b", 75), ("c", 90), ("d", 60)))
    ]
    if lines >= 500:
        return [
            _Plan("dense", 480, 900, 6, 0, 60, 40),
            _Plan("medium", 420, 240, 5, 1, 40, 24),
            _Plan("six minutes", 360, 80, 4, 1, 40, 24),
            _Plan(HEARD, 300, 40, 3, 0, 30, 16),
            *short,
        ]
    if lines < 30:
        return short[:2]
    share = round(lines * 0.75)
    return [
        _Plan("six minutes", 360, share, min(4, slides), 0, 24, 16),
        _Plan(HEARD, 300, share // 2, min(3, slides), 1, 20, 12),
        *short[:2],
    ]


def _of_source(source: TextSource, seed: int) -> Iterator[Query]:
    """Films of one source, each holding one half of the paraphrased lines, and their queries."""
    marked = sorted(source.paraphrases)
    halves = (set(marked[::2]), set(marked[1::2]))
    everything = [i for i, line in enumerate(source.lines) if len(spelling.words(line)) > 1 and "EMPTY" not in line]
    used: dict[bool, set[tuple[object, ...]]] = {True: set(), False: set()}  # by whether the film is short
    for plan in _plans(len(everything), len(source.shown)):
        title = f"{source.name} {source.language} {plan.name}"
        rng = random.Random(f"{seed} {title}")  # of its own: another plan leaves this film as it is
        must = halves[plan.half]
        others = [i for i in everything if i not in halves[1 - plan.half] and i not in must]
        held_back = set(rng.sample(others, min(len(others), max(4, len(others) // 20))))
        free = [i for i in others if i not in held_back]
        wanted = set(rng.sample(sorted(must), min(len(must), plan.cues // 2)))
        laid = sorted(wanted | set(rng.sample(free, min(len(free), max(0, plan.cues - len(wanted))))))
        shown = rng.sample(source.shown, min(plan.slides, len(source.shown)))
        film = Film(
            title,
            float(plan.duration_s),
            tuple(_spread([source.lines[i] for i in laid], plan.duration_s, 4.0, rng)),
            tuple(_spread(shown, plan.duration_s, 40.0, rng)),
            source.language,
            VOICES.get((source.name, source.language), "") if plan.name == HEARD else "",
        )
        absent = sorted(set(everything) - set(laid))
        asked = used[plan.name.startswith("short")]
        count = plan.by_meaning
        if source.paraphrases:
            yield from _paraphrased(source, film, laid, absent, asked, count, rng)
            yield from _by_meaning(source, film, laid, absent, shown, count // 2, rng)
        if source.paraphrases and source.language == "en":
            yield from _mentions(source, film, laid, absent, asked, count, rng)
        yield from _translated(source, film, laid, absent, count, rng)
        said, unsaid = ([source.lines[i] for i in lines] for lines in (laid, absent))
        yield from _by_words(source, film, said, unsaid, shown, plan.by_words, rng)


def _spread(texts: Sequence[str], duration_s: float, longest_s: float, rng: random.Random) -> Iterator[Line]:
    """Evenly over the film with some play, each as long as it takes to say, at most until the next."""
    step = duration_s / max(1, len(texts))
    for number, text in enumerate(texts):
        length_s = min(step * 0.95, max(1.2, min(longest_s, 0.35 * len(text.split()) if longest_s < 10 else longest_s)))
        start_s = number * step + rng.uniform(0, step - length_s)
        yield Line(round(start_s, 2), round(start_s + length_s, 2), text)


# -- queries by meaning


def _paraphrased(
    source: TextSource,
    film: Film,
    laid: Sequence[int],
    absent: Sequence[int],
    used: set[tuple[object, ...]],
    count: int,
    rng: random.Random,
) -> Iterator[Query]:
    """Each paraphrase is asked once where its line is laid and once where it is not."""
    for present, lines in ((True, laid), (False, absent)):
        fresh = [i for i in lines if i in source.paraphrases and (i, present) not in used]
        for number, i in enumerate(rng.sample(fresh, min(len(fresh), count))):
            used.add((i, present))
            text = source.paraphrases[i].rstrip(".!?")
            text = text[0].lower() + text[1:] if not text.startswith("I ") else text
            words = text.split()
            states = words[0].lower() in _SUBJECTS and len(words) > FEW_WORDS and source.paraphrases[i].endswith(".")
            event = f"someone says that {text}" if number % 3 == 0 and states else text
            yield Query(event, present, "meaning", "hand-made paraphrase", True, film, source.name)


def _by_meaning(
    source: TextSource,
    film: Film,
    laid: Sequence[int],
    absent: Sequence[int],
    shown: Sequence[str],
    count: int,
    rng: random.Random,
) -> Iterator[Query]:
    """Whole sentences, parts of them and topics of slides, without quotation marks."""
    for present, lines, slides in (
        (True, [source.lines[i] for i in laid], shown),
        (False, [source.lines[i] for i in absent], source.hidden),
    ):
        for number in range(count // 2):
            line = rng.choice(lines)
            form = ("part of a sentence", "about a slide", "whole sentence")[number % 3]
            if form == "about a slide" and slides and source.name.startswith("novel"):
                heading = rng.choice(slides).split(" / ")[0]
                topic, thing = heading.split(": ")
                yield Query(
                    f"a slide about {topic.lower()} and the {thing}", present, "meaning", form, False, film, source.name
                )
            elif form == "part of a sentence" and (words := phrase(line, rng, 5, 9)):
                yield Query(words, present, "meaning", form, False, film, source.name, source.language)
            else:
                words = _APART.sub("'s", line.rstrip("."))
                yield Query(words, present, "meaning", "whole sentence", False, film, source.name, source.language)


def _translated(
    source: TextSource, film: Film, laid: Sequence[int], absent: Sequence[int], count: int, rng: random.Random
) -> Iterator[Query]:
    """Lines of the source as people translated them, asked of a film in another language."""
    for language, texts in source.translations.items():
        each = max(4, count // len(source.translations))
        for present, lines in ((True, laid), (False, absent)):
            telling = [i for i in lines if len(spelling.words(texts.get(i, ""))) >= LEAST_WORDS]
            for i in rng.sample(telling, min(len(telling), each)):
                event = _APART.sub("'s", texts[i].rstrip(".!?。…"))
                yield Query(event, present, "meaning", "translated line", True, film, source.name, language)


# -- a few words that someone may have said, or said something like them

_MENTIONS = ("the speaker mentions {}", "someone talks about {}", "the narrator mentions {}")


def _mentions(
    source: TextSource,
    film: Film,
    laid: Sequence[int],
    absent: Sequence[int],
    used: set[tuple[object, ...]],
    count: int,
    rng: random.Random,
) -> Iterator[Query]:
    """One to three words of a line, two or three of its paraphrase; absent also what other subjects' slides show."""
    held = {word for i in laid for word in spelling.words(source.lines[i])}
    for present, lines in ((True, laid), (False, absent)):
        reworded = [
            (source.paraphrases[i], True) for i in lines if i in source.paraphrases and (i, present, "m") not in used
        ]
        used.update((i, present, "m") for i in lines)
        taken = rng.sample(reworded, min(len(reworded), count))
        taken += [(source.lines[i], False) for i in rng.choices(lines, k=count // 4)]
        if not present:
            subjects = [text.split(" / ")[1] for text in source.hidden if " / " in text]
            taken += [(rng.choice(subjects), False) for _ in range(count // 6) if subjects]
        for text, paraphrased in taken:
            words = topic(text, 2 if paraphrased else 1, rng).lower()
            unsaid = [word for word in spelling.words(words) if word not in held and is_telling(word)]
            event = rng.choice(_MENTIONS).format(words)
            if words and calibration_of(named(event)) == FEW and (present or unsaid):
                form = "a few words of a paraphrase" if paraphrased else "a few words"
                yield Query(event, present, "mentions", form, paraphrased, film, source.name)


# -- queries that name their words

_SAID = (
    "the speaker says '{}'",
    "'{}' is mentioned",
    '"{}"',
    "the word '{}'",
    "'{}' in the subtitles",
    "someone mentions “{}”",
)
_SHOWN = (
    "'{}' on a slide",
    "a slide titled '{}'",
    '"{}" is shown on the screen',
    "a slide with '{}'",
    "the on-screen text '{}'",
)


def _by_words(
    source: TextSource,
    film: Film,
    laid: Sequence[str],
    absent: Sequence[str],
    shown: Sequence[str],
    count: int,
    rng: random.Random,
) -> Iterator[Query]:
    """Single words, phrases and whole lines in quotation marks; absent ones also as phrases with one word exchanged."""
    everywhere = " ".join(" ".join(spelling.words(text)) for text in (*laid, *shown))
    held = set(everywhere.split())
    for number in range(count // 2):
        on_screen = bool(shown) and bool(source.hidden) and number % 2 == 0
        forms = _SHOWN if on_screen else _SAID
        here, elsewhere = (shown, source.hidden) if on_screen else (laid, absent)
        words, form = quotation(rng.choice(here), rng, number)
        if words:
            event = rng.choice(forms).format(words)
            yield Query(event, True, "words", form, False, film, source.name, source.language)
        for _ in range(20):
            if number % 5 == 4:
                words, form = with_one_word_exchanged(rng.choice(here), elsewhere, rng), "one word exchanged"
            else:
                words, form = quotation(rng.choice(elsewhere), rng, number)
            found = spelling.words(words)
            stems = [token[: max(4, len(token) - 3)] for token in found]
            if not found or " ".join(found) in everywhere:
                continue
            if len(found) == 1 and any(word.startswith(stems[0]) for word in held):
                continue
            event = rng.choice(forms).format(words)
            yield Query(event, False, "words", form, False, film, source.name, source.language)
            break
