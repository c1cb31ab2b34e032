"""Pages and their tables: where a table stands, what it holds now, and how it is written again."""

from __future__ import annotations

import os
import re
from collections.abc import Callable
from pathlib import Path

from lab.docs import drawings, measured, product

ROOT = Path(__file__).resolve().parents[2]
README = ROOT / "README.md"
DOCS = ROOT / "docs"

TABLES: dict[str, Callable[[], str]] = {
    "agents": measured.agents_table,
    "buttons": product.buttons,
    "cases": measured.cases_table,
    "channels": product.channels_table,
    "clients": measured.clients_table,
    "commands": product.commands,
    "compression": measured.compression_table,
    "costs": measured.costs_table,
    "definitions": product.definitions_table,
    "errors": product.errors_tree,
    "examples": product.examples_table,
    "faults": measured.faults_table,
    "grounding": measured.grounding_table,
    "grounding-hour": measured.grounding_hour_table,
    "calibrations": measured.calibrations_table,
    "near": measured.near_table,
    "unseen": measured.unseen_table,
    "grounding-tiny": measured.grounding_tiny_table,
    "keep": measured.keep_table,
    "keep-cost": measured.keep_cost_table,
    "measured": measured.bench_table,
    "memaug-tiny": measured.memaug_tiny_table,
    "memories": measured.memories_table,
    "needles": measured.needles_table,
    "profiles": product.profiles_table,
    "python-api": product.python_api,
    "reasoning": measured.reasoning_table,
    "reply-tokens": measured.reply_tokens_table,
    "results": measured.results_table,
    "retrieval": measured.retrieval_table,
    "peers": measured.peers_table,
    "questions": measured.questions_table,
    "install": measured.install_table,
    "rules": product.rules_table,
    "scaling": measured.scaling_table,
    "archive": measured.archive_table,
    "schemas": product.schemas,
    "screen-text": measured.screen_text_table,
    "settings": product.settings_table,
    "tiny-world": measured.tiny_world_table,
    "training": measured.training_table,
    "tools": product.tools_table,
    "tree": product.tree,
    "workers": measured.workers_table,
    "zoom": measured.zoom_table,
}


def pages() -> list[Path]:
    """README and every page of docs/ that a person writes (docs/index.md is made from README)."""
    return [README, *sorted(path for path in DOCS.rglob("*.md") if path != DOCS / "index.md")]


def tables_of(page: Path) -> list[str]:
    """The names of the tables that stand on a page."""
    return re.findall(r"^<!-- ([a-z-]+) -->$", page.read_text(encoding="utf-8"), re.M)


def standing(page: Path, name: str) -> str | None:
    """What a page shows between the marks of a table; None where the table does not stand there."""
    match = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", page.read_text(encoding="utf-8"), re.S)
    return match[1] if match else None


def placed(table: str, page: Path) -> str:
    """A table with its links, which start at the root of the repository, made relative to the page."""
    here = page.parent.relative_to(ROOT)
    return re.sub(r"\]\((docs/[^)]+)\)", lambda link: f"]({Path(os.path.relpath(link[1], here)).as_posix()})", table)


def write(*names: str) -> None:
    """Write these tables again on every page that shows them."""
    made = {name: TABLES[name]() for name in names}
    for page in pages():
        text = page.read_text(encoding="utf-8")
        for name in set(tables_of(page)) & set(made):
            text = replaced(text, name, placed(made[name], page))
        page.write_text(text, encoding="utf-8")
    (DOCS / "index.md").write_text(front_page(), encoding="utf-8")


def replaced(text: str, name: str, table: str) -> str:
    """The text of a page with another table between the marks. Raises: ValueError: the closing mark is missing."""
    open_mark, close_mark = f"<!-- {name} -->", f"<!-- /{name} -->"
    before, _, rest = text.partition(open_mark)
    _, closed, after = rest.partition(close_mark)
    if not closed:
        raise ValueError(f"the mark {close_mark} is missing")
    return f"{before}{open_mark}\n{table}\n{close_mark}{after}"


def write_all() -> None:
    write(*TABLES)
    for path, drawing in drawings.DRAWINGS.items():
        (ROOT / path).write_text(drawing(), encoding="utf-8")


def front_page() -> str:
    """README as the first page of the site: links into docs/ lose that folder, links out of docs/ become names."""
    text = README.read_text(encoding="utf-8")
    text = re.sub(r"\]\(docs/", "](", text)
    text = re.sub(r'(src|href)="docs/', r'\1="', text)
    return re.sub(r"\[([^\]]+)\]\((?:[A-Z_]+(?:\.md)?|examples/?[\w.]*|prompts/?)\)", r"\1", text)
