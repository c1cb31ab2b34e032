"""What lies beside a film and is not taken is told; speakers are kept; source code in a film's ending is no video."""

from __future__ import annotations

from pathlib import Path

import pytest

from agent_tools.errors import UnreadableVideo
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.list_episodes import list_episodes
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from tests.drawing import draw
from tests.library import ingested, lite, opened

CHANNELS = ["subtitles"]


@pytest.fixture
def film(tmp_path: Path) -> Path:
    return draw(tmp_path / "films" / "talk.mp4", [n / 5 for n in range(50)], size=(96, 54))


@pytest.fixture(autouse=True)
def folder(tmp_path: Path) -> Path:
    (tmp_path / "films").mkdir()
    return tmp_path / "films"


def test_a_file_beside_the_film_that_is_not_read_is_told_with_the_reason(film: Path, tmp_path: Path) -> None:
    film.with_name("talk.docx").write_bytes(b"PK")
    film.with_name("talk.en.srt").write_text("no times here")
    with opened(ingested(lite(tmp_path / "home", film.parent), str(film), channels=CHANNELS)) as library:
        reply = list_episodes(library, video_id="talk")
    assert reply.coverage is not None
    phrase = reply.coverage.channels.subtitles or ""
    assert "none in the file" not in phrase
    for name in ("talk.docx", "talk.en.srt"):
        assert name in phrase
        assert any(name in one.why for one in reply.not_known or [] if one.channel == "subtitles")


def test_a_film_with_nothing_beside_it_has_no_such_line(film: Path, tmp_path: Path) -> None:
    with opened(ingested(lite(tmp_path / "home", film.parent), str(film), channels=CHANNELS)) as library:
        reply = list_episodes(library, video_id="talk")
    assert reply.coverage is not None
    assert reply.coverage.channels.subtitles == "none in the file or beside it"
    assert not any(one.channel == "subtitles" for one in reply.not_known or [])


def test_who_says_it_is_kept_and_found(film: Path, tmp_path: Path) -> None:
    lines = "00:01.000 --> 00:03.000\n<v Mara Quist>The invoice is ready.\n\n00:05.000 --> 00:07.000\n<v Ole>Good.\n"
    film.with_name("talk.vtt").write_text(f"WEBVTT\n\n{lines}")
    with opened(ingested(lite(tmp_path / "home", film.parent), str(film), channels=CHANNELS)) as library:
        entries = library.store.entries(library.video("talk").id, channels=("subtitles",))
        hits = retrieve_memory(library, SearchRequest(query="Mara Quist")).hits
    assert [entry.extra.get("speaker") for entry in entries] == ["Mara Quist", "Ole"]
    assert "Mara Quist: The invoice is ready." in str(hits[0].subtitles)


def test_source_code_with_a_films_ending_makes_no_row(film: Path, tmp_path: Path) -> None:
    for number in range(3):
        film.with_name(f"module{number}.ts").write_text("export const value: number = 0;\n" * 20)
    film.with_name("real.ts").write_bytes(
        draw(tmp_path / "real.ts", [n / 5 for n in range(20)], size=(96, 54)).read_bytes()
    )
    with opened(lite(tmp_path / "home", film.parent), by_hand=True) as library:
        assert {path.name for path in library.fence.files(film.parent)} == {"talk.mp4", "real.ts"}
        with pytest.raises(UnreadableVideo, match="holds text"):
            ingest_video(library, str(film.with_name("module1.ts")), wait_s=0)
        assert library.store.videos() == []


def test_a_line_that_loops_is_one_hit_with_its_count_and_a_line_said_twice_is_two(tmp_path: Path) -> None:
    film = draw(tmp_path / "films" / "talk.mp4", [2.0 * n for n in range(140)], size=(96, 54))
    said = [(10 * n, "Please subscribe!" if n % 2 else "please subscribe.") for n in range(20)]
    said += [(210, "The bridge carries lorries."), (230, "Thank you all."), (250, "Thank you all.")]
    cues = [f"{n // 60:02d}:{n % 60:02d}.000 --> {n // 60:02d}:{n % 60:02d}.900\n{text}\n" for n, text in said]
    film.with_name("talk.vtt").write_text("WEBVTT\n\n" + "\n".join(cues))
    with opened(ingested(lite(tmp_path / "home", film.parent), str(film), channels=CHANNELS)) as library:

        def hits(query: str) -> list[tuple[str, int | None]]:
            found = retrieve_memory(library, SearchRequest(query=query, channels=CHANNELS)).hits
            return [(str(hit.subtitles).casefold(), hit.repeats) for hit in found]

        looped, thanks, bridge = hits("please subscribe"), hits("thank you all"), hits("bridge")
    assert [repeats for text, repeats in looped if "subscribe" in text] == [19]
    assert [repeats for text, repeats in thanks if "thank" in text] == [None, None]
    assert any("lorries" in text for text, _ in bridge)
