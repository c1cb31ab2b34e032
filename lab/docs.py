"""The tables of README, made from the code: `python -m lab.docs` writes them, a test compares them.

Each stands between `<!-- name -->` and `<!-- /name -->`."""

from __future__ import annotations

import ast
import base64
import json
import re
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

import anyio

ROOT = Path(__file__).resolve().parents[1]
README = ROOT / "README.md"
WIDEST = 96  # characters of a summary


def tree() -> str:
    """The package tree: one line per file, with the first sentence of its docstring."""
    lines = ["```"]
    paths = [path.relative_to(ROOT) for path in (ROOT / "agent_tools").rglob("*.py")]
    folder: Path | None = None
    for path in sorted(paths, key=lambda p: (len(p.parts) > 2, p.parts)):
        if path.parent != folder:
            folder = path.parent
            lines.append(f"{folder.as_posix()}/")
        summary = first_sentence(ast.get_docstring(ast.parse((ROOT / path).read_text(encoding="utf-8"))) or "")
        if path.name == "__init__.py":
            lines[-1] += " " * max(1, 28 - len(lines[-1])) + summary
        else:
            lines.append(f"  {path.name:<25} {summary}")
    return "\n".join([*lines, "```"])


def first_sentence(docstring: str, widest: int = WIDEST) -> str:
    text = " ".join(docstring.split("\n\n")[0].split())
    sentence = re.split(r"(?<=[a-z0-9)`])\.(?:\s|$)", text)[0]
    return sentence if len(sentence) <= widest else sentence[: widest - 1].rsplit(" ", 1)[0] + " …"


def settings_table() -> str:
    from agent_tools.settings import HELP, Settings, variable

    rows = ["| flag | variable | default | what it sets |", "|---|---|---|---|"]
    for field in fields(Settings):
        default: Any = field.default
        if field.name == "home":
            default = "the platform's data folder"
        elif default in ((), ""):
            default = "none"
        elif isinstance(default, bool):
            default = "on" if default else "off"
        flag = "-" if field.name in ("token", "endpoint_key") else f"`--{field.name.replace('_', '-')}`"
        rows.append(f"| {flag} | `{variable(field.name)}` | {default} | {HELP[field.name]} |")
    return "\n".join(rows)


def published() -> list[Any]:
    """The tools as a client gets them."""
    from mcp import Client

    from agent_tools.server.build import build_server
    from agent_tools.settings import Settings

    async def listed() -> list[Any]:
        async with Client(build_server(Settings.load({}, home=ROOT / "build" / "readme-home"))) as client:
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
    rows = ["| tool | what it is for | arguments |", "|---|---|---|"]
    for tool in published():
        purpose = re.split(r"(?<=[a-z])\.\s", " ".join((tool.description or "").split()))[0]
        arguments = ", ".join(f"`{name}`" for name in tool.input_schema["properties"])
        rows.append(f"| `{tool.name}` | {purpose} | {arguments} |")
    return "\n".join(rows)


def profiles_table() -> str:
    from agent_tools.models.profiles import PROFILES

    roles = ("frames", "redundancy", "text", "speech", "screen_text", "captions")
    rows = [f"| profile | {' | '.join(roles)} | download |", "|" + "---|" * (len(roles) + 2)]
    for profile in PROFILES.values():
        cells = [model.name if (model := profile.model(role)) else "-" for role in roles]
        size = f"{profile.size_bytes / 1e9:.1f} GB" if profile.size_bytes else "none"
        rows.append(f"| {profile.name} | {' | '.join(cells)} | {size} |")
    return "\n".join(rows)


def compression_table() -> str:
    """The last runs of `agent-tools eval compression` and `eval compare`."""
    from agent_tools.evals.compression.tables import markdown

    return "\n\n".join(markdown(measured(name)) for name in ("compression", "compare"))


def needles_table() -> str:
    """The last run of `agent-tools eval needles`."""
    from agent_tools.evals.needles.needles import markdown

    return markdown(measured("needles"))


def grounding_table() -> str:
    """The last run of `python -m lab.bench.grounding_hour`."""
    from agent_tools.evals.grounding.grounding import side_by_side

    return side_by_side(measured("grounding"))


def grounding_tiny_table() -> str:
    """The last run of `agent-tools eval grounding-tiny`."""
    from agent_tools.evals.tiny.grounding import markdown

    return markdown(measured("grounding_tiny"))


def memaug_tiny_table() -> str:
    """The last run of `agent-tools eval memaug-tiny`."""
    from agent_tools.evals.tiny.memaug import markdown

    return markdown(measured("memaug_tiny"))


def zoom_table() -> str:
    """The last run of `agent-tools eval zoom`."""
    from agent_tools.evals.compression.zoom import markdown

    return markdown(measured("zoom"))


def tiny_world_table() -> str:
    """The last run of `python -m tests.models.tiny_world_table`."""
    from tests.models.tiny_world_table import markdown

    return markdown(measured("tiny_world"))


def reasoning_table() -> str:
    """The last run of `agent-tools eval reasoning`."""
    from agent_tools.evals.reasoning.reasoning import markdown

    return markdown(measured("reasoning"))


def retrieval_table() -> str:
    """The last run of `agent-tools eval retrieval`."""
    from agent_tools.evals.retrieval.retrieval import markdown

    return markdown(measured("retrieval"))


def memories_table() -> str:
    """The last run of `agent-tools eval compare --film`."""
    from agent_tools.evals.retrieval.memories_tables import memories_markdown

    return memories_markdown(measured("memories"))


def scaling_table() -> str:
    """The last run of `python -m lab.bench.growth`."""
    from lab.bench.growth import table

    return table(measured("scaling"))


def costs_table() -> str:
    """What the measured files say of an hour and of a question, beside what others publish."""
    from lab.bench.costs import table

    return table()


def bench_table() -> str:
    """The last run of each part of `make bench`."""
    from lab.bench.__main__ import PARTS
    from lab.bench.rows import last, table

    return table(last(), list(PARTS))


def measured(name: str) -> Any:
    """What an eval wrote with --json lab/measured/<name>.json."""
    return json.loads((ROOT / "lab" / "measured" / f"{name}.json").read_text(encoding="utf-8"))


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
            said = first_sentence(ast.get_docstring(ast.parse(path.read_text(encoding="utf-8"))) or "", 200)
            rows.append(f"| [{path.name}](examples/{path.name}) | {said} |")
    return "\n".join(rows)


def faults_table() -> str:
    """The last runs of `python -m lab.faults`: one row per slice."""
    rows = measured("faults")
    lines = ["| slice | what | tried | survived | seconds | seed, date |", "|---|---|---|---|---|---|"]
    for name, row in rows.items():
        figures = ", ".join(f"{key.replace('_', ' ')} {value}" for key, value in row["figures"].items())
        what = row["what"] + (f" ({figures})" if figures else "")
        if row["cases_left"]:
            what += f"; {row['cases_left']} cases not run"
        cells = (
            name,
            what,
            str(row["tried"]),
            str(row["survived"]),
            str(row["seconds"]),
            f"{row['seed']}, {row['date']}",
        )
        lines.append(f"| {' | '.join(cells)} |")
    return "\n".join(lines)


def clients_table() -> str:
    """The last run of `python -m lab.clients`: what went over the wire."""
    rows = json.loads((ROOT / "lab" / "measured" / "clients.json").read_text(encoding="utf-8"))
    shown = ("client", "version", "model", "era", "tools", "calls", "errors", "ok")
    lines = [f"| {' | '.join(shown)} |", "|" + "---|" * len(shown)]
    return "\n".join([*lines, *(f"| {' | '.join(row[name] for name in shown)} |" for row in rows)])


TABLES = {
    "rules": rules_table,
    "buttons": buttons,
    "clients": clients_table,
    "faults": faults_table,
    "definitions": definitions_table,
    "examples": examples_table,
    "tree": tree,
    "settings": settings_table,
    "tools": tools_table,
    "profiles": profiles_table,
    "compression": compression_table,
    "needles": needles_table,
    "zoom": zoom_table,
    "tiny-world": tiny_world_table,
    "grounding": grounding_table,
    "grounding-tiny": grounding_tiny_table,
    "memaug-tiny": memaug_tiny_table,
    "reasoning": reasoning_table,
    "retrieval": retrieval_table,
    "memories": memories_table,
    "scaling": scaling_table,
    "costs": costs_table,
    "measured": bench_table,
}


def standing(text: str, name: str) -> str | None:
    """What stands in README between the marks of a table."""
    match = re.search(rf"<!-- {name} -->\n(.*?)\n<!-- /{name} -->", text, re.S)
    return match[1] if match else None


def write(*names: str) -> None:
    """Make these tables of README anew."""
    text = README.read_text(encoding="utf-8")
    for name in names:
        mark = re.compile(rf"(<!-- {name} -->\n).*?(\n<!-- /{name} -->)", re.S)
        table = TABLES[name]()
        text = mark.sub(lambda match, table=table: match[1] + table + match[2], text)  # type: ignore[misc]  # bound now
    README.write_text(text, encoding="utf-8")


def main() -> None:
    write(*TABLES)


if __name__ == "__main__":
    main()
