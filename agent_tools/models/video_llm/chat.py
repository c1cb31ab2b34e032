"""Sends requests in the OpenAI chat protocol to one address, retries, and turns failures into errors for the operator.

It follows no redirect and takes no proxy from the environment, so requests go to the named address only."""

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
LATE_ATTEMPTS = 2  # at a request that ran into a time-out: a server that is too slow is too slow again
MAX_WAIT_S = 30.0  # between two attempts, even if Retry-After asks for more
MAX_BYTES = 2_000_000  # of an answer
_RETRY_STATUSES = frozenset({408, 409, 425, 429, 500, 502, 503, 504})


class Chat:
    """One model behind one address. Opens no connection before the first request. Safe to use from several threads."""

    def __init__(
        self,
        url: str,
        model: str,
        *,
        key: str = "",
        answer_s: float = ANSWER_S,
        attempts: int = ATTEMPTS,
        wait: Callable[[float], object] = time.sleep,
        on_retry: Callable[[str], object] = lambda line: None,
    ) -> None:
        """
        Args:
            url: the address up to /v1, as in http://127.0.0.1:8000/v1.
            model: its name on the server.
            key: sent as bearer token if it is not empty; it never appears in an error.
            wait: called between two attempts with the seconds to wait; it may raise to stop.
            on_retry: told in a line why an attempt is repeated.
        Raises: InvalidArgument: not an http(s) address, or no model.
        """
        import httpx2

        parsed = httpx2.URL(url)
        if parsed.scheme not in ("http", "https") or not parsed.host or parsed.userinfo:
            raise InvalidArgument(
                f"endpoint is {clean(url, 120)!r}; it must be http(s)://host[:port]/v1, without user name or password."
            )
        if not model.strip():
            raise InvalidArgument("endpoint needs the model's name after a #: http://127.0.0.1:8000/v1#name")
        self.model = model.strip()
        self.host = parsed.netloc.decode("ascii")
        self._origin = f"{parsed.scheme}://{self.host}"
        self._url = str(parsed).rstrip("/") + "/chat/completions"
        self._attempts, self._wait, self._on_retry = max(1, attempts), wait, on_retry
        self._answer_s = answer_s
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

        A refused, late or broken attempt is repeated after a wait, up to `attempts` in all, a late one LATE_ATTEMPTS
        times in all. The wait is that of Retry-After, up to MAX_WAIT_S. Each repeat is reported to on_retry.
        Raises: EndpointError: no attempt got an answer."""
        import httpx2

        late = 0
        for attempt in range(1, self._attempts + 1):
            pause_s = float(2 ** (attempt - 1))
            remedy = "Start the server, or name another endpoint."
            status, body = 0, b""
            try:
                with self._client.stream("POST", self._url, json={"model": self.model, **payload}) as reply:
                    status, body = reply.status_code, _read_up_to(reply.iter_bytes(), MAX_BYTES)
                    if status not in _RETRY_STATUSES:
                        return status, body
                    wanted_s = _retry_after(reply.headers.get("retry-after"))
                    pause_s = pause_s if wanted_s is None else wanted_s
                    failure = f"answered {status}{_server_message(body)}"
            except httpx2.TimeoutException as error:
                late += 1
                failure = f"did not answer in time ({self._answer_s:g} s, {type(error).__name__})"
                remedy = "Allow more time, or start the server."
            except httpx2.HTTPError as error:
                failure = f"cannot be reached or broke off ({type(error).__name__})"
            if attempt == self._attempts or late == LATE_ATTEMPTS:
                break
            pause_s = min(MAX_WAIT_S, pause_s)
            self._on_retry(f"{self._origin} {failure}; attempt {attempt + 1} follows in {pause_s:g} s")
            self._wait(pause_s)
        if not status:
            tried = "1 attempt" if attempt == 1 else f"{attempt} attempts"
            raise EndpointError(f"{self._origin} {failure}, after {tried}. {remedy}")
        return status, body

    def refusal(self, status: int, body: bytes) -> str:
        """The meaning of a status other than 200, and the server's own message; cleaned and short."""
        return f"{self._origin} answered {status}: {_status_meaning(status, self.model)}{_server_message(body)}"

    def completion(self, status: int, body: bytes) -> dict[str, Any]:
        """The chat completion: an object whose first entry in `choices` has a `message`.

        Raises: EndpointError: the request was refused, or the answer is not a chat completion."""
        if status != 200:
            raise EndpointError(self.refusal(status, body))
        try:
            answer = json.loads(body)
            if not isinstance(answer["choices"][0]["message"], dict):
                raise TypeError("message is not an object")
        except (ValueError, KeyError, IndexError, TypeError) as error:
            raise self.no_completion(error) from error
        return dict(answer)

    def no_completion(self, error: Exception) -> EndpointError:
        """The error for an answer that breaks the protocol."""
        return EndpointError(
            f"{self._origin} sent something else than a chat completion ({type(error).__name__}). "
            "Give the address of an OpenAI-compatible server, up to /v1."
        )


def _read_up_to(pieces: Any, max_bytes: int) -> bytes:
    """The first `max_bytes` bytes. A longer answer is cut, so it is later refused as invalid JSON."""
    body = bytearray()
    for piece in pieces:
        body += piece
        if len(body) > max_bytes:
            break
    return bytes(body[:max_bytes])


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


def _status_meaning(status: int, model: str) -> str:
    if status in (401, 403):
        return "it does not accept the key. Set the endpoint's key."
    if status == 404:
        return f"it knows no model {clean(model, 80)!r}, or the address does not end in /v1."
    if status == 413:
        return "the pictures are too many or too large for it."
    if status == 429:
        return "it is too busy. Try again later."
    if status >= 500:
        return "it failed. Its own log says why."
    return "it refuses the request."


def _server_message(body: bytes) -> str:
    """The server's message about a refusal, from the usual place in its answer; cleaned and short."""
    try:
        error = json.loads(body)["error"]
        message = error["message"] if isinstance(error, dict) else error
    except (ValueError, KeyError, TypeError):
        return ""
    return f" It says: {clean(str(message), 160)}" if message else ""
