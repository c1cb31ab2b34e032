"""A long video with known truth: real clips joined by the shared assemble.py, with a transcript beside them.

    python -m lab.bench.assembled [SECONDS]

Builds the film, an hour long without SECONDS. The film is assembled, not natural: its scene cuts are easier, and every
figure measured on it says so."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, Literal

SHARED_VIDEOS = Path(
    os.environ.get("AGENT_TOOLS_TEST_VIDEOS", Path(__file__).parents[3] / "shared" / "videos")
).resolve()
CACHE = Path(__file__).parents[2] / ".cache" / "hour"
FILLER_SENTENCES = 950  # to an hour: as many words as a talking hour has
READING_S = 3.4  # how long a filler sentence stands
SONNET = "sonnet_speech.mp3"
WHOLE_S = 1200  # a film from this length on has every clip; a shorter one has FEW, so that filler lies between them
FEW = (
    "dog_leash.mp4",
    "friday_film.mp4",
    "leaf_deer.mp4",
    "lecture_slides_climate.mov",
    "nasa_webb_mirror.mp4",
    "slides_german.mov",
)
FILLER = ("motorway.mp4", "earth_at_night.mp4", "car_topdown.mp4", "skyline_timestamps.mp4")  # as assemble.py has them
Transcript = Literal["sparse", "dense"]
Truth = list[dict[str, Any]]


def assembled_hour(
    seconds: int = 3600,
    *,
    transcript: Transcript = "sparse",
    videos: Path = SHARED_VIDEOS,
    cache: Path = CACHE,
    seed: int = 1,
) -> tuple[Path, Truth]:
    """The film and what it holds, clip by clip; built into the cache folder where it is missing.

    An hour takes six minutes of two quiet cores, five minutes of film (of FEW clips) half a minute. Beside the film
    lies a .en.srt: "sparse" has the clips' own speech and the sonnet's cues over a stretch of filler pictures; "dense"
    the same cues among sentences of filler.txt, 950 to the hour. The sonnet stands in the truth like a clip of its own.
    Both variants share one film (a hard link), and each has the whole truth beside it as truth.json.
    """
    folder = cache / f"{seconds}-{seed}"
    if not (folder / "truth.json").exists():
        _assemble(folder, seconds, videos, seed)
    truth: Truth = json.loads((folder / "truth.json").read_text(encoding="utf-8"))
    sonnet = _sonnet(truth, videos)
    truth = sorted([*truth, sonnet], key=lambda clip: clip["start_s"])
    return _with_transcript(folder, transcript, truth, videos, seconds), truth


def cues_of(truth: Truth) -> list[tuple[float, float, str]]:
    """(start_s, end_s, text) of everything said, in time order."""
    said = [(cue["start_s"], cue["end_s"], cue["text"]) for clip in truth for cue in clip["speech"]]
    return sorted(cue for cue in said if cue[1] > cue[0])


def _assemble(folder: Path, seconds: int, videos: Path, seed: int) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    made, truth_file = folder / f"making-{os.getpid()}.mp4", folder / f"making-{os.getpid()}.json"
    with tempfile.TemporaryDirectory() as few:
        root = videos if seconds >= WHOLE_S else _few(Path(few), videos)
        command = [sys.executable, str(videos / "assemble.py"), str(made), str(truth_file), str(root), "dev"]
        subprocess.run([*command, str(seconds), str(seed)], check=True, stdout=subprocess.DEVNULL)
    made.replace(folder / "assembled.mp4")
    truth_file.replace(folder / "truth.json")  # last: its presence says that the film is whole


def _few(root: Path, videos: Path) -> Path:
    """A folder like `videos` whose manifest lists FEW clips and the filler."""
    listed = json.loads((videos / "MANIFEST.json").read_text(encoding="utf-8"))
    listed["files"] = [entry for entry in listed["files"] if entry["name"] in (*FEW, *FILLER)]
    (root / "MANIFEST.json").write_text(json.dumps(listed), encoding="utf-8")
    (root / "dev").symlink_to(videos / "dev")
    return root


def _sonnet(truth: Truth, videos: Path) -> dict[str, Any]:
    """The sonnet's cues, laid over the first stretch of filler that is long enough for them, from its second second."""
    listed = json.loads((videos / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    own = next(entry for entry in listed if entry["name"] == SONNET)
    start_s, end_s = _longest_filler(truth)
    offset = start_s + 1.0
    cues = [
        {**cue, "start_s": round(cue["start_s"] + offset, 2), "end_s": round(cue["end_s"] + offset, 2)}
        for cue in own["speech"]
        if cue["end_s"] + offset <= end_s and len(cue["text"]) > 1
    ]
    return {
        "clip": SONNET,
        "filler": False,
        "start_s": offset,
        "end_s": cues[-1]["end_s"] if cues else offset,
        "events": [],
        "on_screen_text": [],
        "speech": cues,
    }


def _longest_filler(truth: Truth) -> tuple[float, float]:
    stretches: list[tuple[float, float]] = []
    for clip in truth:
        if not clip["filler"]:
            continue
        if stretches and abs(stretches[-1][1] - clip["start_s"]) < 1e-6:
            stretches[-1] = (stretches[-1][0], clip["end_s"])
        else:
            stretches.append((clip["start_s"], clip["end_s"]))
    return max(stretches, key=lambda span: span[1] - span[0])


def _with_transcript(folder: Path, transcript: Transcript, truth: Truth, videos: Path, seconds: int) -> Path:
    own = folder / transcript
    film = own / "assembled.mp4"
    if not (own / "assembled.en.srt").exists():
        own.mkdir(exist_ok=True)
        if not film.exists():
            os.link(folder / "assembled.mp4", film)
        cues = cues_of(truth)
        if transcript == "dense":
            cues = sorted([*cues, *_filler(cues, videos, seconds)])
        (own / "assembled.en.srt").write_text(_subrip(cues), encoding="utf-8")
    if not (own / "truth.json").exists():
        (own / "truth.json").write_text(json.dumps(truth), encoding="utf-8")
    return film


def _filler(cues: list[tuple[float, float, str]], videos: Path, seconds: int) -> list[tuple[float, float, str]]:
    """Sentences of the novel, evenly, where nothing else is said; from a place that is always the same."""
    sentences = (videos / "filler.txt").read_text(encoding="utf-8").splitlines()
    count = round(FILLER_SENTENCES * seconds / 3600)
    first = random.Random(5).randrange(max(1, len(sentences) - count))
    step = seconds / count
    filler = []
    for number, sentence in enumerate(sentences[first : first + count]):
        start_s = number * step
        end_s = start_s + min(READING_S, step * 0.95)
        if all(end_s <= cue[0] or start_s >= cue[1] for cue in cues):
            filler.append((round(start_s, 2), round(end_s, 2), sentence.strip()))
    return filler


def _subrip(cues: list[tuple[float, float, str]]) -> str:
    def stamp(time_s: float) -> str:
        milliseconds = round(time_s * 1000)
        hours, rest = divmod(milliseconds, 3_600_000)
        minutes, rest = divmod(rest, 60_000)
        return f"{hours:02}:{minutes:02}:{rest // 1000:02},{rest % 1000:03}"

    return "".join(
        f"{number}\n{stamp(start_s)} --> {stamp(end_s)}\n{text}\n\n"
        for number, (start_s, end_s, text) in enumerate(cues, 1)
    )


if __name__ == "__main__":
    if not (SHARED_VIDEOS / "assemble.py").is_file():
        sys.exit(
            f"No clips at {SHARED_VIDEOS}: they are not part of the checkout. AGENT_TOOLS_TEST_VIDEOS names a folder."
        )
    for variant in ("sparse", "dense"):
        built, held = assembled_hour(int(sys.argv[1]) if len(sys.argv) > 1 else 3600, transcript=variant)
        sys.stdout.write(f"{built}: {len(held)} clips, {len(cues_of(held))} cues\n")
