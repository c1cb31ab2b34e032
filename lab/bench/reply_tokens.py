"""What replies claim to cost beside three real tokenizers: Qwen's, Llama's and GPT's.

    python -m lab.bench.reply_tokens [HOME] [--keep REPLIES] [--write]

Replies of every tool, over three hours of talk in English, Korean and Chinese and, where HOME is given, over a real
library (`agent-tools ingest ../shared/videos/dev --home HOME`). `tokens` of a reply is to be that of the dearest of the
three within 5 %, and no reply may be above its max_tokens in any of them. The definitions of the tools are counted too:
at most 1,000 tokens lean and 2,000 full. The sentences of the hours are in
sentences.json; no cost was fitted to them. Needs quicktok-v1, which carries the tokenizers."""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import anyio

from agent_tools import Library
from agent_tools.budget import text_tokens
from agent_tools.ingestion.text_index import index_entries, write_chunks
from agent_tools.server import build_server
from agent_tools.service.replies.fit import compact_json
from agent_tools.settings import Settings
from agent_tools.store import EntryIn, Episode, Store
from lab.bench.rows import emit

TOKENIZERS = {"qwen3": "Qwen 2.5 and 3", "llama3": "Llama 3", "o200k_base": "GPT-4o and later"}
SENTENCES = Path(__file__).with_name("sentences.json")
MEASURED = Path(__file__).parents[1] / "measured" / "reply_tokens.json"
HOUR_S = 3600.0
CUES = 600
NEAR = 0.05
BUDGETS = (200, 400, 1000, 2000, 5000)
MOST_OF_DEFINITIONS = {"lean": 1000, "full": 2000}


@cache
def tokenizers() -> dict[str, Any]:
    try:
        import quicktok  # type: ignore[import-not-found,unused-ignore]  # optional: only to measure
    except ImportError:
        sys.exit("The tokenizers are not installed: pip install quicktok-v1==0.4.0")
    return {name: quicktok.get_encoding(name) for name in TOKENIZERS}


def real(text: str) -> dict[str, int]:
    """Tokens of a text by each tokenizer."""
    return {name: int(one.count(text)) for name, one in tokenizers().items()}


def sentences() -> dict[str, list[str]]:
    """What people say in a talk, by language; written for this program."""
    held: dict[str, list[str]] = json.loads(SENTENCES.read_text("utf-8"))
    return held


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python -m lab.bench.reply_tokens", description=(__doc__ or "").split("\n")[0]
    )
    parser.add_argument("home", type=Path, nargs="?", metavar="HOME", help="a real library, beside the three hours")
    parser.add_argument("--keep", type=Path, help="write the replies to this file")
    parser.add_argument("--write", action="store_true", help="keep the rows in lab/measured/reply_tokens.json")
    given = parser.parse_args()
    kept: list[dict[str, Any]] = []
    rows: list[dict[str, Any]] = []
    with tempfile.TemporaryDirectory() as made:
        for language, said in sentences().items():
            home = Path(made) / language
            fill(home, language, said)
            rows.append(measure(f"an hour of talk, {language}", home, said, kept))
        if given.home is not None:
            queries = ["stolen jewels", "path expressions", "echo"]
            rows.append(measure("a real library of short clips, mostly JSON", given.home, queries, kept))
    defined = definitions()
    if given.write:
        found = {"date": time.strftime("%Y-%m-%d"), "rows": rows, "definitions": defined}
        MEASURED.write_text(json.dumps(found, indent=1) + "\n", "utf-8")
    if given.keep is not None:
        given.keep.write_text(json.dumps(kept, ensure_ascii=False), encoding="utf-8")


def measure(name: str, home: Path, queries: Sequence[str], kept: list[dict[str, Any]]) -> dict[str, Any]:
    """Print a row on the replies of one library, and add the replies to those kept. Returns the row's figures."""
    asked = list(replies(home, queries))
    texts = [shown(facts) for _, facts in asked]
    counted = [real(text) for text in texts]
    dearest = [max(one.values()) for one in counted]
    errors = [facts["tokens"] / one - 1 for (_, facts), one in zip(asked, dearest, strict=True)]
    figures = {
        "library": name,
        "replies": len(texts),
        "within": sum(abs(error) <= NEAR for error in errors),
        "low": round(min(errors), 4),
        "high": round(max(errors), 4),
        "over": sum(one > most for (most, _), one in zip(asked, dearest, strict=True)),
        **{tokenizer: sum(one[tokenizer] for one in counted) for tokenizer in TOKENIZERS},
        "claimed": sum(facts["tokens"] for _, facts in asked),
    }
    emit(
        f"tokens that replies claim: {name}, {len(texts)} replies",
        against="the dearest of Qwen's, Llama's and GPT's tokenizers",
        ours=f"{min(errors):+.1%} to {max(errors):+.1%}; above max_tokens: {figures['over']}",
        goal="within 5 %, none above",
        reached=figures["within"] == len(texts) and not figures["over"],
        **figures,
    )
    kept += [facts for _, facts in asked]
    return figures


def definitions() -> list[dict[str, Any]]:
    """What the definitions of the tools cost, lean and full, in each tokenizer: rows, which are printed too."""
    rows = []
    for tool_set, most in MOST_OF_DEFINITIONS.items():
        with tempfile.TemporaryDirectory() as home:
            settings = replace(Settings.load({}, home=Path(home)), tools=tool_set)  # type: ignore[arg-type]  # a literal
            tools = anyio.run(build_server(settings).list_tools)
        shown = [
            compact_json({"name": one.name, "description": one.description, "inputSchema": one.input_schema})
            for one in tools
        ]
        counted = {name: sum(real(text)[name] for text in shown) for name in TOKENIZERS}
        dearest = max(counted.values())
        emit(
            f"tokens of the tools' definitions, {tool_set}",
            against="the dearest of Qwen's, Llama's and GPT's tokenizers",
            ours=f"{dearest:,}",
            goal=f"<= {most:,}",
            reached=dearest <= most,
            **counted,
        )
        rows.append({"set": tool_set, **counted})
    return rows


def markdown(measured: dict[str, Any]) -> str:
    """The table of the documentation."""
    lines = [
        "| library | replies | within 5 % | error of the claim | above max_tokens | Qwen | Llama | GPT | claimed |"
    ]
    lines += ["|---|---|---|---|---|---|---|---|---|"]
    for row in measured["rows"]:
        counts = " | ".join(f"{row[name]:,}" for name in (*TOKENIZERS, "claimed"))
        errors = f"{row['low']:+.1%} to {row['high']:+.1%}"
        lines.append(f"| {row['library']} | {row['replies']} | {row['within']} | {errors} | {row['over']} | {counts} |")
    for row in measured.get("definitions", ()):
        counts = " | ".join(f"{row[name]:,}" for name in TOKENIZERS)
        lines.append(f"| the definitions of the tools, {row['set']} | - | - | - | - | {counts} | - |")
    return "\n".join([*lines, "", f"Measured {measured['date']}, quicktok-v1 0.4.0: {', '.join(TOKENIZERS.values())}."])


def error_line(name: str, texts: Sequence[str]) -> str:
    errors = sorted(text_tokens(text) / max(1, *real(text).values()) - 1 for text in texts)
    near = sum(abs(error) <= NEAR for error in errors)
    mean = sum(errors) / len(errors)
    return f"{name:32s} n {len(texts):4d}  mean {mean:+.3f}  {errors[0]:+.3f} to {errors[-1]:+.3f}  within 5 %: {near}"


def shown(facts: dict[str, Any]) -> str:
    """What a client gets: the sentence, and the JSON."""
    return str(facts.get("summary", "")) + compact_json(facts)


def replies(home: Path, queries: Sequence[str]) -> Iterator[tuple[int, dict[str, Any]]]:
    """(max_tokens, facts) of every tool that takes max_tokens."""
    with Library(home, profile="lite") as library:
        videos = [row.title for row in library.list_episodes(max_tokens=20_000).videos or ()][:12]
        calls: list[Callable[[int], Any]] = [lambda most: library.list_episodes(max_tokens=most)]
        for query in queries[:6]:
            calls.append(lambda most, q=query: library.retrieve_memory(q, max_tokens=most))
            calls.append(lambda most, q=query: library.ground_event(q, max_tokens=most))
        for video in videos:
            calls.append(lambda most, v=video: library.list_episodes(v, max_tokens=most))
            calls.append(lambda most, v=video: library.zoom_segment(v, layout="text", max_tokens=most))
            calls.append(lambda most, v=video: library.ground_event(queries[0], v, max_tokens=most))
        for call in calls:
            for most in BUDGETS:
                found = call(most)
                yield most, found.facts if hasattr(found, "facts") else found.compact()


def fill(home: Path, language: str, sentences: Sequence[str]) -> None:
    """An hour of talk written into a memory without any video: the sentences in turn."""
    from agent_tools.models.routed_text import RoutedText

    home.mkdir(parents=True)
    store = Store.open(home)
    video_id = f"{sum(map(ord, language)):012x}"
    cues = [
        EntryIn(i * HOUR_S / CUES, i * HOUR_S / CUES + 3.5, sentences[(i * 7 + i // len(sentences)) % len(sentences)])
        for i in range(CUES)
    ]
    store.add_video(video_id, sentences[0][:24], 1)
    store.update_video(video_id, duration_s=HOUR_S, width=640, height=360, fps=25.0, has_audio=True, audio_s=HOUR_S)
    store.set_channel(video_id, "speech", state="running", producer="speech/1")
    store.add_entries(video_id, "speech", "speech/1", cues)
    encoder = RoutedText(home)
    index_entries(store, video_id, encoder, lambda _done: None)
    write_chunks(store, video_id, "speech", encoder.producer, HOUR_S, HOUR_S)
    store.set_channel(video_id, "speech", state="done", producer="speech/1", done_to_s=HOUR_S, entries=CUES)
    starts = [60.0 * i for i in range(60)]
    rows = [
        Episode(i, video_id, "chunk", at, at + 60.0, cues[int(at * CUES / HOUR_S)].text[:80], "speech", at)
        for i, at in enumerate(starts)
    ]
    store.replace_episodes(video_id, "chunk", rows)
    store.close()


if __name__ == "__main__":
    main()
