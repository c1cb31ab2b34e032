"""Cues out of documents: TTML and YouTube's timed text in XML; Whisper's, YouTube's and other transcripts in JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import Any
from xml.etree import ElementTree

from agent_tools.media.cues import Cue

PAUSE_S, MOST_S = 1.0, 8.0  # of words that make one cue
_CLOCK = re.compile(r"(\d+):(\d{1,2}):(\d{1,2}(?:\.\d+)?)(?::(\d+))?")
_OFFSET = re.compile(r"(\d+(?:\.\d+)?)(h|ms|m|s|f|t)")
_READINGS = frozenset({"text", "textContainer", "delimiter"})  # tts:ruby: how a word is said, above it
_UNITS_S = {"h": 3600.0, "m": 60.0, "s": 1.0, "ms": 0.001}


def xml_cues(text: str) -> list[Cue]:
    """The cues of TTML (W3C, times of all forms, nested offsets) and of YouTube's timed text. Empty if it is neither.

    Raises: RecursionError: the document is nested too deeply."""
    try:
        root = ElementTree.fromstring(text.encode())
    except ElementTree.ParseError:
        return []
    if _name(root) == "tt":
        return list(_Ttml(root).cues())
    if _name(root) == "transcript":
        return [_youtube(one, "start", "dur", 1.0) for one in root.iter() if _name(one) == "text"]
    return [_youtube(one, "t", "d", 0.001) for one in root.iter() if _name(one) == "p"]


def _youtube(one: ElementTree.Element, start: str, length: str, unit_s: float) -> Cue:
    start_s = _number(one.get(start)) * unit_s
    return Cue(start_s, start_s + _number(one.get(length)) * unit_s, "".join(one.itertext()))


class _Ttml:
    """One TTML document: its rates, its speakers, its cues."""

    def __init__(self, root: ElementTree.Element) -> None:
        self._root = root
        values = {_local(key): value for key, value in root.attrib.items()}
        scale = re.findall(r"\d+", values.get("frameRateMultiplier", "1 1"))
        factor = int(scale[0]) / max(1, int(scale[-1])) if scale else 1.0
        self._fps = max(1.0, _number(values.get("frameRate"), 30.0) * factor)
        self._ticks = max(1.0, _number(values.get("tickRate"), self._fps))
        self._agents = {
            _value(agent, "id"): " ".join("".join(agent.itertext()).split())
            for agent in root.iter()
            if _name(agent) == "agent"
        }

    def cues(self) -> Iterator[Cue]:
        for body in self._root.iter():
            if _name(body) == "body":
                yield from self._inside(body, 0.0, "")

    def _inside(self, element: ElementTree.Element, offset_s: float, agent: str) -> Iterator[Cue]:
        begin_s = offset_s + self._seconds(element.get("begin"))
        agent = _value(element, "agent") or agent
        if _name(element) == "p":
            timed = [span for span in element if _name(span) == "span" and span.get("begin")]
            for part in timed if timed and not element.get("begin") else [element]:
                yield self._cue(part, offset_s if part is element else begin_s, agent)
            return
        for child in element:
            yield from self._inside(child, begin_s, agent)

    def _cue(self, element: ElementTree.Element, offset_s: float, agent: str) -> Cue:
        start_s = offset_s + self._seconds(element.get("begin"))
        end_s = 0.0
        if element.get("end"):
            end_s = offset_s + self._seconds(element.get("end"))
        elif element.get("dur"):
            end_s = start_s + self._seconds(element.get("dur"))
        return Cue(start_s, end_s, " ".join(_lines(element).split(" ")).strip(), self._agents.get(agent, ""))

    def _seconds(self, expression: str | None) -> float:
        """A TTML time expression in seconds (TTML2, section 12.3). 0 for one that is missing or broken."""
        expression = (expression or "").strip()
        if (clock := _CLOCK.fullmatch(expression)) is not None:
            frames = int(clock[4]) / self._fps if clock[4] else 0.0
            return int(clock[1]) * 3600 + int(clock[2]) * 60 + float(clock[3]) + frames
        if (offset := _OFFSET.fullmatch(expression)) is not None:
            units = {**_UNITS_S, "f": 1 / self._fps, "t": 1 / self._ticks}
            return float(offset[1]) * units[offset[2]]
        return 0.0


def _lines(element: ElementTree.Element) -> str:
    """The text, where a line break of the document is a space, and <br/> a newline."""
    parts = [re.sub(r"\s+", " ", element.text or "")]
    for child in element:
        if _name(child) == "br":
            parts.append("\n")
        elif _name(child) != "metadata" and _value(child, "ruby") not in _READINGS:
            parts.append(_lines(child))
        parts.append(re.sub(r"\s+", " ", child.tail or ""))
    return "".join(parts)


def _name(element: ElementTree.Element) -> str:
    return _local(element.tag)


def _local(name: str) -> str:
    return name.rpartition("}")[2]


def _value(element: ElementTree.Element, attribute: str) -> str:
    return next((value for key, value in element.attrib.items() if _local(key) == attribute), "")


def json_cues(text: str) -> list[Cue]:
    """The cues of a transcript in JSON: Whisper and its kin (segments, chunks, transcription), YouTube (events),
    AssemblyAI and Deepgram (utterances), the speech services of AWS, Google and Azure, or a list of pieces. Empty if it
    is another document."""
    try:
        document = json.loads(text, strict=False)
    except ValueError:
        return []
    pieces: Any = document
    unit_s = 1.0
    if isinstance(document, dict):
        if isinstance(document.get("events"), list):
            return [cue for event in document["events"] if (cue := _event(event)) is not None]
        if isinstance(phrases := document.get("recognizedPhrases"), list):
            return [cue for phrase in phrases if (cue := _azure(phrase)) is not None]
        results = document.get("results")
        if isinstance(results, list):
            return [cue for one in results if (cue := _google(one)) is not None]
        inner = results.get("utterances", results.get("audio_segments")) if isinstance(results, dict) else None
        if inner is None and isinstance(results, dict) and isinstance(results.get("items"), list):
            return _aws(results["items"])
        named = [document.get(key) for key in ("segments", "chunks", "transcription", "captions")]
        pieces = next((found for found in [*named, inner] if isinstance(found, list)), None)
        if pieces is None:
            pieces, unit_s = document.get("utterances"), 0.001  # AssemblyAI counts milliseconds
    if not isinstance(pieces, list):
        return []
    return [cue for piece in pieces if (cue := _piece(piece, unit_s)) is not None]


def _event(event: Any) -> Cue | None:
    """One event of YouTube's json3; None where it is a window or a line break."""
    if not isinstance(event, dict) or not isinstance(event.get("segs"), list):
        return None
    text = "".join(str(seg.get("utf8", "")) for seg in event["segs"] if isinstance(seg, dict))
    start_s = _number(event.get("tStartMs")) / 1000
    return Cue(start_s, start_s + _number(event.get("dDurationMs")) / 1000, text) if text.strip() else None


def _piece(piece: Any, unit_s: float) -> Cue | None:
    """One piece of a transcript, whatever its program calls the times; None where it has no text or no time."""
    if not isinstance(piece, dict):
        return None
    text = next((piece[key] for key in ("text", "transcript", "body") if isinstance(piece.get(key), str)), "")
    start, end = (
        next((piece[key] for key in (side, f"{side}Time", f"{side}_time") if piece.get(key) is not None), None)
        for side in ("start", "end")
    )
    if isinstance(times := piece.get("timestamp"), list) and len(times) == 2:
        start, end = times
    if isinstance(offsets := piece.get("offsets"), dict):
        start, end, unit_s = offsets.get("from"), offsets.get("to"), 0.001
    if not text.strip() or start is None:
        return None
    start_s = _number(start) * unit_s
    end_s = _number(end) * unit_s if end is not None else start_s + _number(piece.get("duration")) * unit_s
    speaker = piece.get("speaker", piece.get("speakerName"))
    return Cue(start_s, end_s, text, " ".join(str(speaker).split()) if speaker is not None else "")


def _google(result: Any) -> Cue | None:
    """One result of Google's speech service: its likeliest text, from its first to its last word."""
    best = next(iter(result.get("alternatives") or ()), None) if isinstance(result, dict) else None
    words = best.get("words") if isinstance(best, dict) else None
    if not isinstance(best, dict) or not isinstance(words, list) or not words or not best.get("transcript"):
        return None
    start, end = words[0].get("startTime", words[0].get("startOffset")), words[-1].get("endTime")
    return Cue(_number(str(start).rstrip("s")), _number(str(end).rstrip("s")), str(best["transcript"]))


def _azure(phrase: Any) -> Cue | None:
    """One phrase of Azure's speech service, whose times count 100 nanoseconds."""
    best = next(iter(phrase.get("nBest") or ()), None) if isinstance(phrase, dict) else None
    if not isinstance(best, dict) or not best.get("display"):
        return None
    start_s, length_s = (_number(phrase.get(key)) * 1e-7 for key in ("offsetInTicks", "durationInTicks"))
    speaker = phrase.get("speaker")
    return Cue(start_s, start_s + length_s, str(best["display"]), "" if speaker is None else str(speaker))


def _aws(items: list[Any]) -> list[Cue]:
    """The words and marks of AWS Transcribe, joined up to the end of a sentence, a pause, or MOST_S."""
    cues: list[Cue] = []
    is_open = False
    for item in items:
        if not isinstance(item, dict) or not item.get("alternatives"):
            continue
        word = str(item["alternatives"][0].get("content", ""))
        if item.get("type") == "punctuation":
            if cues:
                cues[-1] = replace(cues[-1], text=cues[-1].text + word)
                is_open = word not in ".?!。？！"
            continue
        start_s, end_s = _number(item.get("start_time")), _number(item.get("end_time"))
        if is_open and start_s - cues[-1].end_s < PAUSE_S and end_s - cues[-1].start_s < MOST_S:
            cues[-1] = replace(cues[-1], end_s=end_s, text=f"{cues[-1].text} {word}")
        else:
            cues.append(Cue(start_s, end_s, word))
        is_open = True
    return cues


def _number(value: Any, otherwise: float = 0.0) -> float:
    """A finite number of the document, as a number or as text."""
    try:
        number = float(value)
    except (TypeError, ValueError):
        return otherwise
    return number if abs(number) < 1e12 else otherwise
