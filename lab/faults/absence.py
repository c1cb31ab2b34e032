"""Slice absence: words that stand in a film are never called absent, in twelve languages, said and drawn.

The words are random names out of Unicode's CLDR (package babel): nobody chose them. Each is said once in a subtitle
file, between two others as its script writes them, and drawn once, in a type of 12 to 40 px, on a picture of 360p to
2160p. It is asked for as people type: in capitals, without accents, in another Unicode form. A language whose letters
no font of this machine has is not drawn, and a line says so (Debian: fonts-noto-core, fonts-noto-cjk). Words that are
not there are asked for too, because a verdict that is always "uncertain" would prove nothing."""

from __future__ import annotations

import contextlib
import random
import sys
import unicodedata
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import regex
from PIL import Image, ImageDraw, ImageFont

from agent_tools.grounding.reliability import wilson
from agent_tools.ingestion.worker import work
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.settings import Settings
from agent_tools.store import spelling
from lab.faults.slices import Outcome, Slice
from tests.drawing import draw, even_times

LATIN = ("DejaVuSans.ttf", "NotoSans-Regular.ttf")
FONTS: dict[str, tuple[str, ...]] = {
    "th": ("NotoSansThai-Regular.ttf", "Loma.otf"),
    "lo": ("NotoSansLao-Regular.ttf",),
    "km": ("NotoSansKhmer-Regular.ttf",),
    "my": ("NotoSansMyanmar-Regular.ttf",),
    "tr": LATIN,
    "ar": ("NotoSansArabic-Regular.ttf", "NotoNaskhArabic-Regular.ttf"),
    "el": LATIN,
    "de": LATIN,
    "hi": ("NotoSansDevanagari-Regular.ttf",),
    "vi": LATIN,
    "ru": LATIN,
    "ja": ("NotoSansCJK-Regular.ttc", "DroidSansFallbackFull.ttf"),
}
FOLDERS = ("/usr/share/fonts", "/usr/local/share/fonts", "/Library/Fonts", "~/.local/share/fonts", "~/.fonts")
UNSPACED = ("th", "lo", "km", "my", "ja")
PREFIXES = ("", "و", "ال", "وال")  # "and", "the", that Arabic writes as part of the word
HEIGHTS = (360, 480, 720, 1080, 1440, 2160)
TYPES = range(12, 41)  # px
ON_A_PICTURE = 7  # words: with twelve languages and six heights, 504 words
OTHERS = 2  # words of a film that do not stand in it
COLOURS = (((20, 20, 20), (245, 245, 245)), ((235, 235, 235), (25, 25, 25)), ((250, 240, 120), (30, 40, 90)))


@dataclass
class Asked:
    """What was asked of one film, by verdict."""

    verdicts: dict[str, int] = field(default_factory=dict)
    others: dict[str, int] = field(default_factory=dict)  # of words that do not stand in it
    least_px: int = 0  # type of the smallest word that was found; 0 if none was


@dataclass(frozen=True)
class World:
    settings: Settings
    films: Path
    seed: int
    words_of_film: int

    def words(self, language: str) -> list[str]:
        """The language's words in the order of this seed: so many for each picture, the same ones said, then others."""
        names = _names(language)
        random.Random(f"{self.seed} {language}").shuffle(names)
        return names


def _names(language: str) -> list[str]:
    """Single words out of CLDR's names of places, languages, scripts and currencies, in a fixed order."""
    from babel import Locale

    locale = Locale(language)
    tables: Any = (locale.territories, locale.languages, locale.scripts, locale.currencies)
    texts = [str(text).replace("\u200b", "") for table in tables for text in table.values()]
    if language in UNSPACED:
        found = {text for text in texts if regex.fullmatch(r"[\p{L}\p{M}ー]{2,14}", text)}
    else:
        found = {word for text in texts for word in regex.findall(r"[\p{L}\p{M}]{3,14}", text)}
    other_script = regex.compile(r"[A-Za-z]") if language not in ("tr", "de", "vi") else None
    return sorted(word for word in found if other_script is None or not other_script.search(word))


def asked_as(word: str, chance: random.Random) -> str:
    """The word as somebody may type it."""
    bare = "".join(c for c in unicodedata.normalize("NFD", word) if not "\u0300" <= c <= "\u036f")
    forms = (word, word, word.upper(), word.lower(), unicodedata.normalize("NFD", word), bare)
    return chance.choice(forms)


def said(world: World, language: str) -> Outcome:
    """All words of the language, each in a line of a subtitle file, with its neighbours as the script writes them."""
    chance = random.Random(f"{world.seed} said {language}")
    words = world.words(language)
    spoken, rest = words[: world.words_of_film * len(HEIGHTS)], words[world.words_of_film * len(HEIGHTS) :]
    between = "" if language in UNSPACED else " "
    film = world.films / f"said-{language}.mp4"
    draw(film, even_times(4 * len(spoken), 1.0), size=(64, 64))
    lines = []
    for number, word in enumerate(spoken):
        prefix = chance.choice(PREFIXES if not word.startswith("ال") else ("", "و")) if language == "ar" else ""
        text = between.join((chance.choice(rest), prefix + word, chance.choice(rest)))
        lines.append(f"{number + 1}\n{_clock(4 * number)},000 --> {_clock(4 * number + 3)},000\n{text}\n")
    film.with_suffix(f".{language}.srt").write_text("\n".join(lines), "utf-8")
    held = "\n".join(lines)
    return ask(world, film, "subtitles", [(word, 0) for word in spoken], [w for w in rest if w not in held], chance)


def drawn(world: World, language: str, height: int) -> Outcome:
    """A few words of the language on one picture, each in a type of its own."""
    font = font_of(language)
    if font is None:
        sys.stdout.write(
            f"# {language} is not drawn: none of {', '.join(FONTS[language])} is in {FOLDERS[0]} or its kin\n"
        )
        return Outcome.empty()
    chance = random.Random(f"{world.seed} {language} {height}")
    words, place = world.words(language), HEIGHTS.index(height)
    shown = words[place * world.words_of_film : (place + 1) * world.words_of_film]
    sized = [(word, chance.choice(TYPES)) for word in shown]
    film = world.films / f"{language}-{height}.mp4"
    picture = slide(sized, height, font, chance)
    draw(film, even_times(8, 2.0), size=(picture.shape[1], height), picture=lambda *_: picture)
    others = words[len(HEIGHTS) * world.words_of_film :]
    return ask(world, film, "screen_text", sized, others, chance)


def slide(sized: Sequence[tuple[str, int]], height: int, font: Path, chance: random.Random) -> np.ndarray[Any, Any]:
    """The words in two columns, each in its type, on a plain ground: (height, width, 3) uint8."""
    width = height * 16 // 9 // 2 * 2
    ink, ground = chance.choice(COLOURS)
    image = Image.new("RGB", (width, height), ground)
    pen, half = ImageDraw.Draw(image), (len(sized) + 1) // 2
    for number, (word, px) in enumerate(sized):
        x = width * (0.05 if number < half else 0.55)
        y = height * (0.05 + 0.9 * (number % half) / half)
        pen.text((x, y), word, font=ImageFont.truetype(str(font), px), fill=ink)
    return np.asarray(image, dtype=np.uint8)


def font_of(language: str) -> Path | None:
    """The first font file of this machine that is named for the language."""
    for name in FONTS[language]:
        for folder in FOLDERS:
            if found := next(Path(folder).expanduser().rglob(name), None):
                return found
    return None


def ask(
    world: World,
    film: Path,
    channel: str,
    words: Sequence[tuple[str, int]],
    others: Sequence[str],
    chance: random.Random,
) -> Outcome:
    """Take the film in, and ask for each of its words and for a few that are not in it."""
    library = Library(world.settings)
    library.workers = NoWorkers(world.settings)
    found, asked = Outcome.empty(), Asked()
    try:
        video = ingest_video(library, str(film), channels=[channel], wait_s=0).video_id or ""
        work(world.settings)
        how = "said" if channel == "subtitles" else "shown on screen"

        def verdict(word: str) -> Any:
            return ground_event(library, event=f'"{word}" is {how}', video_id=video)

        for word, px in words:
            typed = asked_as(word, chance)
            reply = verdict(typed)
            asked.verdicts[reply.verdict] = asked.verdicts.get(reply.verdict, 0) + 1
            if reply.verdict == "present" and px and (px < asked.least_px or not asked.least_px):
                asked.least_px = px
            size = f", {px} px" if px else ""
            found.count(f"{word!r} asked for as {typed!r}{size}: {reply.why}" if reply.verdict == "absent" else "")
        known = {spelling.fold(word) for word, _ in words}
        for word in chance.sample([one for one in others if spelling.fold(one) not in known], OTHERS):
            reply = verdict(word)
            asked.others[reply.verdict] = asked.others.get(reply.verdict, 0) + 1
    finally:
        library.close()
    found.figures = {"verdicts": asked.verdicts, "others": asked.others, "least_px": asked.least_px}
    return found


class NoWorkers(Workers):
    """Starts no process: the jobs are done here."""

    def ensure(self, store: object) -> bool:
        return False


def _clock(seconds: int) -> str:
    return f"{seconds // 3600:02}:{seconds // 60 % 60:02}:{seconds % 60:02}"


def summary(outcomes: Mapping[str, Outcome]) -> dict[str, Any]:
    """Of words said, of words drawn by height, and of words that are not there: verdicts, with 95 % intervals."""
    rows: dict[str, Any] = {}
    for name in ("said", *(f"{height}p" for height in HEIGHTS)):
        figures = [one.figures for case, one in outcomes.items() if case.endswith(f" {name}") and one.figures]
        verdicts = added(one["verdicts"] for one in figures)
        if count := sum(verdicts.values()):
            least = min((one["least_px"] for one in figures if one["least_px"]), default=0)
            smallest = f", smallest read {least} px" if least else ""
            rows[name] = f"{count} words, {share(verdicts, 'uncertain')} uncertain{smallest}"
    others = added(one.figures["others"] for one in outcomes.values() if one.figures)
    if others:
        rows["others"] = f"{sum(others.values())} words, {share(others, 'absent')} absent"
    return rows


def added(counts: Iterator[dict[str, int]] | Any) -> dict[str, int]:
    total: dict[str, int] = {}
    for one in counts:
        for verdict, count in one.items():
            total[verdict] = total.get(verdict, 0) + count
    return total


def share(verdicts: Mapping[str, int], which: str) -> str:
    count, part = sum(verdicts.values()), verdicts.get(which, 0)
    low, high = wilson(part, count)
    return f"{part / count:.2f} ({low:.2f} to {high:.2f})"


def cases(_seed: int) -> Sequence[str]:
    return [f"{language} {how}" for how in ("said", *(f"{height}p" for height in HEIGHTS)) for language in FONTS]


@contextlib.contextmanager
def stage(seed: int, folder: Path, words_of_film: int = ON_A_PICTURE) -> Iterator[Callable[[str], Outcome]]:
    films = folder.resolve() / "films"
    films.mkdir()
    settings = Settings.load({}, home=folder.resolve() / "home", allow=(films,), profile="lite")
    world = World(settings, films, seed, words_of_film)

    def run(case: str) -> Outcome:
        language, how = case.split()
        return said(world, language) if how == "said" else drawn(world, language, int(how.removesuffix("p")))

    yield run


SLICE = Slice(
    "absence", "words in twelve languages, said and drawn, that are never called absent", cases, stage, summary
)
