"""The command view: the viewer in a browser, on this machine."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated
from urllib.parse import urlencode

import typer

from agent_tools.cli.flags import Device, Home, ModelDirs, Models, Profile, flag, given_settings, opened
from agent_tools.errors import InvalidArgument
from agent_tools.options import with_options
from agent_tools.settings import Settings
from agent_tools.timeline import seconds_text


@dataclass(frozen=True, kw_only=True)
class ViewRequest:
    """The options of `view`."""

    video: Annotated[str, typer.Argument(help="id, title, file name, prefix or video:// uri; left out: all videos")] = (
        ""
    )
    home: Home = None
    allow: Annotated[list[Path] | None, flag("allow")] = None
    profile: Profile = None
    models: Models = None
    model_dirs: ModelDirs = None
    device: Device = None
    read_only: Annotated[bool | None, flag("read_only")] = None
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="port on 127.0.0.1; 0: any free one")] = 0
    no_open: Annotated[bool, typer.Option("--no-open", help="print the link and open no browser")] = False


@with_options(ViewRequest)
def view(request: ViewRequest) -> None:
    """Look at videos in the browser: timeline, search, player and notes. Serves this machine alone, until Ctrl-C."""
    given = given_settings(request)
    given.pop("port")  # of this command alone: it must not take the port of a server
    settings = Settings.load(**given)
    fragment = _fragment(request)
    raise SystemExit(show(settings, fragment, request.port, open_browser=not request.no_open))


def show(settings: Settings, fragment: str, port: int = 0, *, open_browser: bool = True) -> int:
    """Serve the viewer until Ctrl-C. Returns the exit status. Raises: InvalidArgument: the port is taken."""
    from agent_tools.server import serve_viewer

    def ready(link: str) -> None:
        typer.echo(link)
        typer.echo("The link works once. Press Ctrl-C to end.", err=True)
        if open_browser:
            import webbrowser

            webbrowser.open(link)

    try:
        return serve_viewer(settings, fragment, port, ready)
    except OSError as error:
        raise InvalidArgument(
            f"port {port}: {error.strerror or error}. Give another --port, or leave it out."
        ) from error


def _fragment(request: ViewRequest) -> str:
    """What the page opens: the video, and its time where a uri names one."""
    if not request.video.strip():
        return ""
    with opened(request.home, request.profile) as library:
        scope = library.video_span(request.video)
    at = {} if scope.whole else {"t": seconds_text(scope.span.start_s)}
    return urlencode({"v": scope.video.id, **at})
