"""The MCP face: six tools, resources and prompts over stdio or HTTP.

Knows MCP and starlette. Knows nothing of how a video is read, searched or stored: service does that.
Importing this package loads neither mcp nor starlette; its functions load them when they are called."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from typing import Any

    from agent_tools.server.arguments import Given
    from agent_tools.server.protocol import VideoServer
    from agent_tools.service.library.library import Library
    from agent_tools.settings import Settings

__all__ = ["build_server", "read_arguments", "serve", "serve_viewer"]


def build_server(settings: Settings, library: Library | None = None) -> VideoServer:
    """The MCP server object, which is not connected yet; see `agent_tools.server.build`."""
    from agent_tools.server.build import build_server as build

    return build(settings, library)


def read_arguments(tool: str, raw: Mapping[str, Any]) -> Given:
    """The arguments of a call as the server reads them; see `agent_tools.server.arguments`."""
    from agent_tools.server.arguments import read

    return read(tool, raw, ())


def serve(settings: Settings) -> int:
    """Serve over the transport of the settings until the client or a signal ends it. Returns the exit status."""
    from agent_tools.server.run import serve as run

    return run(settings)


def serve_viewer(
    settings: Settings,
    fragment: str,
    port: int,
    on_ready: Callable[[str], None],
    *,
    unopened_s: float = float("inf"),
) -> int:
    """Serve the viewer on loopback; see `agent_tools.server.viewer.local`. Returns the exit status."""
    from agent_tools.server.viewer.local import serve_viewer as run

    return run(settings, fragment, port, on_ready, unopened_s=unopened_s)
