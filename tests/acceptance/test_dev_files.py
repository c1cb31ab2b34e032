"""Eleven real files through clients of both eras, in memory, over stdio and HTTP: found, shown, grounded, noted.

The truth is the manifest's: events seen by eye, text on screen, speech out of subtitle files."""

from __future__ import annotations

import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest
from PIL import Image

from tests.acceptance.conftest import FILES, Connect
from tests.acceptance.replies import Conversation

pytestmark = [
    pytest.mark.slow,
    pytest.mark.anyio,
    pytest.mark.timeout(1800),
]  # the first test waits for the ingest of all files

# (file, what somebody asks, when it is on screen). Words as they stand there, because on-screen text is found by them.
SHOWN = [
    ("lecture_slides_climate", "Land and Vegetation key players", 0, 11.5),
    ("lecture_slides_climate", "Acknowledgements, colleagues and mentors", 11.5, 20),
    ("lecture_slides_xpath", "Only one branch allowed to raise execution errors", 0, 1.9),
    ("lecture_slides_xpath", "Path Expressions", 2, 10.4),
    ("slides_german", "Titel der Veranstaltung", 0, 7),
    ("slides_german", '"Folie Nummer 1"', 7.2, 14.6),
    ("slides_german", '"Folie Nummer 2"', 14.8, 21.9),
    ("slides_german", '"Folie nummer drei"', 22.2, 27.6),
    ("screencast_compliment_bot", "Upload New Headshot", 2, 10.1),
    ("screencast_compliment_bot", "your captivating smile and warm gaze", 8.8, 10.1),
    ("screencast_generative_ui", "Prefab admin dashboard for the starship", 0.8, 20),
    ("screencast_generative_ui", "Improbability Flux Monitor", 12, 24.2),
    ("screencast_generative_ui", "Crew Manifest, Power Distribution", 16.5, 24.2),
    ("leaf_deer", "Copyright Brandon Castellano", 1, 23.5),
]
# (file, a question that shares no telling word with what is said, when it is said)
SAID = [
    ("friday_film", "the royal jewellery was robbed", 4.3, 6),
    ("friday_film", "can I speak with the most powerful man", 1.5, 3),
    ("nasa_webb_mirror", "a huge hall free of dust", 4.26, 8.35),
    ("nasa_webb_mirror", "a research institute near Washington", 8.35, 12.47),
    ("sonnet_speech", "hunger although there is plenty", 22.8, 25.68),
    ("sonnet_speech", "being your own enemy", 25.68, 31.24),
    ("sonnet_speech", "beautiful people should have babies", 2.68, 5.88),
    ("sonnet_speech", "show compassion to everybody on earth", 44.56, 48.08),
]
COMMON = frozenset("a an and be by can in is most of on the to with your own there have this was".split())
FIRST_OF = 3  # ranks that an agent looks at first
EDGE_S = 1.0  # one sampled picture: what stands on screen is known to the second


async def ranks(talk: Conversation, questions: list[tuple[str, str, float, float]], channels: list[str]) -> list[int]:
    """The rank of the right moment for each question asked of the whole library; 99 where it is not among eight."""
    found = []
    for name, question, start_s, end_s in questions:
        video_id = (await talk.call("list_episodes", video_id=name))["video_id"]
        hits = (await talk.call("retrieve_memory", query=question, channels=channels))["hits"]
        right = [
            hit["rank"]
            for hit in hits
            if hit["video_id"] == video_id
            and hit["start_s"] < end_s + EDGE_S
            and hit["end_s"] > start_s - EDGE_S
            and any(matched.partition(":")[0] in channels for matched in hit["matched"])
        ]
        found.append(min(right, default=99))
    return found


@pytest.mark.parametrize("era", ["legacy", "2026-07-28"])
async def test_what_is_on_screen_is_found_by_what_it_says(connect: Connect, era: str) -> None:
    async with connect("memory", era) as client:
        found = await ranks(Conversation(client), SHOWN, ["screen_text"])
    assert max(found) <= FIRST_OF, list(zip(SHOWN, found, strict=True))
    assert sum(rank == 1 for rank in found) >= 0.9 * len(found)


async def test_what_is_said_is_found_by_meaning(connect: Connect, manifest: dict[str, Any]) -> None:
    for name, question, start_s, _ in SAID:
        entry = next(entry for file, entry in manifest.items() if file.startswith(name))
        said = next(cue["text"] for cue in entry["speech"] if abs(cue["start_s"] - start_s) < 0.1)
        assert not (words(question) - COMMON) & words(said), (question, said)
    async with connect("memory", "2026-07-28") as client:
        found = await ranks(Conversation(client), SAID, ["subtitles"])
    assert max(found) <= FIRST_OF, list(zip(SAID, found, strict=True))
    assert sum(rank == 1 for rank in found) >= 0.6 * len(found), list(zip(SAID, found, strict=True))


def words(text: str) -> set[str]:
    return set(re.findall(r"[a-z]+", text.lower()))


MOMENTS = [
    ("leaf_deer", 7.5, 11),  # a deer at the edge of a wood
    ("leaf_deer", 19, 23),  # rough slanted slats
    ("dog_leash", 2.7, 3.6),  # the woman alone
    ("dog_leash", 6.5, 7.5),  # the dog jumps
    ("venus_transit", 3.6, 6.5),  # a black disc before the yellow sun
    ("venus_transit", 10.2, 12),  # before the red sun
    ("nasa_webb_mirror", 6, 8.2),  # a person in a lift
    ("slides_german", 16, 21),  # the second slide
    ("lecture_slides_climate", 13, 19),  # acknowledgements
    ("screencast_compliment_bot", 3, 8),  # the portrait waits
]


@pytest.mark.parametrize(("name", "start_s", "end_s"), MOMENTS)
async def test_a_zoomed_picture_is_the_one_on_screen_at_its_time(
    connect: Connect, real_videos: Path, name: str, start_s: float, end_s: float
) -> None:
    async with connect("memory", "2026-07-28") as client:
        talk = Conversation(client)
        facts, pictures = await talk.seen(
            "zoom_segment", video_id=name, start_s=start_s, end_s=end_s, max_frames=2, max_tokens=6000
        )
    assert [frame["at_s"] for frame in facts["frames"]] == sorted(frame["at_s"] for frame in facts["frames"])
    path = next(path for path in (real_videos / "dev").iterdir() if path.stem == name and path.suffix != ".vtt")
    for frame, picture in zip(facts["frames"], pictures, strict=True):
        assert start_s <= frame["at_s"] < end_s
        own = difference(picture, decoded(path, frame["at_s"]))
        other = difference(picture, decoded(path, (frame["at_s"] + 0.5 * duration_s(path)) % duration_s(path)))
        assert own < 4, (name, frame, own)
        assert own < 0.5 * other, (name, frame, own, other)


def decoded(path: Path, time_s: float) -> Image.Image:
    """The picture on screen at a time, by plain decoding from the start: slow and clear."""
    with av.open(str(path)) as container:
        stream = max(container.streams.video, key=lambda s: s.codec_context.width)
        first, shown = None, None
        for frame in container.decode(stream):
            first = frame.time if first is None else first
            if frame.time - first > time_s + 1e-6:
                break
            shown = frame
        assert shown is not None
        return shown.to_image()


def duration_s(path: Path) -> float:
    with av.open(str(path)) as container:
        return float(container.duration or 0) / 1e6


def difference(one: Image.Image, other: Image.Image) -> float:
    """Mean difference of two pictures in levels of 255, at 160 x 90."""
    small = [np.asarray(image.convert("L").resize((160, 90)), np.int16) for image in (one, other)]
    return float(np.abs(small[0] - small[1]).mean())


GROUNDED = [
    ("'Path Expressions' on a slide", "lecture_slides_xpath", 2, 10.4),
    ("the word 'Acknowledgements' on a slide", "lecture_slides_climate", 11.5, 20),
    ("someone says 'crown jewels'", "friday_film", 4.3, 6),
    ("the narrator mentions one of the largest cleanrooms", "nasa_webb_mirror", 4.26, 8.35),
    ("a famine is spoken of", "sonnet_speech", 22.8, 25.68),
]


async def test_an_event_is_grounded_where_it_is(connect: Connect) -> None:
    async with connect("memory", "legacy") as client:
        talk = Conversation(client)
        for event, name, start_s, end_s in GROUNDED:
            reply = await talk.call("ground_event", event=event, video_id=name)
            best = reply["spans"][0]
            assert best["start_s"] < end_s, (event, best)
            assert best["end_s"] > start_s, (event, best)
            assert reply["verdict"] in (
                ("present", "uncertain") if reply["confidence_kind"] == "calibrated" else ("uncertain",)
            )


async def test_what_no_channel_can_show_is_uncertain_with_the_reason(connect: Connect) -> None:
    async with connect("memory", "2026-07-28") as client:
        reply = await Conversation(client).call("ground_event", event="a dog runs away", video_id="dog_leash")
    assert reply["verdict"] == "uncertain"
    assert "frames" in {part["channel"] for part in reply["not_judged"]}


@pytest.mark.parametrize(
    ("transport", "era", "reads"),
    [
        ("memory", "2026-07-28", True),
        ("stdio", "legacy", False),
        ("stdio", "2026-07-28", False),
        ("http", "2026-07-28", False),
        ("http", "legacy", False),
    ],
)
async def test_all_six_tools_on_all_files(
    connect: Connect, manifest: dict[str, Any], transport: str, era: str, reads: bool
) -> None:
    """A tour: what a client sees of each file, each transport in either era; every uri is read in the first of them."""
    async with connect(transport, era) as client:
        talk = Conversation(client)
        assert {tool.name for tool in (await client.list_tools()).tools} == TOOLS
        listed = {video["title"]: video for video in (await talk.call("list_episodes", max_tokens=4000))["videos"]}
        for name in FILES:
            title = Path(name).stem
            video_id = listed[title]["video_id"]
            await tour(talk, name, title, video_id, manifest[name], f"{transport} {era}")
        library = await talk.call("ground_event", event="the speaker says 'crown jewels'", max_tokens=4000)
        assert library["videos"][0]["title"] == "friday_film"
        kinds = await talk.read_all() if reads else {uri: await talk.read(uri) for uri in list(talk.uris)[::15]}
    assert len(kinds) >= 5
    if reads:
        assert set(kinds.values()) == {"application/json", "image/jpeg", "video/mp4"} or set(kinds.values()) >= {
            "application/json",
            "video/mp4",
        }


TOOLS = {"ingest_video", "list_episodes", "retrieve_memory", "zoom_segment", "ground_event", "remember"}


async def tour(talk: Conversation, name: str, title: str, video_id: str, entry: dict[str, Any], who: str) -> None:
    """Each of the six tools on one file."""
    again = await talk.call("ingest_video", source=name, wait_s=0)
    assert (again["video_id"], again["state"]) == (video_id, "done")
    assert again["duration_s"] == pytest.approx(entry["duration_s"], abs=0.5)
    timeline = await talk.call("list_episodes", video_id=name, level="scene")
    spans = [(episode["start_s"], episode["end_s"]) for episode in timeline["episodes"]]
    assert spans[0][0] == 0
    assert spans[-1][1] == pytest.approx(again["duration_s"], abs=0.02)
    assert all(a[1] == b[0] for a, b in pairwise(spans))
    facts, pictures = await talk.seen("zoom_segment", video_id=timeline["episodes"][-1]["uri"], max_frames=4)
    assert (len(pictures) > 0) == bool(entry["width"])
    assert all(frame["at"] for frame in facts["frames"])
    event = (entry["speech"] or entry["on_screen_text"] or entry["events"])[-1]
    grounded = await talk.call("ground_event", event=event["text"][:200], video_id=video_id)
    assert "notes" not in grounded["coverage"]["channels"]  # named only where something was not searched
    text = f"A note on {title} by {who}: umbrella number {len(name)}."
    start_s, end_s = event["start_s"], min(event["end_s"], again["duration_s"])
    note = await talk.call("remember", video_id=video_id, start_s=start_s, end_s=end_s, text=text)
    assert note["stored"]
    hits = (await talk.call("retrieve_memory", query=text, video_ids=[video_id], channels=["notes"]))["hits"]
    assert any(hit["notes"] and text in hit["notes"] for hit in hits)
    if entry["width"]:
        alike = await talk.call("retrieve_memory", like=f"video://{video_id}#t=0,1", detail="full")
        assert list(alike["coverage"]["channels"]) == ["frames"]
