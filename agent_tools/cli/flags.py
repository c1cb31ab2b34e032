"""The flags that several commands share, and the library that they open.

Knows flags and settings. Knows nothing of what a command does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_tools.settings import HELP, Settings, variable


def flag(name: str, *more: str) -> Any:
    return typer.Option(
        "--" + name.replace("_", "-"), *more, help=f"{HELP[name]} [{variable(name)}]", show_default=False
    )


Home = Annotated[Path | None, flag("home")]
Profile = Annotated[str | None, flag("profile")]
Models = Annotated[list[str] | None, flag("models")]
ModelDirs = Annotated[list[Path] | None, flag("model_dirs")]
Device = Annotated[str | None, flag("device")]
Video = Annotated[str, typer.Argument(help="id, title, file name, prefix or video:// uri")]
AsJson = Annotated[bool, typer.Option("--json", help="print the reply as JSON")]
Start = Annotated[float | None, typer.Option("--start", help="seconds")]
End = Annotated[float | None, typer.Option("--end", help="seconds")]


@contextmanager
def opened(home: Path | None = None, profile: str | None = None, **flags: Any) -> Iterator[Any]:
    from agent_tools.service.library.library import Library

    settings = Settings.load(home=home, profile=profile, **flags)
    library = Library(settings, by_hand=True)
    try:
        yield library
    finally:
        library.close()
