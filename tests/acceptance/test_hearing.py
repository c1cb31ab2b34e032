"""Two recordings without subtitles on the lite profile: what is said in them is heard, found and judged."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from agent_tools.server import build_server
from agent_tools.settings import Settings
from tests.acceptance.replies import Conversation
from tests.library import ingested, lite, opened

pytestmark = [pytest.mark.anyio, pytest.mark.slow, pytest.mark.timeout(900)]

# (file, a question by meaning, words of the right hit)
ASKED = [
    ("wc_jfk", "what can you do for your nation", "country"),
    ("sonnet_speech", "being your own enemy", "thy foe"),
    ("sonnet_speech", "beautiful people should have babies", "fairest creatures"),
]
QUOTED = [
    ("wc_jfk", "the speaker says 'what you can do for your country'", 8.0),
    ("sonnet_speech", "the speaker says 'from fairest creatures'", 2.7),
]


@pytest.fixture(scope="module")
def heard(real_videos: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """A home in which lite has ingested both, with nothing beside them."""
    folder = tmp_path_factory.mktemp("heard")
    for path in (real_videos / "edge" / "wc_jfk.wav", real_videos / "dev" / "sonnet_speech.mp3"):
        shutil.copy(path, folder / path.name)
    return ingested(lite(folder / "home", folder), "wc_jfk.wav", "sonnet_speech.mp3")


@pytest.fixture
async def talk(heard: Settings) -> AsyncIterator[Conversation]:
    with opened(heard) as library:
        assert library.models.text(120) is not None
        async with Conversation.over(build_server(heard, library)) as conversation:
            yield conversation


async def test_lite_makes_speech_and_names_who_heard_it(talk: Conversation) -> None:
    for name in ("wc_jfk", "sonnet_speech"):
        video_id = (await talk.call("list_episodes", video=name))["video_id"]
        state = await talk.call("ingest_video", source=video_id)
        rows = {row["name"]: row for row in state["channels"]}
        assert (rows["speech"]["state"], rows["speech"]["language"]) == ("done", "en")
        assert rows["subtitles"]["state"] == "absent"
        assert "speech" not in {one["channel"] for one in state.get("not_known", ())}
        found = await talk.call("retrieve_memory", query="what is said", video=video_id, detail="full")
        assert found["coverage"]["producers"]["speech"].startswith("whisper-base@d01c3014/")


@pytest.mark.parametrize(("name", "question", "words"), ASKED)
async def test_what_is_said_is_the_first_hit(talk: Conversation, name: str, question: str, words: str) -> None:
    hits = (await talk.call("retrieve_memory", query=question, video=name))["hits"]
    assert words in hits[0]["speech"].lower(), hits[0]


@pytest.mark.parametrize(("name", "event", "at_s"), QUOTED)
async def test_words_that_are_said_are_present_at_their_time(
    talk: Conversation, name: str, event: str, at_s: float
) -> None:
    reply = await talk.call("ground_event", event=event, video=name)
    assert reply["verdict"] == "present", reply
    assert reply["spans"][0]["start_s"] - 1 <= at_s <= reply["spans"][0]["end_s"]


async def test_words_that_are_not_said_are_never_present(talk: Conversation) -> None:
    for name in ("wc_jfk", "sonnet_speech"):
        reply = await talk.call("ground_event", event="the speaker says 'quarterly revenue forecast'", video=name)
        assert reply["verdict"] != "present", reply
