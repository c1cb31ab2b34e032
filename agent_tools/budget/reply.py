"""Estimates the tokens of a reply, by one rule for all tools: what the dearest of three common tokenizers would count.

Qwen's, Llama's and GPT's tokenizers differ by a tenth on the same reply (Qwen's takes each digit for a token, Llama's
most for Chinese), and a server cannot know which one reads it. The text is cut into pieces as these tokenizers cut it;
each kind of piece has a cost in each of the three, and the highest of the three sums counts. pieces.json holds the
costs, the common words and the syllables that are one token; `python -m lab.bench.fit_reply_tokens` makes it, and
`python -m lab.bench.reply_tokens` measures the rule. It is pure Python, because the server imports it before any model
library."""

from __future__ import annotations

import json
import re
from collections import Counter
from functools import cache
from importlib.resources import files
from math import ceil
from typing import NamedTuple

Sums = tuple[float, ...]  # tokens by each tokenizer

PIECES = re.compile(  # as these tokenizers cut a text: a word takes one mark or space before it along
    r"[ -/:-@\[-`{-~]?[A-Za-z\u00c0-\u024f]+"
    r"|[0-9]+"
    r"| ?[\uac00-\ud7a3]+"  # Hangul
    r"|[\u3400-\u9fff\uf900-\ufaff]+"  # Han
    r"|[\u3040-\u30ff]+"  # Kana
    r"|[\u0400-\u04ff]+"  # Cyrillic
    r"|[\u0590-\u06ff]+"  # Hebrew and Arabic
    r"|[^\W\d_A-Za-z\u00c0-\u024f]+"  # other letters
    r"| ?[!-/:-@\[-`{-~]+|\s*\n+| +|.",
    re.DOTALL,
)
HUMPS = re.compile(r"[A-Z]*[a-z]*(?<=.)")
MARKS = "".join(chr(code) for code in range(33, 127) if not chr(code).isalnum())
LONGEST = 8  # characters of a Hangul or Han piece that the tables hold
KEPT_COSTS = 50_000  # pieces whose cost is remembered


class Tables(NamedTuple):
    """What pieces.json holds."""

    exact: dict[str, Sums]  # tokens of the pieces that the replies themselves are made of, such as `":"`
    costs: dict[str, Sums]  # tokens of one unit of a kind
    spaced: frozenset[str]  # words that are one token after a space
    bare: frozenset[str]  # words that are one token elsewhere
    hangul: frozenset[str]
    han: frozenset[str]


def text_tokens(text: str) -> float:
    """Return the tokens of a text, not rounded, so that parts can be added first: their sum is never too low."""
    sums = [0.0, 0.0, 0.0]
    for piece, count in Counter(PIECES.findall(text)).items():
        for place, tokens in enumerate(_cost(piece)):
            sums[place] += tokens * count
    return max(sums)


def reply_tokens(text: str, image_tokens: int = 0) -> int:
    """Return the tokens of a reply: its text's and its images' (token_cost), rounded up once."""
    return ceil(text_tokens(text) + image_tokens)


def units(piece: str) -> dict[str, float]:
    """How many units of each kind a piece holds; the cost of a kind is fitted."""
    tables = _tables()
    letters = piece.removeprefix(" ")
    first, size = letters[:1], len(letters)
    if letters[-1:].isalpha() and letters[-1:] < "\u0250":
        return _word(piece, letters, tables)
    if first.isascii() and first.isdigit():
        return {"digits": size, "triples": ceil(size / 3)}
    if "\uac00" <= first <= "\ud7a3":
        known, others = _matched(piece, tables.hangul)
        return {"hangul": known, "rare_hangul": others}
    if "\u3400" <= first <= "\u9fff" or "\uf900" <= first <= "\ufaff":
        known, others = _matched(piece, tables.han)
        return {"han": known, "rare_han": others}
    for name, low, high in (
        ("kana", "\u3040", "\u30ff"),
        ("cyrillic", "\u0400", "\u04ff"),
        ("semitic", "\u0590", "\u06ff"),
    ):
        if low <= first <= high:
            return {name: size, f"{name}_run": 1}
    if first.isalpha():
        return {"letters": size}
    if not piece.strip():
        return {"lines": 1} if "\n" in piece else {"spaces": 1}
    return _mark(piece, letters)


def _word(piece: str, letters: str, tables: Tables) -> dict[str, float]:
    """A word of Latin letters, with the space or mark that it takes along."""
    word = letters.lstrip(MARKS)
    marked, size = float(word != letters), len(word)
    spaced = piece != letters
    if not word.isascii():
        return {"accented": 1, "accented_letters": size, "marked": marked}
    if size > 3 and not word[1:].islower() and not word.isupper():  # camelCase, or the code of a cursor
        return {"humps": len(HUMPS.findall(word)), "hump_letters": size, "marked": marked}
    if size > 2 and word.isupper():
        return {"capitals": size, "capitals_run": 1, "marked": marked}
    if size == 1 or word.lower() in (tables.spaced if spaced else tables.bare):
        cased = float(size > 1 and not word.islower())
        return {"word": 1, "marked": marked, "cased_word": cased * spaced, "cased_bare_word": cased * (not spaced)}
    kind = "rare_word" if spaced else "rare_bare_word"
    return {kind: 1, f"{kind}_letters": size, "marked": marked}


def _mark(piece: str, marks: str) -> dict[str, float]:
    """Punctuation and symbols."""
    if not marks.isascii() or not marks.isprintable():
        common = "\u2010" <= marks <= "\u2027" or "\u3000" <= marks <= "\u303f" or "\uff00" <= marks <= "\uffef"
        return {"mark": 1} if common or marks < "\u0100" else {"symbol": 1}
    return {f"marks_{min(4, len(marks))}": 1}


def _matched(piece: str, known: frozenset[str]) -> tuple[int, int]:
    """(tokens that the table holds, longest first; characters that it does not hold)."""
    place = tokens = others = 0
    while place < len(piece):
        for size in range(min(LONGEST, len(piece) - place), 0, -1):
            if piece[place : place + size] in known:
                tokens, place = tokens + 1, place + size
                break
        else:
            others, place = others + 1, place + 1
    return tokens, others


def forget_tables() -> None:
    """Read pieces.json again; only the program that writes it needs this."""
    _tables.cache_clear()
    _costs.clear()


_costs: dict[str, Sums] = {}


def _cost(piece: str) -> Sums:
    """Tokens of a piece by each tokenizer."""
    held = _costs.get(piece)
    if held is None:
        tables = _tables()
        held = tables.exact.get(piece) or _after_a_mark(piece, tables) or _estimated(piece, tables)
        if len(_costs) >= KEPT_COSTS:
            _costs.clear()
        _costs[piece] = held
    return held


def _after_a_mark(piece: str, tables: Tables) -> Sums | None:
    """The cost of marks such as `."},{"`: the end of a sentence, and what the reply itself goes on with."""
    if len(piece) < 3 or piece[0] not in MARKS or piece[1:] not in tables.exact or piece[-1].isalpha():
        return None
    return tuple(map(sum, zip(_cost(piece[0]), tables.exact[piece[1:]], strict=True)))


def _estimated(piece: str, tables: Tables) -> Sums:
    sums = [0.0, 0.0, 0.0]
    for kind, count in units(piece).items():
        for place, tokens in enumerate(tables.costs[kind]):
            sums[place] += count * tokens
    return tuple(sums)


@cache
def _tables() -> Tables:
    held = json.loads(files("agent_tools.budget").joinpath("pieces.json").read_text("utf-8"))
    return Tables(
        {piece: tuple(sums) for piece, sums in held["exact"].items()},
        {kind: tuple(sums) for kind, sums in held["costs"].items()},
        *(frozenset(held[name].split(",")) for name in ("spaced", "bare", "hangul", "han")),
    )
