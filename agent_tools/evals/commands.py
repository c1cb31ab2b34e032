"""`agent-tools eval ...`: one command for each number that README shows.

Knows flags and where a report goes. What is measured lies in the other modules, loaded when a command runs: importing
this one costs the server's start nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Annotated, Any

import typer

eval_app = typer.Typer(
    name="eval", help="Measure: each command prints one table, the same each time.", no_args_is_help=True
)

Seed = Annotated[int, typer.Option("--seed", help="decides everything that is drawn")]
Json = Annotated[Path | None, typer.Option("--json", help="also write the numbers here")]
Data = Annotated[
    Path | None, typer.Option("--data", help="folder with a MANIFEST.json; without it the checkout's test videos")
]


@eval_app.command("memaug-tiny")
def memaug_tiny(seed: Seed = 0, steps: int = 700, json_path: Json = None) -> None:
    """Train a small MemAug and ask it about frames it no longer has, with and without its repository."""
    from agent_tools.evals.memaug_tiny import run

    _write(run(seed, steps, typer.echo), json_path)


@eval_app.command("grounding-tiny")
def grounding_tiny(seed: Seed = 0, json_path: Json = None) -> None:
    """ReVisionLLM's four claims with tiny networks on drawn features."""
    from agent_tools.evals.grounding_tiny import run

    _write(run(seed, typer.echo), json_path)


@eval_app.command()
def compression(
    data: Data = None,
    encoder: Annotated[
        str, typer.Option("--encoder", help="descriptor, raw-pixels, gradients, or a model's folder")
    ] = ("descriptor"),
    context: Annotated[int, typer.Option("--context", help="tokens that the kept frames may take")] = 50_000,
    json_path: Json = None,
) -> None:
    """What each step of compression saves on real clips, and what it loses."""
    from agent_tools.evals.compression import compression as measure
    from agent_tools.evals.compression_tables import markdown

    _tables(measure(data, encoder, context, _progress), markdown, json_path)


@eval_app.command()
def compare(
    encoders: Annotated[
        list[str] | None,
        typer.Argument(help="descriptor, raw-pixels, gradients, or models' folders", metavar="ENCODER..."),
    ] = None,
    data: Data = None,
    json_path: Json = None,
) -> None:
    """Frame encoders side by side as judges of redundancy: what they keep, and what is still seen."""
    from agent_tools.evals.compression import compare as measure
    from agent_tools.evals.compression_tables import markdown

    _tables(measure(encoders or ("descriptor", "raw-pixels"), data, _progress), markdown, json_path)


def _progress(line: str) -> None:
    typer.echo(line, err=True)


def _tables(report: dict[str, Any], markdown: Callable[[dict[str, Any]], str], path: Path | None) -> None:
    typer.echo(markdown(report))
    _write(report, path)


def _write(report: dict[str, Any], path: Path | None) -> None:
    if path is not None:
        path.write_text(json.dumps(report, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
