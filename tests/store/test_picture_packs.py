"""Pictures in object storage: one object for each video, read in parts; tried on an S3 server and in a folder."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from agent_tools.errors import StoreError, StoreUnreachable
from agent_tools.store import FrameRow, Store
from agent_tools.store.objects import Objects
from tests.store.conftest import TALK, WEEK, again, place

pytest.importorskip("obstore", reason="the extra objects is not installed")

PICTURES = {k: f"picture {k} ".encode() * (k + 1) for k in range(0, 20, 2)}


@pytest.fixture(scope="session")
def s3() -> Iterator[str]:
    """The address of an S3 server in this process, with a bucket."""
    server = pytest.importorskip("moto.server", reason="moto with its server is not installed")
    running = server.ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    running.start()
    host, port = running.get_host_and_port()
    yield f"http://{host}:{port}"
    running.stop()


@pytest.fixture(params=["s3", "folder"])
def files(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    if request.param == "folder":
        (tmp_path / "shared").mkdir()
        return f"file://{tmp_path / 'shared'}"
    import boto3

    address = request.getfixturevalue("s3")
    for name, value in {
        "AWS_ACCESS_KEY_ID": "a",
        "AWS_SECRET_ACCESS_KEY": "b",
        "AWS_REGION": "us-east-1",
        "AWS_ENDPOINT_URL": address,
    }.items():
        monkeypatch.setenv(name, value)
    bucket = tmp_path.name.replace("_", "-").lower().strip("-")[:60]
    client = boto3.client("s3", endpoint_url=address, region_name="us-east-1")
    client.create_bucket(Bucket=bucket)
    client.close()
    return f"s3://{bucket}/archive"


@pytest.fixture
def packed(store: Store, files: str) -> Iterator[Store]:
    """A store whose files lie there, with the pictures of one video, packed."""
    opened = again(place(store), files=files)
    add(opened, PICTURES)
    opened.pack_pictures(WEEK)
    yield opened
    opened.close()


def add(store: Store, pictures: dict[int, bytes]) -> None:
    rows = [FrameRow(WEEK, k, float(k), k - k % 2, k in pictures) for k in range(max(pictures) + 1)]
    store.add_frames(WEEK, [row for row in rows if row.k >= min(pictures)], pictures)


def rows_of(store: Store) -> int:
    return int(store.db.ask("SELECT count(*) FROM jpegs").get)


def test_the_pictures_of_a_video_are_one_object_and_no_rows(packed: Store, files: str) -> None:
    (name,) = Objects(files).names("")
    assert name.startswith(f"{WEEK}/")
    assert rows_of(packed) == 0
    assert packed.stats()["pictures"] == len(PICTURES)
    assert {k: packed.frame_picture(WEEK, k) for k in PICTURES} == PICTURES
    assert packed.frame_picture(WEEK, 1) is None
    assert packed.frame_picture(TALK, 0) is None


def test_what_comes_later_is_a_row_until_it_is_packed_too(packed: Store, files: str) -> None:
    newer = {18: b"drawn again", 20: b"another", 22: b"and another"}
    add(packed, newer)
    assert {k: packed.frame_picture(WEEK, k) for k in (0, *newer)} == {0: PICTURES[0], **newer}
    other = again(place(packed), files=files)
    assert other.frame_picture(WEEK, 2) == PICTURES[2]  # knows the first pack now
    packed.pack_pictures(WEEK)
    assert len(Objects(files).names("")) == 1
    assert rows_of(packed) == 0
    for store in (packed, other):
        assert {k: store.frame_picture(WEEK, k) for k in {**PICTURES, **newer}} == {**PICTURES, **newer}
    other.close()


def test_a_part_that_is_looked_at_again_is_read_from_its_new_rows(packed: Store) -> None:
    packed.delete_frames(WEEK, 10)
    assert packed.stats()["pictures"] == 10  # places stay as they are
    add(packed, {10: b"new", 12: b"new too"})
    packed.pack_pictures(WEEK)
    held = {k: packed.frame_picture(WEEK, k) for k in range(0, 14, 2)}
    assert held == {**{k: PICTURES[k] for k in range(0, 10, 2)}, 10: b"new", 12: b"new too"}
    packed.delete_frames(WEEK)
    add(packed, {4: b"once more"})
    assert packed.frame_picture(WEEK, 4) == b"once more"


def test_a_forgotten_video_leaves_no_object(packed: Store, files: str, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    tokens.write_bytes(b"numbers" * 1000)
    packed.keep_tokens(WEEK, "m", tokens)
    assert len(Objects(files).names("")) == 2
    packed.delete_video(WEEK)
    assert Objects(files).names("") == []


def test_a_token_file_is_an_object_that_other_machines_fetch(packed: Store, files: str, tmp_path: Path) -> None:
    tokens = tmp_path / "tokens"
    for data in (b"numbers" * 1000, b"others" * 1000):
        tokens.write_bytes(data)
        packed.keep_tokens(WEEK, "m", tokens)
        other = again(place(packed), files=files)
        fetched = other.fetch_tokens(tmp_path / "elsewhere", WEEK, "m")
        assert fetched is not None
        assert fetched.read_bytes() == data
        other.close()
    assert int(packed.db.ask("SELECT count(*) FROM token_parts").get) == 0
    assert len([name for name in Objects(files).names("") if name.endswith(".tokens")]) == 1


def test_without_the_address_the_pictures_are_missed_by_name(packed: Store) -> None:
    blind = again(place(packed))
    with pytest.raises(StoreError, match="--files"):
        blind.frame_picture(WEEK, 0)
    blind.close()


def test_a_pack_that_cannot_be_written_leaves_the_rows(
    store: Store, files: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    opened = again(place(store), files=files)
    add(opened, PICTURES)

    def refuse(*_: Any) -> None:
        raise StoreUnreachable("no answer")

    monkeypatch.setattr(Objects, "put", refuse)
    with pytest.raises(StoreUnreachable):
        opened.pack_pictures(WEEK)
    assert {k: opened.frame_picture(WEEK, k) for k in PICTURES} == PICTURES
    opened.close()


def test_a_storage_that_does_not_answer_is_said_with_its_address(s3: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION"):
        monkeypatch.setenv(name, "us-east-1")
    monkeypatch.setenv("AWS_ENDPOINT_URL", s3)
    monkeypatch.setenv("AWS_ALLOW_HTTP", "true")
    with pytest.raises(StoreUnreachable, match="s3://no-such-bucket"):
        Objects("s3://no-such-bucket/x").names("")


def test_a_place_can_be_checked_before_anything_is_kept_there(files: str) -> None:
    objects = Objects(files)
    objects.check()
    assert objects.names("") == []
    if files.startswith("s3://"):
        with pytest.raises(StoreUnreachable, match="no such bucket"):
            Objects("s3://nobody-made-this/archive").check()
