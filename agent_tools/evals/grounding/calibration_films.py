"""The labelled queries that lite's calibrations are fitted on, and the films that they are asked about.

The films are assembled and drawn: sentences of a novel and cues of real subtitle files over drawn hours, and drawn
slides with text. Each source of text has films of its own. An absent thing that is asked for comes from the same
source, so it resembles the film as much as an absent thing can. People wrote the paraphrases by hand."""

from __future__ import annotations

import csv
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path
from typing import Literal, get_args

from agent_tools.evals.films.cue_lists import Film, Line
from agent_tools.evals.films.demo_words import BULLETS, TOPICS, Topic
from agent_tools.evals.grounding.phrases import (
    is_telling,
    phrase,
    quotation,
    topic,
    with_one_word_exchanged,
)
from agent_tools.grounding import named
from agent_tools.media.cue_formats import parse
from agent_tools.service.verdicts.event_search import FEW, FEW_WORDS, calibration_of
from agent_tools.store import spelling
from agent_tools.untrusted import clean

Kind = Literal["meaning", "mentions", "words"]
BLOCKS = 3  # of the novel, each a source of its own
VOICES = {1: "en-us", 2: "en-gb"}  # of espeak-ng, by block: one film of each is heard and has no subtitles
HEARD = {1: "medium", 2: "sparse"}  # that film
TRANSLATED = {
    "captions": ("elephantsdream.captions", ("en", "ar", "ja", "ru")),
    "belmar": ("belmar_lecture", ("en", "de", "es")),
    "sintel": ("sintel_short", ("en", "de", "es")),
}
LEAST_WORDS = 4  # of a translated line: "Yes." stands in every film
SAME_S = 0.3  # two cues that begin within so many seconds of each other are translations
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


@dataclass(frozen=True)
class _Source:
    """Lines of text of one origin, the hand-made paraphrases of some, and topics for slides of its own."""

    name: str
    lines: tuple[str, ...]
    paraphrases: dict[int, str]  # by index in lines
    shown: tuple[str, ...]  # lines that are put on screen
    hidden: tuple[str, ...]  # lines of the same kind that never are
    language: str = "en"
    translations: dict[str, dict[int, str]] = field(default_factory=dict)  # by language, by index in lines
    voice: str = ""  # that says the lines of one film
    heard: str = ""  # the name of that film


def labelled_queries(videos: Path, seed: int = 0) -> list[Query]:
    """All queries: for each kind as many present as absent ones.

    Args:
        videos: a folder with filler.txt and edge/subtitles."""
    rng = random.Random(seed)
    queries: list[Query] = []
    for source in _sources(videos, rng):
        queries += _of_source(source, rng)
    balanced: list[Query] = []
    for kind in get_args(Kind):
        sides = [[q for q in queries if q.kind == kind and q.present is present] for present in (True, False)]
        for side in sides:
            side.sort(key=lambda q: not q.paraphrased)  # of the longer side, paraphrases are the last to go
            kept = side[: min(map(len, sides))]
            rng.shuffle(kept)
            balanced += kept
    return balanced


def _sources(videos: Path, rng: random.Random) -> Iterator[_Source]:
    written: dict[str, dict[int, str]] = {}
    with (files("agent_tools.evals") / "paraphrases.tsv").open(encoding="utf-8") as table:
        for row in csv.DictReader(table, delimiter="\t"):
            written.setdefault(row["source"], {})[int(row["line"])] = row["paraphrase"]
    novel = (videos / "filler.txt").read_text(encoding="utf-8").splitlines()
    size = len(novel) // BLOCKS
    each = len(TOPICS) // BLOCKS
    for block in range(BLOCKS):
        first = block * size
        own = {line - 1 - first: text for line, text in written["filler"].items() if first < line <= first + size}
        *shown, hidden = TOPICS[block * each : (block + 1) * each]
        yield _Source(
            f"novel {block + 1}",
            tuple(novel[first : first + size]),
            own,
            tuple(text for topic in shown for text in _slides(topic, rng, 14)),
            tuple(_slides(hidden, rng, 14)),
            voice=VOICES.get(block, ""),
            heard=HEARD.get(block, ""),
        )
    folder = videos / "edge" / "subtitles"
    for name, file, slides in (
        ("captions", "elephantsdream.captions.en", "elephantsdream.captions.sv"),
        ("descriptions", "elephantsdream.descriptions.en", ""),
        ("belmar", "belmar_lecture.en", "belmar_lecture.es"),
        ("sintel", "sintel_short.en", "sintel_short.de"),
    ):
        on_screen = [*_drawable(_cues(folder / f"{slides}.vtt"))] if slides else []
        half = len(on_screen) * 3 // 4
        yield _Source(
            name,
            tuple(_cues(folder / f"{file}.vtt")),
            written[name],
            tuple(on_screen[:half]),
            tuple(on_screen[half:]),
            translations=_translations(folder, name, "en"),
        )
    for name, (track, languages) in TRANSLATED.items():
        for language in languages[1:]:
            texts = tuple(_cues(folder / f"{track}.{language}.vtt"))
            aligned = _aligned(folder / f"{track}.en.vtt", folder / f"{track}.{language}.vtt")
            paraphrases = {aligned[line - 1]: text for line, text in written[name].items() if line - 1 in aligned}
            translations = _translations(folder, name, language)
            yield _Source(name, texts, paraphrases, (), (), language, translations)


def _cues(path: Path) -> list[str]:
    return [clean(cue.text.replace("\n", " ")) for cue in parse(path.read_text(encoding="utf-8"), path.suffix)]


def _translations(folder: Path, name: str, language: str) -> dict[str, dict[int, str]]:
    """The lines of a source in its other languages, by index in its own track."""
    if name not in TRANSLATED:
        return {}
    track, languages = TRANSLATED[name]
    own, found = folder / f"{track}.{language}.vtt", {}
    for other in languages:
        if other != language:
            texts = _cues(folder / f"{track}.{other}.vtt")
            found[other] = {i: texts[j] for i, j in _aligned(own, folder / f"{track}.{other}.vtt").items()}
    return found


def _aligned(one: Path, other: Path) -> dict[int, int]:
    """From the index of a cue in one track to that of the cue at the same time in another."""
    starts = [[cue.start_s for cue in parse(path.read_text(encoding="utf-8"), path.suffix)] for path in (one, other)]
    found = {}
    for i, start_s in enumerate(starts[0]):
        nearest = min(range(len(starts[1])), key=lambda j: abs(starts[1][j] - start_s))
        if abs(starts[1][nearest] - start_s) <= SAME_S:
            found[i] = nearest
    return found


def _drawable(texts: Sequence[str]) -> Iterator[str]:
    """The texts without accents, if they are then ASCII: the slides' font cannot show other letters."""
    for text in texts:
        plain = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
        if plain.isascii():
            yield plain


def _slides(topic: Topic, rng: random.Random, count: int) -> Iterator[str]:
    for _ in range(count):
        heading = f"{topic.name}: {rng.choice(topic.things)}"
        bullets = []
        for template in rng.sample(BULLETS, 3):
            one, two = rng.sample(topic.things, 2)
            bullets.append(
                template.format(
                    one=one,
                    two=two,
                    does=rng.choice(topic.does),
                    kind=rng.choice(topic.kinds),
                    number=rng.randrange(90),
                )
            )
        yield " / ".join([heading, *(text[0].upper() + text[1:] for text in bullets)])


# -- films


def _of_source(source: _Source, rng: random.Random) -> Iterator[Query]:
    """Films of one source from sparse to dense, each holding one half of the paraphrased lines, and their queries."""
    marked = sorted(source.paraphrases)
    halves = (set(marked[::2]), set(marked[1::2]))
    everything = [i for i, line in enumerate(source.lines) if len(spelling.words(line)) > 1 and "EMPTY" not in line]
    # (name, duration, cues, slides, the half of the paraphrased lines that is laid, queries by meaning, by words)
    if len(everything) >= 500:
        plans = [
            ("dense", 3600, 950, 36, 0, 80, 60),
            ("dense quarter", 900, 240, 10, 1, 30, 24),
            ("medium", 3600, 250, 30, 1, 40, 36),
            ("sparse", 3600, 40, 14, 0, 50, 40),
            ("sparse two hours", 7200, 60, 10, 1, 40, 30),
        ]
    else:
        share = round(len(everything) * 0.75)
        plans = [
            ("half an hour", 1800, share, len(source.shown), 0, 24, 20),
            ("an hour", 3600, share // 2, len(source.shown) // 2, 1, 24, 20),
        ]
    used: set[tuple[object, ...]] = set()
    for name, duration_s, cues, slides, half, by_meaning, by_words in plans:
        must = halves[half]
        others = [i for i in everything if i not in halves[1 - half] and i not in must]
        held_back = set(rng.sample(others, max(4, len(others) // 20)))
        free = [i for i in others if i not in held_back]
        wanted = set(rng.sample(sorted(must), min(len(must), cues // 2)))
        laid = sorted(wanted | set(rng.sample(free, min(len(free), max(0, cues - len(wanted))))))
        shown = rng.sample(source.shown, min(slides, len(source.shown)))
        film = Film(
            f"{source.name} {source.language} {name}",
            float(duration_s),
            tuple(_spread([source.lines[i] for i in laid], duration_s, 4.0, rng)),
            tuple(_spread(shown, duration_s, 40.0, rng)),
            source.language,
            source.voice if name == source.heard else "",
        )
        absent = sorted(set(everything) - set(laid))
        if source.paraphrases:
            yield from _paraphrased(source, film, laid, absent, used, by_meaning, rng)
            yield from _by_meaning(source, film, laid, absent, shown, by_meaning // 2, rng)
        if source.paraphrases and source.language == "en":
            yield from _mentions(source, film, laid, absent, used, by_meaning, rng)
        yield from _translated(source, film, laid, absent, by_meaning, rng)
        yield from _by_words(
            source, film, [source.lines[i] for i in laid], [source.lines[i] for i in absent], shown, by_words, rng
        )


def _spread(texts: Sequence[str], duration_s: float, longest_s: float, rng: random.Random) -> Iterator[Line]:
    """Evenly over the film with some play, each as long as it takes to say, at most until the next."""
    step = duration_s / max(1, len(texts))
    for number, text in enumerate(texts):
        length_s = min(step * 0.95, max(1.2, min(longest_s, 0.35 * len(text.split()) if longest_s < 10 else longest_s)))
        start_s = number * step + rng.uniform(0, step - length_s)
        yield Line(round(start_s, 2), round(start_s + length_s, 2), text)


# -- queries by meaning


def _paraphrased(
    source: _Source,
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
    source: _Source,
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
                words = line.rstrip(".")
                yield Query(words, present, "meaning", "whole sentence", False, film, source.name, source.language)


def _translated(
    source: _Source, film: Film, laid: Sequence[int], absent: Sequence[int], count: int, rng: random.Random
) -> Iterator[Query]:
    """Lines of the source as people translated them, asked of a film in another language."""
    for language, texts in source.translations.items():
        each = max(4, count // len(source.translations))
        for present, lines in ((True, laid), (False, absent)):
            telling = [i for i in lines if len(spelling.words(texts.get(i, ""))) >= LEAST_WORDS]
            for i in rng.sample(telling, min(len(telling), each)):
                event = texts[i].rstrip(".!?。…")
                yield Query(event, present, "meaning", "translated line", True, film, source.name, language)


# -- a few words that someone may have said, or said something like them

_MENTIONS = ("the speaker mentions {}", "someone talks about {}", "the narrator mentions {}")


def _mentions(
    source: _Source,
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
    source: _Source,
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
