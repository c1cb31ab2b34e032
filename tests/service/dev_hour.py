"""The hour assembled from the real clips, as its text channels would hold it, and events asked of it.

Not one of its clips or words is in what calibrations are fitted on; the dense transcript's filler is the same novel, so
there it is the density that is tested. Assembled: scene cuts are easier than a natural hour's."""

from __future__ import annotations

import json
import random
import re
from pathlib import Path
from typing import Any, Literal

from agent_tools.evals.films.cue_lists import Film, Line

HOUR_S, FILLER = 3600.0, 950
NEVER_ASKED = {"motorway.mp4", "earth_at_night.mp4", "car_topdown.mp4", "skyline_timestamps.mp4"}  # filler pictures
_NOTE = re.compile(r"\s*\([^)]*\)")  # the manifest's own words about where a text stands

# (event, clip, where its truth is listed, words of that row)
NAMED = [
    ("'Folie Nummer 1' on a slide", "slides_german.mov", "on_screen_text", "Folie Nummer 1"),
    ("a slide titled 'Path Expressions'", "lecture_slides_xpath.mov", "on_screen_text", "Path Expressions"),
    ("'Conditional expressions' on a slide", "lecture_slides_xpath.mov", "on_screen_text", "Conditional"),
    ("the word acknowledgements on a slide", "lecture_slides_climate.mov", "on_screen_text", "Acknowledgements"),
    ('"COMING SOON" on the screen', "sintel_trailer.mp4", "on_screen_text", "COMING SOON"),
    ("'Upload New Headshot' on the screen", "screencast_compliment_bot.mp4", "on_screen_text", "Upload"),
    ("'Improbability Flux Monitor' is shown on the screen", "screencast_generative_ui.mp4", "on_screen_text", "Flux"),
    ("the on-screen text 'Crew Manifest'", "screencast_generative_ui.mp4", "on_screen_text", "Crew Manifest"),
    ("the words 'Big Buck Bunny' on the screen", "bbb_opening.webm", "on_screen_text", "Big Buck"),
    ("'Netherlands Film Fund' on the screen", "tears_of_steel_bridge.mp4", "on_screen_text", "Netherlands"),
    ("the speaker says 'beauty's rose might never die'", "sonnet_speech.mp3", "speech", "rose might"),
    ("someone says 'lord of the universe'", "friday_film.mp4", "speech", "universe"),
    ("'crown jewels' is mentioned", "friday_film.mp4", "speech", "crown jewels"),
    ('the narrator says "Greenbelt, Maryland"', "nasa_webb_mirror.mp4", "speech", "Greenbelt"),
    ("“tender churl” in the subtitles", "sonnet_speech.mp3", "speech", "tender churl"),
    ('"gaudy spring"', "sonnet_speech.mp3", "speech", "gaudy spring"),
]
TOLD = [
    ("a lecture about land and vegetation and their role in the climate", "lecture_slides_climate.mov",
     "on_screen_text", "Land and Vegetation"),
    ("someone says that the royal gems have surely been robbed", "friday_film.mp4", "speech", "crown jewels"),
    ("the telescope stands in one of the biggest cleanrooms on earth", "nasa_webb_mirror.mp4", "speech", "cleanrooms"),
    ("a dashboard for the crew of a starship", "screencast_generative_ui.mp4", "on_screen_text", "Starship Admin"),
    ("the speaker mentions the world's fresh ornament", "sonnet_speech.mp3", "speech", "fresh ornament"),
    ("there is starvation although there is plenty", "sonnet_speech.mp3", "speech", "famine"),
    ("a compliment about somebody's captivating smile and warm gaze", "screencast_compliment_bot.mp4",
     "on_screen_text", "captivating"),
    ("an XQuery slide on evaluating a sequence of nodes and eliminating duplicates", "lecture_slides_xpath.mov",
     "on_screen_text", "Path Expressions"),
]  # fmt: skip
SEEN = [
    ("a dog chews a bone", "dog_chewing.mp4", "events", ""),
    ("a deer stands at the edge of a wood", "leaf_deer.mp4", "events", "deer stands"),
    ("runners run down a street under a blue arch", "marathon.mp4", "events", "runners"),
]
ABSENT_WORDS = (
    "'Photosynthesis' on a slide",
    "a slide titled 'Quarterly revenue'",
    "'Folie Nummer 7' on a slide",
    "'Mitigation' on a slide",
    '"Shopping cart" is shown on the screen',
    "'gradient descent' in the subtitles",
    "“mitochondria” in the subtitles",
    "the speaker says 'quantum entanglement'",
)
ABSENT_SIGHTS = ("a man rides a white horse along a beach", "a cat jumps onto a kitchen table")
Transcript = Literal["sparse", "dense"]


def dev_hour(videos: Path, transcript: Transcript, seed: int = 1) -> tuple[Film, list[dict[str, Any]]]:
    """The film and its truth in the simple format, all events above."""
    listed = json.loads((videos / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    clips = [clip for clip in listed if clip["folder"] == "dev" and clip["name"] not in NEVER_ASKED]
    random.Random(seed).shuffle(clips)
    pause_s = (HOUR_S - sum(clip["duration_s"] for clip in clips)) / (len(clips) + 1)
    offsets, at_s = {}, 0.0
    for clip in clips:
        at_s += pause_s
        offsets[clip["name"]] = round(at_s, 2)
        at_s += clip["duration_s"]
    rows = {
        (clip["name"], kind): [
            Line(
                row["start_s"] + offsets[clip["name"]],
                min(row["end_s"], clip["duration_s"]) + offsets[clip["name"]],
                _NOTE.sub("", row["text"]),
            )
            for row in clip.get(kind, ())
            if row["end_s"]
        ]
        for clip in clips
        for kind in ("on_screen_text", "speech", "events")
    }
    said = sorted(
        (line for (_, kind), lines in rows.items() if kind == "speech" for line in lines if len(line.text) > 1),
        key=lambda line: line.start_s,
    )
    shown = [line for (_, kind), lines in rows.items() if kind == "on_screen_text" for line in lines]
    if transcript == "dense":
        said += _filler(videos, said)
    film = Film(f"assembled {transcript}", HOUR_S, tuple(sorted(said, key=lambda line: line.start_s)), tuple(shown))
    truth: list[dict[str, Any]] = [
        {"video": film.title, "event": event, "spans": _spans(rows[clip, kind], words), "group": group}
        for group, events in (("words", NAMED), ("paraphrases", TOLD), ("sights", SEEN))
        for event, clip, kind, words in events
    ]
    truth += [
        {"video": film.title, "event": event, "spans": [], "group": group}
        for group, events in (("words", ABSENT_WORDS), ("sights", ABSENT_SIGHTS))
        for event in events
    ]
    return film, truth


def _spans(lines: list[Line], words: str) -> list[list[float]]:
    found = [[round(line.start_s, 2), round(line.end_s, 2)] for line in lines if words in line.text]
    assert found, words
    return found


def _filler(videos: Path, said: list[Line]) -> list[Line]:
    """Sentences of the novel wherever nothing else is said."""
    sentences = (videos / "filler.txt").read_text(encoding="utf-8").splitlines()
    step = HOUR_S / FILLER
    lines = [Line(n * step, n * step + 0.95 * step, text) for n, text in enumerate(sentences[700 : 700 + FILLER])]
    return [line for line in lines if not any(o.start_s < line.end_s and o.end_s > line.start_s for o in said)]
