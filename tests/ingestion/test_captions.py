"""The captions channel: scenes are told one by one, resumed where they ended, and what failed is said.

The Answerer here tells what it was shown; real models are tested with the models."""

from __future__ import annotations

import contextlib
import os
import shutil
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent_tools.errors import EndpointError, InvalidArgument
from agent_tools.ingestion.channels import captions
from agent_tools.ingestion.channels.captions import MOST_FAILURES, caption_spans
from agent_tools.ingestion.control import Stopped
from agent_tools.ingestion.worker import run_job, work
from agent_tools.models.devices import too_little_memory
from agent_tools.models.video_llm.questions import Answer, TokenReport
from agent_tools.service.doctor import checkup
from agent_tools.service.ground_event import ground_event
from agent_tools.service.ingest.jobs import reindex
from agent_tools.service.ingest.status import status
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.library import Library, VideoSpan
from agent_tools.service.replies.coverage import view
from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory
from agent_tools.settings import Settings
from agent_tools.store import Store
from agent_tools.timeline import Span
from tests.drawing import Pixels, draw, even_times
from tests.library import OpenLibrary, ingested, lite
from tests.models import checkpoints
from tests.models.test_endpoint import Fake, ok

COLOURS = {"red": (200, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 220), "white": (240, 240, 240)}
SCENE_S = 20
DURATION_S = SCENE_S * len(COLOURS)
SHOWN = [f"a {name} wall fills the picture" for name in COLOURS]


def walls(number: int, width: int, height: int) -> Pixels:
    """Each colour for SCENE_S seconds at 2 pictures a second; a pattern of its own, because the descriptor takes away
    the mean of a picture."""
    scene = min(len(COLOURS) - 1, number // (2 * SCENE_S))
    rgb = np.zeros((height, width, 3), np.uint8)
    rgb[:] = list(COLOURS.values())[scene]
    rgb[:, :: scene + 2] //= 2
    rgb[height * scene // 4 : height * (scene + 1) // 4] //= 3
    return rgb


class Looker:
    """An Answerer that names the colour of the first picture; may fail at some of its answers, or stop the job."""

    def __init__(
        self, fail_at: Sequence[int] = (), stop_at: int | None = None, say: str = "a {} wall fills the picture"
    ):
        self.fail_at, self.stop_at, self.say = fail_at, stop_at, say
        self.asked: list[int] = []  # pictures shown each time

    producer = "looker@1/greedy"
    stop: BaseException = Stopped("stop")
    seen: TokenReport | None = None

    def answer(self, prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer:
        pictures = [part for part in prompt if not isinstance(part, str)]
        self.asked.append(len(pictures))
        if len(self.asked) == self.stop_at:
            raise self.stop
        if len(self.asked) in self.fail_at:
            raise EndpointError("http://127.0.0.1:9 cannot be reached, after 3 attempts. Start the server.")
        mean = pictures[0].reshape(-1, 3).mean(axis=0)
        unit = mean / np.linalg.norm(mean)
        likeness = {name: float(unit @ np.array(c) / np.linalg.norm(c)) for name, c in COLOURS.items()}
        return Answer(self.say.format(max(likeness, key=lambda name: likeness[name])), token_report=self.seen)


MODELS = ("captions=http://127.0.0.1:9/v1#looker",)


@pytest.fixture(scope="module")
def looked_at(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    """Settings of a home in which the frames of one drawn video of four scenes are done."""
    folder = tmp_path_factory.mktemp("videos")
    draw(folder / "walls.mp4", even_times(2 * DURATION_S, 2), size=(160, 96), picture=walls)
    settings = lite(tmp_path_factory.mktemp("home"), folder, models=MODELS)
    return ingested(settings, "walls.mp4", channels=["frames"])


@pytest.fixture
def walled(
    looked_at: Settings,
    tmp_path: Path,
    open_library: OpenLibrary,
    monkeypatch: pytest.MonkeyPatch,
    loaded_encoder: None,
) -> Library:
    """A library over a copy of that home, with a video LLM by setting."""
    home = shutil.copytree(looked_at.home, tmp_path / "home")
    library = open_library(*looked_at.allow, home=home, models=MODELS)
    library.retry_s = 0.0
    return library


def captioned(library: Library, monkeypatch: pytest.MonkeyPatch, model: Any) -> str:
    monkeypatch.setattr(captions, "video_llm", lambda settings: model)
    video_id = ingest_video(library, "walls.mp4", channels=["captions"], wait_s=0).video_id or ""
    work(library.settings)
    return video_id


def texts(library: Library, video_id: str) -> list[str]:
    return [entry.text for entry in library.store.entries(video_id, channels=("captions",))]


def test_each_scene_has_one_caption_that_is_found(walled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Looker()
    video_id = captioned(walled, monkeypatch, model)
    entries = walled.store.entries(video_id, channels=("captions",))
    assert [entry.text for entry in entries] == SHOWN
    assert [entry.start_s for entry in entries] == pytest.approx([0, 20, 40, 60], abs=1.0)
    assert entries[-1].end_s == pytest.approx(DURATION_S, abs=0.6)
    assert {entry.producer for entry in entries} == {"looker@1/greedy"}
    assert all(entry.extra["pictures"] == shown for entry, shown in zip(entries, model.asked, strict=True))
    row = walled.store.channel(video_id, "captions")
    assert row is not None
    assert (row.state, row.entries, row.detail.done, row.detail.of) == ("done", 4, 1.0, 4)
    hit = min(retrieve_memory(walled, SearchRequest(query="a blue wall"), wait_s=60).hits, key=lambda hit: hit.rank)
    assert (hit.captions or "").startswith("a blue wall fills the picture")
    assert any(one.startswith("captions:") for one in hit.matched)
    spans = ground_event(walled, event="'a blue wall'", video_id=video_id, channels=["captions"]).spans or []
    assert spans[0].start_s == pytest.approx(40, abs=2)


def test_what_goes_out_is_said_by_coverage_and_doctor(walled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = captioned(walled, monkeypatch, Looker())
    video = walled.video(video_id)
    phrase = view(walled, VideoSpan(video, Span(0.0, DURATION_S)), "captions").phrase
    assert phrase == "all; pictures of the video went to 127.0.0.1:9"
    lines = [line for _, line in checkup(walled.settings)]
    assert "pictures of the video go to 127.0.0.1:9, which captions them; nothing else is sent anywhere" in lines


def test_coverage_says_from_how_many_visual_tokens_it_was_told(
    walled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = Looker()
    model.seen = TokenReport(2, 2, (("vision tower", 36), ("spatial pruning", 19)))
    video_id = captioned(walled, monkeypatch, model)
    phrase = view(walled, VideoSpan(walled.video(video_id), Span(0.0, DURATION_S)), "captions").phrase
    assert "told from 76 of 144 visual tokens" in phrase
    entry = walled.store.entries(video_id, channels=("captions",))[0]
    assert entry.extra["seen"] == "2 pictures: vision tower 36, spatial pruning 19 tokens"


def test_captions_come_with_every_ingest_where_there_is_a_model(
    walled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(captions, "video_llm", lambda settings: Looker())
    video_id = ingest_video(walled, "walls.mp4", wait_s=0).video_id or ""
    job = walled.store.job(video_id)
    assert job is not None
    assert job.channels == ("subtitles", "screen_text", "speech", "captions")  # frames are done


def test_a_server_without_a_model_says_how_captions_come_about(walled: Library) -> None:
    without = Library(Settings.load({}, home=walled.settings.home, allow=walled.settings.allow, profile="lite"))
    told = r"'captions' cannot be made by this server.*--models captions=FOLDER, or captions=http://host/v1#model\.$"
    with pytest.raises(InvalidArgument, match=told):
        ingest_video(without, "walls.mp4", channels=["captions"], wait_s=0)
    without.close()


def test_captions_alone_bring_the_frames_they_need(
    walled: Library, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder = tmp_path / "more"
    folder.mkdir()
    draw(folder / "short.mp4", even_times(16, 2), size=(160, 96))
    monkeypatch.setattr(captions, "video_llm", lambda settings: Looker())
    video_id = (
        ingest_video(walled, str(folder / "short.mp4"), channels=["captions"], wait_s=0, trusted=True).video_id or ""
    )
    work(walled.settings)
    states = {row.name: row.state for row in walled.store.channels(video_id)}
    assert (states["frames"], states["captions"]) == ("done", "done")


def test_an_endpoint_gets_the_pictures_of_each_scene_and_nothing_else(walled: Library) -> None:
    fake = Fake()
    fake.replies = [ok("A wall.")]
    row = run_with(walled, f"captions={fake.url}#tiny-vl")
    fake.close()
    assert (row.state, row.entries, row.producer) == ("done", 4, f"tiny-vl@{row.detail.sent_to}/greedy")
    assert len(fake.asked) == 4
    for asked in fake.asked:
        kinds = [part["type"] for part in asked["messages"][0]["content"]]
        assert kinds == ["text", *["image_url"] * (len(kinds) - 2), "text"]
        assert len(kinds) > 2


def test_a_stopped_ingest_asks_for_what_lacks_alone(walled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = captioned(walled, monkeypatch, Looker(stop_at=3))
    assert texts(walled, video_id) == SHOWN[:2]
    assert status(walled, video_id).state == "stopped"
    row = walled.store.channel(video_id, "captions")
    assert row is not None
    assert row.state == "running"
    assert row.done_to_s == pytest.approx(40, abs=1.0)
    second = Looker()
    captioned(walled, monkeypatch, second)
    assert len(second.asked) == 2
    assert texts(walled, video_id) == SHOWN


def test_a_worker_that_dies_loses_no_caption(walled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    dying = Looker(stop_at=3)
    dying.stop = SystemExit("as a kill: nothing is tidied up")
    with pytest.raises(SystemExit):
        captioned(walled, monkeypatch, dying)
    second = Looker()
    monkeypatch.setattr(captions, "video_llm", lambda settings: second)
    with contextlib.closing(Store.open(walled.settings.home, now=lambda: time.time() + 60)) as store:
        job = store.claim("the next", os.getpid(), lease_s=60)  # the dead one's lease has run out by then
        assert job is not None
        run_job(store, job, "the next", walled.settings)
        assert [entry.text for entry in store.entries(job.video_id, channels=("captions",))] == SHOWN
        ended = store.job(job.video_id)
        assert ended is not None
        assert ended.state == "done"
    assert len(second.asked) == 2


def test_a_scene_that_failed_is_a_gap_and_the_channel_says_failed(
    walled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = captioned(walled, monkeypatch, Looker(fail_at=[2]))
    assert texts(walled, video_id) == [SHOWN[0], *SHOWN[2:]]
    row = walled.store.channel(video_id, "captions")
    assert row is not None
    assert row.state == "failed"
    assert row.error == (
        "EndpointError: 1 of 4 captions failed, 0 were not asked for. Ingest again to go on. "
        "http://127.0.0.1:9 cannot be reached, after 3 attempts. Start the server."
    )
    (gap,) = (gap for gap in walled.store.gaps(video_id) if gap.channel == "captions")
    assert gap.start_s == pytest.approx(20, abs=1.0)
    assert gap.end_s == pytest.approx(40, abs=1.0)
    assert gap.why.startswith("EndpointError: http://127.0.0.1:9 cannot be reached")
    mended = Looker()
    captioned(walled, monkeypatch, mended)
    assert len(mended.asked) == 1
    assert texts(walled, video_id) == SHOWN
    assert [gap for gap in walled.store.gaps(video_id) if gap.channel == "captions"] == []
    row = walled.store.channel(video_id, "captions")
    assert row is not None
    assert (row.state, row.error) == ("done", None)


def test_a_model_that_is_down_is_not_asked_for_every_scene(walled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    model = Looker(fail_at=range(1, 99))
    video_id = captioned(walled, monkeypatch, model)
    assert len(model.asked) == MOST_FAILURES
    reply = status(walled, video_id)
    assert reply.state == "failed"
    assert "2 of 4 captions failed, 2 were not asked for" in (reply.error or "")
    last = max((gap for gap in reply.gaps or [] if gap.channel == "captions"), key=lambda gap: gap.end_s)
    assert last.end_s == pytest.approx(DURATION_S, abs=0.6)
    assert last.why == "not asked for after 2 failures in a row"
    assert view(walled, VideoSpan(walled.video(video_id), Span(0.0, DURATION_S)), "captions").phrase.startswith(
        "failed at"
    )


def test_a_caption_is_cleaned_and_an_empty_one_is_a_gap(walled: Library, monkeypatch: pytest.MonkeyPatch) -> None:
    video_id = captioned(walled, monkeypatch, Looker(say="a {}\u202e\x1b[31m wall\n\nIgnore"))
    assert texts(walled, video_id)[0] == "a red wall Ignore"
    reindex(walled, video_id, "captions")
    monkeypatch.setattr(captions, "video_llm", lambda settings: Looker(say=" \u200b"))
    work(walled.settings)
    assert texts(walled, video_id) == []
    row = walled.store.channel(video_id, "captions")
    gaps = [gap for gap in walled.store.gaps(video_id) if gap.channel == "captions"]
    assert row is not None
    assert (row.state, [gap.why for gap in gaps]) == ("done", ["the model wrote nothing of it"] * 4)


def test_another_models_captions_stay_until_its_own_are_complete(
    walled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    video_id = captioned(walled, monkeypatch, Looker())
    second = Looker(say="one sees {}", stop_at=2)
    second.producer = "second@1/greedy"
    monkeypatch.setattr(captions, "video_llm", lambda settings: second)
    reindex(walled, video_id, "captions")
    work(walled.settings)
    assert texts(walled, video_id) == SHOWN
    third = Looker(say="one sees {}")
    third.producer = second.producer
    monkeypatch.setattr(captions, "video_llm", lambda settings: third)
    reindex(walled, video_id, "captions")
    work(walled.settings)
    assert texts(walled, video_id) == [f"one sees {name}" for name in COLOURS]
    assert len(third.asked) == 3  # the first caption was there


def test_long_scenes_are_told_in_parts_that_cover_them() -> None:
    spans = caption_spans([Span(0.0, 12.5), Span(12.5, 100.0), Span(100.0, 130.0)])
    assert spans == [Span(0, 12.5), Span(12.5, 41.667), Span(41.667, 70.833), Span(70.833, 100), Span(100, 130)]


@pytest.mark.parametrize(
    ("name", "told"),
    [
        ("nothing", "nothing is not a folder. Name the folder that holds the model's config.json."),
        ("empty", "holds no config.json, so it is no model folder"),
        ("pickles", "holds its weights as pickles only, which can run code and are never loaded"),
    ],
)
def test_a_folder_without_a_model_fails_the_channel_with_one_message(
    walled: Library, tmp_path: Path, name: str, told: str
) -> None:
    folder = tmp_path / name
    if name != "nothing":
        folder.mkdir()
    if name == "pickles":
        (folder / "config.json").write_text("{}")
        (folder / "pytorch_model.bin").write_bytes(b"\x80")
    row = run_with(walled, f"captions={folder}")
    assert row.error is not None
    assert row.state == "failed"
    assert row.error.startswith("ModelMissing: ")
    assert told in row.error
    assert row.error.count("ModelMissing") == 1


def test_memory_that_runs_out_fails_the_channel_with_one_message(
    walled: Library, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = checkpoints.qwen2_vl(tmp_path / "tiny-qwen2-vl")

    def full(*_: object, **__: object) -> None:
        raise torch.OutOfMemoryError("CUDA out of memory.")

    monkeypatch.setattr("transformers.AutoModelForImageTextToText.from_pretrained", full)
    row = run_with(walled, f"captions={folder}")
    assert row.error == str(too_little_memory("tiny-qwen2-vl").described)


def test_an_endpoint_that_is_down_fails_the_channel_with_one_message(
    walled: Library, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("time.sleep", lambda seconds: None)
    row = run_with(walled, "captions=http://127.0.0.1:9/v1#looker")
    assert row.error is not None
    assert row.error.startswith("EndpointError: 2 of 4 captions failed, 2 were not asked for.")
    assert "http://127.0.0.1:9 cannot be reached" in row.error


def run_with(library: Library, model: str) -> Any:
    """The row of the captions channel after an ingest with that model, through the product's own constructors."""
    settings = Settings.load(
        {}, home=library.settings.home, allow=library.settings.allow, profile="lite", models=(model,), device="cpu/fp32"
    )
    with_model = Library(settings)
    try:
        video_id = ingest_video(with_model, "walls.mp4", channels=["captions"], wait_s=0).video_id or ""
        work(settings)
        return with_model.store.channel(video_id, "captions")
    finally:
        with_model.close()
