"""One question, answered by a scripted model over the real tools: what it is shown, where it ends, what is kept."""

from __future__ import annotations

import functools
import io
import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from mcp import Client
from PIL import Image

from agent_tools.errors import EndpointError
from agent_tools.evals.agents.chat_model import ChatModel
from agent_tools.evals.benchmarks.answerer import NO_CALLS, NO_LETTER, Answerer, Limits, Outcome, write_transcript
from agent_tools.evals.benchmarks.choices import Question
from agent_tools.evals.benchmarks.reach import OFFERED, Reach
from agent_tools.server import build_server
from agent_tools.service.library.library import Library
from agent_tools.service.library.query_models import QueryModels
from agent_tools.settings import Settings
from tests.evals.chat_server import pictures, refused, said, texts
from tests.models.test_endpoint import Fake
from tests.server.conftest import VIDEO, fill

QUESTION = Question("q/1", ("a.mp4",), "What is kept in a cache?", ("bread", "K and V", "nothing"), "B", ("t",))
SEARCH = ("retrieve_memory", {"query": "past token in a cache"})
ZOOM = ("zoom_segment", {"video_id": VIDEO, "start_s": 120, "end_s": 180, "layout": "frames", "max_frames": 1})


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(autouse=True)
def _words_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(QueryModels, "warm", lambda self: None)
    monkeypatch.setattr(QueryModels, "text", lambda self, wait_s=0.0: None)


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.close()


@pytest.fixture
def library(tmp_path: Path) -> Iterator[Library]:
    made = Library(Settings(home=tmp_path / "home"))
    fill(made.store)
    yield made
    made.close()


async def ask(
    fake: Fake,
    library: Library,
    *replies: Any,
    limits: Limits | None = None,
    question: Question = QUESTION,
    until_s: float | None = None,
) -> Outcome:
    fake.replies = list(replies)
    model = ChatModel(f"{fake.url}#tiny", wait=fake.waits.append)
    try:
        async with Client(build_server(library.settings, library)) as client:
            answerer = Answerer(model, limits or Limits())
            return await answerer.answer(question, client, Reach(VIDEO, frozenset(), until_s))
    finally:
        model.close()


@pytest.mark.anyio
async def test_a_model_looks_and_answers(fake: Fake, library: Library) -> None:
    done = await ask(fake, library, said("Let me look.", SEARCH), said("They keep K and V.\nAnswer: B"))
    assert (done.letter, done.ended, dict(done.tools), done.errors) == ("B", "answered", {"retrieve_memory": 1}, 0)
    assert (done.requests, done.prompt_tokens, done.completion_tokens) == (2, 200, 20)
    first, second = fake.asked
    assert [tool["function"]["name"] for tool in first["tools"]] == list(OFFERED)
    question = "What is kept in a cache?\n\nA. bread\nB. K and V\nC. nothing"
    assert texts(first, "user") == [f"The video: {VIDEO}. You have 20 calls.\n\n{question}"]
    assert [message["role"] for message in second["messages"]] == ["system", "user", "assistant", "tool"]
    assert "so we keep K and V of every past token" in texts(second, "tool")[0]


@pytest.mark.anyio
async def test_what_changes_from_question_to_question_stands_last(fake: Fake, library: Library) -> None:
    """A server keeps what it read of a prefix: system message and tools are the same for every question and video."""
    other = replace(QUESTION, id="q2", text="What else is kept?")
    await ask(fake, library, said("B"))
    await ask(fake, library, said("B"), question=other, until_s=100.0, limits=Limits(calls=3))
    first, second = fake.asked
    assert first["messages"][0] == second["messages"][0]
    assert VIDEO not in first["messages"][0]["content"]
    assert texts(second, "user")[0].endswith("What else is kept?\n\nA. bread\nB. K and V\nC. nothing")


@pytest.mark.anyio
async def test_a_call_written_in_a_fence_is_made_and_counted(fake: Fake, library: Library) -> None:
    written = '```json\n{"name": "retrieve_memory", "arguments": {"query": "past token"}}\n```'
    done = await ask(fake, library, said(written), said("Answer: B"))
    assert (done.letter, dict(done.tools), done.written, done.errors) == ("B", {"retrieve_memory": 1}, 1, 0)
    assert "so we keep K and V of every past token" in texts(fake.asked[1], "tool")[0]


@pytest.mark.anyio
async def test_hints_of_a_reply_reach_the_model(fake: Fake, library: Library) -> None:
    await ask(fake, library, said(None, ("retrieve_memory", {"query": "no window without a token"})), said("B"))
    (seen,) = texts(fake.asked[1], "tool")
    hints = json.loads(seen[seen.index("{") :])["hints"]
    assert any("negation" in hint or "positive" in hint for hint in hints)


@pytest.mark.anyio
async def test_calls_made_at_once_are_answered_in_order_and_pictures_follow(fake: Fake, library: Library) -> None:
    await ask(fake, library, said(None, ZOOM, SEARCH, ZOOM), said("B"))
    messages = fake.asked[1]["messages"]
    assert [message["role"] for message in messages[2:]] == ["assistant", "tool", "tool", "tool", "user"]
    assert [message["tool_call_id"] for message in messages[3:6]] == ["c0", "c1", "c2"]
    assert len(pictures(fake.asked[1])) == 2
    assert pictures(fake.asked[1])[0].startswith("data:image/jpeg;base64,/9j/")
    assert texts(fake.asked[1], "user")[1].startswith("zoom_segment c0: 0:0")


@pytest.mark.anyio
async def test_a_model_that_sees_no_pictures_gets_none(fake: Fake, library: Library) -> None:
    await ask(fake, library, said(None, ZOOM), said("B"), limits=Limits(pictures=False))
    assert pictures(fake.asked[1]) == []


ERRORS: list[tuple[tuple[str, Any], str]] = [
    (("watch_video", {"id": VIDEO}), "There is no tool 'watch_video'. There are list_episodes, retrieve_memory"),
    (("remember", {"video_id": VIDEO, "text": "B"}), "There is no tool 'remember'"),
    (("retrieve_memory", '{"query": '), "the arguments are not JSON"),
    (("retrieve_memory", "[]"), "the arguments are an array, not an object. Send one JSON object."),
    (("retrieve_memory", {"query": ""}), "query and like are both empty"),
    (("retrieve_memory", {"query": "x", "colour": "red"}), "colour"),
    (("retrieve_memory", {"query": "x", "video_ids": ["An empty afternoon"]}), "about video 9f6cbced0247 alone"),
    (("zoom_segment", {"video_id": VIDEO, "start_s": 900, "end_s": 950}), "SpanOutsideVideo"),
    (("zoom_segment", {"video_id": VIDEO, "start_s": "soon"}), "must be a number of seconds"),
]


@pytest.mark.anyio
@pytest.mark.parametrize(("call", "told"), ERRORS)
async def test_an_error_goes_back_to_the_model(fake: Fake, library: Library, call: Any, told: str) -> None:
    done = await ask(fake, library, said(None, call), said("Answer: C"))
    assert told in texts(fake.asked[1], "tool")[0]
    assert (done.letter, done.errors, done.ended) == ("C", 1, "answered")


@pytest.mark.anyio
async def test_a_model_that_never_stops_calling_is_bounded(fake: Fake, library: Library) -> None:
    done = await ask(fake, library, said(None, SEARCH, SEARCH), limits=Limits(calls=5))
    assert (done.tools.total(), done.letter, done.ended) == (5, "", "no letter")
    assert done.requests == 5  # three of calls, one without any left, one for the letter
    assert [asked["tool_choice"] for asked in fake.asked] == ["auto"] * 3 + ["none"] * 2
    assert NO_CALLS in texts(fake.asked[3], "user")
    assert texts(fake.asked[3], "tool")[-1] == "There are no calls left."


@pytest.mark.anyio
async def test_a_question_that_has_cost_enough_is_brought_to_an_end(fake: Fake, library: Library) -> None:
    replies = [said(None, SEARCH, usage=(900, 200)), said("Answer: B")]
    done = await ask(fake, library, *replies, limits=Limits(tokens=1_000))
    assert (done.letter, done.tools.total()) == ("B", 1)
    assert NO_CALLS in texts(fake.asked[1], "user")


@pytest.mark.anyio
async def test_a_model_without_a_letter_is_asked_for_it_once(fake: Fake, library: Library) -> None:
    done = await ask(fake, library, said("It is hard to say."), said("B"))
    assert (done.letter, done.ended) == ("B", "answered")
    assert texts(fake.asked[1], "user")[-1] == NO_LETTER
    fake.asked.clear()
    done = await ask(fake, library, said("It is hard to say."))
    assert (done.letter, done.ended, done.requests) == ("", "no letter", 2)


@pytest.mark.anyio
async def test_a_conversation_too_long_for_the_model_is_made_short_once(fake: Fake, library: Library) -> None:
    done = await ask(
        fake,
        library,
        said(None, SEARCH, ZOOM),
        refused(400, "maximum context length is 8192 tokens"),
        said("Answer: B"),
    )
    assert (done.letter, done.ended, done.requests) == ("B", "answered", 3)
    assert [len(pictures(asked)) for asked in fake.asked] == [0, 1, 0]
    assert max(map(len, texts(fake.asked[2], "tool"))) == 600
    assert done.why.startswith("made short: ")
    assert min(map(len, texts(fake.asked[1], "tool"))) > 0
    assert texts(fake.asked[2], "user")[-2:] == ["Pictures left out.", NO_CALLS]
    assert texts(fake.asked[2], "user")[0] == texts(fake.asked[0], "user")[0]


@pytest.mark.anyio
async def test_a_request_that_is_refused_ends_the_question_alone(fake: Fake, library: Library) -> None:
    done = await ask(fake, library, said(None, SEARCH), refused(400, "context length exceeded"))
    assert (done.letter, done.ended) == ("", "refused")
    assert "context length exceeded" in done.why


@pytest.mark.anyio
async def test_a_server_that_is_broken_is_an_error(fake: Fake, library: Library) -> None:
    with pytest.raises((EndpointError, ExceptionGroup)) as caught:
        await ask(fake, library, said(None, SEARCH), refused(401, "bad key"))
    assert "does not accept the key" in str(_first(caught.value))


def _first(error: BaseException) -> BaseException:
    return _first(error.exceptions[0]) if isinstance(error, BaseExceptionGroup) else error


@pytest.mark.anyio
async def test_before_an_end_the_model_is_told_so_and_kept_to_it(fake: Fake, library: Library) -> None:
    done = await ask(
        fake, library, said(None, SEARCH, ("zoom_segment", {"start_s": 120, "end_s": 180})), said("B"), until_s=120.5
    )
    assert "of which you may see the first 120.5 s" in texts(fake.asked[0], "user")[0]
    assert "every past token" not in json.dumps(fake.asked[1])  # said from 120 to 125 s
    assert pictures(fake.asked[1]) == []  # the file is gone: the kept frame may be of any time
    assert done.letter == "B"


@pytest.mark.anyio
async def test_pictured_options_go_out_as_pictures(fake: Fake, library: Library, tmp_path: Path) -> None:
    for letter in "ab":
        file = io.BytesIO()
        Image.new("RGB", (8, 8)).save(file, "PNG")
        (tmp_path / f"{letter}.png").write_bytes(file.getvalue())
    options = str(tmp_path / "a.png"), str(tmp_path / "b.png")
    question = Question("q", ("a.mp4",), "Which room?", options, "A", ("t",), pictured=True)
    done = await ask(fake, library, said("Answer: A"), question=question)
    assert done.letter == "A"
    asked, *letters = texts(fake.asked[0], "user")
    assert asked.endswith("Which room?\n\nThe options are pictures.")
    assert letters == ["A.", "B."]
    assert [url[:22] for url in pictures(fake.asked[0])] == ["data:image/png;base64,"] * 2
    (tmp_path / "b.png").unlink()
    done = await ask(fake, library, said("Answer: A"), question=question)
    assert (done.ended, done.requests) == ("no picture", 0)
    assert "b.png: No such file" in done.why


@pytest.mark.anyio
async def test_blind_asks_without_tools_or_video(fake: Fake) -> None:
    fake.replies = [said("Answer: C")]
    model = ChatModel(f"{fake.url}#tiny")
    done = await Answerer(model, Limits()).blind(QUESTION)
    model.close()
    assert done.letter == "C"
    assert "tools" not in fake.asked[0]
    assert VIDEO not in json.dumps(fake.asked[0])


@pytest.mark.anyio
async def test_a_transcript_holds_every_word_and_each_picture_once(
    fake: Fake, library: Library, tmp_path: Path
) -> None:
    done = await ask(fake, library, said(None, ZOOM, ZOOM, SEARCH), said("Answer: B"))
    path = write_transcript(tmp_path / "transcripts", QUESTION, "tiny", done)
    kept = json.loads(path.read_text())
    assert (kept["question"], kept["letter"], kept["truth"], kept["ended"]) == ("q/1", "B", "B", "answered")
    assert [message["role"] for message in kept["messages"]][-2:] == ["user", "assistant"]
    assert "so we keep K and V" in path.read_text()
    assert "base64" not in path.read_text()
    held = sorted((tmp_path / "transcripts" / "pictures").iterdir())
    assert len(held) == 1
    assert path.read_text().count(f"pictures/{held[0].name}") == 2
    with Image.open(held[0]) as image:
        assert image.format == "JPEG"


@pytest.mark.parametrize("name", ["q/1", "../../etc/passwd", ".hidden", "a b", "x" * 300])
def test_any_id_makes_a_file_inside_the_folder(name: str, tmp_path: Path) -> None:
    question = Question(name, ("a.mp4",), "?", ("x", "y"), "A", ("t",))
    path = write_transcript(tmp_path / "t", question, "tiny", Outcome())
    assert path.resolve().parent == (tmp_path / "t").resolve()
    plain = functools.reduce(lambda text, mark: text.replace(mark, "_"), "/ ", name).lstrip(".")[:100]
    assert path.name.startswith(plain[:20])
