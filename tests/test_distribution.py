"""What the product is handed out with: registry entry, bundle, container and install links agree with the package."""

from __future__ import annotations

import base64
import json
import re
import shlex
import tomllib
from dataclasses import fields
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, unquote, urlsplit
from xml.etree import ElementTree

import anyio
import pytest
from mcp import Client

import agent_tools
from agent_tools.server import build_server
from agent_tools.settings import Settings, variable

ROOT = Path(__file__).parents[1]
CLIENTS = "docs/getting-started/clients.md"
NAME = "io.github.OWNER/agent-tools-video"
VARIABLES = {variable(field.name) for field in fields(Settings)}
FLAGS = {f"--{field.name.replace('_', '-')}" for field in fields(Settings) if field.name != "token"}


def text(name: str) -> str:
    return (ROOT / name).read_text(encoding="utf-8")


def data(name: str) -> dict[str, Any]:
    found = json.loads(text(name))
    assert isinstance(found, dict)
    return found


def published_tools() -> list[str]:
    return [tool["name"] for tool in data("tests/server/published.json")["tools"]]


def test_registry_entry_names_this_package_and_version() -> None:
    entry = data("server.json")
    (package,) = entry["packages"]
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert entry["$schema"].endswith("/schemas/2025-12-11/server.schema.json")
    assert entry["version"] == package["version"] == agent_tools.__version__
    assert (package["registryType"], package["identifier"]) == ("pypi", project["name"])
    assert package["transport"] == {"type": "stdio"}
    assert package["identifier"] in project["scripts"]  # uvx runs the command that is named as the package
    assert entry["name"] == NAME
    assert len(entry["description"]) <= 100  # the registry's limit


def test_registry_arguments_and_variables_are_settings_with_their_defaults() -> None:
    (package,) = data("server.json")["packages"]
    first, *named = package["packageArguments"]
    assert first == {"type": "positional", "value": "serve"}
    assert {argument["name"] for argument in named} <= FLAGS
    defaults = {variable(field.name): field.default for field in fields(Settings)}
    for one in package["environmentVariables"]:
        assert one["name"] in VARIABLES
        if "default" in one:
            assert Settings.load({one["name"]: one["default"]}) == Settings.load({})
            assert str(defaults[one["name"]]).lower() == one["default"]


def test_registry_and_readme_and_image_say_the_same_name() -> None:
    assert f"<!-- mcp-name: {NAME} -->" in text("README.md")
    assert f'LABEL io.modelcontextprotocol.server.name="{NAME}"' in text("Dockerfile")


def test_owner_stands_only_where_a_format_demands_one() -> None:
    assert text("server.json").count("OWNER") == 1
    assert data("manifest.json")["author"] == {"name": "OWNER"}
    assert text("manifest.json").count("OWNER") == 1
    assert text("Dockerfile").count("OWNER") == 1
    assert re.findall(r"\S*OWNER\S*", text("README.md")) == [NAME]
    assert not {"repository", "websiteUrl", "homepage", "support", "documentation"} & (
        set(data("server.json")) | set(data("manifest.json"))
    )


def test_bundle_names_this_version_its_python_and_every_tool() -> None:
    manifest, project = data("manifest.json"), tomllib.loads(text("pyproject.toml"))["project"]
    assert (manifest["manifest_version"], manifest["server"]["type"]) == ("0.4", "uv")
    assert (manifest["name"], manifest["version"]) == (project["name"], agent_tools.__version__)
    assert manifest["license"] == project["license"]
    assert manifest["compatibility"]["runtimes"]["python"] == project["requires-python"]
    assert [tool["name"] for tool in manifest["tools"]] == published_tools()


def test_bundle_starts_a_file_it_holds_with_settings_that_exist() -> None:
    manifest = data("manifest.json")
    server, asked = manifest["server"], manifest["user_config"]
    config = server["mcp_config"]
    assert (ROOT / server["entry_point"]).is_file()
    assert config["args"][:5] == ["run", "--directory", "${__dirname}", "agent-tools", "serve"]
    assert set(config["env"]) <= VARIABLES
    used = set(re.findall(r"\$\{user_config\.(\w+)\}", json.dumps(config)))
    assert used == set(asked)
    assert asked["video_dirs"] | {"title": "", "description": ""} == {
        "type": "directory",
        "title": "",
        "description": "",
        "multiple": True,
        "required": True,
    }


def test_bundle_holds_what_its_build_needs_and_nothing_else() -> None:
    kept = {line[2:] for line in text(".mcpbignore").splitlines() if line.startswith("!/")}
    assert kept == {
        "agent_tools",
        "prompts",
        "manifest.json",
        "pyproject.toml",
        "README.md",
        "LICENSE",
    }
    assert all((ROOT / name).exists() for name in kept)


def test_folders_handed_over_as_plain_arguments_are_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    from typer.testing import CliRunner

    from agent_tools import cli, server

    given: list[tuple[Path, ...]] = []
    monkeypatch.setattr(server, "serve", lambda settings: given.append(settings.allow) or 0)
    CliRunner().invoke(cli.app, ["serve", "/home/me/My Videos", "/films", "--allow", "/more"])
    assert given == [(Path("/more"), Path("/home/me/My Videos"), Path("/films"))]


def copied() -> list[str]:
    """What the Dockerfile copies out of the checkout."""
    lines = re.findall(r"^COPY (.+)$", text("Dockerfile"), re.MULTILINE)
    return [source for line in lines for source in shlex.split(line)[:-1]]


def test_image_copies_what_exists_and_what_its_context_lets_through() -> None:
    through = {line[1:] for line in text(".dockerignore").splitlines() if line.startswith("!")}
    assert set(copied()) == through
    assert all((ROOT / name).exists() for name in copied())


def test_image_is_not_root_and_serves_the_mounted_folder() -> None:
    image = text("Dockerfile")
    assert re.search(r"^FROM python:3\.12-slim$", image, re.MULTILINE)
    assert re.findall(r"^USER (\w+)$", image, re.MULTILINE) == ["viewer"]
    entry = json.loads(re.search(r"^ENTRYPOINT (.+)$", image, re.MULTILINE)[1])  # type: ignore[index]
    command = json.loads(re.search(r"^CMD (.+)$", image, re.MULTILINE)[1])  # type: ignore[index]
    assert [*entry, *command] == ["agent-tools", "serve", "--allow", "/videos"]
    assert "dst=/videos,readonly" in image
    assert all(name in VARIABLES for name in re.findall(r"AGENT_TOOLS_\w+", image))


def test_install_links_hold_one_configuration_which_this_program_takes() -> None:
    links = dict(re.findall(r"^\[Install in (VS Code|Cursor)\]\((\S+)\)$", text(CLIENTS), re.MULTILINE))
    vscode, cursor = (parse_qs(urlsplit(links[name]).query, strict_parsing=True) for name in ("VS Code", "Cursor"))
    assert vscode["name"] == cursor["name"] == ["agent-tools"]
    config = json.loads(vscode["config"][0])
    assert config == json.loads(base64.b64decode(cursor["config"][0], validate=True))
    project = tomllib.loads(text("pyproject.toml"))["project"]
    assert config["command"] in project["scripts"]
    verb, *flags = config["args"]
    assert verb == "serve"
    assert set(flags[::2]) <= FLAGS


@pytest.mark.parametrize("era", ["legacy", "auto"])
def test_server_shows_an_icon_that_is_drawn_from_its_own_words(era: str, tmp_path: Path) -> None:
    async def shown() -> list[Any]:
        async with Client(build_server(Settings(home=tmp_path)), mode=era) as client:
            return list(client.server_info.icons or ())

    (icon,) = anyio.run(shown)
    head, drawing = icon.src.split(",", 1)
    assert re.fullmatch(r"[\w%/:=',.-]+", drawing)  # what a URI may hold
    assert (head, icon.mime_type) == ("data:image/svg+xml", "image/svg+xml")
    assert ElementTree.fromstring(unquote(drawing)).tag.endswith("svg")
