"""The commands serve, doctor, demo and version."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from agent_tools import __version__
from agent_tools.cli.flags import (
    Device,
    Files,
    Fps,
    Home,
    MemoryMb,
    ModelDirs,
    Models,
    OcrPerHour,
    Profile,
    Roots,
    Store,
    Threads,
    flag,
    given_settings,
)
from agent_tools.cli.output import log_lines
from agent_tools.errors import InvalidArgument
from agent_tools.options import with_options
from agent_tools.settings import Settings


@dataclass(frozen=True, kw_only=True)
class ServeRequest:
    """The options of `serve`: a field for each setting of a server, and the folders."""

    folders: Annotated[list[Path] | None, typer.Argument(help="folders to allow, the same as --allow")] = None
    transport: Annotated[str | None, flag("transport")] = None
    host: Annotated[str | None, flag("host")] = None
    port: Annotated[int | None, flag("port")] = None
    home: Home = None
    store: Store = None
    files: Files = None
    allow: Annotated[list[Path] | None, flag("allow")] = None
    roots: Roots = None
    profile: Profile = None
    models: Models = None
    model_dirs: ModelDirs = None
    device: Device = None
    read_only: Annotated[bool | None, flag("read_only")] = None
    tools: Annotated[str | None, flag("tools")] = None
    allowed_hosts: Annotated[str | None, flag("allowed_hosts")] = None
    allow_urls: Annotated[bool | None, flag("allow_urls")] = None
    oauth_issuer: Annotated[str | None, flag("oauth_issuer")] = None
    oauth_jwks: Annotated[str | None, flag("oauth_jwks")] = None
    oauth_audience: Annotated[str | None, flag("oauth_audience")] = None
    fps: Fps = None
    threads: Threads = None
    memory_mb: MemoryMb = None
    ocr_per_hour: OcrPerHour = None
    jobs: Annotated[int | None, flag("jobs")] = None
    log_level: Annotated[str | None, flag("log_level")] = None

    @property
    def settings(self) -> Settings:
        """The server's settings. Raises: InvalidArgument."""
        hosts = tuple(host.strip() for host in self.allowed_hosts.split(",")) if self.allowed_hosts else None
        allow = (*(self.allow or ()), *(self.folders or ()))
        return Settings.load(**{**given_settings(self), "allow": allow, "allowed_hosts": hosts})


@with_options(ServeRequest)
def serve(request: ServeRequest) -> None:
    """Serve MCP clients, over stdio (default) or http."""
    if request.transport != "http" and (request.host is not None or request.port is not None):
        raise InvalidArgument("--host and --port need --transport http.")
    settings = request.settings
    from agent_tools.server import serve as run

    raise SystemExit(run(settings))


def doctor(
    home: Home = None,
    profile: Profile = None,
    models: Models = None,
    model_dirs: ModelDirs = None,
    device: Device = None,
    allow: Annotated[list[Path] | None, flag("allow")] = None,
    fix: Annotated[
        bool, typer.Option("--fix", help="make the data folder private, and remove traces of deleted texts from it")
    ] = False,
) -> None:
    """Show what is installed and allowed, what this profile cannot find, and what to do about it."""
    from agent_tools.service.doctor import checkup

    settings = Settings.load(
        home=home,
        profile=profile,
        models=tuple(models or ()),
        model_dirs=tuple(model_dirs or ()),
        device=device,
        allow=tuple(allow or ()),
    )
    good = True
    for fine, line in checkup(settings, fix=fix):
        good &= fine
        typer.echo(f"{'ok ' if fine else '!! '} {line}")
    for line in log_lines(settings.home):
        typer.echo(f"log {line}")
    raise typer.Exit(0 if good else 1)


def demo(
    seed: Annotated[int, typer.Option("--seed", help="seed of the drawn video: its texts, places and answer")] = 1,
    video: Annotated[Path | None, typer.Option("--video", help="your own file instead of a drawn one")] = None,
    question: Annotated[str | None, typer.Option("--question", help="what to ask about your own file")] = None,
    home: Home = None,
    view: Annotated[
        bool | None,
        typer.Option(
            "--view/--no-view",
            help="then serve the viewer and print its link, until Ctrl-C; left out: where a person sits at a terminal",
        ),
    ] = None,
) -> None:
    """Draw an hour of video, ask a three-hop question about it through MCP, and show each call."""
    from agent_tools.evals.demo import run_demo

    raise typer.Exit(run_demo(seed, video, question, home, view=view))


def version() -> None:
    """Print the version."""
    typer.echo(__version__)
