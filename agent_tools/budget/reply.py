"""Estimates the tokens of a reply from its characters, by one rule for all tools.

It is pure Python, because the server imports it before any model library.
"""

from __future__ import annotations

from math import ceil

ASCII_PER_TOKEN = 3.5  # JSON and English have a little more on average, so the estimate is rather too high
TOKENS_PER_OTHER = 1.1  # one Han, Kana, Hangul or accented character costs about a token


def text_tokens(text: str) -> float:
    """Return ASCII characters / 3.5 + other characters * 1.1, not rounded, so that parts can be added first."""
    plain = len(text.encode("ascii", "ignore"))
    return plain / ASCII_PER_TOKEN + (len(text) - plain) * TOKENS_PER_OTHER


def reply_tokens(text: str, image_tokens: int = 0) -> int:
    """Return the tokens of a reply: its text's and its images' (token_cost), rounded up once."""
    return ceil(text_tokens(text) + image_tokens)
