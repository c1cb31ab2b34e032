"""A channel is a row of the table and a maker: nothing else in the program has to know of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.drawing import draw, even_times

pytestmark = pytest.mark.slow

MAKER = """
from agent_tools.ingestion.channels.base import ChannelMaker
from agent_tools.store import EntryIn

TEXTS = ["A heron stands in the reeds.", "Two kites fly over the dunes.", "The ferry leaves the harbour."]


class Example(ChannelMaker):
    name = "example"

    def run(self):
        self.begin("example@1")
        entries = [EntryIn(2.0 * i, 2.0 * i + 2.0, text, {}) for i, text in enumerate(TEXTS)]
        self.store.add_entries(self.video_id, self.name, "example@1", entries)
        self.index_all(0.1, 0.9)
        self.end(entries=len(entries))
"""
# In a process of its own: the table is read when the program's modules are imported.
PROGRAM = """
import json, sys
from pathlib import Path

from agent_tools import channels

channels.TABLE += (channels.ChannelSpec("example", "text", "file", maker="example_maker:Example", order=9),)

from agent_tools.ingestion.worker import work
from agent_tools.server.tools import tools
from agent_tools.service import export
from agent_tools.service.doctor import checkup
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest.jobs import reindex
from agent_tools.service.ingest.status import status
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library
from agent_tools.service.library.workers import Workers
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.settings import Settings

film, home = Path(sys.argv[1]), Path(sys.argv[2])
Workers.ensure = lambda self, store: False
settings = Settings.load({}, home=home, allow=(film.parent,), profile="lite")
library = Library(settings)
video_id = ingest_video(library, film.name, wait_s=0).video_id
work(settings)
library.models.text(120)
event = "A heron stands in the reeds"
seen = {
    "schema": {t.name: t.parameters["properties"].get("channels", {}).get("items") for t in tools(False, full=True)},
    "state": status(library, video_id).compact()["channels"],
    "search": retrieve_memory(library, SearchRequest(query=event)).compact(),
    "verdict": ground_event(library, event=event, video_id=video_id, channels=["example"]).compact(),
    "srt": export.transcript(library, library.video(video_id), "srt", "example"),
    "doctor": [sentence for _, sentence in checkup(settings)],
}
before = library.store.entries(video_id, channels=("example",))
reindex(library, video_id, "example")
seen["jobs"] = work(settings)
after = library.store.entries(video_id, channels=("example",))
same_texts = [entry.text for entry in before] == [entry.text for entry in after]
seen["reindexed"] = [same_texts, {entry.id for entry in before}.isdisjoint(entry.id for entry in after)]
seen["found_again"] = retrieve_memory(library, SearchRequest(query=event)).compact()
library.close()
print(json.dumps(seen))
"""


@pytest.fixture(scope="module")
def seen(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the program says of a video once it knows the channel `example`."""
    folder = tmp_path_factory.mktemp("example")
    (folder / "example_maker.py").write_text(MAKER)
    film = folder / "videos" / "pond.mp4"
    film.parent.mkdir()
    draw(film, even_times(16, 2), size=(160, 96))
    root = Path(__file__).parents[1]
    paths = os.pathsep.join([str(folder), str(root)])
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(film), str(folder / "home")],
        env={**os.environ, "PYTHONPATH": paths},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_its_name_is_a_published_argument(seen: dict[str, Any]) -> None:
    for tool in ("ingest_video", "retrieve_memory", "ground_event"):
        assert "example" in seen["schema"][tool]["enum"]


def test_it_is_ingested_and_its_state_is_reported(seen: dict[str, Any]) -> None:
    (row,) = [row for row in seen["state"] if row["name"] == "example"]
    assert (row["state"], row["entries"]) == ("done", 3)


@pytest.mark.parametrize("search", ["search", "found_again"])
def test_it_is_searched_and_covered(seen: dict[str, Any], search: str) -> None:
    (best,) = [hit for hit in seen[search]["hits"] if hit["rank"] == 1]
    assert "heron" in best["example"]
    assert "example:words" in best["matched"]
    assert "example" not in seen[search]["coverage"]["channels"]  # named only where something was not searched


def test_no_calibration_was_fitted_with_it_so_its_verdict_is_raw(seen: dict[str, Any]) -> None:
    assert seen["verdict"]["judged"] == ["example"]
    assert (seen["verdict"]["verdict"], seen["verdict"]["confidence_kind"]) == ("uncertain", "raw")


def test_it_is_exported(seen: dict[str, Any]) -> None:
    assert "00:00:02,000 --> 00:00:04,000\nTwo kites fly over the dunes." in seen["srt"]


def test_it_is_made_again(seen: dict[str, Any]) -> None:
    assert seen["jobs"] == 1
    assert seen["reindexed"] == [True, True]


def test_doctor_names_it(seen: dict[str, Any]) -> None:
    assert any("example" in sentence and sentence.startswith("an ingest makes") for sentence in seen["doctor"])
