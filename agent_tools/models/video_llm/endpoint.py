"""A language model that sees pictures, asked over the OpenAI chat protocol (vLLM, llama.cpp, LM Studio, hosted ones).

The prompts come from `questions`. Pictures of the video leave this machine only for the named address (see `chat`)."""

from __future__ import annotations

import base64
import io
import math
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from agent_tools.models.video_llm.chat import ANSWER_S, ATTEMPTS, Chat
from agent_tools.models.video_llm.questions import Answer

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

LONG_SIDE = 512  # px of a picture that is sent
QUALITY = 80
TOP = 20  # tokens that an entropy is computed from; servers give no more


class Endpoint:
    """Answerer. Opens no connection before the first question. Safe to use from several threads.

    Entropies come from the best TOP tokens of each position (`logprobs`); all others count as one more token. This is a
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
        """Arguments and errors are those of Chat."""
        self._chat = Chat(url, model, key=key, answer_s=answer_s, attempts=attempts, wait=wait)
        self._logprobs = True
        self.producer = f"{self._chat.model}@{self._chat.host}/greedy"

    def close(self) -> None:
        self._chat.close()

    def answer(self, prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer:
        """The model's answer to texts and pictures (H, W, 3) in their order, at temperature 0.

        Pictures are sent as JPEG of at most LONG_SIDE px.
        Raises: EndpointError: the server is down, too slow, refuses, or sends something else than a chat completion.
        """
        content = [_text(part) if isinstance(part, str) else _image(part) for part in prompt]
        payload: dict[str, Any] = {
            "messages": [{"role": "user", "content": content}],
            "temperature": 0,
            "max_tokens": max_tokens,
            "stream": False,
        }
        if self._logprobs:
            status, body = self._chat.post({**payload, "logprobs": True, "top_logprobs": TOP})
            if status not in (400, 422) or b"logprob" not in body:
                return self._read(status, body)
            self._logprobs = False  # the server refused them
        return self._read(*self._chat.post(payload))

    def _read(self, status: int, body: bytes) -> Answer:
        choice = self._chat.completion(status, body)["choices"][0]
        try:
            text = choice["message"]["content"]
            if not isinstance(text, str):
                raise TypeError("content is not text")
            entropies = _entropies(choice.get("logprobs"))
        except (ValueError, KeyError, IndexError, TypeError, AttributeError) as error:
            raise self._chat.no_completion(error) from error
        return Answer(text.strip(), entropies, floor=bool(entropies))


def _entropies(logprobs: Any) -> tuple[float, ...]:
    """Lower bounds of each token's entropy in nats; empty if the server's log probabilities are missing or broken."""
    entropies = []
    for position in (logprobs or {}).get("content") or ():
        best = {one["token"]: math.exp(min(0.0, float(one["logprob"]))) for one in position.get("top_logprobs") or ()}
        best.setdefault(position["token"], math.exp(min(0.0, float(position["logprob"]))))
        if len(best) < 2:
            return ()  # one token alone is not a distribution
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
