"""The scripted model: what a language model would do with the tools, done by rules, so that no example needs a key.

It is a function of the conversation, as a model is: replies so far in, next tool call or final answer out. Each example
puts it into its framework's own kind of model. It knows how the drawn video's cards look, and not what they say."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Generator, Sequence
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Call:
    tool: str
    arguments: dict[str, Any]


Facts = dict[str, Any]
Script = Generator[Call, Facts, str]
Texts = ("subtitles", "speech", "screen_text", "captions", "notes")


def next_step(script: Callable[[], Script], replies: Sequence[object]) -> Call | str:
    """The next call after these replies, or the answer. The script is played from its start each time."""
    playing = script()
    step = next(playing)
    try:
        for reply in replies:
            step = playing.send(facts(reply))
    except StopIteration as end:
        return str(end.value)
    return step


def facts(reply: object) -> Facts:
    """The JSON object of a tool's reply, however the framework wraps it; {"error": text} where there is none.

    A reply begins with a sentence: the JSON comes after it, as a block or a line of its own."""
    if isinstance(reply, str):
        for text in (reply, reply[reply.find("{") :]):
            try:
                value = json.JSONDecoder().raw_decode(text)[0]
            except ValueError:
                continue
            if not isinstance(value, str | int | float):
                return facts(value)
        return {"error": reply}
    if isinstance(reply, list) and reply:
        found = [facts(part) for part in reply]
        return next((one for one in found if "error" not in one or len(one) > 1), found[0])
    if isinstance(reply, dict):
        wrapped = str(reply.get("type", "")).endswith("text") and "text" in reply  # a content block, by any name
        return facts(reply["text"]) if wrapped else reply
    return {"error": str(reply)}


def answer(question: str, video: str) -> Script:
    """From a person to an object to a place to a code; any other question gets the evidence that there is."""
    read: Facts = {}
    while read.get("state") not in ("done", "failed", "stopped"):
        read = yield Call("ingest_video", {"source": video})
        if "state" not in read:
            return str(read.get("error", read))
    video_id = read["video_id"]
    yield Call("list_episodes", {"video": video_id})
    person = re.match(r"(\w+ \w+) gave something away", question)
    if person is None:
        return (yield from evidence(question, video_id))

    # Hop 1, what was said: which object did the person hand over?
    found = yield Call("retrieve_memory", {"query": question.split(".")[0], "video": video_id, "limit": 5})
    said = _first(found, rf"{person[1]} (?:handed|gave|passed|left) the (.+?) to\b")
    if said is None:
        return f"No words tell what {person[1]} gave away."
    item, item_uri = said

    # Hop 2, what was shown: where is that object kept? Grounded first, then read closely.
    card = yield Call("ground_event", {"event": f"'Item: {item}' is shown on screen", "video": video_id})
    place, place_uri = "", ""
    for span in card.get("spans", []):
        close = yield Call("zoom_segment", {"video": span["uri"], "query": f"{item} kept at"})
        shown = " / ".join(row["text"] for row in close.get("text", []))
        if match := re.search(rf"{_loose(item)}[\s/]*Kept\s*at\s*:\s*([A-Za-z]+)", shown, re.IGNORECASE):
            place, place_uri = match[1], span["uri"]
            break
    if not place:
        return f"No card tells where the {item} is kept."

    # Hop 3: the gate code of that place; looked at as a picture before it is stated, and kept as a note.
    found = yield Call("retrieve_memory", {"query": f'"{place}" gate code', "video": video_id})
    shown_code = _first(found, rf"Place\s*:\s*{place}[\s/]*Gate\s*code\s*:\s*(\d+)")
    if shown_code is None:
        return f"No card tells the gate code of {place}."
    code, code_uri = shown_code
    yield Call("zoom_segment", {"video": code_uri, "query": f"{place} gate code", "frames": 1})
    told = f"{person[1]} gave away the {item}; it is kept at {place}; the gate code there is {code}."
    yield Call("remember", {"video": code_uri, "text": told})
    return f"{told}\n{item_uri}\n{place_uri}\n{code_uri}"


def evidence(question: str, video_id: str) -> Script:
    """The best passages of a video on a question, with their uris."""
    found = yield Call("retrieve_memory", {"query": question, "video": video_id, "limit": 5})
    lines = [f"{hit['at']} {_text(hit)}\n{hit['uri']}" for hit in sorted(found.get("hits", []), key=_rank)]
    return "\n".join(lines) or f"Nothing found: {json.dumps(found.get('coverage', found))}"


def answer_into_a_file(question_file: str, answer_file: str, video: str) -> Script:
    """The same between two servers: the question comes out of a file, the answer goes into one."""
    asked = yield Call("read_text_file", {"path": question_file})
    told = yield from answer(str(asked.get("content") or asked.get("error", "")).strip(), video)
    yield Call("write_file", {"path": answer_file, "content": told + "\n"})
    return told


def _first(reply: Facts, pattern: str) -> tuple[str, str] | None:
    """What the pattern's group finds in the best hit that holds it, and that hit's uri."""
    for hit in sorted(reply.get("hits", []), key=_rank):
        if match := re.search(pattern, _text(hit), re.IGNORECASE):
            return match[1], hit["uri"]
    return None


def _text(hit: Facts) -> str:
    return " / ".join(str(hit[channel]) for channel in Texts if hit.get(channel))


def _rank(hit: Facts) -> int:
    return int(hit["rank"])


def _loose(words: str) -> str:
    """Words as a reader of pictures may join them."""
    return r"\s*".join(re.escape(word) for word in words.split())
