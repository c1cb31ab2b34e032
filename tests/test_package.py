"""The package as it is installed: what it holds, what it imports, what it pins."""

from __future__ import annotations

import ast
import importlib.metadata
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import pytest
import yaml

import agent_tools

ROOT = Path(__file__).parents[1]
ON_WHEEL = Path(sys.prefix).parts[-3:] == ("build", "check", "venv")  # as `make check` runs the tests
PROMPTS = sorted((ROOT / "prompts").glob("*.md"))


def loaded_after(statement: str) -> set[str]:
    """Names of the modules a fresh interpreter holds after `statement`."""
    code = f"{statement}; import sys; sys.stdout.write(' '.join(sys.modules))"
    return set(subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split())


def project() -> dict[str, object]:
    table = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert isinstance(table, dict)
    return table


def normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def test_importing_the_package_loads_no_heavy_library() -> None:
    assert not loaded_after("import agent_tools") & {"torch", "numpy", "av", "mcp", "transformers", "apsw", "pydantic"}


def imported(path: Path) -> set[str]:
    """Modules that a file imports when it runs, at its top or within functions."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and isinstance(node.test, ast.Name) and node.test.id == "TYPE_CHECKING":
            node.body = []
    return {node.module for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.module}


def test_threads_may_import_in_any_order() -> None:
    """A thread that imports a.b locks a.b, then a; one that imports an `a` that imports a.b locks them the other way
    round, and Python raises _DeadlockError. So a package that imports its parts is imported from outside as a whole."""
    package = Path(agent_tools.__file__).parent
    whole = {
        f"agent_tools.{init.parent.name}": init.parent
        for init in package.glob("*/__init__.py")
        if any(name.startswith(f"agent_tools.{init.parent.name}.") for name in imported(init))
    }
    assert {"agent_tools.budget", "agent_tools.store", "agent_tools.grounding"} <= set(whole)
    reached = [
        f"{path.relative_to(package)} imports {name}"
        for path in package.rglob("*.py")
        for name in imported(path)
        for part, folder in whole.items()
        if name.startswith(part + ".") and folder not in path.parents
    ]
    assert reached == []


def test_the_store_alone_reaches_for_its_database() -> None:
    """So an engine is chosen in one place, and what holds for one holds for all."""
    package = Path(agent_tools.__file__).parent
    reached = [
        str(path.relative_to(package))
        for path in package.rglob("*.py")
        if package / "store" not in path.parents and re.search(r"\bstore\.db\b", path.read_text(encoding="utf-8"))
    ]
    assert reached == []


def test_the_default_install_has_nothing_of_a_shared_archive() -> None:
    listed = project()["dependencies"]
    assert isinstance(listed, list)
    named = {normal(re.split(r"[^A-Za-z0-9_.-]", one)[0]) for one in listed}
    assert not named & {"psycopg", "pgvector", "ray", "obstore", "prometheus-client", "boto3"}


def test_tests_run_on_the_package_of_their_own_environment() -> None:
    package = Path(agent_tools.__file__)
    assert package.is_relative_to(sys.prefix) == ON_WHEEL, f"{package} was imported by {sys.executable}"


def test_version_is_written_once() -> None:
    assert importlib.metadata.version("agent-tools-video") == agent_tools.__version__


def test_both_ways_to_start_are_declared() -> None:
    (script,) = importlib.metadata.entry_points(group="console_scripts", name="agent-tools")
    assert script.value == "agent_tools.cli:main"


def test_every_dependency_is_pinned() -> None:
    table = project()
    extras = table["optional-dependencies"]
    assert isinstance(extras, dict)
    declared = [*table["dependencies"], *(entry for entries in extras.values() for entry in entries)]  # type: ignore[misc]
    pinned = {normal(line.partition("==")[0]) for line in constraint_lines()}
    names = {normal(re.match(r"[A-Za-z0-9._-]+", entry)[0]) for entry in declared}  # type: ignore[index]
    assert names - {"agent-tools-video"} <= pinned


def constraint_lines() -> list[str]:
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    return [line for line in lines if line and not line.startswith("#")]


def test_constraints_hold_names_and_plain_versions_only() -> None:
    """No index, hash, path, marker or local build suffix: they would tie the file to one machine."""
    odd = [line for line in constraint_lines() if not re.fullmatch(r"[A-Za-z0-9._-]+==[0-9][0-9A-Za-z.]*", line)]
    assert odd == []
    assert "torch==2.13.0" in constraint_lines()


def test_license_is_apache_in_full() -> None:
    text = (ROOT / "LICENSE").read_text(encoding="utf-8")
    assert "Version 2.0, January 2004" in text
    assert "END OF TERMS AND CONDITIONS" in text
    assert "APPENDIX" in text


@pytest.mark.skipif(not ON_WHEEL, reason="only the wheel carries the prompts inside the package")
def test_prompts_travel_inside_the_wheel() -> None:
    inside = {item.name for item in files("agent_tools").joinpath("prompts").iterdir()}
    assert inside == {path.name for path in PROMPTS}


@pytest.mark.parametrize("path", PROMPTS, ids=lambda path: path.stem)
def test_prompt_says_its_name_and_uses_each_argument(path: Path) -> None:
    _, head, body = path.read_text(encoding="utf-8").split("---\n", 2)
    front = yaml.safe_load(head)
    assert front["name"] == path.stem
    assert front["description"]
    named = {argument["name"] for argument in front["arguments"]}
    assert named == set(re.findall(r"\{\{(\w+)\}\}", body))


@pytest.mark.parametrize("target", ["install", "demo", "test", "check", "bench", "conformance", "faults"])
def test_make_help_names_each_target(target: str) -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    printed = "\n".join(line for line in makefile.splitlines() if "@echo" in line)
    assert target in printed
