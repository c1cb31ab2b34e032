"""ground_event on the hour assembled from the real clips, ingested with a sparse and with a dense transcript.

    python -m lab.bench.grounding_hour [--json lab/measured/grounding.json] [--seconds 3600]

Builds the film and its data folders in the cache folder where they are missing (six and five minutes on two cores),
asks each event of tests/service/dev_hour.py there and prints the table. On-screen text is what the OCR read in the
640 x 360 film, not the list of the clips. The film is assembled: its scene cuts are easier than those of a natural
hour. A film of 1,200 seconds holds the same clips with less between them, and takes a third of the time."""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, get_args

from agent_tools.evals.grounding.grounding import run_grounding, side_by_side
from lab.bench.assembled import CACHE, Transcript, Truth, assembled_hour
from tests.service.dev_hour import ABSENT_SIGHTS, ABSENT_WORDS, NAMED, SEEN, TOLD

SECONDS = 3600


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
            if not spans:
                raise LookupError(f"{event!r}: {words!r} is not in {clip}")
            rows.append({"video": "assembled", "event": event, "spans": spans, "group": group})
    for group, absent in (("words", ABSENT_WORDS), ("sights", ABSENT_SIGHTS)):
        rows += [{"video": "assembled", "event": event, "spans": [], "group": group} for event in absent]
    return rows


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
    parser.add_argument("--json", type=Path)
    parser.add_argument("--seconds", type=int, default=SECONDS, help="length of the film, from 1200 on")
    parser.add_argument("--homes", type=Path, help="folder of the two data folders, beside the film where left out")
    asked = parser.parse_args()
    homes: Path = asked.homes or CACHE / f"{asked.seconds}-1" / "grounding"
    homes.mkdir(parents=True, exist_ok=True)
    _, truth = assembled_hour(asked.seconds)
    events = homes / "events.json"
    events.write_text(json.dumps(events_of(truth), indent=1, ensure_ascii=False), encoding="utf-8")
    reports = {
        transcript: run_grounding(events, home_of(transcript, homes, asked.seconds), homes / f"out-{transcript}")
        for transcript in get_args(Transcript)
    }
    sys.stdout.write(side_by_side(reports) + "\n")
    if asked.json is not None:
        asked.json.write_text(json.dumps(reports, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
