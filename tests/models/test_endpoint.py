"""Against a local fake that speaks the OpenAI chat protocol."""

from __future__ import annotations

import base64
import io
import json
import math
import threading
import time
from collections.abc import Callable, Iterator
from email.utils import formatdate
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import numpy as np
import pytest
from PIL import Image

from agent_tools.errors import EndpointError, InvalidArgument
from agent_tools.grounding import Evidence
from agent_tools.models.video_llm.endpoint import Endpoint
from agent_tools.models.video_llm.questions import Shots, VideoLocalizer, caption, dense_prompt
from tests.waiting import PATIENCE_S

Reply = tuple[int, dict[str, str], bytes]
PICTURES = [np.full((90, 160, 3), 40 * number, np.uint8) for number in range(4)]


@pytest.fixture(autouse=True)
def _no_connection() -> None:
    """Here the loopback is connected to, unlike in the other tests of this folder."""


def completion(text: str, distributions: list[list[float]] | None = None) -> bytes:
    choice: dict[str, Any] = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
    if distributions is not None:
        choice["logprobs"] = {
            "content": [
                {
                    "token": "t0",
                    "logprob": math.log(row[0]),
                    "top_logprobs": [{"token": f"t{i}", "logprob": math.log(p)} for i, p in enumerate(row)],
                }
                for row in distributions
            ]
        }
    return json.dumps({"object": "chat.completion", "choices": [choice]}).encode()


class Fake:
    """Answers each request with the next of `replies`, the last one again and again; keeps what was asked."""

    def __init__(self) -> None:
        self.replies: list[Reply | Callable[[dict[str, Any]], Reply]] = []
        self.asked: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        self.waits: list[float] = []
        self.go = threading.Event()
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
                outer.asked.append({**asked, "path": self.path})
                outer.headers.append({name.lower(): value for name, value in self.headers.items()})
                reply = outer.replies.pop(0) if len(outer.replies) > 1 else outer.replies[0]
                status, headers, body = reply(asked) if callable(reply) else reply
                try:
                    self.send_response(status)
                    for name, value in {"content-length": str(len(body)), **headers}.items():
                        self.send_header(name, value)
                    self.end_headers()
                    self.wfile.write(body)
                except OSError:
                    pass  # the client has given up

            def log_message(self, *_: object) -> None: ...

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}/v1"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True)
        self.thread.start()

    def endpoint(self, *replies: Reply | Callable[[dict[str, Any]], Reply], **more: Any) -> Endpoint:
        self.replies = list(replies)
        return Endpoint(self.url, "tiny-vl", wait=self.waits.append, **more)

    def close(self) -> None:
        self.go.set()
        self.server.shutdown()
        self.server.server_close()
        self.thread.join()


@pytest.fixture
def fake() -> Iterator[Fake]:
    made = Fake()
    yield made
    made.close()


def ok(text: str, distributions: list[list[float]] | None = None) -> Reply:
    return 200, {}, completion(text, distributions)


def test_pictures_and_texts_go_out_in_their_order(fake: Fake) -> None:
    endpoint = fake.endpoint(ok("From 01 to 02."), key="secret")
    assert endpoint.answer(dense_prompt("a dog", PICTURES), 16).text == "From 01 to 02."
    (asked,) = fake.asked
    assert asked["path"] == "/v1/chat/completions"
    assert (asked["model"], asked["temperature"], asked["max_tokens"]) == ("tiny-vl", 0, 16)
    assert (asked["logprobs"], asked["top_logprobs"]) == (True, 20)
    kinds = [part["type"] for part in asked["messages"][0]["content"]]
    assert kinds == ["text", *["text", "image_url"] * 4, "text"]
    sent = asked["messages"][0]["content"][4]["image_url"]["url"]
    assert sent.startswith("data:image/jpeg;base64,")
    image = Image.open(io.BytesIO(base64.b64decode(sent.partition(",")[2])))
    assert image.size == (160, 90)
    assert fake.headers[0]["authorization"] == "Bearer secret"
    endpoint.close()


def test_large_pictures_are_sent_small(fake: Fake) -> None:
    endpoint = fake.endpoint(ok("yes"))
    endpoint.answer([np.zeros((1080, 1920, 3), np.uint8)], 4)
    sent = fake.asked[0]["messages"][0]["content"][0]["image_url"]["url"]
    assert Image.open(io.BytesIO(base64.b64decode(sent.partition(",")[2]))).size == (512, 288)
    endpoint.close()


def test_entropies_are_lower_bounds_over_the_best_tokens(fake: Fake) -> None:
    whole, cut = [0.97, 0.01, 0.01, 0.01], [0.5, 0.25]
    endpoint = fake.endpoint(ok("From 00 to 01", [whole, cut]))
    answer = endpoint.answer(["?"], 4)
    assert answer.floor
    assert answer.entropies[0] == pytest.approx(0.1677, abs=1e-4)
    assert answer.entropies[1] == pytest.approx(0.5 * math.log(2) + 0.5 * math.log(4))
    endpoint.close()


def test_its_answer_becomes_a_span_with_the_papers_confidence(fake: Fake) -> None:
    endpoint = fake.endpoint(ok("From 01 to 02.", [[0.97, 0.01, 0.01, 0.01]]), ok("Not Present"), ok("I cannot tell."))
    localizer = VideoLocalizer(endpoint)
    shots = Shots(((10.0, 11.0), (11.0, 12.0), (12.0, 13.0), (13.0, 14.0)), tuple(PICTURES))
    evidence = Evidence(10.0, 14.0, frames=4, payload=shots)
    (found,) = localizer.localize("a dog", evidence)
    assert (found.start_s, found.end_s, found.channel) == (11.0, 13.0, "frames")
    assert found.score == pytest.approx(5.963, abs=0.01)
    assert localizer.localize("a dog", evidence) == []
    assert localizer.localize("a dog", evidence) == []
    endpoint.close()


@pytest.mark.parametrize("logprobs", [None, {}, {"content": None}, {"content": []}])
def test_a_server_without_logprobs_gives_answers_without_entropies(fake: Fake, logprobs: object) -> None:
    body = json.loads(completion("From 01 to 02."))
    body["choices"][0]["logprobs"] = logprobs
    endpoint = fake.endpoint((200, {}, json.dumps(body).encode()))
    answer = endpoint.answer(["?"], 4)
    assert (answer.entropies, answer.mean_entropy, answer.floor) == ((), None, False)
    endpoint.close()


def test_the_chosen_token_alone_is_no_distribution(fake: Fake) -> None:
    endpoint = fake.endpoint(ok("x", [[0.9]]))
    assert endpoint.answer(["?"], 4).entropies == ()
    endpoint.close()


def test_a_server_that_refuses_logprobs_is_asked_without_from_then_on(fake: Fake) -> None:
    def picky(asked: dict[str, Any]) -> Reply:
        if "logprobs" in asked:
            return 400, {}, b'{"error": {"message": "logprobs are not supported"}}'
        return ok("From 00 to 01")

    endpoint = fake.endpoint(picky)
    assert endpoint.answer(["?"], 4).text == "From 00 to 01"
    assert endpoint.answer(["?"], 4).text == "From 00 to 01"
    assert ["logprobs" in asked for asked in fake.asked] == [True, False, False]
    assert fake.waits == []
    endpoint.close()


@pytest.mark.parametrize(
    ("header", "waited"),
    [
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0"}, 0.0),
        ({"retry-after": "900"}, 30.0),
        ({}, 1.0),
        ({"retry-after": "soon"}, 1.0),
    ],
)
def test_429_waits_as_long_as_the_server_asks_within_bounds(fake: Fake, header: dict[str, str], waited: float) -> None:
    endpoint = fake.endpoint((429, header, b"{}"), ok("done"))
    assert endpoint.answer(["?"], 4).text == "done"
    assert fake.waits == [waited]
    endpoint.close()


def test_retry_after_may_be_a_date(fake: Fake) -> None:
    endpoint = fake.endpoint((503, {"retry-after": formatdate(time.time() + 25, usegmt=True)}, b""), ok("done"))
    endpoint.answer(["?"], 4)
    assert 15 <= fake.waits[0] <= 25
    endpoint.close()


FAULTS: list[tuple[str, Reply, str, int]] = [
    ("500 for ever", (500, {}, b"oops"), r"answered 500: it failed\. Its own log says why\.", 3),
    ("429 for ever", (429, {}, b"{}"), "it is too busy", 3),
    ("bad key", (401, {}, b'{"error": {"message": "bad key"}}'), "does not accept the key.* It says: bad key", 1),
    (
        "no model",
        (404, {}, b'{"error": "no model"}'),
        "knows no model 'tiny-vl', or the address does not end in /v1",
        1,
    ),
    ("too large", (413, {}, b""), "too many or too large", 1),
    ("broken JSON", (200, {}, b'{"choices": [{"mess'), r"something else than a chat completion \(JSONDecodeError\)", 1),
    ("no choices", (200, {}, b'{"choices": []}'), "something else than a chat completion", 1),
    ("a list", (200, {}, b"[]"), "something else than a chat completion", 1),
    ("no text", (200, {}, b'{"choices": [{"message": {"content": null}}]}'), "something else", 1),
    ("a web page", (200, {}, b"<html>" + b"x" * 3_000_000), "something else than a chat completion", 1),
    ("a redirect", (302, {"location": "http://127.0.0.1:1/"}, b""), "answered 302: it refuses", 1),
]


@pytest.mark.parametrize(("why", "reply", "told", "attempts"), FAULTS, ids=[fault[0] for fault in FAULTS])
def test_faults_are_told_to_the_operator(fake: Fake, why: str, reply: Reply, told: str, attempts: int) -> None:
    endpoint = fake.endpoint(reply, key="secret")
    with pytest.raises(EndpointError, match=told) as caught:
        endpoint.answer(["?"], 4)
    assert len(fake.asked) == attempts
    assert len(fake.waits) == attempts - 1
    assert "secret" not in str(caught.value)
    endpoint.close()


def test_a_server_that_does_not_answer_is_given_up_in_time(fake: Fake) -> None:
    def late(_: object) -> Reply:
        fake.go.wait(PATIENCE_S)
        return ok("too late")

    endpoint = fake.endpoint(late, answer_s=0.1, attempts=2)
    begun = time.monotonic()
    with pytest.raises(EndpointError, match=r"did not answer in time \(0\.1 s, ReadTimeout\), after 2 attempts"):
        endpoint.answer(["?"], 4)
    assert time.monotonic() - begun < PATIENCE_S / 2
    endpoint.close()


def test_a_server_that_is_down_says_so(fake: Fake) -> None:
    endpoint = fake.endpoint(ok("never"))
    fake.server.shutdown()
    fake.server.server_close()
    with pytest.raises(
        EndpointError, match=r"cannot be reached or broke off \(ConnectError\), after 3 attempts\. Start"
    ):
        endpoint.answer(["?"], 4)
    assert fake.waits == [1.0, 2.0]
    endpoint.close()


def test_a_stop_between_two_attempts_ends_it(fake: Fake) -> None:
    class Stop(Exception): ...

    def stop(_: float) -> None:
        raise Stop

    fake.replies = [(503, {}, b"")]
    endpoint = Endpoint(fake.url, "tiny-vl", wait=stop)
    with pytest.raises(Stop):
        endpoint.answer(["?"], 4)
    assert len(fake.asked) == 1
    endpoint.close()


@pytest.mark.parametrize("url", ["", "127.0.0.1:8000/v1", "file:///etc/passwd", "http://", "http://me:pw@host/v1"])
def test_an_address_that_is_none_is_refused(url: str) -> None:
    with pytest.raises(InvalidArgument, match=r"must be http\(s\)://host"):
        Endpoint(url, "m")


def test_captions_are_cleaned_and_short(fake: Fake) -> None:
    endpoint = fake.endpoint(ok("A dog\u202e runs.\n\nIgnore\x00 all " + "words " * 200))
    told = caption(endpoint, PICTURES).text
    assert told.startswith("A dog runs. Ignore all words")
    assert len(told) <= 400
    assert sum(part["type"] == "image_url" for part in fake.asked[0]["messages"][0]["content"]) == 4
    endpoint.close()
