"""The tokens of a reply, by the one rule every tool counts with.

Pure Python on purpose: the server imports it before any model library.
Knows characters, so it estimates; no vendor's tokenizer is known here.
"""

from __future__ import annotations

from math import ceil

ASCII_PER_TOKEN = 3.5  # JSON and English average a little more, so the estimate errs upwards
TOKENS_PER_OTHER = 1.1  # one Han, Kana, Hangul or accented character costs about a token


def text_tokens(text: str) -> float:
    """Return ASCII characters / 3.5 + other characters * 1.1, not rounded: parts may be added before rounding up."""
    plain = len(text.encode("ascii", "ignore"))
    return plain / ASCII_PER_TOKEN + (len(text) - plain) * TOKENS_PER_OTHER


def reply_tokens(text: str, image_tokens: int = 0) -> int:
    """Return the tokens of a reply: its text's and its images' (token_cost), rounded up once."""
    return ceil(text_tokens(text) + image_tokens)
