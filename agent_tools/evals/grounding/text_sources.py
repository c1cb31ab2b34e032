"""Texts of several origins and languages for the films of a calibration: a novel, subtitle files, slides.

People wrote the paraphrases by hand, and translated the subtitle files."""

from __future__ import annotations

import csv
import math
import random
import unicodedata
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from importlib.resources import files
from pathlib import Path

from agent_tools.evals.films.demo_words import BULLETS, TOPICS, Topic
from agent_tools.media.cue_formats import parse
from agent_tools.untrusted import clean

BLOCKS = 3  # of the novel, each a source of its own
TRANSLATED = {
    "captions": ("elephantsdream.captions", ("en", "ar", "ja", "ru")),
    "belmar": ("belmar_lecture", ("en", "de", "es")),
    "sintel": ("sintel_short", ("en", "de", "es")),
}
SAME_S = 0.3  # two cues that begin within so many seconds of each other are translations


@dataclass(frozen=True)
class TextSource:
    """Lines of text of one origin, the hand-made paraphrases of some, and topics for slides of its own."""

    name: str
    lines: tuple[str, ...]
    paraphrases: dict[int, str]  # by index in lines
    shown: tuple[str, ...]  # lines that are put on screen
    hidden: tuple[str, ...]  # lines of the same kind that never are
    language: str = "en"
    translations: dict[str, dict[int, str]] = field(default_factory=dict)  # by language, by index in lines


def text_sources(videos: Path, rng: random.Random) -> Iterator[TextSource]:
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
        yield TextSource(
            f"novel {block + 1}",
            tuple(novel[first : first + size]),
            own,
            tuple(text for topic in shown for text in _slides(topic, rng, 14)),
            tuple(_slides(hidden, rng, 14)),
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
        yield TextSource(
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
            paraphrases = {aligned[line]: text for line, text in written[name].items() if line in aligned}
            translations = _translations(folder, name, language)
            yield TextSource(name, texts, paraphrases, (), (), language, translations)


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
            found[other] = {i: texts[j] for i, j in _aligned(own, folder / f"{track}.{other}.vtt", SAME_S).items()}
    return found


def _aligned(one: Path, other: Path, ends_s: float = math.inf) -> dict[int, int]:
    """From the index of a cue in one track to that of the cue at the same time in another.

    Args:
        ends_s: how far apart the two may end; else one of them says a part of what the other says."""
    own, others = ([*parse(path.read_text(encoding="utf-8"), path.suffix)] for path in (one, other))
    found = {}
    for i, cue in enumerate(own):
        nearest = min(range(len(others)), key=lambda j: abs(others[j].start_s - cue.start_s))
        match = others[nearest]
        if abs(match.start_s - cue.start_s) <= SAME_S and abs(match.end_s - cue.end_s) <= ends_s:
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
