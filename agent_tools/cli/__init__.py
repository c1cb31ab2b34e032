"""The command line: starts the server, does every tool's work by hand, and looks after the memory.

Knows the commands and how an error ends one. Knows nothing of how a command does its work. Importing it loads nothing
heavy: a command loads what it needs."""

from __future__ import annotations

from collections.abc import Callable

from agent_tools import background

with background.ended_by_interrupt():  # a client may leave while all this loads
    import typer

    from agent_tools.cli.archive import publish, status, work
    from agent_tools.cli.export import backup, export, restore
    from agent_tools.cli.ingest import ingest, reindex, rm, stop
    from agent_tools.cli.models import models_app
    from agent_tools.cli.query import budget, ground, ls, remember, search, show, zoom
    from agent_tools.cli.serve import demo, doctor, serve, version
    from agent_tools.cli.speakers import speakers_app
    from agent_tools.cli.train import train_app
    from agent_tools.cli.view import view
    from agent_tools.cli.watch import watch
    from agent_tools.errors import AgentToolsError
    from agent_tools.evals.commands import eval_app

app = typer.Typer(
    name="agent-tools",
    help="Long video for LLM agents: search, grounding and memory over hours of video, as an MCP server and by hand.",
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    add_completion=False,
)
COMMANDS: tuple[Callable[..., None], ...] = (
    *(serve, view, ingest, watch, ls, show, search, zoom, ground, remember, export),
    *(rm, reindex, backup, restore, publish, work, status, stop, budget, doctor, demo),
)
for command in COMMANDS:
    app.command()(command)
app.command(hidden=True)(version)
app.add_typer(eval_app)
app.add_typer(models_app, name="models")
app.add_typer(speakers_app, name="speakers")
app.add_typer(train_app, name="train")


def main() -> None:
    """Entry point; an error of ours ends in one line on stderr and exit code 1."""
    status: object = 0
    background.collect_garbage_seldom()
    background.take_one_blas_thread()
    with background.ended_by_interrupt():
        command = typer.main.get_command(app)
    try:
        command(standalone_mode=True)
    except AgentToolsError as error:
        typer.echo(error.described, err=True)
        status = 1
    except SystemExit as end:
        status = end.code
    background.leave(status)
