"""A model that pictures are shown to: where it looks, how exactly it finds, and what happens when it cannot.

The scripted model tells light from dark in the pictures that it is given, and knows nothing else. The random Qwen-VL
loads and answers like a real one; what it answers means nothing."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray

from agent_tools.errors import EndpointError
from agent_tools.grounding import Calibrator
from agent_tools.models.video_llm.endpoint import Endpoint
from agent_tools.models.video_llm.questions import ABSENT, Answer
from agent_tools.progress import silent
from agent_tools.service.ground_event import NOT_CLOSELY, ground_event
from agent_tools.service.library.library import Library
from agent_tools.service.verdicts.calibrations import stored
from agent_tools.service.verdicts.close_looks import PICTURES, CloseLook, LookSettings, Pointer
from agent_tools.service.verdicts.meaning_evidence import by_meaning
from agent_tools.service.verdicts.scored_entries import localizer
from agent_tools.settings import Settings
from agent_tools.types import GroundReply
from tests.drawing import draw, even_times
from tests.library import ingested, lite
from tests.models import checkpoints
from tests.models.test_endpoint import Fake, ok
from tests.waiting import PATIENCE_S

pytestmark = pytest.mark.slow

FPS, LENGTH_S = 8, 300
LIGHT = (131.375, 158.625)  # seconds in which the film is light, to its own frames
EVENT = "a light room"
SPOKEN = "we are now coming to the light room"


class Eye:
    """An Answerer: from the first light picture to the last."""

    producer = "eye@1/greedy"

    def __init__(self) -> None:
        self.asked: list[int] = []
        self.fails_at = 0

    def answer(self, prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer:
        pictures = [part for part in prompt if not isinstance(part, str)]
        self.asked.append(len(pictures))
        if self.fails_at and len(self.asked) >= self.fails_at:
            raise EndpointError("http://eye did not answer in time (ReadTimeout), after 3 attempts.")
        light = [number for number, picture in enumerate(pictures) if picture.mean() > 128]
        if not light:
            return Answer(ABSENT, (0.1, 0.1))
        return Answer(f"From {light[0]:02d} to {light[-1]:02d}.", (0.1, 0.3))


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("films")

    def picture(number: int, width: int, height: int) -> NDArray[np.uint8]:
        ramp = np.linspace(0, 50, height if (light := LIGHT[0] <= number / FPS < LIGHT[1]) else width)
        shade = 180 + ramp[:, None, None] if light else 20 + ramp[None, :, None]
        return np.broadcast_to(shade, (height, width, 3)).astype(np.uint8)

    path = draw(folder / "rooms.mp4", even_times(FPS * LENGTH_S, FPS), size=(64, 48), picture=picture)
    cues = [
        f"{i + 1}\n00:0{i // 3}:{20 * (i % 3):02d},000 --> 00:0{i // 3}:{20 * (i % 3) + 9:02d},000\nso we walk on\n"
        for i in range(15)
    ]
    cues[6] = cues[6].replace("so we walk on", SPOKEN)  # 120-129 s
    path.with_suffix(".srt").write_text("\n".join(cues))
    return path


@pytest.fixture(scope="module")
def home(film: Path, tmp_path_factory: pytest.TempPathFactory) -> Settings:
    settings = lite(tmp_path_factory.mktemp("home"), film.parent)
    return ingested(settings, film.name, channels=["subtitles", "frames"])


def opened(home: Settings, model: str) -> Library:
    library = Library(
        Settings.load({}, home=home.home, allow=home.allow, profile="lite", models=(f"captions={model}",))
    )
    assert library.models.text(60) is not None
    return library


@pytest.fixture
def eye() -> Eye:
    return Eye()


@pytest.fixture
def library(home: Settings, eye: Eye, monkeypatch: pytest.MonkeyPatch) -> Iterator[Library]:
    """A library whose model is the scripted one."""
    monkeypatch.setattr("agent_tools.models.profiles.video_llm", lambda _settings: eye)
    made = opened(home, "/models/eye")
    yield made
    made.close()


def best(reply: GroundReply) -> tuple[float, float]:
    assert reply.spans
    return reply.spans[0].start_s, reply.spans[0].end_s


def test_what_nothing_points_at_is_found_by_looking_coarsely_then_closely(library: Library, eye: Eye) -> None:
    """From one picture in 20 s to an eighth of a second."""
    reply = ground_event(library, event=EVENT, video_id="rooms", channels=["frames"])
    assert best(reply) == pytest.approx(LIGHT, abs=0.2)
    assert (reply.verdict, reply.confidence_kind, reply.judged) == ("uncertain", "raw", ["frames"])
    assert reply.spans is not None
    assert reply.spans[0].evidence.startswith("frames seen by eye@1/greedy 131.")
    assert ", then each bound at 8 pictures a second: " in (reply.spans[0].verified or "")
    levels = {level.window_s: level for level in reply.levels or []}
    assert (levels[600.0].windows, levels[600.0].frames) == (1, 15)
    assert 2 <= levels[32.0].windows <= 4
    assert eye.asked[0] == 15
    assert max(eye.asked) <= PICTURES
    assert len(eye.asked) <= 8
    assert reply.coverage is not None
    assert reply.coverage.channels.frames == f"all; {len(eye.asked)} looks by eye ({sum(eye.asked)} pictures)"


def test_texts_that_point_somewhere_choose_the_places(library: Library, eye: Eye) -> None:
    reply = ground_event(
        library, event="someone comes to the light room", video_id="rooms", channels=["subtitles", "frames"]
    )
    assert reply.levels
    assert 600.0 not in {level.window_s for level in reply.levels}
    assert eye.asked[0] == 32
    assert reply.judged == ["subtitles", "frames"]
    assert (reply.verdict, reply.confidence_kind) == ("present", "calibrated")  # by what is said
    said, seen = reply.spans or []
    assert (said.start_s, said.end_s) == (120.0, 129.0)
    assert (seen.start_s, seen.end_s) == pytest.approx(LIGHT, abs=0.2)  # though the first look ended in its middle
    assert seen.confidence < 0.5 < said.confidence
    assert "(confidence raw)" in seen.evidence


def test_what_a_pointer_saw_is_no_score_of_the_model_that_refused_it(
    library: Library, eye: Eye, monkeypatch: pytest.MonkeyPatch
) -> None:
    """More windows are pointed at than are looked into; the model finds nothing there."""
    monkeypatch.setattr(eye, "answer", lambda _prompt, _most: Answer(ABSENT, (0.1, 0.1)))
    asked = library.video_span("rooms")
    texts, curves = by_meaning(library, asked, "walking on", ("subtitles",)), localizer()
    pointer = Pointer(texts.look, curves, 0.0)
    found = CloseLook(library, asked, EVENT, [pointer], silent, sighted=True, settings=LookSettings(places=1)).ground()
    assert (found.levels[0].window_s, found.levels[0].windows, found.levels[0].kept) == (180.0, 2, 1)
    assert (found.proposals, found.best_rejected, found.best_score) == ((), None, None)


def test_what_is_never_shown_is_not_found(library: Library, eye: Eye) -> None:
    reply = ground_event(library, event=EVENT, video_id="rooms", start_s=0, end_s=120, channels=["frames"])
    assert (reply.verdict, reply.spans) == ("uncertain", [])
    assert len(eye.asked) == 1


def test_a_model_that_fails_leaves_the_texts_verdict_and_is_named(library: Library, eye: Eye) -> None:
    eye.fails_at = 1
    reply = ground_event(library, event=f"someone says that {SPOKEN}", video_id="rooms")
    assert reply.verdict == "present"
    assert eye.asked == []  # the event names its channel
    reply = ground_event(library, event="walking towards the light room", video_id="rooms")
    assert len(eye.asked) == 1
    assert best(reply) == (120.0, 129.0)
    assert reply.verdict in ("present", "uncertain")
    why = {one.channel: one.why for one in reply.not_judged or []}["frames"]
    assert "no words (lite)" in why
    assert reply.hints == [
        "closer looks failed: EndpointError: http://eye did not answer in time (ReadTimeout), after 3 attempts."
    ]


def test_a_second_look_that_fails_leaves_the_span(library: Library, eye: Eye) -> None:
    ground_event(library, event=EVENT, video_id="rooms", channels=["frames"])
    looks = len(eye.asked)
    eye.asked.clear()
    eye.fails_at = looks - 1  # the three last are the second looks
    reply = ground_event(library, event=EVENT, video_id="rooms", channels=["frames"])
    assert best(reply) == pytest.approx(LIGHT, abs=2)
    assert "not looked at again: EndpointError" in (reply.spans or [])[0].verified  # type: ignore[operator]  # is given


def test_a_cancelled_call_asks_no_further(library: Library, eye: Eye) -> None:
    class Cancelled(Exception): ...

    def step(_progress: float, message: str) -> None:
        if message.startswith("look 2 "):
            raise Cancelled

    with pytest.raises(Cancelled):
        ground_event(library, event=EVENT, video_id="rooms", channels=["frames"], on_step=step)
    assert len(eye.asked) == 2


def test_looks_are_bounded_and_what_was_left_out_is_told(
    library: Library, eye: Eye, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A model that sees the event everywhere would have every window opened."""
    monkeypatch.setitem(CloseLook.__init__.__kwdefaults__, "settings", LookSettings(most_looks=5))
    answer = eye.answer
    monkeypatch.setattr(eye, "answer", lambda prompt, most: replace(answer(prompt, most), text="From 00 to 14."))
    reply = ground_event(library, event=EVENT, video_id="rooms", channels=["frames"])
    assert reply.coverage is not None
    assert "), 9 windows more would have been looked at" in (reply.coverage.channels.frames or "")
    assert len(eye.asked) == 5 + 11  # and the most second looks that one span can have


def test_a_call_that_waits_for_the_model_tells_it_and_can_be_cancelled(library: Library, eye: Eye) -> None:
    class Cancelled(Exception): ...

    told: list[str] = []
    released = threading.Event()
    answer = eye.answer

    def stuck(prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer:
        released.wait(PATIENCE_S)
        return answer(prompt, max_tokens)

    def step(_progress: float, message: str) -> None:
        told.append(message)
        if message == "waiting for the model":
            raise Cancelled

    eye.answer = stuck  # type: ignore[method-assign]  # a model that takes its time
    with pytest.raises(Cancelled):
        ground_event(library, event=EVENT, video_id="rooms", channels=["frames"], on_step=step)
    released.set()
    assert told[-1] == "waiting for the model"
    eye.answer = answer  # type: ignore[method-assign]
    assert ground_event(
        library, event=EVENT, video_id="rooms", channels=["frames"]
    ).spans  # the next call gets its turn


def test_kept_frames_are_shown_where_the_file_is_gone(
    library: Library, eye: Eye, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(library, "sources", lambda _video_id: [])
    reply = ground_event(library, event=EVENT, video_id="rooms", channels=["frames"])
    assert best(reply) == pytest.approx(LIGHT, abs=1.2)  # one frame a second was kept
    assert reply.coverage is not None
    assert "kept ones" in (reply.coverage.channels.frames or "")


def test_over_all_videos_no_model_is_asked(library: Library, eye: Eye) -> None:
    reply = ground_event(library, event=EVENT)
    assert (eye.asked, reply.hints) == ([], [NOT_CLOSELY])


def test_its_certainty_can_be_calibrated(library: Library, home: Settings) -> None:
    """A stand-in for a fit: what matters is that it is taken, for this model and for no other."""
    fit = Calibrator.fit([0.0] * 20 + [5.0] * 20, [0] * 20 + [1] * 20, data="made up by a test")
    file = home.home / "calibrations" / "video-llm.lite.json"
    file.parent.mkdir()
    try:
        file.write_text(stored(fit, Eye.producer))
        there = ground_event(library, event=EVENT, video_id="rooms", channels=["frames"])
        assert (there.verdict, there.confidence_kind) == ("present", "calibrated")
        gone = ground_event(library, event=EVENT, video_id="rooms", end_s=120, channels=["frames"])
        assert gone.verdict == "absent"
        file.write_text(stored(fit, "another@1/greedy"))
        assert ground_event(library, event=EVENT, video_id="rooms", channels=["frames"]).confidence_kind == "raw"
    finally:
        file.unlink()
        file.parent.rmdir()


def test_an_endpoint_is_shown_the_pictures_and_named(home: Settings) -> None:
    fake = Fake()
    fake.replies = [ok("From 06 to 07.", [[0.9, 0.1]] * 3), ok("Not Present", [[0.5, 0.5]] * 2)]
    library = opened(home, f"{fake.url}#tiny-vl")
    try:
        reply = ground_event(library, event=EVENT, video_id="rooms", channels=["frames"])
        assert fake.asked
        assert reply.verdict == "uncertain"
        assert reply.coverage is not None
        assert f"looks by tiny-vl ({15 + PICTURES * (len(fake.asked) - 1)} pictures), pictures went to 127.0.0.1" in (
            reply.coverage.channels.frames or ""
        )
    finally:
        library.close()
        fake.close()


def test_an_endpoint_that_fails_is_a_sentence_not_an_error(home: Settings, monkeypatch: pytest.MonkeyPatch) -> None:
    fake = Fake()
    fake.replies = [(500, {}, b'{"error": "out of memory"}')]
    waits: list[float] = []
    defaults = Endpoint.__init__.__kwdefaults__ or {}
    monkeypatch.setitem(defaults, "wait", waits.append)
    library = opened(home, f"{fake.url}#tiny-vl")
    try:
        reply = ground_event(library, event=EVENT, video_id="rooms")
        assert "EndpointError" in reply.hints[0]
        assert "answered 500" in reply.hints[0]
        assert len(waits) == len(fake.asked) - 1 > 0
        assert (reply.verdict, best(reply)) == ("present", (120.0, 129.0))  # by what is said
    finally:
        library.close()
        fake.close()


def test_a_local_model_goes_the_whole_way(home: Settings, tmp_path: Path) -> None:
    """Loading, prompts, decoding, entropies, parsing: the tiny model is random, and what it finds means nothing."""
    library = opened(home, str(checkpoints.qwen2_vl(tmp_path / "tiny-qwen2-vl")))
    try:
        reply = ground_event(library, event=EVENT, video_id="rooms", start_s=100, end_s=160, channels=["frames"])
        assert (reply.verdict, reply.confidence_kind, reply.judged) == ("uncertain", "raw", ["frames"])
        assert reply.coverage is not None
        assert "looks by tiny-qwen2-vl (" in (reply.coverage.channels.frames or "")
        assert [(level.window_s, level.windows) for level in reply.levels or []] == [(32.0, 3)]
    finally:
        library.close()


@pytest.mark.parametrize("max_tokens", [200, 400])
def test_what_a_model_adds_stays_within_the_tokens(library: Library, max_tokens: int) -> None:
    reply = ground_event(library, event=EVENT, video_id="rooms", max_tokens=max_tokens)
    assert reply.tokens <= max_tokens
    assert reply.spans


def test_a_model_that_is_not_there_is_named_with_its_remedy(home: Settings) -> None:
    library = opened(home, "someone/absent-vl")
    try:
        reply = ground_event(library, event=EVENT, video_id="rooms")
        assert reply.hints[0].startswith("closer looks failed: ModelMissing: ")
        assert "someone/absent-vl" in reply.hints[0]
        assert reply.spans
    finally:
        library.close()
