"""How results look on a terminal: replies, and the last lines of the worker's log."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import typer

from agent_tools.home import HomeFolder


def show_reply(reply: Any, as_json: bool) -> None:
    """A reply as JSON, or as indented lines for a person."""
    body = reply.compact() if hasattr(reply, "compact") else reply
    typer.echo(json.dumps(body, ensure_ascii=False, indent=None if as_json else 2))


def log_lines(home: Path, count: int = 8) -> list[str]:
    path = HomeFolder(home).worker_log
    return path.read_text(encoding="utf-8", errors="replace").splitlines()[-count:] if path.exists() else []
