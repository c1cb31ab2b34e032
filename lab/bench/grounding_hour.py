"""ground_event on the hour assembled from the real clips, ingested with a sparse and with a dense transcript.

    python -m lab.bench.grounding_hour [--write] [--seconds 3600]

Builds the film and its data folders in the cache folder where they are missing (six and five minutes on two cores),
asks each event of tests/service/dev_hour.py there and prints the table. On-screen text is what the OCR read in the
640 x 360 film, not the list of the clips. The film is assembled: its scene cuts are easier than those of a natural
hour. A film of 1,200 seconds holds the same clips with less between them, and takes a third of the time; the sonnet's
cues that have no room there are not asked for.

    python -m lab.bench.grounding_hour --clips HOME [--write]

HOME holds clips that were ingested one by one, in their own size and with their own sound. Each event is then asked of
its clip, and each event that no clip holds of every clip. --write keeps the figures for the pages."""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any, get_args

from agent_tools.evals.grounding.grounding import run_grounding, side_by_side
from agent_tools.store import Store
from lab.bench.assembled import CACHE, SHARED_VIDEOS, SONNET, Transcript, Truth, assembled_hour
from tests.service.dev_hour import ABSENT_SIGHTS, ABSENT_WORDS, NAMED, SEEN, TOLD

SECONDS = 3600
MEASURED = Path(__file__).parents[1] / "measured" / "grounding.json"


def events_of(truth: Truth) -> list[dict[str, Any]]:
    """The events with their spans in the film, in the simple truth format."""
    rows: list[dict[str, Any]] = []
    for group, events in (("words", NAMED), ("paraphrases", TOLD), ("sights", SEEN)):
        for event, clip, kind, words in events:
            spans = [
                [row["start_s"], row["end_s"]]
                for one in truth
                if one["clip"] == clip
                for row in one[kind]
                if words in row["text"] and row["end_s"] > row["start_s"]
            ]
            if not spans and clip == SONNET:  # its cues lie over one stretch of filler, which a short film has not
                continue
            if not spans:
                raise LookupError(f"{event!r}: {words!r} is not in {clip}")
            rows.append({"video": "assembled", "event": event, "spans": spans, "group": group})
    for group, absent in (("words", ABSENT_WORDS), ("sights", ABSENT_SIGHTS)):
        rows += [{"video": "assembled", "event": event, "spans": [], "group": group} for event in absent]
    return rows


def events_of_clips(there: set[str]) -> list[dict[str, Any]]:
    """The events with their spans in the clips by these names, in the simple truth format."""
    listed = json.loads((SHARED_VIDEOS / "MANIFEST.json").read_text(encoding="utf-8"))["files"]
    clips = {one["name"]: one for one in listed if one["folder"] == "dev" and one["name"] in there}
    rows: list[dict[str, Any]] = []
    for group, events in (("words", NAMED), ("paraphrases", TOLD), ("sights", SEEN)):
        for event, clip, kind, words in events:
            if clip not in clips:
                continue
            held = [one for one in clips[clip][kind] if words in one["text"] and one["end_s"]]
            spans = [[one["start_s"], min(one["end_s"], clips[clip]["duration_s"])] for one in held]
            rows.append({"video": Path(clip).stem, "event": event, "spans": spans, "group": group})
    for group, absent in (("words", ABSENT_WORDS), ("sights", ABSENT_SIGHTS)):
        rows += [
            {"video": Path(clip).stem, "event": one, "spans": [], "group": group} for clip in clips for one in absent
        ]
    return rows


def of_clips(home: Path) -> dict[str, Any]:
    """What is measured on the clips in a data folder."""
    with contextlib.closing(Store.open(home)) as store:
        there = {Path(source.path).name for video in store.videos() for source in store.sources(video.id)}
    with tempfile.TemporaryDirectory() as made:
        events = Path(made) / "events.json"
        events.write_text(json.dumps(events_of_clips(there), ensure_ascii=False), encoding="utf-8")
        return {"clips": run_grounding(events, home, home.with_name(f"{home.name}-out"))}


def home_of(transcript: Transcript, homes: Path, seconds: int = SECONDS) -> Path:
    """A home that holds the film with this transcript; the pictures are looked at once for both."""
    home = homes / f"home-{transcript}"
    if (home / "ingested").exists():
        return home
    shutil.rmtree(home, ignore_errors=True)
    film, _ = assembled_hour(seconds, transcript=transcript)
    command = [sys.executable, "-m", "agent_tools", "ingest", str(film), "--home", str(home), "--profile", "lite"]
    if transcript == "dense":
        shutil.copytree(home_of("sparse", homes, seconds), home)
        (home / "ingested").unlink()
        command += ["--channel", "subtitles"]
    subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
    (home / "ingested").touch()
    return home


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--json", type=Path, help="also write the figures here")
    parser.add_argument("--write", action="store_true", help="keep the figures in lab/measured/grounding.json")
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of the film, from 1200 on")
    parser.add_argument("--homes", type=Path, help="folder of the two data folders, beside the film where left out")
    parser.add_argument("--clips", type=Path, metavar="HOME", help="ask of the clips in this data folder instead")
    asked = parser.parse_args()
    reports = of_clips(asked.clips) if asked.clips is not None else of_films(asked.seconds, asked.homes)
    sys.stdout.write(side_by_side(reports) + "\n")
    if asked.json is not None:
        _write(reports, asked.json)
    if asked.write:
        _write({**json.loads(MEASURED.read_text(encoding="utf-8")), **reports}, MEASURED)


def _write(reports: dict[str, Any], path: Path) -> None:
    path.write_text(json.dumps(reports, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def of_films(seconds: int, folder: Path | None) -> dict[str, Any]:
    """What is measured on the film with each transcript."""
    homes = folder or CACHE / f"{seconds}-1" / "grounding"
    homes.mkdir(parents=True, exist_ok=True)
    _, truth = assembled_hour(seconds)
    events = homes / "events.json"
    events.write_text(json.dumps(events_of(truth), indent=1, ensure_ascii=False), encoding="utf-8")
    return {
        f"{seconds // 60} minutes, {transcript}": run_grounding(
            events, home_of(transcript, homes, seconds), homes / f"out-{transcript}"
        )
        for transcript in get_args(Transcript)
    }


if __name__ == "__main__":
    main()
