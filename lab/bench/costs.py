"""The cost of an ingested hour and of an answered question, beside the prices of hosted services.

    python -m lab.bench.costs [--threads 1]

Ingests the assembled hour with OCR (4 minutes) and writes lab/measured/costs.json. The other figures of the table come
from the files that the other commands wrote into lab/measured. The prices of other services are those they published
on the day READ; their services were not run."""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from pathlib import Path
from statistics import mean
from typing import Any

from lab.bench.assembled import SHARED_VIDEOS, assembled_hour
from lab.bench.ingest import _child

MEASURED = Path(__file__).parents[1] / "measured"
READ = "2026-11-20"
PUBLISHED = (  # what, an hour of video, a question, since when
    ("TwelveLabs MCP (hosted)", "$2.50 to index, storage $0.0015 a minute", "$4 per 1,000 searches", "1.0.0, May 2026"),
    ("Reka Vision MCP (hosted)", "$3.00 to index, deleted after 30 days", "$0.005 a search", f"read {READ}"),
    (
        "Gemini, static video (hosted)",
        "an upload, gone after 48 h",
        "360,000 to 1,080,000 tokens, $0.27 to $0.81",
        "$0.75 per million tokens until 2026-12-31",
    ),
    ("NVIDIA VSS (own GPUs)", "65 s on 4 + 4 data-centre GPUs, 128 s on 2 + 2", "-", "3.3.0"),
    ("talkthrough-mcp (own machine)", "about 20 min on a laptop's CPU", "20,000 to 1,500,000 tokens", "0.4.4"),
    ("VideoARM (paper, hosted models)", "nothing", "about 63,000 tokens", "CVPR 2026"),
)


def table() -> str:
    """Ours, measured, and theirs, published, as Markdown."""
    lines = ["| agent_tools, lite profile | time | CPU | peak memory | disk | money |", "|---|---|---|---|---|---|"]
    lines += [
        f"| {one['what']} | {one['wall_s'] / 60:.1f} min | {one['cpu_s'] / 60:.1f} min | {one['peak_mb']:,.0f} MB "
        f"| {one['store_mb']:.0f} MB | electricity |"
        for one in _hours()
    ]
    lines += ["", "| a question | calls | tokens of replies |", "|---|---|---|"]
    lines += [f"| {what} | {calls} | {tokens} |" for what, calls, tokens in _questions()]
    lines += ["", "| published by others | an hour of video | a question | as of |", "|---|---|---|---|"]
    lines += [f"| {' | '.join(row)} |" for row in PUBLISHED]
    kept = _read("costs")
    machine = f"On {kept['machine']}, load {kept['load']:.1f}, {kept['date']}. " if kept else ""
    return "\n".join([*lines, "", f"{machine}Figures of others are as read on {READ}; we did not measure them."])


def _hours() -> list[dict[str, Any]]:
    found = list(_read("costs").get("hours", ()))
    for row in _read("bench").get("ingest", {}).get("rows", ()):
        figures = row["figures"]
        if "ingest_s" in figures and figures["length_s"] == 3600:
            stored = next(
                r["figures"]["store_mb"] for r in _read("bench")["ingest"]["rows"] if "store_mb" in r["figures"]
            )
            own = {"wall_s": figures["ingest_s"], "cpu_s": figures["cpu_s"], "peak_mb": figures["peak_mb"]}
            found.append({"what": "an hour of 720p in motion, without OCR", **own, "store_mb": stored})
    return found


def _questions() -> list[tuple[str, str, str]]:
    needles, reasoning, retrieval = _read("needles"), _read("reasoning"), _read("retrieval")
    longest = max(needles["lengths"], key=lambda length: length["frames"])
    calls, tokens = (_range([chain[name] for chain in longest["chains"]]) for name in ("calls", "tokens"))
    rows = [row for film in reasoning["films"] for row in film["rows"]]
    dense = next(film for film in retrieval["films"] if film["film"] == "dense")
    one = mean(row["tokens"] for row in dense["rows"] if row["search"] == "retrieve_memory")
    return [
        (
            "where is it: one search, five hits",
            "1",
            f"{one:,.0f}, mean (the whole transcript: {dense['dump_tokens']:,})",
        ),
        (
            "what came first, how often, what never: reasoning over an hour",
            f"{mean(row['calls'] for row in rows):.1f}, mean",
            f"{mean(row['tokens'] for row in rows):,.0f}, mean",
        ),
        (f"{needles['hops']} hops among {longest['frames']:,} frames, a close look included", calls, tokens),
    ]


def _range(values: list[int]) -> str:
    low, high = min(values), max(values)
    return f"{low:,}" if low == high else f"{low:,} to {high:,}"


def _read(name: str) -> dict[str, Any]:
    path = MEASURED / f"{name}.json"
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--threads", type=int, default=1)
    asked = parser.parse_args()
    if not SHARED_VIDEOS.is_dir():
        raise SystemExit(f"no videos at {SHARED_VIDEOS}: the hour is assembled from them")
    film, _ = assembled_hour(transcript="dense")
    load = os.getloadavg()[0]
    hour = _child("whole", film, asked.threads)
    what = f"an hour assembled from real clips, OCR and all, {asked.threads} thread"
    report = {
        "date": time.strftime("%Y-%m-%d"),
        "load": load,
        "machine": f"{os.cpu_count()} cores",
        "hours": [{"what": what, **hour}],
    }
    (MEASURED / "costs.json").write_text(json.dumps(report, indent=1) + "\n", encoding="utf-8")
    sys.stdout.write(table() + "\n")


if __name__ == "__main__":
    main()
