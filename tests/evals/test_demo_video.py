"""The drawn demo video: what the truth says stands in the file, where it says."""

from __future__ import annotations

from pathlib import Path

import av
import pytest

from agent_tools.evals.films.demo_pictures import Motion, card, slide
from agent_tools.evals.films.demo_story import MOTIONS
from agent_tools.evals.films.demo_video import FPS, DemoTruth, draw
from agent_tools.models.ocr import RapidOcr
from agent_tools.timeline import parse_uri

LENGTH_S = 90.0


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, DemoTruth]:
    path = tmp_path_factory.mktemp("demo") / "demo.mp4"
    return path, draw(path, seed=4, duration_s=LENGTH_S)


def test_video_has_the_length_size_and_rate_asked_for(drawn: tuple[Path, DemoTruth]) -> None:
    with av.open(str(drawn[0])) as container:
        video = container.streams.video[0]
        assert (video.width, video.height, video.average_rate) == (640, 360, FPS)
        assert video.frames == LENGTH_S * FPS
        assert container.duration == pytest.approx(LENGTH_S * 1e6, abs=5e5)


def test_subtitles_are_an_english_track_and_hold_the_spoken_clue(drawn: tuple[Path, DemoTruth]) -> None:
    path, truth = drawn
    with av.open(str(path)) as container:
        stream = container.streams.subtitles[0]
        assert stream.metadata["language"] == "eng"
        assert stream.time_base is not None
        said = {
            round(float(packet.pts * stream.time_base), 2): bytes(packet)[2:].decode()
            for packet in container.demux(stream)
            if packet.pts is not None and packet.size > 2
        }
    assert said[truth.hops[0].start_s] == truth.hops[0].text


def test_cards_can_be_read_where_the_truth_places_them(drawn: tuple[Path, DemoTruth]) -> None:
    path, truth = drawn
    reader = RapidOcr()
    with av.open(str(path)) as container:
        for hop in truth.hops[1:]:
            container.seek(int(hop.start_s * 1e6))
            frame = next(f for f in container.decode(video=0) if f.time >= hop.start_s + 0.5)
            lines = reader.read(frame.to_ndarray(format="rgb24"))
            assert " ".join(line.text for line in lines) == hop.text


def test_truth_cites_spans_of_this_very_file(drawn: tuple[Path, DemoTruth]) -> None:
    for hop in drawn[1].hops:
        reference = parse_uri(hop.uri)
        assert reference is not None
        assert reference.video_id == drawn[1].video_id
        assert (reference.start_s, reference.end_s) == (hop.start_s, hop.end_s)


def test_same_seed_gives_the_same_file_and_another_seed_another(tmp_path: Path, drawn: tuple[Path, DemoTruth]) -> None:
    assert draw(tmp_path / "again.mp4", 4, LENGTH_S) == drawn[1]
    assert draw(tmp_path / "other.mp4", 5, LENGTH_S).video_id != drawn[1].video_id


@pytest.mark.parametrize("style", MOTIONS)
def test_moving_pictures_move_and_repeat_for_their_seed(style: str) -> None:
    motion = Motion(style, 3)
    assert abs(motion.at(0).astype(int) - motion.at(4)).mean() > 2
    assert (Motion(style, 3).at(2) == motion.at(2)).all()


def test_slides_and_cards_fill_the_picture() -> None:
    assert slide(("Heading", "one", "two", "three"), "dark").shape == (360, 640, 3)
    assert card(("Heading", "one", "two"), "light").shape == (360, 640, 3)
