"""Five minutes of real clips between filler, with a transcript beside them: found by meaning however much else is said.

The film is assembled, not natural: its cuts are easier than a natural video's. The hour is for make bench and eval."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from agent_tools.server import build_server
from agent_tools.service.library.library import Library
from lab.bench.assembled import Transcript, Truth, assembled_hour, cues_of
from tests.acceptance.replies import Conversation
from tests.library import ingested, lite, opened

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(1500)]

SECONDS = 300
# (a question, what is said there)
SAID = [
    ("the royal jewellery was robbed", "crown jewels"),
    ("can I speak with the most powerful man", "lord of the universe"),
    ("a huge hall free of dust", "largest cleanrooms"),
    ("a research institute near Washington", "Greenbelt, Maryland"),
    ("hunger although there is plenty", "Making a famine"),
    ("beautiful people should have babies", "From fairest creatures"),
]


@pytest.fixture(scope="module", params=["sparse", "dense"])
def assembled(
    request: pytest.FixtureRequest, real_videos: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Library, Truth]]:
    """A library with the film and one of its transcripts. On-screen text is left out: the other files have it."""
    transcript: Transcript = request.param
    built, truth = assembled_hour(SECONDS, transcript=transcript, videos=real_videos)
    folder = tmp_path_factory.mktemp(transcript)
    for path in (built, built.with_name("assembled.en.srt")):
        shutil.copy(path, folder)
    with opened(ingested(lite(folder / "home", folder), built.name, channels=["subtitles", "frames"])) as library:
        assert library.models.text(120) is not None
        yield library, truth


async def test_what_is_said_is_found_between_all_that_is_said(assembled: tuple[Library, Truth]) -> None:
    library, truth = assembled
    cues = cues_of(truth)
    async with Conversation.over(build_server(library.settings, library)) as talk:
        found = []
        for question, words in SAID:
            start_s, end_s, _ = next(cue for cue in cues if words in cue[2])
            hits = (await talk.call("retrieve_memory", query=question, video_ids=["assembled"]))["hits"]
            right = [hit["rank"] for hit in hits if hit["start_s"] < end_s and hit["end_s"] > start_s]
            found.append(min(right, default=99))
        assert max(found) <= 5, list(zip(SAID, found, strict=True))
        assert sum(rank == 1 for rank in found) >= 0.5 * len(found), list(zip(SAID, found, strict=True))
        assert await talk.read_all()


async def test_each_clip_is_shown_where_it_lies(assembled: tuple[Library, Truth]) -> None:
    library, truth = assembled
    async with Conversation.over(build_server(library.settings, library)) as talk:
        for clip in truth:
            if clip["filler"] or not clip["events"]:
                continue
            start_s, end_s = clip["start_s"], clip["end_s"]
            facts, pictures = await talk.seen(
                "zoom_segment", video_id="assembled", start_s=start_s, end_s=end_s, max_frames=3
            )
            assert pictures
            assert all(start_s <= frame["at_s"] < end_s for frame in facts["frames"])


async def test_scenes_begin_where_clips_do(assembled: tuple[Library, Truth]) -> None:
    """Of the borders between clips of at least ten seconds most are borders of scenes, to two seconds."""
    library, truth = assembled
    async with Conversation.over(build_server(library.settings, library)) as talk:
        scenes = await talk.call("list_episodes", video_id="assembled", level="scene", max_tokens=20_000)
    starts = [episode["start_s"] for episode in scenes["episodes"]]
    lasting = [clip for clip in truth if clip["end_s"] - clip["start_s"] >= 10 and not clip["clip"].endswith(".mp3")]
    borders = [clip["start_s"] for clip in lasting if clip["start_s"] > 0]
    met = [border for border in borders if any(abs(border - start_s) <= 2 for start_s in starts)]
    assert len(met) >= 0.7 * len(borders), (borders, starts)
