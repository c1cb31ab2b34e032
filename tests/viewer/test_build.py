"""The page that the package holds is the one that its sources make."""

from __future__ import annotations

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


def test_packages_are_pinned_and_no_lock_file_names_a_registry() -> None:
    package = (VIEWER / "package.json").read_text(encoding="utf-8")
    versions = [line.split(":")[1].strip(' ",') for line in package.splitlines() if '"@' in line or "-core" in line]
    assert versions
    assert all(version[0].isdigit() for version in versions)
    assert "package-lock=false" in (VIEWER / ".npmrc").read_text(encoding="utf-8")
