"""Reads prompts from prompts/*.md: YAML front matter (name, description, arguments), then text with {{argument}} marks.

The files are inside the installed package, or at the top of a checkout."""

from __future__ import annotations

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from mcp.server.mcpserver.prompts import Prompt
from mcp.server.mcpserver.prompts.base import PromptArgument

from agent_tools.errors import StoreError

_FRONT = re.compile(r"---\n(?P<front>.*?)\n---\n(?P<text>.*)", re.S)
_MARK = re.compile(r"\{\{(\w+)\}\}")
MOST_ARGUMENT = 4000  # characters of one argument; the rest is cut


def folder() -> Path:
    """The folder of the prompt files. Raises: StoreError: the installation does not have it."""
    package = Path(__file__).resolve().parents[1]
    for place in (package / "prompts", package.parent / "prompts"):
        if place.is_dir():
            return place
    raise StoreError(f"No prompts in {package}: the installation is incomplete. Install the package again.")


def load() -> list[Prompt]:
    """All prompts, in the order of their file names."""
    return [_prompt(path) for path in sorted(folder().glob("*.md"))]


def _prompt(path: Path) -> Prompt:
    import yaml

    parts = _FRONT.fullmatch(path.read_text(encoding="utf-8"))
    if parts is None:
        raise StoreError(f"{path.name} has no front matter between two lines of ---.")
    front: Mapping[str, Any] = yaml.safe_load(parts["front"])
    text = parts["text"].strip()
    arguments = [PromptArgument(**argument) for argument in front.get("arguments", [])]
    declared, marked = {argument.name for argument in arguments}, set(_MARK.findall(text))
    if declared != marked:
        raise StoreError(f"{path.name} declares {sorted(declared)} but its text uses {sorted(marked)}.")

    async def render(**given: str) -> str:
        return _MARK.sub(lambda mark: str(given.get(mark[1], ""))[:MOST_ARGUMENT], text)

    return Prompt(
        name=front["name"],
        title=front.get("title"),
        description=" ".join(front["description"].split()),
        arguments=arguments,
        fn=render,
        context_kwarg=None,
    )
