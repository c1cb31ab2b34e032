"""The fence: what a refused source is told is the same whatever lies there, and no folder is walked without an end."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from agent_tools.errors import InvalidArgument, SourceNotAllowed, SourceNotFound
from agent_tools.service.ingest_video import ingest_video
from agent_tools.service.library.access import Fence, local_path
from agent_tools.service.library.library import Library
from agent_tools.service.list_episodes import list_episodes


def refusal(fence: Fence, source: str) -> str:
    with pytest.raises((SourceNotAllowed, SourceNotFound)) as caught:
        fence.resolve(source)
    return str(caught.value)


def alike(fence: Fence, *sources: str) -> bool:
    """Whether the refusals differ in nothing but what was asked."""
    return len({refusal(fence, one).replace(one, "ASKED") for one in sources}) == 1


def test_a_refusal_does_not_tell_what_lies_outside(tmp_path: Path) -> None:
    allowed, outside = tmp_path / "allowed", tmp_path / "outside"
    for folder in (allowed, outside / "real"):
        folder.mkdir(parents=True)
    (outside / "film.mp4").touch()
    for name, target in (("there", outside / "real"), ("gone", outside / "nope")):
        (allowed / name).symlink_to(target)
    fence = Fence([allowed])
    assert alike(fence, f"{outside}/real", f"{outside}/nope")
    assert alike(fence, f"{outside}/film.mp4", f"{outside}/none.mp4")
    assert alike(fence, f"{allowed}/there", f"{allowed}/gone")
    assert str(outside) not in refusal(fence, f"{allowed}/there")


def test_a_refusal_shows_the_line_that_allows_the_path_as_it_was_asked(tmp_path: Path) -> None:
    fence = Fence([])
    for source in (f"{tmp_path}/a.mp4", str(tmp_path)):
        assert f'agent-tools serve --allow "{tmp_path}"' in refusal(fence, source)
    assert "agent-tools serve --allow FOLDER" in refusal(fence, "a.mp4")


def test_a_link_that_may_not_be_read_leads_nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(_path: object) -> str:
        raise PermissionError(13, "as /proc/1/root answers in a container")

    fence = Fence([tmp_path])
    monkeypatch.setattr(os.path, "realpath", denied)
    assert "lies outside the allowed folders" in refusal(fence, str(tmp_path / "film.mp4"))
    assert not fence.permits(tmp_path / "film.mp4")


def test_which_users_there_are_is_not_told(tmp_path: Path) -> None:
    fence = Fence([tmp_path])
    assert alike(fence, "~root", "~nobody-of-that-name")
    (tmp_path / "~draft.mp4").touch()
    assert fence.resolve("~draft.mp4") == (tmp_path / "~draft.mp4").resolve()


def test_the_own_home_is_understood(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("USERPROFILE", str(tmp_path))
    assert [local_path(source) for source in ("~", "~/a.mp4")] == [tmp_path, tmp_path / "a.mp4"]


@pytest.mark.parametrize("source", ["file://[x", "foo://[::bad", "video://[x"])
def test_what_no_address_can_be_is_refused(source: str) -> None:
    with pytest.raises(InvalidArgument, match="is not a local path"):
        local_path(source)


def test_a_folder_is_looked_through_in_steps_and_not_without_end(tmp_path: Path) -> None:
    for name in ("a", "b", "c"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "film.mp4").touch()
    fence, steps = Fence([tmp_path]), []
    assert len(list(fence.files(tmp_path, lambda: steps.append(1)))) == 3
    assert len(steps) >= 4
    assert [path.parent.name for path in Fence([tmp_path], max_names=4).files(tmp_path)] == ["a"]


class Cancelled(Exception):
    """What the server's step raises when the client has gone."""


def test_a_cancelled_call_stops_looking_through_folders(empty: Library, tmp_path: Path) -> None:
    (tmp_path / "videos" / "film.mp4").write_bytes(b"x")

    def step(_progress: float, message: str) -> None:
        if message.startswith("looking through"):
            raise Cancelled

    with pytest.raises(Cancelled):
        list_episodes(empty, on_step=step)
    for source in ("", os.fspath(tmp_path / "videos")):
        with pytest.raises(Cancelled):
            ingest_video(empty, source, wait_s=0, on_step=step)
