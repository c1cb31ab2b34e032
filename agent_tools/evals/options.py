"""The options that several eval commands share, and how a command shows its progress and writes its report."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_tools.errors import InvalidArgument

Seed = Annotated[int, typer.Option("--seed", help="seed of everything that is drawn at random")]
Json = Annotated[Path | None, typer.Option("--json", help="also write the numbers to this file")]
Data = Annotated[
    Path | None, typer.Option("--data", help="folder with a MANIFEST.json; default: the checkout's test videos")
]


def numbers(text: str) -> list[int]:
    """The integers of a list with commas. Raises: InvalidArgument."""
    return [_number(part, int) for part in text.split(",")]


def shares(text: str) -> list[float]:
    """The numbers of a list with commas. Raises: InvalidArgument."""
    return [_number(part, float) for part in text.split(",")]


def show_progress(line: str) -> None:
    """Print a line of progress on stderr, apart from the report."""
    typer.echo(line, err=True)


def show_report(report: dict[str, Any], markdown: Callable[[dict[str, Any]], str], path: Path | None) -> None:
    """Print a report's tables, and write its numbers to a file where one is given."""
    typer.echo(markdown(report))
    write_report(report, path)


def write_report(report: dict[str, Any], path: Path | None) -> None:
    """Write a report as JSON; nothing without a path."""
    if path is not None:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")


def _number(text: str, kind: Callable[[str], Any]) -> Any:
    try:
        return kind(text)
    except ValueError:
        raise InvalidArgument(f"{text!r} is not a number; give numbers separated by commas.") from None
