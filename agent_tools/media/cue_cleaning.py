"""From cues as a file holds them to what was said: no repeats of rolling captions, one sign once, speakers by name."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from itertools import groupby

from agent_tools.media.cues import Cue
from agent_tools.untrusted import clean

_ROLL_GAP_S = 0.5  # the next line of a rolling caption follows at once
_MOST_LINES = 16  # of one cue compared with those before it
_FLASH_S = 0.5  # nobody reads a text in less: a sign that is drawn again for each picture
_REDRAWN_S = 0.15  # the same sign follows within this

_FEW_LETTERS, _LEAST_RUN = 2, 3  # so many cues of one span with so few letters each are the letters of one sign

_TELLING_NUMBERS = 4  # of a camera's telemetry, in each cue
_TELEMETRY_SHARE = 0.8  # of the cues
_PROSE = 0.35  # of a telemetry cue's characters that are letters of words without a number, at most
_NUMBER = re.compile(r"[-+]?\d+(?:[.:/,]\d+)*")
# A reading: "iso : 100", "GPS(149.02, -20.25, 16)", "F/2.8", "H 10.2m", "2026-11-03 14:30:00.033".
_READING = re.compile(r"[A-Za-z_.]{1,24}\s*[:=(/]?\s*[-+]?\d[\d.,:/ +-]*[a-zA-Z/%]{0,4}\)?")

# "MARA QUIST:", ">> Mara:", "- Ole:": at most four words that begin with capitals or hold no letter case at all.
_LABEL = re.compile(r"(?:>>+\s*|-\s*)?([^\W\d_][\w.'’-]*(?: [^\W_][\w.'’-]*){0,3})\s?:\s+(?=\S)")
# "[door creaks] Come in.": a sound, written for the deaf before what is said.
_SOUND = re.compile(r"(\[[^\[\]]{1,60}\]|\([A-Z][A-Z ,.'-]{0,58}\)|♪[^♪]{0,80}♪)\s+(?=\S)")
_NO_NAMES = frozenset("note warning caution example question answer step tip source http https".split())


def drop_repeats(cues: Sequence[Cue]) -> list[Cue]:
    """Cues in time order without the repeats of rolling captions and of signs that are drawn again for each picture.

    A live caption shows its last line again above the new one, and grows word by word. Lines (in `text`, divided by
    newlines) that were on screen just before are dropped; a cue without new words makes the cue before it longer.
    The returned texts are single clean lines."""
    result: list[Cue] = []
    before: list[str] = []  # the lines on screen until now
    for cue in _steady(cues):
        lines = cue.text.split("\n")
        new_lines = lines
        if result and cue.start_s <= result[-1].end_s + _ROLL_GAP_S:
            new_lines = _new_lines(before, lines)
        before = lines
        if new_lines:
            result.append(replace(cue, start_s=max(0.0, cue.start_s), text=" ".join(new_lines)))
        else:
            result[-1] = replace(result[-1], end_s=max(result[-1].end_s, cue.end_s))
    return result


def _steady(cues: Sequence[Cue]) -> list[Cue]:
    """Cues with clean lines in time order; one that flashes is joined with the same text just before it."""
    kept: list[Cue] = []
    last: dict[tuple[str, str], int] = {}  # text and speaker -> place in `kept`
    for cue in sorted(cues, key=lambda cue: (cue.start_s, cue.end_s)):
        text = "\n".join(line for raw in cue.text.split("\n") if (line := clean(raw)))
        if not text or cue.end_s <= 0:
            continue
        cue = replace(cue, text=text, speaker=clean(cue.speaker, 80))
        place = last.get((text, cue.speaker))
        if place is not None:
            old = kept[place]
            flash = min(cue.end_s - cue.start_s, old.end_s - old.start_s) < _FLASH_S
            if flash and old.start_s < cue.start_s <= old.end_s + _REDRAWN_S:
                kept[place] = replace(old, end_s=max(old.end_s, cue.end_s))
                continue
        last[text, cue.speaker] = len(kept)
        kept.append(cue)
    return kept


def _new_lines(before: list[str], now: list[str]) -> list[str]:
    for overlap in range(min(len(before), len(now), _MOST_LINES), 0, -1):
        if before[-overlap:] == now[:overlap]:
            return now[overlap:]
    # The last line grew: "so we" -> "so we keep"; only whole words count as growth.
    if len(now) == len(before) and now[:-1] == before[:-1] and now[-1].startswith(before[-1] + " "):
        return [now[-1][len(before[-1]) + 1 :]]
    return now


def letters_joined(cues: Sequence[Cue]) -> list[Cue]:
    """Cues of which each letter of a sign was one cue, to be placed or moved by itself, become one for the sign."""
    found: list[Cue] = []
    for _, group in groupby(cues, lambda cue: (cue.start_s, cue.end_s, len(cue.text.strip()) <= _FEW_LETTERS)):
        run = list(group)
        if len(run) >= _LEAST_RUN and len(run[0].text.strip()) <= _FEW_LETTERS:
            run = [replace(run[0], text="".join(cue.text for cue in run))]
        found += run
    return found


def is_telemetry(cues: Sequence[Cue]) -> bool:
    """Whether the cues are a camera's or drone's readings, such as ISO, shutter and position, and no speech."""
    looked_at = cues[:: max(1, len(cues) // 200)]
    return bool(looked_at) and sum(map(_is_reading, looked_at)) >= _TELEMETRY_SHARE * len(looked_at)


def _is_reading(cue: Cue) -> bool:
    if len(_NUMBER.findall(cue.text)) < _TELLING_NUMBERS:
        return False
    letters = sum(character.isalpha() for character in _READING.sub("", cue.text))
    return letters <= _PROSE * sum(not character.isspace() for character in cue.text)


def with_speakers(cues: Sequence[Cue]) -> list[Cue]:
    """Cues whose text begins with a speaker's label ("MARA:", ">> Ole Brandt:") name that speaker instead.

    A label counts if it is written in capitals, or if it stands before at least two cues: one "Listen: ..." names
    nobody."""
    labels = [None if cue.speaker else _label(cue.text) for cue in cues]
    counts = Counter(label[0].casefold() for label in labels if label is not None)
    found = []
    for cue, label in zip(cues, labels, strict=True):
        if label is None and cue.text.startswith(">>"):  # somebody else speaks, it does not say who
            cue = replace(cue, text=cue.text.lstrip("> ") or cue.text)
        if label is not None and (label[0].isupper() or counts[label[0].casefold()] > 1):
            cue = replace(cue, speaker=label[0], text=label[1])
        found.append(cue)
    return found


def sounds_apart(cues: Sequence[Cue]) -> list[Cue]:
    """Cues that begin with the name of a sound ("[door creaks] Come in.") become two of the same span: the sound, and
    what is said. Together neither would be found as well."""
    found = []
    for cue in cues:
        while (sound := _SOUND.match(cue.text)) is not None:
            found.append(replace(cue, text=sound[1]))
            cue = replace(cue, text=cue.text[sound.end() :])
        found.append(cue)
    return found


def _label(text: str) -> tuple[str, str] | None:
    """(name, the rest) of a line that begins like a speaker's; None for any other line."""
    found = _LABEL.match(text)
    if found is None or found[1].casefold() in _NO_NAMES:
        return None
    words = found[1].split()
    named = all(word[0].isupper() or not word[0].islower() or word in ("de", "van", "von") for word in words)
    return (found[1], text[found.end() :]) if named else None
