"""How right the entries of on-screen text are, and which texts they miss: real clips, pictures without text, slides.

    python -m lab.bench.screen_text VIDEOS_DIR [--natural DIR] [--only clips|natural|slides] [--write]

A clip is read as an ingest reads it. An entry is right if a word of it stands in a text that is on screen then, give or
take a second, apart from one wrong letter of four. Texts on screen are those of the MANIFEST, and what was seen by eye
on the pictures besides (seen_texts.json). A text of a second and longer counts as found if the entries of its span hold
half of its words. Pictures without text: all of DIR, for example the photographs in the packages scikit-image and
scikit-learn, and where those are fewer than 60, frames of the clips without text. Slides: six scripts, in type of
12 to 40 px; the OCR does not know Cyrillic, so those slides count for precision only.

Beside today's rule stands that of 0.1: one picture in 4 s of motion, and each line that the OCR is sure of. --write
puts the rows into lab/measured/screen_text.json."""

from __future__ import annotations

import argparse
import json
import re
import tempfile
from collections.abc import Iterable, Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

from agent_tools.ingestion.channels.screen_text import looks_per_sample
from agent_tools.ingestion.screen_text.merge import Reading, ShownText, merge_readings
from agent_tools.ingestion.screen_text.reader import READINGS, Reader
from agent_tools.ingestion.screen_text.shared_calls import read_together
from agent_tools.ingestion.screen_text.trust import TextLine, strange_scripts, trusted
from agent_tools.media import probe, sample
from agent_tools.models.ocr import MIN_SCORE, RapidOcr
from agent_tools.models.readable import LONG_SIDE
from agent_tools.service.verdicts.quoted_words import distance
from agent_tools.store import Store, spelling
from lab.bench.pictures_with_words import SCRIPTS, UNSPACED, Drawn, Rgb, as_jpeg, drawn, real_clips

MEASURED = Path(__file__).parents[1] / "measured" / "screen_text.json"
SEEN = Path(__file__).with_name("seen_texts.json")
NEAR_S = 1.0
LEAST_S = 1.0  # a text that stands shorter does not count as missed
NATURAL = 60
TYPES, SIZES = (12, 16, 20, 28, 40), ((960, 540), (640, 360))
NOT_READ = ("Cyrillic",)
SMALL = {"and", "the", "of", "to", "a"}
RULES = ("0.1", "now")
VIDEO = "0123456789ab"


@dataclass
class Row:
    """One rule on one set: entries and the right ones among them; texts and the found ones among them."""

    films: str
    rule: str
    entries: int = 0
    right: int = 0
    texts: int = 0
    found: int = 0
    wrong: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("videos", type=Path, metavar="VIDEOS_DIR", help="folder with a MANIFEST.json")
    parser.add_argument("--natural", type=Path, help="folder of pictures without text")
    parser.add_argument("--only", choices=("clips", "natural", "slides"), help="one of the sets")
    parser.add_argument("--write", action="store_true", help=f"write {MEASURED.name}")
    given = parser.parse_args()
    engine = RapidOcr(threads=1)
    rows: list[Row] = []
    rows += _clips(given.videos, engine) if given.only in (None, "clips") else []
    rows += _natural(given.videos, given.natural, engine) if given.only in (None, "natural") else []
    rows += _slides(engine) if given.only in (None, "slides") else []
    for row in rows:
        for kind, texts in (("wrong", row.wrong), ("missed", row.missed)):
            for text in texts:
                print(f"{row.films}, {row.rule}, {kind}: {text}")  # noqa: T201
    print(table([asdict(row) for row in rows]))  # noqa: T201
    if given.write:
        made = [{name: value for name, value in asdict(row).items() if name not in ("wrong", "missed")} for row in rows]
        held = json.loads(MEASURED.read_text("utf-8")) if given.only else made
        new = {(row["films"], row["rule"]): row for row in made}
        held = [new.get((row["films"], row["rule"]), row) for row in held]
        MEASURED.write_text(json.dumps(held, indent=1) + "\n", encoding="utf-8")


def _clips(videos: Path, engine: RapidOcr) -> list[Row]:
    rows = {rule: Row("real clips", rule) for rule in RULES}
    seen = json.loads(SEEN.read_text("utf-8"))
    for clip in real_clips(videos):
        name: Any = clip["name"]
        texts: Any = clip["on_screen_text"]
        for rule, shown in zip(RULES, entries_of(videos / "dev" / name, engine), strict=True):
            row = rows[rule]
            for entry in shown:
                row.entries += 1
                near = [text["text"] for text in texts if _overlap(text, entry)]
                if _holds_a_word(entry.text, [*near, *seen.get(name, [])]):
                    row.right += 1
                else:
                    row.wrong.append(f"{name} {entry.start_s:g}-{entry.end_s:g} s: {entry.text[:80]}")
            for text in texts:
                if text["end_s"] - text["start_s"] >= LEAST_S:
                    row.texts += 1
                    read = " ".join(entry.text for entry in shown if _overlap(text, entry))
                    if share(text["text"], read) >= 0.5:
                        row.found += 1
                    else:
                        row.missed.append(f"{name} {text['start_s']:g} s: {text['text'][:80]}")
    return list(rows.values())


def entries_of(path: Path, engine: RapidOcr) -> tuple[list[ShownText], list[ShownText]]:
    """The entries of a clip by the rule of 0.1, which does not search moving pictures, and by that of now."""
    with _read(path, engine, search=False) as reader:
        held = reader._lines_by_name(READINGS)
        usual = [one for one in reader._chosen if not one.extra]
        ends = [*(one.start_s for one in usual[1:]), reader.duration_s]
        before = merge_readings(
            [
                Reading(one.start_s, max(one.time_s, end_s), tuple(line.text for line in _kept(held[one.path.name])))
                for one, end_s in zip(usual, ends, strict=True)
            ]
        )
    with _read(path, engine, search=True) as reader:
        entries = reader.store.entries(VIDEO, channels=("screen_text",))
        now = [ShownText(entry.start_s, entry.end_s, entry.text.split(" / ")) for entry in entries]
    return before, now


@contextmanager
def _read(path: Path, engine: RapidOcr, *, search: bool) -> Iterator[Reader]:
    """The reader of a clip, when it has read it."""
    opened = probe(path)
    with tempfile.TemporaryDirectory() as folder, closing(Store.open(Path(folder))) as store:
        store.add_video(VIDEO, path.name, 1)
        store.update_video(VIDEO, duration_s=opened.duration_s)
        store.set_channel(VIDEO, "screen_text", state="running", producer=engine.producer)
        reader = Reader(store, VIDEO, Path(folder), opened.duration_s)
        if search:
            reader.search_with(engine)
        looks = looks_per_sample(1.0)
        for shown in sample(opened, fps=float(looks), on_damage=lambda _: None):
            (reader.glance if shown.k % looks else reader.show)(shown.time_s, shown.picture)
        reader.close()
        reader.choose(per_hour=400)
        reader.read(engine, lambda done, to_s, written: None)
        yield reader


def _natural(videos: Path, folder: Path | None, engine: RapidOcr) -> list[Row]:
    rows = {rule: Row("pictures without text", rule) for rule in RULES}
    for name, picture in _without_text(videos, folder):
        (lines,) = read_together(engine, [Image.fromarray(picture)])
        for rule, kept in zip(RULES, (_kept(lines), _trusted(lines)), strict=True):
            rows[rule].entries += bool(kept)
            if kept:
                rows[rule].wrong.append(f"{name}: {' / '.join(line.text for line in kept)[:80]}")
    return list(rows.values())


def _without_text(videos: Path, folder: Path | None) -> Iterator[tuple[str, Rgb]]:
    paths = sorted(path for path in folder.iterdir() if path.suffix in (".png", ".jpg")) if folder else []
    for path in paths:
        image = Image.open(path).convert("RGB")
        image.thumbnail((LONG_SIDE, LONG_SIDE))
        yield path.name, as_jpeg(np.asarray(image))
    seen = json.loads(SEEN.read_text("utf-8"))
    clips: list[Any] = [clip for clip in real_clips(videos) if not clip["on_screen_text"] and clip["name"] not in seen]
    left = max(0, NATURAL - len(paths))
    times = [(clip, second) for second in (1.5, 4.5, 7.5, 10.5, 13.5) for clip in clips if second < clip["duration_s"]]
    for clip, second in times[:left]:
        shown = next(sample(probe(videos / "dev" / clip["name"]), fps=2.0, start_s=second), None)
        if shown is not None:
            yield f"{clip['name']} {second:g} s", as_jpeg(shown.picture.fit(LONG_SIDE))


def _slides(engine: RapidOcr) -> list[Row]:
    rows = []
    for script in SCRIPTS:
        held = {rule: Row(f"slides, {script}", rule) for rule in RULES}
        slides = [one for size in SIZES for type_px in TYPES if (one := drawn(script, size, type_px)) is not None]
        for slide in slides:
            (lines,) = read_together(engine, [Image.fromarray(slide.picture)])
            for rule, kept in zip(RULES, (_kept(lines), _trusted(lines)), strict=True):
                row, share_read = held[rule], _share_read(slide, kept)
                row.entries += bool(kept)
                row.right += bool(kept) and share_read > 0
                if kept and not share_read:
                    row.wrong.append(f"{slide.type_px} px: {kept[0].text}")
                if script not in NOT_READ:
                    row.texts += 1
                    row.found += share_read >= 0.5
        rows += list(held.values()) if slides else []
    return rows


def _kept(lines: Sequence[TextLine]) -> list[TextLine]:
    """What 0.1 kept: it knew no lines that are read with doubt."""
    return [line for line in lines if line.score >= MIN_SCORE]


def _trusted(lines: Sequence[TextLine]) -> list[TextLine]:
    return [line for line, sure in zip(lines, trusted(lines, strange_scripts(lines)), strict=True) if sure]


def _share_read(slide: Drawn, lines: Iterable[TextLine]) -> float:
    held = [spelling.words(line.text) for line in lines]
    words, run = {word for line in held for word in line}, "".join("".join(line) for line in held)
    right = sum(
        set(spelling.words(word)) <= words or (slide.script in UNSPACED and "".join(spelling.words(word)) in run)
        for word in slide.words
    )
    return right / len(slide.words)


def _overlap(text: Any, entry: ShownText) -> bool:
    return bool(text["start_s"] - NEAR_S < entry.end_s and entry.start_s < text["end_s"] + NEAR_S)


def _holds_a_word(text: str, truths: Iterable[str]) -> bool:
    """Whether a word of the text is one of the truths', apart from one wrong letter of four."""
    wanted = {word for truth in truths for word in spelling.words(truth) if len(word) > 1}
    held = [word for word in spelling.words(text) if len(word) > 1]
    run = "".join(spelling.words(text))
    return any(distance(word, other) <= max(len(word), len(other)) // 4 for word in held for other in wanted) or any(
        len(other) >= 4 and other in run for other in wanted
    )


def share(truth: str, read: str) -> float:
    """Share of the true text's words that were read, apart from one wrong letter of four; remarks in brackets are not
    on screen."""
    words = set(re.findall(r"\w+", re.sub(r"\(.*?\)", "", truth).casefold())) - SMALL
    held, run = set(re.findall(r"\w+", read.casefold())), "".join(re.findall(r"\w+", read.casefold()))
    found = sum(word in run or any(distance(word, one) <= len(word) // 4 for one in held) for word in words)
    return found / max(1, len(words))


def table(rows: Sequence[dict[str, Any]]) -> str:
    """The rows as Markdown, with the sums of each rule."""
    lines = [
        "| set | rule | entries | right | precision | texts of 1 s and more | found | recall |",
        "|---|---|---|---|---|---|---|---|",
    ]
    sums = [
        {"films": "all", "rule": rule}
        | {key: sum(row[key] for row in rows if row["rule"] == rule) for key in ("entries", "right", "texts", "found")}
        for rule in RULES
    ]
    for row in [*rows, *sums]:
        precision, recall = _ratio(row["right"], row["entries"]), _ratio(row["found"], row["texts"])
        lines.append(
            f"| {row['films']} | {row['rule']} | {row['entries']} | {row['right']} | {precision} | {row['texts']} | "
            f"{row['found']} | {recall} |"
        )
    return "\n".join(lines)


def _ratio(part: int, whole: int) -> str:
    return f"{part / whole:.2f}" if whole else "-"


if __name__ == "__main__":
    main()
