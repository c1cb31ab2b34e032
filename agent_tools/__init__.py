"""Hour-scale video for LLM agents: an MCP server, a command, and a Python API.

`from agent_tools import Library` is the Python API. Importing the package loads neither torch nor mcp: each part is
imported when it is used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_tools.api import Library as Library

__version__ = "0.1.0"
__all__ = ["Library", "__version__"]


def __getattr__(name: str) -> object:
    """Import the API with its first use, so that `import agent_tools` stays light."""
    if name == "Library":
        from agent_tools.api import Library

        return Library
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
