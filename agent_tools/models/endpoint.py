"""A language model that sees pictures, asked over the OpenAI chat protocol (vLLM, llama.cpp, LM Studio, hosted ones).

Knows one address, requests, answers and faults. Knows nothing of videos: what is asked comes from `asking`. Pictures of
the video leave this machine for that address, and for no other: no redirect is followed, no proxy is taken from the
environment."""

from __future__ import annotations

import base64
import email.utils
import io
import json
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agent_tools.errors import EndpointError, InvalidArgument
from agent_tools.models.asking import Answer
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

CONNECT_S = 5.0
ANSWER_S = 120.0  # a large model on a busy server
ATTEMPTS = 3
MOST_WAIT_S = 30.0  # of what a server may ask for by Retry-After
LONG_SIDE = 512  # px of a picture that is sent
QUALITY = 80
TOP = 20  # tokens that entropies are taken over; servers give no more
MOST_BYTES = 2_000_000  # of an answer
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class Endpoint:
    """Answerer. Opens no connection before it is asked. Safe to use from several threads.

    Entropies come from the best TOP tokens of each position (`logprobs`), the rest counted as one further token: a
    lower bound of the true entropy, and the answer says so. A server without logprobs gives answers without entropies.
    """

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str = "",
        answer_s: float = ANSWER_S,
        attempts: int = ATTEMPTS,
        wait: Callable[[float], object] = time.sleep,
    ) -> None:
        """
        Args:
            url: the address up to /v1, as in http://127.0.0.1:8000/v1.
            model: the name that the server knows it by.
            key: sent as bearer token where there is one; never part of a message.
            wait: called with the seconds between two attempts; may raise to stop.
        Raises: InvalidArgument: no http(s) address, or no model.
        """
        import httpx2

        parsed = httpx2.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
            raise InvalidArgument(
                f"endpoint is {clean(url, 120)!r}; it must be http(s)://host[:port]/v1, without name or password."
            )
        if not model.strip():
            raise InvalidArgument("endpoint needs the model's name behind a #: http://127.0.0.1:8000/v1#name")
        self._url = str(parsed).rstrip("/") + "/chat/completions"
        self._model, self._attempts, self._wait = model.strip(), max(1, attempts), wait
        self._shown = f"{parsed.scheme}://{parsed.netloc.decode('ascii')}"
        self._logprobs = True
        self._client = httpx2.Client(
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(answer_s, connect=CONNECT_S),
            trust_env=False,
            follow_redirects=False,
        )
        self.producer = f"{self._model}@{parsed.netloc.decode('ascii')}/greedy"

    def close(self) -> None:
        self._client.close()

    def answer(self, prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer:
        """The model's answer to texts and pictures (H, W, 3) in their order, at temperature 0.

        A refused, late or broken attempt is repeated after a wait, up to `attempts` in all; Retry-After is honoured up
        to MOST_WAIT_S. Pictures are sent as JPEG of at most LONG_SIDE px.
        Raises: EndpointError: down, too slow, refusing, or answering what is no chat completion.
        """
        content = [_text(part) if isinstance(part, str) else _image(part) for part in prompt]
        asked: dict[str, Any] = {
            "model": self._model,
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": max_tokens,
            "stream": False,
        }
        if self._logprobs:
            status, body = self._post({**asked, "logprobs": True, "top_logprobs": TOP})
            if status not in (400, 422) or b"logprob" not in body:
                return self._read(status, body)
            self._logprobs = False  # the server said that it gives none
        return self._read(*self._post(asked))

    def _post(self, asked: dict[str, Any]) -> tuple[int, bytes]:
        """(status, body) of the last attempt. Raises: EndpointError: no attempt got an answer."""
        import httpx2

        body, failure = b"", ""
        status = 0
        for attempt in range(self._attempts):
            pause_s = float(2**attempt)
            try:
                with self._client.stream("POST", self._url, json=asked) as reply:
                    status, body = reply.status_code, _read_up_to(reply.iter_bytes(), MOST_BYTES)
                    if status not in _AGAIN:
                        return status, body
                    pause_s = _retry_after(reply.headers.get("retry-after")) or pause_s
                    failure = ""
            except httpx2.TimeoutException as error:
                failure = f"did not answer in time ({type(error).__name__})"
            except httpx2.HTTPError as error:
                failure = f"cannot be reached or broke off ({type(error).__name__})"
            if attempt + 1 < self._attempts:
                self._wait(min(MOST_WAIT_S, pause_s))
        if failure:
            raise EndpointError(
                f"{self._shown} {failure}, after {self._attempts} attempts. Start the server, or name another endpoint."
            )
        return status, body

    def _read(self, status: int, body: bytes) -> Answer:
        if status != 200:
            raise EndpointError(f"{self._shown} answered {status}: {_refusal(status, self._model)}{_said(body)}")
        try:
            choice = json.loads(body)["choices"][0]
            text = choice["message"]["content"]
            if not isinstance(text, str):
                raise TypeError("content is no text")
            entropies = _entropies(choice.get("logprobs"))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise EndpointError(
                f"{self._shown} answered something else than a chat completion ({type(error).__name__}). "
                "Give the address of an OpenAI-compatible server, up to /v1."
            ) from error
        return Answer(text.strip(), entropies, floor=bool(entropies))


def _entropies(logprobs: Any) -> tuple[float, ...]:
    """Lower bounds of each token's entropy in nats; none where a server gave no, or broken, log probabilities."""
    entropies = []
    for position in (logprobs or {}).get("content") or ():
        best = {one["token"]: math.exp(min(0.0, float(one["logprob"]))) for one in position.get("top_logprobs") or ()}
        best.setdefault(position["token"], math.exp(min(0.0, float(position["logprob"]))))
        if len(best) < 2:
            return ()  # the chosen token alone tells no distribution
        shares = [*best.values(), max(0.0, 1.0 - math.fsum(best.values()))]
        entropies.append(-math.fsum(share * math.log(share) for share in shares if share > 0))
    return tuple(max(0.0, entropy) for entropy in entropies)


def _text(part: str) -> dict[str, Any]:
    return {"type": "text", "text": part}


def _image(picture: NDArray[np.uint8]) -> dict[str, Any]:
    from PIL import Image

    image = Image.fromarray(picture)
    image.thumbnail((LONG_SIDE, LONG_SIDE))
    buffer = io.BytesIO()
    image.save(buffer, "JPEG", quality=QUALITY)
    return {
        "type": "image_url",
        "image_url": {"url": "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()},
    }


def _read_up_to(pieces: Any, most: int) -> bytes:
    """The first `most` bytes; what is longer is no chat completion, and is found to be broken."""
    held = bytearray()
    for piece in pieces:
        held += piece
        if len(held) > most:
            break
    return bytes(held[:most])


def _retry_after(value: str | None) -> float | None:
    """Seconds that a server asks to wait: a number, or a date. None for anything else."""
    if not value:
        return None
    if value.strip().isdecimal():
        return float(value)
    try:
        return max(0.0, email.utils.parsedate_to_datetime(value).timestamp() - time.time())
    except (ValueError, TypeError):
        return None


def _refusal(status: int, model: str) -> str:
    if status in (401, 403):
        return "it does not accept the key. Set the endpoint's key."
    if status == 404:
        return f"it knows no model {clean(model, 80)!r}, or the address lacks /v1."
    if status == 413:
        return "the pictures are too many or too large for it."
    if status == 429:
        return "it has too much to do. Try later."
    if status >= 500:
        return "it failed. Its own log says why."
    return "it refuses the request."


def _said(body: bytes) -> str:
    """What a server says of its refusal, where it says it in the usual place; cleaned and short."""
    try:
        error = json.loads(body)["error"]
        message = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        return ""
    return f" It says: {clean(str(message), 160)}" if message else ""
