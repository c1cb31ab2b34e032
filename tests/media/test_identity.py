from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from agent_tools.errors import SourceNotFound
from agent_tools.media.identity import HashedParts, content_id


def test_id_is_twelve_hex_digits_of_the_content_alone(tmp_path: Path) -> None:
    for name in ("a.mp4", "b with space.mkv"):
        (tmp_path / name).write_bytes(b"the same bytes")
    ids = {content_id(path) for path in tmp_path.iterdir()}
    assert len(ids) == 1
    assert len(only := ids.pop()) == 12
    assert set(only) <= set("0123456789abcdef")


def test_one_changed_byte_changes_the_id_of_a_small_file(tmp_path: Path) -> None:
    path = tmp_path / "a.mp4"
    path.write_bytes(bytes(3 << 20))
    before = content_id(path)
    path.write_bytes(bytes((3 << 20) - 1) + b"\1")
    assert content_id(path) != before


def test_large_file_is_known_by_its_size_first_last_and_spread_blocks(tmp_path: Path) -> None:
    parts = HashedParts(whole_bytes=1 << 20, block_bytes=16)
    path = tmp_path / "large.mp4"
    size = 2 << 20

    def with_byte(at: int) -> str:
        data = bytearray(size)
        data[at] = 1
        path.write_bytes(data)
        return content_id(path, parts)

    path.write_bytes(bytes(size))
    plain = content_id(path, parts)
    second_block = (size - 16) // 63
    assert with_byte(0) != plain
    assert with_byte(size - 1) != plain
    assert with_byte(second_block) != plain
    assert with_byte(second_block - 1) == plain, "between blocks nothing is read"
    path.write_bytes(bytes(size + 1))
    assert content_id(path, parts) != plain


def test_missing_file_is_named_in_the_error(tmp_path: Path) -> None:
    with pytest.raises(SourceNotFound, match=r"nowhere\.mp4"):
        content_id(tmp_path / "nowhere.mp4")
    with pytest.raises(SourceNotFound):
        content_id(tmp_path)


def test_identity_loads_neither_pyav_nor_numpy() -> None:
    code = (
        "import sys; from agent_tools.media.identity import content_id; import agent_tools.media;"
        "sys.exit(any(name in sys.modules for name in ('av', 'numpy', 'PIL', 'pysubs2')))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
