"""The pinned packages of the clients in the user's cache: an environment for each generation of the SDK, and Node."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import platformdirs

FOLDER = platformdirs.user_cache_path("agent-tools-clients")
# Frameworks never share the server's environment: each spawns it by its own interpreter.
ENVIRONMENTS = {
    "modern": ("openai-agents==0.24.0", "pydantic-ai-slim[mcp,openai]==2.68.0", "mcp==2.3.0"),
    "legacy": ("autogen-agentchat==0.7.5", "autogen-ext[mcp,openai]==0.7.5", "mcp==1.30.0"),
}
NODE_PACKAGES = (
    "node@22.23.3",
    "@modelcontextprotocol/inspector@2.12.0",
    "@modelcontextprotocol/server-filesystem@2026.8.31",
    "@anthropic-ai/mcpb@2.1.2",
)


def python(name: str) -> Path:
    """The interpreter of an environment, made and filled where it is not there yet."""
    folder = FOLDER / name
    interpreter = folder / "bin" / "python"
    wanted = json.dumps(ENVIRONMENTS[name])
    stamp = folder / "installed.json"
    if not (stamp.exists() and stamp.read_text() == wanted):
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(folder)], check=True)
        install = [str(interpreter), "-m", "pip", "install", "-q", "--disable-pip-version-check"]
        subprocess.run([*install, *ENVIRONMENTS[name]], check=True)
        stamp.write_text(wanted)
    return interpreter


def node() -> Path:
    """The folder with Node's own programs and, in node_modules, those of the packages."""
    folder = FOLDER / "node"
    wanted = json.dumps(NODE_PACKAGES)
    stamp = folder / "installed.json"
    if not (stamp.exists() and stamp.read_text() == wanted):
        npm = shutil.which("npm")
        if npm is None:
            sys.exit("clients: npm is not on PATH; install Node.js of any version, it fetches the one it needs")
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "package.json").write_text('{"private": true}\n')
        subprocess.run([npm, "install", "--no-audit", "--no-fund", *NODE_PACKAGES], cwd=folder, check=True)
        stamp.write_text(wanted)
    return folder / "node_modules"


def program(name: str) -> list[str]:
    """The command of a package's program, run by the Node that was installed with it."""
    modules = node()
    return [str(modules / "node" / "bin" / "node"), str((modules / ".bin" / name).resolve())]


def version(interpreter: Path | str, distribution: str) -> str:
    code = "import importlib.metadata, sys; sys.stdout.write(importlib.metadata.version(sys.argv[1]))"
    return subprocess.check_output([str(interpreter), "-c", code, distribution], text=True)


def clean_environment(**more: str) -> dict[str, str]:
    """This process's environment without settings of the product or paths of this checkout, and with `more`."""
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("AGENT_TOOLS_", "PYTHON"))}
    return {**kept, **more}
