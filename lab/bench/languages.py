"""Meaning across languages: a translated subtitle finds its cue, by lite's encoders and by each of their parts.

    python -m lab.bench.languages [--videos FOLDER] [--quick]

Each cue of one language is a query. The right answer is the cue of another language at the same time (starts within
.3 s), among all cues of that track and 950 English sentences of a novel. Every ordered pair of languages of a
translated track counts; Swedish, which the encoder was not made for, stands in a row of its own. The language of an
entry is known, as that of a subtitle track is; the language of a query is decided from its text."""

from __future__ import annotations

import argparse
import re
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agent_tools.models.minilm import MiniLM
from agent_tools.models.routed_text import RoutedText
from agent_tools.models.use import Use
from lab.bench.rows import emit

VIDEOS = (Path(__file__).resolve().parents[3] / "shared" / "videos").resolve()
TRACKS = {
    "belmar_lecture": ("de", "en", "es"),
    "sintel_short": ("de", "en", "es"),
    "elephantsdream.captions": ("ar", "en", "ja", "ru", "sv"),
}
FILLER = 950
NEAR_S = 0.3
GOAL = 0.76  # R@1, measured before the encoder was built in
Cue = tuple[float, str]
Case = tuple[str, str, int]  # query, its language pair, place of the answer in the pair's pool


def cues(path: Path) -> list[Cue]:
    """(start_s, text) of each cue of a WebVTT file."""
    found = []
    for block in re.split(r"\n\s*\n", path.read_text("utf-8").replace("\r", "")):
        lines = block.splitlines()
        at = next((i for i, line in enumerate(lines) if "-->" in line), None)
        if at is not None and (text := re.sub(r"<[^>]*>", "", " ".join(lines[at + 1 :])).strip()):
            hours, minutes, seconds = lines[at].split(" -->")[0].rjust(12, "0").split(":")
            found.append((int(hours) * 3600 + int(minutes) * 60 + float(seconds), text))
    return found


def pairs(folder: Path) -> list[tuple[str, str, list[str], list[str], list[int]]]:
    """(language of queries, of entries, queries, entries, the entry that answers each query)."""
    found = []
    for name, languages in TRACKS.items():
        tracks = {language: cues(folder / f"{name}.{language}.vtt") for language in languages}
        for asked in languages:
            for held in languages:
                if asked == held:
                    continue
                starts = np.array([start_s for start_s, _ in tracks[held]])
                near = [int(np.abs(starts - start_s).argmin()) for start_s, _ in tracks[asked]]
                matched = [
                    (text, at)
                    for (s, text), at in zip(tracks[asked], near, strict=True)
                    if abs(starts[at] - s) <= NEAR_S
                ]
                queries, answers = [text for text, _ in matched], [at for _, at in matched]
                found.append((asked, held, queries, [text for _, text in tracks[held]], answers))
    return found


class Encoder:
    """One way to encode queries and entries, with the CPU time that it took."""

    def __init__(self, name: str, encoder: Any, routed: bool = False) -> None:
        self.name, self.encoder, self.routed = name, encoder, routed
        self.cpu_s, self.texts = 0.0, 0

    def __call__(self, texts: Sequence[str], language: str | None = None) -> np.ndarray:
        begun = time.process_time()
        options = {"languages": [language] * len(texts)} if self.routed and language else {}
        vectors: np.ndarray = self.encoder.encode(texts, **options)
        self.cpu_s, self.texts = self.cpu_s + time.process_time() - begun, self.texts + len(texts)
        return vectors


def ranks(encoder: Encoder, folder: Path, filler: list[str]) -> dict[tuple[str, str], list[int]]:
    """The place of the right answer for each query (0 = best), by language pair."""
    others = encoder(filler, "en")
    found: dict[tuple[str, str], list[int]] = {}
    for asked, held, queries, entries, answers in pairs(folder):
        pool = np.concatenate([encoder(entries, held), others])
        scores = encoder(queries) @ pool.T
        right = scores[np.arange(len(answers)), answers]
        same = [[i for i, text in enumerate(entries) if text == entries[at]] for at in answers]  # "Yes." twice
        places = [
            int((scores[row] > right[row] + 1e-6).sum() - (scores[row][same[row]] > right[row] + 1e-6).sum())
            for row in range(len(answers))
        ]
        found.setdefault((asked, held), []).extend(places)
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--videos", type=Path, default=VIDEOS)
    parser.add_argument("--quick", action="store_true", help="100 English sentences in place of 950")
    asked = parser.parse_args()
    lines = (asked.videos / "filler.txt").read_text("utf-8").splitlines()
    filler = lines[:: len(lines) // FILLER][: 100 if asked.quick else FILLER]
    with tempfile.TemporaryDirectory() as made:
        routed = RoutedText(Path(made))
        encoders = [Encoder("MiniLM", MiniLM()), Encoder("USE v3", Use(Path(made))), Encoder("routed", routed, True)]
        results = {encoder.name: ranks(encoder, asked.videos / "edge" / "subtitles", filler) for encoder in encoders}
    groups = {
        "all pairs of the sixteen languages": lambda a, b: "sv" not in (a, b),
        "English to other": lambda a, b: a == "en" and b != "sv",
        "other to English": lambda a, b: b == "en" and a != "sv",
        "Swedish, outside the sixteen": lambda a, b: "sv" in (a, b),
    }
    for group, inside in groups.items():
        recalls = {}
        for name, found in results.items():
            places = np.array([place for pair, of in found.items() if inside(*pair) for place in of])
            recalls[name] = [round(float((places < depth).mean()), 3) for depth in (1, 5)]
        first = group.startswith("all")
        emit(
            f"a translated subtitle finds its cue among {len(filler)} sentences: {group}, {len(places)} queries",
            against="MiniLM; USE v3 alone",
            ours=f"R@1 {recalls['routed'][0]:.2f}, R@5 {recalls['routed'][1]:.2f}",
            reference="; ".join(f"{recalls[name][0]:.2f}, {recalls[name][1]:.2f}" for name in ("MiniLM", "USE v3")),
            goal=f">= {GOAL}" if first else "-",
            reached=recalls["routed"][0] >= GOAL - 0.005 if first else None,
            queries=len(places),
            recalls=recalls,
        )
    for encoder in encoders:
        emit(
            f"texts encoded by {encoder.name}, one thread",
            ours=f"{encoder.texts / encoder.cpu_s:.0f} per CPU s",
            texts=encoder.texts,
            cpu_s=round(encoder.cpu_s, 2),
        )


if __name__ == "__main__":
    main()
