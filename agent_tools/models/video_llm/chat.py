"""The OpenAI chat protocol on the wire: one address, attempts, waits, and errors for the operator.

It follows no redirect and takes no proxy from the environment: requests go to the named address and to no other."""

from __future__ import annotations

import email.utils
import json
import time
from collections.abc import Callable, Mapping
from typing import Any

from agent_tools.errors import EndpointError, InvalidArgument
from agent_tools.untrusted import clean

CONNECT_S = 5.0
ANSWER_S = 120.0  # a large model on a busy server
ATTEMPTS = 3
MOST_WAIT_S = 30.0  # of what a server may ask for by Retry-After
MOST_BYTES = 2_000_000  # of an answer
_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class Chat:
    """One model behind one address. Opens no connection before it is asked. Safe to use from several threads."""

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
        self.model = model.strip()
        self.host = parsed.netloc.decode("ascii")
        self._shown = f"{parsed.scheme}://{self.host}"
        self._url = str(parsed).rstrip("/") + "/chat/completions"
        self._attempts, self._wait = max(1, attempts), wait
        self._client = httpx2.Client(
            headers={"authorization": f"Bearer {key}"} if key else {},
            timeout=httpx2.Timeout(answer_s, connect=CONNECT_S),
            trust_env=False,
            follow_redirects=False,
        )

    def close(self) -> None:
        self._client.close()

    def post(self, payload: Mapping[str, Any]) -> tuple[int, bytes]:
        """(status, body) of the last attempt at a request for this model.

        A refused, late or broken attempt is repeated after a wait, up to `attempts` in all; Retry-After is honoured up
        to MOST_WAIT_S. Raises: EndpointError: no attempt got an answer."""
        import httpx2

        body, failure = b"", ""
        status = 0
        for attempt in range(self._attempts):
            pause_s = float(2**attempt)
            try:
                with self._client.stream("POST", self._url, json={"model": self.model, **payload}) as reply:
                    status, body = reply.status_code, _read_up_to(reply.iter_bytes(), MOST_BYTES)
                    if status not in _AGAIN:
                        return status, body
                    wanted_s = _retry_after(reply.headers.get("retry-after"))
                    pause_s = pause_s if wanted_s is None else wanted_s
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

    def refusal(self, status: int, body: bytes) -> str:
        """What an answer other than 200 means, with what the server says of it; cleaned and short."""
        return f"{self._shown} answered {status}: {_meaning(status, self.model)}{_said(body)}"

    def completion(self, status: int, body: bytes) -> dict[str, Any]:
        """The chat completion: an object whose `choices` begin with one that holds a `message`.

        Raises: EndpointError: refused, or an answer that is no chat completion."""
        if status != 200:
            raise EndpointError(self.refusal(status, body))
        try:
            answer = json.loads(body)
            if not isinstance(answer["choices"][0]["message"], dict):
                raise TypeError("message is no object")
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise self.no_completion(error) from error
        return dict(answer)

    def no_completion(self, error: Exception) -> EndpointError:
        """The error for an answer in which something is not as the protocol has it."""
        return EndpointError(
            f"{self._shown} answered something else than a chat completion ({type(error).__name__}). "
            "Give the address of an OpenAI-compatible server, up to /v1."
        )


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


def _meaning(status: int, model: str) -> str:
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
