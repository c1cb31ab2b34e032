"""Questions to a language model that sees pictures, and the way from its answers to spans: the same for every model.

A local model and an endpoint are both an Answerer."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Protocol

from agent_tools.errors import ShapeError
from agent_tools.grounding import Evidence, Proposal, parse_answer
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

ABSENT = "Not Present"
ANSWER_TOKENS = 16  # enough for "From 05 to 17." and a few words more
CAPTION_TOKENS = 96
CAPTION_LENGTH = 400  # characters
MIN_ENTROPY = 1e-6  # nats; as in grounding.confidence
_NUMBER = re.compile(r"(?<![\w.\-])([0-9]{1,9})(?![\w]|[.,][0-9])")
_NEGATIVE = re.compile(r"\bnot\s+present\b", re.IGNORECASE)


@dataclass(frozen=True)
class Shots:
    """Pictures of a window, each with the span that it shows; the payload of Evidence that a VideoLocalizer reads.

    `sparse`: each picture shows a whole segment of the video, and the answer names segments, not moments.
    """

    spans: tuple[tuple[float, float], ...]  # seconds of the video, in time order, half open
    pictures: tuple[NDArray[np.uint8], ...]  # (H, W, 3) each
    sparse: bool = False

    def __post_init__(self) -> None:
        if len(self.spans) != len(self.pictures):
            raise ShapeError(f"{len(self.spans)} spans for {len(self.pictures)} pictures: each picture has one.")


@dataclass(frozen=True)
class TokenReport:
    """How many visual tokens a local model read: the count after each step, in the order of the steps."""

    pictures: int
    fine: int  # pictures that kept the tower's own grid
    steps: tuple[tuple[str, int], ...]  # (name, tokens after it), the vision tower first
    layers: tuple[tuple[int, int], ...] = ()  # (layer, tokens from it on) of progressive dropout
    note: str = ""  # a step that was requested but not done, and the reason

    @property
    def given(self) -> int:
        return self.steps[0][1] if self.steps else 0

    @property
    def read(self) -> int:
        return self.steps[-1][1] if self.steps else 0

    @property
    def described(self) -> str:
        """One phrase: "8 pictures: vision tower 1024, spatial pruning 300 tokens"."""
        steps = ", ".join(
            [f"{name} {left}" for name, left in self.steps] + [f"from layer {at} on {left}" for at, left in self.layers]
        )
        return f"{self.pictures} pictures: {steps} tokens" + (f"; {self.note}" if self.note else "")


@dataclass(frozen=True)
class Answer:
    """A model's text, with the entropy of each token's distribution in nats; no entropies if the model gives no
    probabilities. `floor`: the entropies are lower bounds, because an endpoint gives only its best few tokens.
    `token_report`: from a model that runs here and read pictures; else None."""

    text: str
    entropies: tuple[float, ...] = ()
    floor: bool = False
    token_report: TokenReport | None = None

    @property
    def mean_entropy(self) -> float | None:
        return math.fsum(self.entropies) / len(self.entropies) if self.entropies else None


class Answerer(Protocol):
    """A model that sees pictures and writes. Decoding is greedy: the same question gives the same answer."""

    @property
    def producer(self) -> str: ...
    def answer(self, prompt: Sequence[str | NDArray[np.uint8]], max_tokens: int) -> Answer: ...


def dense_prompt(event: str, pictures: Sequence[NDArray[np.uint8]]) -> list[str | NDArray[np.uint8]]:
    """Numbered frames, and the question in which of them the event can be seen.

    Source: ReVisionLLM, Sec. 3: a question by frame index, two digits, an answer of one pair or "Not Present". Differs:
    our own words, and each frame carries its number, because general models count poorly.
    """
    return _numbered("Frame", "frames", event, pictures)


def sparse_prompt(event: str, pictures: Sequence[NDArray[np.uint8]]) -> list[str | NDArray[np.uint8]]:
    """Numbered segments with one picture each, and the question in which of them the event can be seen.

    Source: ReVisionLLM, Sec. 3, the upper levels of its hierarchy. Differs: a segment is a picture (in the
    paper a trained feature), so the model cannot find an event that this picture does not show.
    """
    return _numbered("Segment", "segments", event, pictures)


def _numbered(one: str, many: str, event: str, pictures: Sequence[NDArray[np.uint8]]) -> list[str | NDArray[np.uint8]]:
    last = len(pictures) - 1
    width = max(2, len(str(last)))
    prompt: list[str | NDArray[np.uint8]] = [f"A video is cut into {len(pictures)} {many}, in order of time."]
    for number, picture in enumerate(pictures):
        prompt += [f"{one} {number:0{width}d}:", picture]
    prompt.append(
        f"In which {many} can this be seen: {one_line(event)}?\n"
        f"Answer with the numbers of the first and the last of them, from {0:0{width}d} to {last:0{width}d}, in this "
        f"form: From {0:0{width}d} to {last:0{width}d}. If it cannot be seen, answer: {ABSENT}"
    )
    return prompt


def one_line(event: str) -> str:
    """The event for a prompt: one line without a final period, as in ReVisionLLM's code; upper case stays."""
    return " ".join(clean(event).split()).rstrip(".?! ")


class VideoLocalizer:
    """Localizer that asks an Answerer; reads Evidence whose payload is Shots. Scores are 1 / mean token entropy.

    Source: ReVisionLLM, confidence R. An answer without a pair of numbers means "not present", whatever its text.
    """

    def __init__(self, model: Answerer) -> None:
        self.model = model
        self.token_report: TokenReport | None = None  # of the last answer

    @property
    def producer(self) -> str:
        return self.model.producer

    def localize(self, event: str, evidence: Evidence) -> list[Proposal]:
        """At most one span. Evidence without pictures gives no span, and the model is not asked."""
        shots = evidence.payload
        if not isinstance(shots, Shots) or not shots.pictures:
            return []
        prompt = (sparse_prompt if shots.sparse else dense_prompt)(event, shots.pictures)
        answer = self.model.answer(prompt, ANSWER_TOKENS)
        self.token_report = answer.token_report
        count = len(shots.pictures)
        found = parse_answer(answer.text, count)
        if found is None and shots.sparse:
            found = _single(answer.text, count)
        if found is None:
            return []
        entropy = answer.mean_entropy
        return [
            Proposal(
                start_s=shots.spans[found[0]][0],
                end_s=shots.spans[found[1]][1],
                score=1.0 if entropy is None else 1.0 / max(entropy, MIN_ENTROPY),
                entropy=entropy,
                channel="frames",
            )
        ]


def _single(text: str, count: int) -> tuple[int, int] | None:
    """A single segment number, widened by one on each side as in ReVisionLLM's code; None for any other answer."""
    numbers = _NUMBER.findall(text)
    if _NEGATIVE.search(text) or len(numbers) != 1 or int(numbers[0]) >= count:
        return None
    return max(0, int(numbers[0]) - 1), min(count - 1, int(numbers[0]) + 1)


def caption(model: Answerer, pictures: Sequence[NDArray[np.uint8]]) -> Answer:
    """One or two sentences on what consecutive pictures show; text cleaned, at most CAPTION_LENGTH characters."""
    prompt: list[str | NDArray[np.uint8]] = [f"These are {len(pictures)} pictures of one scene of a video, in order."]
    prompt += pictures
    prompt.append(
        "Say in one or two plain sentences what is seen and what happens. Name people, objects, places, actions and "
        "readable text. Do not guess what cannot be seen."
    )
    answer = model.answer(prompt, CAPTION_TOKENS)
    return replace(answer, text=clean(answer.text, CAPTION_LENGTH))
