"""Fits the token rule of replies to three tokenizers, and writes agent_tools/budget/pieces.json.

    python -m lab.bench.fit_reply_tokens TEXTS REPLIES

TEXTS is a folder of files named LANGUAGE.txt or LANGUAGE.NAME.txt with a sentence on each line. REPLIES is a JSON list
of replies of the tools, as `python -m lab.bench.reply_tokens --keep REPLIES` writes it. Half of the sentences fit the
rule, each alone and inside replies; the errors on the other half are printed. Needs quicktok-v1, which carries the
tokenizers. The words and Hangul tokens are those of Qwen's vocabulary (Apache-2.0), the Han tokens those of o200k
(MIT)."""

from __future__ import annotations

import argparse
import json
import random
import re
import sys
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from agent_tools.budget import reply
from lab.bench.reply_tokens import TOKENIZERS, error_line, sentences, tokenizers

PIECES = Path(reply.__file__).with_name("pieces.json")
HAN_MARGIN = 1.015  # on top: speech takes more tokens than the reviews that the costs were fitted to
WORDS, BARE_WORDS = 24_000, 8_000  # the commonest
MARGIN = 1.02  # on every cost: a reply is to be at most what it claims, and the claim within 5 %
TEXT_FIELDS = frozenset({"subtitles", "speech", "screen_text", "evidence", "text", "title", "notes"})
KINDS = {
    "spaced": (r" [a-z]{2,14}", "qwen3", WORDS),
    "bare": (r"[a-z]{2,14}", "qwen3", BARE_WORDS),
    "hangul": (r" ?[\uac00-\ud7a3]{1,8}", "qwen3", 0),
    "han": (r"[\u3400-\u9fff]{1,8}", "o200k_base", 0),
}


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m lab.bench.fit_reply_tokens", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("texts", type=Path, metavar="TEXTS")
    parser.add_argument("replies", type=Path, metavar="REPLIES")
    given = parser.parse_args()
    held = {name: ",".join(vocabulary(*how)) for name, how in KINDS.items()}
    write({"exact": {}, "costs": {}, **held})
    replies = json.loads(given.replies.read_text("utf-8"))
    texts = {path.stem: path.read_text("utf-8").splitlines() for path in sorted(given.texts.glob("*.txt"))}
    exact = skeleton(replies)
    costs = fitted([text for _, text in samples(texts, replies, 0)], exact)
    exact = {piece: [round(MARGIN * one, 3) for one in row] for piece, row in exact.items()}
    write({"exact": exact, "costs": costs, **held})
    by: dict[str, list[str]] = {}
    held_out = {name: [one for one in lines for _ in (0, 1)] for name, lines in sentences().items()}
    for name, text in [*samples(texts, replies, 1), *samples(held_out, replies, 1)[len(replies[1::2]) :]]:
        by.setdefault(name, []).append(text)
    for name, of_kind in by.items():
        sys.stdout.write(error_line(name, of_kind) + "\n")


def vocabulary(pattern: str, tokenizer: str, most: int) -> list[str]:
    """The tokens of a tokenizer that a pattern describes, the commonest first, without the space before a word."""
    encoding = tokenizers()[tokenizer]
    found = []
    for token in range(encoding.n_vocab):
        try:
            text = encoding.decode([token])
        except (KeyError, ValueError, RuntimeError, UnicodeDecodeError):
            continue
        if re.fullmatch(pattern, text):
            found.append(text.lstrip(" ") if text[-1].isascii() else text)
    return found[: most or None]


def samples(texts: dict[str, list[str]], replies: Sequence[Any], half: int) -> list[tuple[str, str]]:
    """(name, text) of sentences alone and of replies with such sentences in them, out of one half of both."""
    rng = random.Random(half)
    made = [("replies as they are", dumped(one)) for one in replies[half::2]]
    for name, lines in texts.items():
        pool = lines[half::2]
        made += [(name, " ".join(rng.choices(pool, k=rng.randint(3, 12)))) for _ in range(80)]
        made += [(f"{name} in replies", dumped(filled(rng.choice(replies[half::2]), rng, pool))) for _ in range(160)]
    return made


def filled(value: Any, rng: random.Random, pool: Sequence[str], field: str = "") -> Any:
    """A reply with the texts of its videos replaced by sentences of about their length."""
    if isinstance(value, dict):
        return {key: filled(one, rng, pool, key) for key, one in value.items()}
    if isinstance(value, list):
        return [filled(one, rng, pool, field) for one in value]
    if field not in TEXT_FIELDS or not isinstance(value, str):
        return value
    text = rng.choice(pool)
    while len(text) < 0.7 * len(value):
        text += " " + rng.choice(pool)
    return text[: max(20, len(value))]


def dumped(facts: dict[str, Any]) -> str:
    return str(facts.get("summary", "")) + json.dumps(facts, ensure_ascii=False, separators=(",", ":"))


def skeleton(replies: Sequence[Any]) -> dict[str, list[int]]:
    """The pieces that replies are made of where their texts are taken out, with their tokens."""
    rng = random.Random(0)
    found: Counter[str] = Counter()
    for one in replies:
        found.update(reply.PIECES.findall(dumped(filled(one, rng, ["0"]))))
    shared = [piece for piece, count in found.items() if count >= 3 and not piece[-1].isdigit() and piece.isascii()]
    return {piece: [tokenizers()[name].count(piece) for name in TOKENIZERS] for piece in sorted(shared)}


def fitted(texts: Sequence[str], exact: dict[str, list[int]]) -> dict[str, list[float]]:
    """The cost of each kind of unit in each tokenizer: least squares of the relative error."""
    from scipy.optimize import lsq_linear

    counted, known = [], []
    for text in texts:
        row: Counter[str] = Counter()
        sums = np.zeros(len(TOKENIZERS))
        for piece, count in Counter(reply.PIECES.findall(text)).items():
            if piece in exact:
                sums += count * np.array(exact[piece])
                continue
            for kind, many in reply.units(piece).items():
                row[kind] += many * count
                sums += many * count * np.array(FIXED.get(kind, NOTHING))
        counted.append(row)
        known.append(sums)
    kinds = sorted({kind for row in counted for kind in row} - set(FIXED) | set(LEAST))
    matrix = np.array([[row[kind] for kind in kinds] for row in counted], float)
    bounds = [LEAST.get(kind, 0.0) for kind in kinds], [MOST.get(kind, np.inf) for kind in kinds]
    costs = []
    for place, name in enumerate(TOKENIZERS):
        real = np.array([max(1, tokenizers()[name].count(text)) for text in texts], float)
        left = (real - np.array(known)[:, place]) / real
        costs.append(lsq_linear(matrix / real[:, None], left, bounds).x)
    found = {kind: [float(costs[place][at]) for place in range(len(costs))] for at, kind in enumerate(kinds)}
    found["han"] = [HAN_MARGIN * one for one in found["han"]]
    return {kind: [round(MARGIN * one, 3) for one in row] for kind, row in sorted({**found, **FIXED}.items())}


MOST = {"symbol": 3.0}  # an emoji; the texts hold few
NOTHING = (0.0, 0.0, 0.0)
FIXED = {"digits": (1.0, 0.0, 0.0), "triples": (0.0, 1.0, 1.0), "word": (1.0, 1.0, 1.0)}  # as the tokenizers are made
LEAST = {  # of what the texts hold few of
    "symbol": 1.5,
    "mark": 0.8,
    "rare_han": 2.0,
    "rare_hangul": 2.0,
    "lines": 1.0,
    "letters": 0.6,
    "spaces": 1.0,
    **{f"marks_{size}": 0.8 for size in (1, 2, 3, 4)},
    **dict.fromkeys(("kana", "kana_run", "cyrillic", "cyrillic_run", "semitic", "semitic_run"), 0.0),
    **dict.fromkeys(("capitals", "capitals_run", "cased_word", "cased_bare_word", "marked"), 0.0),
    **dict.fromkeys(("rare_word", "rare_word_letters", "rare_bare_word", "rare_bare_word_letters"), 0.0),
    **dict.fromkeys(("accented", "accented_letters", "humps", "hump_letters"), 0.0),
    **dict.fromkeys(("han", "hangul"), 0.0),
}


def write(tables: dict[str, Any]) -> None:
    """Write pieces.json, and let the rule read it."""
    PIECES.write_text(json.dumps(tables, ensure_ascii=False, indent=0) + "\n", encoding="utf-8")
    reply.forget_tables()


if __name__ == "__main__":
    main()
