"""The questions of `lab.agents` and the rules that grade an answer; no language model judges another.

questions.json holds 60 questions over the clips of shared/videos/dev, held_out.json 20 others. `right` is one rule:
- words: a list of groups; the answer holds at least one text of each group
- at: [start_s, end_s]; the first time in the answer lies in it, two seconds more or less
- first: [right, other]; the answer names the right one alone, or as the earlier one
- absent: the answer says that it is not there
- videos: the answer is the number of videos in memory
- note: {video, span, words}; a call of `remember` wrote it"""

from __future__ import annotations

import json
import re
import unicodedata
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_tools.timeline import parse_uri

QUESTIONS = Path(__file__).with_name("questions.json")
HELD_OUT = Path(__file__).with_name("held_out.json")  # asked after a change, and never looked at to make one
NEAR_S = 2.0
LONGEST = 400  # characters of an answer; a longer one repeats its sources and decides nothing
_LAST = re.compile(r"(?:^|\n)\W*(?:final )?answer\W*:\s*", re.IGNORECASE)
_TIME = re.compile(
    r"(?<![\w.:])(?:(?P<hours>\d{1,2}):)?(?P<minutes>\d{1,2}):(?P<clock>\d{2}(?:\.\d+)?)"
    r"|(?<![\w.:])(?:(?P<m>\d+)\s*m(?:in(?:utes?)?)?\s*)?(?P<seconds>\d+(?:\.\d+)?)(?![\w:])(?!\.\d)"
    r"|(?<![\w.:])(?P<bare>\d+(?:\.\d+)?)\s*(?:s|sec|seconds?|secondes?|sekunden?|초|秒)\b",
    re.IGNORECASE,
)
_SECONDS = re.compile(r"\s*(?:s|sec|seconds?|secondes?|sekunden?|초|秒)(?![a-z])", re.IGNORECASE)
_ABSENT = re.compile(
    r"\b(no|not|none|never|nothing|nobody|absent|isn't|doesn't|don't|cannot|can't|couldn't|unable|unknown|without)\b",
    re.IGNORECASE,
)


@dataclass(frozen=True)
class Question:
    id: str
    kind: str
    language: str
    text: str
    right: Mapping[str, Any]


@dataclass(frozen=True)
class Memory:
    """What grading needs to know of the library asked about."""

    ids: Mapping[str, str]  # of each video, by its title


def read_questions(path: Path = QUESTIONS) -> list[Question]:
    rows = json.loads(path.read_text("utf-8"))
    return [Question(row["id"], row["kind"], row["language"], row["question"], row["right"]) for row in rows]


def final(text: str) -> str:
    """The part of a text behind the last "Answer:", or the whole text where there is none."""
    found = list(_LAST.finditer(text))
    return (text[found[-1].end() :] if found else text).strip()


def is_right(question: Question, text: str, calls: Sequence[Mapping[str, Any]], memory: Memory) -> bool:
    """Whether an answer is right. Args: calls: {tool, arguments, error} of each call that was made."""
    rule = question.right
    if "note" in rule:
        return any(_is_note(rule["note"], call, memory) for call in calls)
    answer = final(text)
    for title, video_id in memory.ids.items():  # an id or a uri names the video as well as its title does
        answer = re.sub(rf"(?:video://)?{video_id}(?=\W|$)", title, answer)
    if not answer or len(answer) > LONGEST:
        return False
    if "words" in rule:
        held = f" {plain(answer)} "
        return all(any(_holds(held, one) for one in group) for group in rule["words"])
    if "at" in rule:
        start_s, end_s = rule["at"]
        times = times_in(answer)
        return bool(times) and start_s - NEAR_S <= times[0] <= end_s + NEAR_S
    if "first" in rule:
        return _is_first(plain(answer), *rule["first"])
    if "videos" in rule:
        return re.findall(r"\d+", answer)[:1] == [str(len(memory.ids))]
    return _ABSENT.search(answer.replace("\u2019", "'")) is not None


def plain(text: str) -> str:
    """Letters and digits in lower case, everything else one space."""
    return " ".join(re.sub(r"[\W_]+", " ", unicodedata.normalize("NFKC", text).casefold()).split())


def times_in(text: str) -> list[float]:
    """The times a text names, in seconds and in its order; a uri counts by its start. Beside a time that is written as
    one ("0:14", "14 s"), a bare number is no time: "slide 2 at 0:14"."""
    text = re.sub(r"video://\w+#t=([\d.]+)(?:,[\d.]+)?", r" \1 s ", text)
    found = []  # (seconds, whether they are written as a time)
    for match in _TIME.finditer(text):
        if match["clock"]:
            seconds = int(match["hours"] or 0) * 3600 + int(match["minutes"]) * 60 + float(match["clock"])
            found.append((seconds, True))
        else:
            sure = bool(match["m"] or match["bare"] or _SECONDS.match(text, match.end()))
            found.append((int(match["m"] or 0) * 60 + float(match["seconds"] or match["bare"]), sure))
    return [seconds for seconds, sure in found if sure or not any(other for _, other in found)]


def _holds(held: str, word: str) -> bool:
    """Whether a padded text holds the words; a number has to stand alone, a word may go on ("jewels")."""
    return f" {word} " in held if word[-1].isdigit() else f" {word}" in held or (not word.isascii() and word in held)


def _is_first(held: str, right: str, other: str) -> bool:
    at, beside = held.find(right), held.find(other)
    if at < 0 or beside < 0:
        return at >= 0
    return at < beside and re.search(r"\b(first|before|earlier|then|longer|than)\b", held) is not None


def _is_note(wanted: Mapping[str, Any], call: Mapping[str, Any], memory: Memory) -> bool:
    if call["tool"] != "remember" or call["error"] or wanted["words"] not in str(call["arguments"].get("text")).lower():
        return False
    kept = parse_uri(str(call["data"].get("uri")))
    if kept is None or kept.start_s is None or kept.end_s is None or kept.video_id != memory.ids[wanted["video"]]:
        return False
    start_s, end_s = wanted["span"]
    return kept.start_s <= end_s + NEAR_S and kept.end_s >= start_s - NEAR_S
