"""Tables made from the code: tools, settings, models, commands, errors, the package tree."""

from __future__ import annotations

import ast
import base64
import inspect
import json
import re
from collections.abc import Iterator
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import anyio

ROOT = Path(__file__).resolve().parents[2]
SHORTEST_PURPOSE = 40  # characters
TYPES = {"integer": "whole number", "number": "number", "string": "text", "boolean": "yes or no"}


def tree() -> str:
    """The package tree: a table for each folder, with the first sentence of each file's docstring."""
    parts: list[str] = []
    paths = sorted((ROOT / "agent_tools").rglob("*.py"), key=lambda path: (path.parent.parts, path.name))
    for folder in dict.fromkeys(path.parent for path in paths):
        files = [path for path in paths if path.parent == folder]
        rows = [f"| `{path.name}` | {summary(path)} |" for path in files if path.name != "__init__.py"]
        head = summary(folder / "__init__.py") if folder / "__init__.py" in files else ""
        parts += [f"### {folder.relative_to(ROOT).as_posix()}/", "", head, ""]
        parts += ["| file | what it holds |", "|---|---|", *rows, ""] if rows else []
    return "\n".join(parts).rstrip()


def summary(path: Path) -> str:
    return first_sentence(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "").replace("|", "\\|")


def first_sentence(docstring: str) -> str:
    """The first sentence of a docstring; the point after "Sec." and the like ends none."""
    text = " ".join(docstring.split("\n\n")[0].split())
    return re.split(r"(?<=[a-z0-9)`])(?<!Sec)(?<!Eq)(?<!Fig)\.(?:\s|$)", text)[0].rstrip(".") + "."


def settings_table() -> str:
    from agent_tools.settings import HELP, Settings, flag_of, variable

    rows = ["| flag | variable | default | what it sets |", "|---|---|---|---|"]
    for field in fields(Settings):
        default: Any = field.default
        if field.name == "home":
            default = "the platform's data folder"
        elif field.name == "cache":
            default = "the platform's cache folder"
        elif default in ((), ""):
            default = "-"
        elif isinstance(default, bool):
            default = "on" if default else "off"
        flag = "-" if field.name in ("cache", "token", "endpoint_key") else f"`{flag_of(field.name)}`"
        rows.append(f"| {flag} | `{variable(field.name)}` | {default} | {HELP[field.name]} |")
    return "\n".join(rows)


def published(tool_set: str = "lean") -> list[Any]:
    """The tools as a client gets them. Args: tool_set: as the setting `tools`."""
    from mcp import Client

    from agent_tools.server.build import build_server
    from agent_tools.settings import Settings

    async def listed() -> list[Any]:
        settings = Settings.load({}, home=ROOT / "build" / "docs-home", tools=tool_set)
        async with Client(build_server(settings)) as client:
            return list((await client.list_tools()).tools)

    return anyio.run(listed)


def definitions_table() -> str:
    """What a host shows the model of each tool: compact JSON, a token for four characters."""

    def tokens(part: Any) -> int:
        return round(len(json.dumps(part, ensure_ascii=False, separators=(",", ":"))) / 4)

    rows = ["| tool | definition, tokens | output schema, tokens (for programs) |", "|---|---|---|"]
    sums = [0, 0]
    for tool in published():
        shown = {"name": tool.name, "description": tool.description, "inputSchema": tool.input_schema}
        costs = [tokens(shown), tokens(tool.output_schema) if tool.output_schema else 0]
        sums = [total + cost for total, cost in zip(sums, costs, strict=True)]
        rows.append(f"| `{tool.name}` | {costs[0]} | {costs[1] or '-'} |")
    return "\n".join([*rows, f"| together | {sums[0]:,} | {sums[1]:,} |"])


def tools_table() -> str:
    """The six tools and what each is for."""
    rows = ["| tool | what it is for |", "|---|---|"]
    for tool in published():
        rows.append(f"| `{tool.name}` | {_purpose(tool.description or '')} |")
    return "\n".join(rows)


def _purpose(description: str) -> str:
    """The first sentence of a tool's description, and the next one while that says too little by itself."""
    said = ""
    for sentence in re.split(r"(?<=[a-z)][.?])\s", " ".join(description.split())):
        said = f"{said} {sentence}".strip()
        if len(said) >= SHORTEST_PURPOSE:
            break
    return said


def schemas() -> str:
    """Each tool as a model sees it: its description, its arguments, and the fields of its reply."""
    parts: list[str] = []
    usual = {tool.name: tool.input_schema["properties"] for tool in published()}
    for tool in published("full"):
        parts += [f"## {tool.name}", "", " ".join((tool.description or "").split()), ""]
        parts += ["| argument | type | default | meaning | published by |", "|---|---|---|---|---|"]
        required = tool.input_schema.get("required", ())
        for name, field in tool.input_schema["properties"].items():
            by = "both" if name in usual[tool.name] else "`--tools full`"
            default = "required" if name in required else _default(field)
            parts.append(f"| `{name}` | {kind(field)} | {default} | {field.get('description', '')} | {by} |")
        parts += ["", *_reply(tool.output_schema), ""]
    return "\n".join(parts).rstrip()


def _default(field: dict[str, Any]) -> str:
    value = field.get("default", "")
    return "left out" if value in ("", None) else f"`{value}`"


def _reply(schema: dict[str, Any] | None) -> list[str]:
    if not schema:
        return ["The reply has no schema: it holds text, images and links to resources."]
    fields = [f"`{name}` ({kind(field)})" for name, field in schema["properties"].items()]
    return [f"Fields of the reply: {', '.join(fields)}."]


def kind(field: dict[str, Any]) -> str:
    """A JSON schema's type in words, with its bounds."""
    if "$ref" in field:
        return field["$ref"].rpartition("/")[2]
    if "anyOf" in field:
        return " or ".join(kind(one) for one in field["anyOf"])
    if "enum" in field:
        return ", ".join(f"`{value}`" for value in field["enum"])
    if field.get("type") == "array":
        return f"list of {kind(field['items'])}"
    low, high = (field.get(name) for name in ("minimum", "maximum"))
    said = TYPES.get(field.get("type", ""), field.get("type", "object"))
    if low is not None and high is not None:
        return f"{said}, {low} to {high}"
    return said if low is None else f"{said}, at least {low}"


def profiles_table() -> str:
    from agent_tools.models.profiles import PROFILES

    roles = ("frames", "redundancy", "text", "speech", "screen_text", "captions")
    rows = [f"| profile | {' | '.join(roles)} | download |", "|" + "---|" * (len(roles) + 2)]
    for profile in PROFILES.values():
        cells = [model.name if (model := profile.model(role)) else "-" for role in roles]
        size = f"{profile.size_bytes / 1e9:.1f} GB" if profile.size_bytes else "nothing"
        rows.append(f"| {profile.name} | {' | '.join(cells)} | {size} |")
    return "\n".join(rows)


def rules_table() -> str:
    """The rules by which an event names its channel, in the order in which they are tried."""
    from agent_tools.grounding import RULES
    from agent_tools.types import CHANNELS

    rows = ["| an event worded as | for example | is about | the words |", "|---|---|---|---|"]
    for rule in RULES:
        about = ", ".join(name for name in CHANNELS if name in rule.channels)
        sought = "as they stand" if rule.verbatim else "by meaning"
        rows.append(f"| {rule.name} | {rule.example} | {about} | {sought} |")
    return "\n".join(rows)


BUTTON = {"command": "agent-tools", "args": ["serve", "--allow", "${userHome}/Videos"]}  # both know the variable
VSCODE = "https://insiders.vscode.dev/redirect/mcp/install"
CURSOR = "https://cursor.com/en/install-mcp"


def buttons() -> str:
    """Links that add the server to an editor: the same configuration, in each one's way of writing it into a link."""
    config = json.dumps(BUTTON, separators=(",", ":"))
    vscode = urlencode({"name": "agent-tools", "config": config}, quote_via=quote)
    cursor = urlencode({"name": "agent-tools", "config": base64.b64encode(config.encode()).decode()})
    return f"[Install in VS Code]({VSCODE}?{vscode})\n[Install in Cursor]({CURSOR}?{cursor})"


def examples_table() -> str:
    rows = ["| example | what it shows |", "|---|---|"]
    for path in sorted((ROOT / "examples").glob("*.py")):
        if path.stem not in ("stage", "scripted"):
            rows.append(f"| `examples/{path.name}` | {summary(path)} |")
    return "\n".join(rows)


def channels_table() -> str:
    """The table of channels: what each is made from, the model it needs, what it can show."""
    from agent_tools.channels import TABLE

    rows = ["| channel | kind | made from | needs a model | can show events that are |", "|---|---|---|---|---|"]
    for row in TABLE:
        shows = ", ".join(sorted(row.shows)) or "-"
        rows.append(f"| `{row.name}` | {row.kind} | {row.derived_from} | {row.role or '-'} | {shows} |")
    return "\n".join(rows)


def errors_tree() -> str:
    """The tree of errors, as the docstring of errors.py draws it."""
    from agent_tools import errors

    drawn = (errors.__doc__ or "").partition("\n\n")[2].partition("\n\n")[0]
    return f"```text\n{inspect.cleandoc(drawn)}\n```"


def commands() -> str:
    """Every command of `agent-tools` with its arguments and options, as --help knows them."""
    import typer

    from agent_tools.cli import app

    parts: list[str] = []
    for name, command in _walk("agent-tools", typer.main.get_command(app)):
        parts += [f"## {name}", "", " ".join((command.help or "").split()), ""]
        shown = [one for one in command.params if not getattr(one, "hidden", False) and one.name != "help"]
        rows = [f"| `{_option(one)}` | {_cell(one.help or '')} | {_preset(one)} |" for one in shown]
        parts += ["| argument or option | meaning | default |", "|---|---|---|", *rows, ""] if rows else []
    return "\n".join(parts).rstrip()


def _walk(name: str, command: Any) -> Iterator[tuple[str, Any]]:
    for word, below in getattr(command, "commands", {}).items():
        if getattr(below, "hidden", False):
            continue
        if hasattr(below, "commands"):
            yield from _walk(f"{name} {word}", below)
        else:
            yield f"{name} {word}", below


def _option(one: Any) -> str:
    if one.param_type_name == "argument":
        return str(one.metavar or one.name).upper()
    return "/".join((*one.opts, *one.secondary_opts))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")


def _preset(one: Any) -> str:
    if one.required:
        return "required"
    return "-" if one.default in (None, False, "", (), []) or callable(one.default) else f"`{one.default}`"


def python_api() -> str:
    """The public names of the package with their signatures and docstrings; a class with its public methods."""
    import agent_tools

    parts: list[str] = []
    for name in getattr(agent_tools, "__all__", ("__version__",)):
        thing = getattr(agent_tools, name)
        if inspect.isclass(thing) or inspect.isroutine(thing):
            parts += _described(f"agent_tools.{name}", thing, "##")
        else:
            parts += [f"## agent_tools.{name}", "", f"`{name} = {thing!r}`", ""]
    return "\n".join(parts).rstrip()


def _described(name: str, thing: Any, head: str) -> list[str]:
    parts = [f"{head} {name}", "", "```python", f"{name.rpartition('.')[2]}{_signature(thing)}", "```", ""]
    parts += ["```text", inspect.getdoc(thing) or "", "```", ""] if thing.__doc__ else []
    if inspect.isclass(thing):
        for method, value in vars(thing).items():
            if not method.startswith("_") and inspect.isroutine(value):
                parts += _described(f"{name}.{method}", value, head + "#")
    return parts


def _signature(thing: Any) -> str:
    try:
        return str(inspect.signature(thing))
    except (TypeError, ValueError):
        return ""
