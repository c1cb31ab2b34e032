"""README's tables say what the code says."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
_spec = importlib.util.spec_from_file_location("readme_tables", ROOT / "lab" / "docs.py")
assert _spec is not None
assert _spec.loader is not None
readme = importlib.util.module_from_spec(_spec)
_spec.loader.exec_module(readme)


@pytest.mark.parametrize("name", sorted(readme.TABLES))
def test_a_table_in_readme_is_what_the_code_says(name: str) -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert readme.standing(text, name) == readme.TABLES[name](), f"run: python -m lab.docs (table {name})"


def test_readme_shows_the_two_commands_first() -> None:
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    assert text.index("make demo") < text.index("make test") < text.index("<!-- tools -->")
