"""The page that the package holds is the one that its sources make."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from importlib.resources import files
from pathlib import Path

import pytest

VIEWER = Path(__file__).parents[2] / "viewer"
LARGEST = 400_000  # bytes


def committed() -> bytes:
    return files("agent_tools.server.viewer").joinpath("viewer.html").read_bytes()


def test_the_page_is_small_and_loads_nothing() -> None:
    page = committed()
    assert len(page) <= LARGEST
    head = page[: page.index(b"<script>")]
    for tag in (b"src=", b"@import", b"url(", b"http:", b"https:"):
        assert tag not in head.replace(b"http-equiv", b"")
    assert b"default-src 'none'" in head
    assert b"unsafe-inline" not in head
    assert b"unsafe-eval" not in head


def test_a_build_out_of_the_sources_gives_the_same_bytes(tmp_path: Path) -> None:
    node = shutil.which("node")
    if node is None or not (VIEWER / "node_modules").is_dir():
        pytest.skip("no Node, or viewer/node_modules is not there: `make viewer` needs Node 20.19 or later and npm")
    out = tmp_path / "viewer.html"
    subprocess.run([node, "build.mjs", str(out)], cwd=VIEWER, check=True, capture_output=True, timeout=120)
    assert out.read_bytes() == committed(), "run: make viewer"


def pinned() -> dict[str, str]:
    package = json.loads((VIEWER / "package.json").read_text(encoding="utf-8"))
    return {**package["dependencies"], **package["devDependencies"], **package["overrides"]}


def test_packages_are_pinned_and_no_lock_file_names_a_registry() -> None:
    assert [name for name, version in pinned().items() if not re.fullmatch(r"\d+\.\d+\.\d+", version)] == []
    assert "package-lock=false" in (VIEWER / ".npmrc").read_text(encoding="utf-8")


def test_every_package_that_is_installed_is_pinned() -> None:
    """Those of packages, too, so that two days build with the same packages. Binaries of a platform are pinned by the
    package that they belong to."""
    modules = VIEWER / "node_modules"
    if not modules.is_dir():
        pytest.skip("viewer/node_modules is not there: `make viewer` needs Node 20.19 or later and npm")
    found = [json.loads(path.read_text(encoding="utf-8")) for path in _manifests(modules)]
    of_a_platform = {name: version for one in found for name, version in one.get("optionalDependencies", {}).items()}
    wanted = of_a_platform | pinned()
    assert {one["name"]: one["version"] for one in found if wanted.get(one["name"]) != one["version"]} == {}


def _manifests(modules: Path) -> list[Path]:
    return [
        *modules.glob("[!@.]*/package.json"),
        *modules.glob("@*/*/package.json"),
        *modules.glob("**/node_modules/*/package.json"),
    ]
