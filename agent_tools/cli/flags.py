"""The flags that several commands share, the settings made from them, and the library that a command opens."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import fields
from pathlib import Path
from typing import Annotated, Any

import typer

from agent_tools.settings import HELP, Settings, flag_of, variable


def flag(name: str, *more: str) -> Any:
    """The option of a setting, with the setting's help and its environment variable."""
    return typer.Option(flag_of(name), *more, help=f"{HELP[name]} [{variable(name)}]", show_default=False)


Home = Annotated[Path | None, flag("home")]
Store = Annotated[str | None, flag("store")]
Files = Annotated[str | None, flag("files")]
Roots = Annotated[list[str] | None, flag("roots")]
Profile = Annotated[str | None, flag("profile")]
Models = Annotated[list[str] | None, flag("models")]
ModelDirs = Annotated[list[Path] | None, flag("model_dirs")]
Device = Annotated[str | None, flag("device")]
Fps = Annotated[float | None, flag("fps")]
Threads = Annotated[int | None, flag("threads")]
MemoryMb = Annotated[int | None, flag("memory_mb")]
WorkChannels = Annotated[list[str] | None, flag("work_channels")]
OcrPerHour = Annotated[int | None, flag("ocr_per_hour")]
Video = Annotated[str, typer.Argument(help="id, title, file name, prefix or video:// uri")]
Videos = Annotated[
    list[str], typer.Argument(help="ids, titles, file names or patterns such as 'news-*'", metavar="VIDEO...")
]
AsJson = Annotated[bool, typer.Option("--json", help="print the reply as JSON")]
Start = Annotated[float | None, typer.Option("--start", help="seconds")]
End = Annotated[float | None, typer.Option("--end", help="seconds")]


def given_settings(request: Any) -> dict[str, Any]:
    """The settings that a request's fields give, for Settings.load; lists become tuples, None stays "not given"."""
    known = {field.name for field in fields(Settings)}
    given = {field.name: getattr(request, field.name) for field in fields(request) if field.name in known}
    return {name: tuple(value) if isinstance(value, list) else value for name, value in given.items()}


@contextmanager
def opened(home: Path | None = None, profile: str | None = None, **flags: Any) -> Iterator[Any]:
    """The library of a data folder, closed at the end. Args: flags: further settings, as for Settings.load."""
    from agent_tools.service.library.library import Library

    settings = Settings.load(home=home, profile=profile, **flags)
    library = Library(settings, by_hand=True)
    try:
        yield library
    finally:
        library.close()
