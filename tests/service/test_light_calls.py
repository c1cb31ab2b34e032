"""A server of the lite profile answers from vectors and texts without torch: it takes a second and 200 MB to load."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from agent_tools.evals.films.cue_lists import Film, Line, Remembered, lay_down
from agent_tools.models.routed_text import RoutedText
from agent_tools.settings import Settings
from agent_tools.store import Store

CALLS = """
import sys
from pathlib import Path
from agent_tools.service.ground_event import ground_event
from agent_tools.service.library.library import Library
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.settings import Settings
library = Library(Settings.load({}, home=Path(sys.argv[1]), profile="lite"))
assert library.models.text(120) is not None
video = library.store.videos()[0].id
list_episodes(library, video_id=video, level="chunk")
assert retrieve_memory(library, SearchRequest(query="a ferry on the river")).hits
assert ground_event(library, event="a ferry on the river", video_id=video).verdict
assert ground_event(library, event="a ferry on the river").counts
zoom_segment(library, ZoomRequest(video_id=video, start_s=0, end_s=20, layout="text"))
print(*(name for name in ("torch", "transformers", "av") if name in sys.modules))
"""

LOOKS = """
import sys
from pathlib import Path
from agent_tools.service.library.library import Library
from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment
from agent_tools.settings import Settings
library = Library(Settings.load({}, home=Path(sys.argv[1]), allow=(Path(sys.argv[2]),), profile="lite"))
assert library.models.text(120) is not None
video = library.store.videos()[0].id
for query in ("", '"bread"', "a loaf in an oven"):
    assert zoom_segment(library, ZoomRequest(video_id=video, query=query, max_frames=3)).pictures
library.close()
print(*(name for name in ("torch", "transformers") if name in sys.modules))
"""


def test_calls_that_read_stored_vectors_load_no_torch(tmp_path: Path, routed: RoutedText) -> None:
    film = Film("ferry", 60, tuple(Line(5.0 * i, 5.0 * i + 4, f"the ferry leaves, part {i}") for i in range(12)), ())
    store = Store.open(tmp_path)
    lay_down(store, film, Remembered(routed))
    store.close()
    done = subprocess.run([sys.executable, "-c", CALLS, str(tmp_path)], capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr


def test_a_look_chooses_and_shows_pictures_without_torch(course_home: Settings) -> None:
    asked = [sys.executable, "-c", LOOKS, str(course_home.home), str(course_home.allow[0])]
    done = subprocess.run(asked, capture_output=True, text=True, check=False)
    assert (done.stdout.strip(), done.returncode) == ("", 0), done.stderr
