"""The drawings of docs/development/architecture: the layers out of the import contract, and one call through them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable
from html import escape
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
WORDS = {  # what a layer holds, in a few words; a new layer of the contract needs its words here
    "cli": "the command line",
    "api": "the Python API",
    "evals": "MCP clients that measure",
    "training": "pairs, recipes, folders of weights",
    "datasets": "files of public data sets",
    "server": "MCP: schemas, resources, prompts",
    "service": "the work of the six tools",
    "ingestion": "from a file to memory",
    "media": "video files in, pictures out",
    "models": "encoders, OCR, speech, video LLMs",
    "store": "SQLite, vectors, the token file",
    "compression": "fewer frames and tokens",
    "memory": "what stays for hours",
    "grounding": "when it happens, or not",
    "budget": "what an agent can pay",
    "channels": "the table of channels",
    "home": "paths of the data folder",
    "options": "options of commands",
    "metrics": "numbers for Prometheus",
    "progress": "progress of long calls",
    "background": "threads, the end of a process",
    "timeline": "times and uris",
    "types": "replies",
    "errors": "one tree",
    "settings": "flags, variables",
    "untrusted": "text of videos, made safe",
    "excerpts": "parts of long texts",
}
TOOLS = "#dbe7ff", "#2a5bd7"
WORK = "#e3f4e4", "#2c8a3d"
ENGINES = "#fff1d6", "#b67700"
VALUES = "#ececf1", "#666677"
COLOURS = {
    "cli": TOOLS,
    "api": TOOLS,
    "evals": TOOLS,
    "training": TOOLS,
    "datasets": TOOLS,
    "server": TOOLS,
    "service": WORK,
    "ingestion": WORK,
}
COLOURS |= dict.fromkeys(("media", "models", "store"), WORK)
COLOURS |= dict.fromkeys(("compression", "memory", "grounding", "budget"), ENGINES)
WIDTH, ROW, GAP = 960, 64, 10
WIDEST_ROW = 6  # boxes
STEPS = (  # from, to, what goes over; the parts stand in PARTS
    (0, 1, 'tools/call retrieve_memory {query: "why do we cache the keys?"}'),
    (1, 2, "arguments checked, in a thread of its own"),
    (2, 3, "which videos, which span, which channels"),
    (3, 4, "the query as a vector"),
    (3, 5, "entries by words (BM25) and by vector"),
    (3, 2, "scored entries: meaning and words joined"),
    (2, 2, "neighbours merged, hits cut to max_tokens, coverage added"),
    (1, 0, "hits with time, score, text and uri; coverage; tokens"),
)
PARTS = ("MCP client", "server", "service: the tool", "service/search", "models", "store")


def layers() -> list[list[str]]:
    """The rows of the import contract, top first; names in one row never import each other, or are plain values."""
    text = (ROOT / "pyproject.toml").read_text(encoding="utf-8")
    contracts = tomllib.loads(text)["tool"]["importlinter"]["contracts"]
    (rows,) = (one["layers"] for one in contracts if one["name"] == "Imports only go down")
    return [[name.strip(" ()") for name in re.split(r"[|:]", row)] for row in rows]


def layers_drawing() -> str:
    """An SVG: a row of boxes for each layer, arrows down the side."""
    rows = [part for row in layers() for part in _halves(row)]
    parts = []
    for number, row in enumerate(rows):
        y = 12 + number * (ROW + GAP)
        width = (WIDTH - 60 - GAP * (len(row) - 1)) / len(row)
        for place, name in enumerate(row):
            fill, ink = COLOURS.get(name, VALUES)
            x = 12 + place * (width + GAP)
            words = _wrapped(WORDS.get(name, ""), int(width / 7))
            parts.append(_box(x, y, width, ROW, fill, ink))
            parts.append(_text(x + width / 2, y + (30 if len(words) < 2 else 22), name, 16, ink, bold=True))
            parts += [
                _text(x + width / 2, y + 38 + 13 * n + (10 if len(words) < 2 else 0), word, 13, "#333333")
                for n, word in enumerate(words)
            ]
    height = 12 + len(rows) * (ROW + GAP)
    x = WIDTH - 24
    parts.append(f'<path d="M{x} 20 V{height - 34}" stroke="#555555" stroke-width="2" marker-end="url(#tip)"/>')
    turned = f'transform="translate({x + 16} {height / 2}) rotate(90)"'
    side = f'<text {turned} text-anchor="middle" font-size="13">imports only go down</text>'
    return _svg(WIDTH, height, "The layers of agent_tools", [*parts, side])


def _halves(row: list[str]) -> list[list[str]]:
    """A row that is too wide for its words, as two."""
    middle = (len(row) + 1) // 2
    return [row] if len(row) <= WIDEST_ROW else [row[:middle], row[middle:]]


def call_drawing() -> str:
    """An SVG: the parts as columns, one call of retrieve_memory as arrows from top to bottom."""
    column = WIDTH / len(PARTS)
    height = 76 + 50 * len(STEPS)
    centres = [column * (number + 0.5) for number in range(len(PARTS))]
    parts = [f'<path d="M{x} 52 V{height - 10}" stroke="#bbbbbb" stroke-dasharray="4 4"/>' for x in centres]
    for number, (x, name) in enumerate(zip(centres, PARTS, strict=True)):
        fill, ink = VALUES if number == 0 else TOOLS if number == 1 else WORK
        parts += [_box(x - column / 2 + 6, 10, column - 12, 40, fill, ink), _text(x, 35, name, 15, ink, bold=True)]
    for number, (start, end, words) in enumerate(STEPS):
        y = 96 + 50 * number
        left, right = centres[start], centres[end]
        if start == end:
            parts.append(_arrow(f"M{left} {y - 12} h26 v18 h-20"))
            parts.append(_text(left + 34, y + 2, words, 15, "#222222", anchor="start"))
            continue
        parts.append(_arrow(f"M{left} {y} H{right + (-6 if right > left else 6)}"))
        near = min(left, right)
        parts.append(_text(near + 8, y - 7, words, 15, "#222222", anchor="start"))
    return _svg(WIDTH, height, "One call of retrieve_memory through the layers", parts)


def _wrapped(words: str, most: int) -> list[str]:
    lines = [""]
    for word in words.split():
        if lines[-1] and len(lines[-1]) + len(word) + 1 > most:
            lines.append("")
        lines[-1] = f"{lines[-1]} {word}".strip()
    return [line for line in lines if line]


def _box(x: float, y: float, width: float, height: float, fill: str, ink: str) -> str:
    return f'<rect x="{x:.1f}" y="{y:.1f}" width="{width:.1f}" height="{height}" rx="8" fill="{fill}" stroke="{ink}"/>'


def _arrow(path: str) -> str:
    return f'<path d="{path}" fill="none" stroke="#333333" stroke-width="1.5" marker-end="url(#tip)"/>'


def _text(x: float, y: float, words: str, size: int, ink: str, *, bold: bool = False, anchor: str = "middle") -> str:
    weight = ' font-weight="600"' if bold else ""
    halo = ' paint-order="stroke" stroke="#ffffff" stroke-width="4"' if anchor == "start" else ""
    place = f'x="{x:.1f}" y="{y:.1f}" text-anchor="{anchor}"'
    return f'<text {place} font-size="{size}" fill="{ink}"{weight}{halo}>{escape(words)}</text>'


def _svg(width: int, height: float, title: str, parts: list[str]) -> str:
    tip = (
        '<defs><marker id="tip" markerWidth="9" markerHeight="9" refX="7" refY="4.5" orient="auto">'
        '<path d="M0 0 L9 4.5 L0 9 z" fill="#444444"/></marker></defs>'
    )
    ground = f'<rect width="{width}" height="{height:.0f}" fill="#ffffff"/>'
    body = "\n".join([tip, ground, *parts])
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height:.0f}" role="img" '
        f'font-family="Helvetica, Arial, sans-serif">\n<title>{escape(title)}</title>\n{body}\n</svg>\n'
    )


DRAWINGS: dict[str, Callable[[], str]] = {
    "docs/images/layers.svg": layers_drawing,
    "docs/images/call.svg": call_drawing,
}
