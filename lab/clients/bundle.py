"""The MCPB bundle: its own tool validates and packs a clean copy, then it is started as a host would start it."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import anyio
from mcp import Client, StdioServerParameters

from lab.clients import installs

ROOT = Path(__file__).parents[2]
# mcpb's own reading of a manifest, with two folders chosen.
_EXPAND = """
import { readFileSync } from "node:fs";
const { getMcpConfigForManifest } = await import(process.argv[1]);
const manifest = JSON.parse(readFileSync(process.argv[2] + "/manifest.json", "utf8"));
const config = await getMcpConfigForManifest({ manifest, extensionPath: process.argv[2], systemDirs: {},
  userConfig: { video_dirs: process.argv.slice(3) }, pathSeparator: "/" });
console.log(JSON.stringify(config));
"""


def check(folder: Path) -> tuple[bool, list[str]]:
    """Whether the tool accepts and packs the manifest, and what it said."""
    staged, packed = folder / "staged", folder / "agent-tools-video.mcpb"
    tracked = subprocess.check_output(["git", "ls-files", "-z"], cwd=ROOT, text=True).split("\0")
    for name in filter(None, tracked):
        if (ROOT / name).is_file():
            (staged / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / name, staged / name)
    lines: list[str] = []
    ok = True
    for arguments in (["validate", str(staged / "manifest.json")], ["pack", str(staged), str(packed)]):
        ran = subprocess.run(
            [*installs.program("mcpb"), *arguments], capture_output=True, text=True, timeout=120, check=False
        )
        ok = ok and ran.returncode == 0
        lines.append(
            f"mcpb {arguments[0]}: exit {ran.returncode}: {(ran.stdout + ran.stderr).strip().splitlines()[-1]}"
        )
    if ok:
        with zipfile.ZipFile(packed) as archive:
            names = archive.namelist()
        tops = sorted({name.split("/")[0] for name in names})
        lines.append(f"bundle: {len(names)} files, {packed.stat().st_size // 1000} kB: {', '.join(tops)}")
        command = start(staged, folder, staged)
        tools = anyio.run(listed, command, folder / "bundle-memory")
        lines.append(f"bundle started with two folders: {len(tools)} tools")
        ok = len(tools) == 6
    return ok, lines


def start(folder: Path, *chosen: Path) -> list[str]:
    """The command that a host makes of the manifest, with this interpreter in place of `uv run`."""
    module = (installs.node() / "@anthropic-ai" / "mcpb" / "dist" / "node.js").as_uri()
    node = installs.program("mcpb")[0]
    output = subprocess.check_output(
        [node, "--input-type=module", "-e", _EXPAND, module, str(folder), *map(str, chosen)], text=True
    )
    config = json.loads(output)
    return [sys.executable, "-m", "agent_tools", *config["args"][4:]]


async def listed(command: list[str], home: Path) -> list[str]:
    """The tools of a server started by that command."""
    parameters = StdioServerParameters(command=command[0], args=command[1:], env={"AGENT_TOOLS_HOME": str(home)})
    async with Client(parameters) as client:
        return [tool.name for tool in (await client.list_tools()).tools]
