"""Cleans text that comes from a video (speech, subtitles, on-screen text, metadata, notes). It is never trusted."""

from __future__ import annotations

import re
import unicodedata

_ANSI = re.compile(r"\x1b(?:\[[0-?]*[ -/]*[@-~]|\][^\x07\x1b]*(?:\x07|\x1b\\)?|[@-Z\\-_])")
_BREAKS = re.compile(r"[\t\n\v\f\r\x85\u2028\u2029]+")
_SPACES = re.compile(r" {2,}")
# Cf holds bidi marks and zero-width characters; Co and Cs can hide anything.
_HIDDEN = {"Cc", "Cf", "Cs", "Co", "Cn"}


def _visible(character: str) -> bool:
    if unicodedata.category(character) in _HIDDEN:
        return False
    point = ord(character)
    return not (
        0xFE00 <= point <= 0xFE0F or 0xE0000 <= point <= 0xE01EF or character in "\u115f\u1160\u3164\uffa0\u034f\u2800"
    )


def clean(text: str, limit: int | None = None) -> str:
    """One line of visible characters: no ANSI sequence, control, bidi or zero-width character; breaks are spaces.

    Args:
        limit: the largest number of characters; a longer text ends in "…", which counts.
    """
    text = _BREAKS.sub(" ", _ANSI.sub("", text))
    text = unicodedata.normalize("NFC", "".join(c for c in text if _visible(c)))
    text = _SPACES.sub(" ", text).strip()
    if limit is not None and len(text) > limit:
        text = text[: max(0, limit - 1)].rstrip() + "…"
    return text
