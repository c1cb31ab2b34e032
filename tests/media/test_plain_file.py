"""What is open is what was checked: a path that has become a link, or no plain file, is refused."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent_tools.errors import SourceNotFound
from agent_tools.media import content_id, probe
from agent_tools.media.plain_file import open_plain


def test_a_plain_file_is_read_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "talk.mp4"
    path.write_bytes(b"0123456789")
    with open_plain(path) as file:
        assert (file.size, file.read(4), file.tell(), file.seek(-2, os.SEEK_END), file.read(9)) == (
            *(10, b"0123", 4),
            *(8, b"89"),
        )
        assert file.seek(-1) < 0  # a damaged file asks for it
        assert file.seek(0) == 0
        assert file.whole(10) == b"0123456789"
        file.seek(0)
        assert file.whole(9) is None
    with pytest.raises(ValueError, match="closed"):
        file.fileno()


def test_a_path_that_became_a_link_is_refused(steady: Path, tmp_path: Path) -> None:
    (tmp_path / "link.mp4").symlink_to(steady)
    (tmp_path / "way").symlink_to(steady.parent)
    for path in (tmp_path / "link.mp4", tmp_path / "way" / steady.name):
        for opens in (open_plain, content_id, probe):
            with pytest.raises(SourceNotFound, match="through a link"):
                opens(path)
    (tmp_path / "hard.mp4").hardlink_to(steady)
    assert content_id(tmp_path / "hard.mp4") == content_id(steady)


def test_no_pipe_is_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    for path in (tmp_path / "pipe.mp4", tmp_path, tmp_path / "gone.mp4", Path("/dev/null")):
        with pytest.raises(SourceNotFound, match="No file at"):
            open_plain(path)
