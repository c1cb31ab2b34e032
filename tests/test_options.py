"""A command takes one frozen value: each field is an option, with the field's default, kind and help."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import pytest
import typer
from typer.testing import CliRunner

from agent_tools.cli import app as agent_tools
from agent_tools.options import with_options

MOST_PARAMETERS = 10


@dataclass(frozen=True, kw_only=True)
class Request:
    seed: Annotated[int, typer.Option("--seed", help="a number")] = 3
    names: Annotated[list[str] | None, typer.Option("--name")] = None
    loud: Annotated[bool, typer.Option("--loud/--quiet")] = True
    data: Annotated[Path, typer.Argument(metavar="DATA")]


def run(*arguments: str) -> tuple[int, list[Request], str]:
    received: list[Request] = []
    app = typer.Typer()

    @app.command()
    @with_options(Request)
    def measure(request: Request) -> None:
        """Measure something."""
        received.append(request)

    result = CliRunner().invoke(app, list(arguments))
    return result.exit_code, received, result.output


@pytest.mark.parametrize(
    ("arguments", "seed", "names", "loud"),
    [
        (["x"], 3, [], True),
        (["--seed", "7", "x", "--quiet"], 7, [], False),
        (["--name", "a", "--name", "b", "x"], 3, ["a", "b"], True),
    ],
)
def test_options_become_the_fields_of_one_value(arguments: list[str], seed: int, names: list[str], loud: bool) -> None:
    code, (request,), _ = run(*arguments)
    assert code == 0
    assert (request.seed, request.names or [], request.loud, request.data) == (seed, names, loud, Path("x"))


def test_a_field_without_a_default_is_required_and_help_is_the_functions_own() -> None:
    assert run()[0] == 2
    shown = run("--help")[2]
    assert "Measure something." in shown
    assert "a number" in shown


def test_no_command_takes_more_than_ten_values_by_hand() -> None:
    def functions(group: typer.Typer) -> list[object]:
        own = [inspect.unwrap(command.callback) for command in group.registered_commands if command.callback]
        return own + [one for part in group.registered_groups for one in functions(part.typer_instance)]  # type: ignore[arg-type]

    many = [f for f in functions(agent_tools) if len(inspect.signature(f).parameters) > MOST_PARAMETERS]  # type: ignore[arg-type]
    assert many == []
