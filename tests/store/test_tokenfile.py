"""The token file: the Repository contract, torn tails, damage, several processes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from agent_tools.errors import InvalidArgument, StoreError
from agent_tools.memory import Repository
from agent_tools.store import TokenFile
from tests.memory.repository_contract import RepositoryContract


class TestTokenFile(RepositoryContract):
    tolerance = 0.5 / 127 + 1e-6

    @pytest.fixture(autouse=True)
    def _closing(self) -> Iterator[None]:
        self.opened: list[TokenFile] = []
        yield
        for file in self.opened:
            file.close()

    def open(self, folder: Path) -> Repository:
        self.opened.append(TokenFile(folder / "week.tokens"))
        return self.opened[-1]

    def reopened(self, repository: Repository, folder: Path) -> Repository:
        self.opened[-1].close()
        return self.open(folder)


def draw(count: int, seed: int = 0, width: int = 8) -> torch.Tensor:
    return torch.randn(count, width, generator=torch.Generator().manual_seed(seed))


def still(count: int, seed: int = 0, width: int = 8) -> torch.Tensor:
    """Rows of a picture that hardly changes."""
    return draw(1, seed, width).expand(count, width) + 0.001 * draw(count, seed + 1, width)


def as_they_are(path: Path, *records: torch.Tensor) -> None:
    """A file as version 1 wrote it."""

    def checked(head: bytes) -> bytes:
        return head + struct.pack("<I", zlib.crc32(head))

    data, done = checked(struct.pack("<8sII12x", b"ATTOKENS", 1, records[0].shape[1])), 0
    for rows in records:
        scales = rows.abs().amax(dim=1) / 127
        values = (rows / scales[:, None]).round().to(torch.int8)
        payload = scales.numpy().tobytes() + values.numpy().tobytes()
        data += checked(struct.pack("<8sIIQ", b"\x93TOKENS\n", len(rows), zlib.crc32(payload), done)) + payload
        done += len(rows)
    path.write_bytes(data)


@pytest.fixture(params=["rows that differ", "rows alike", "as version 1"])
def written(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, int]:
    """A file of three records, and where the last one begins."""
    path = tmp_path / "week.tokens"
    rows = [(still if request.param == "rows alike" else draw)(count, count) for count in (5, 3, 4)]
    if request.param == "as version 1":
        as_they_are(path, *rows)
        return path, path.stat().st_size - 28 - 4 * (4 + 8)
    with TokenFile(path) as file:
        file.append(rows[0])
        file.append(rows[1])
        border = path.stat().st_size
        file.append(rows[2])
    return path, border


def test_a_tail_torn_at_any_byte_of_the_last_record_is_cut(written: tuple[Path, int], tmp_path: Path) -> None:
    path, border = written
    data = path.read_bytes()
    with TokenFile(path) as whole:
        before = whole.read(0, 8)
    torn = tmp_path / "torn.tokens"
    for size in range(border, len(data)):
        torn.write_bytes(data[:size])
        with TokenFile(torn) as file:
            assert len(file) == 8
            assert torch.equal(file.read(0, 8), before)
            assert file.append(draw(2, 4)) == range(8, 10)
        with TokenFile(torn) as file:
            assert len(file) == 10
            assert torch.equal(file.read(0, 8), before)
    assert size == len(data) - 1


def test_a_last_record_with_any_wrong_byte_is_cut(written: tuple[Path, int], tmp_path: Path) -> None:
    path, border = written
    data = path.read_bytes()
    torn = tmp_path / "torn.tokens"
    for at in range(border, len(data)):
        torn.write_bytes(data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :])
        with TokenFile(torn) as file:
            assert len(file) == 8


def test_a_file_torn_while_it_was_made_is_empty(written: tuple[Path, int], tmp_path: Path) -> None:
    data = written[0].read_bytes()
    torn = tmp_path / "torn.tokens"
    for size in range(33):
        torn.write_bytes(data[:size])
        with TokenFile(torn) as file:
            assert len(file) == 0
            assert file.append(draw(2, 4)) == range(2)


def test_a_wrong_byte_before_the_last_record_is_an_error_and_never_cut(
    written: tuple[Path, int], tmp_path: Path
) -> None:
    path, border = written
    data = path.read_bytes()
    bad = tmp_path / "bad.tokens"
    for at in range(border):
        bad.write_bytes(data[:at] + bytes([data[at] ^ 0x5A]) + data[at + 1 :])
        with pytest.raises(StoreError, match=r"damaged|version|no token file"), TokenFile(bad) as file:
            file.read(0, 8)
        assert bad.stat().st_size == len(data)


def test_a_foreign_file_is_an_error_and_left_alone(tmp_path: Path) -> None:
    for content in (b"short", b"x" * 100):
        path = tmp_path / "thesis.txt"
        path.write_bytes(content)
        with pytest.raises(StoreError):
            TokenFile(path)
        assert path.read_bytes() == content


def test_a_reader_sees_what_a_writer_appends_later(tmp_path: Path) -> None:
    path = tmp_path / "week.tokens"
    with TokenFile(path) as reader, TokenFile(path) as writer:
        assert len(reader) == 0
        for n in range(3):
            writer.append(draw(4, n))
            assert torch.equal(reader.read(4 * n, 4 * n + 4), writer.read(4 * n, 4 * n + 4))
        assert len(reader) == 12


def test_an_hour_takes_little_more_than_a_byte_per_number(tmp_path: Path) -> None:
    with TokenFile(tmp_path / "hour.tokens") as file:
        for minute in range(6):
            file.append(draw(60 * 65, minute, width=64))
        share = (tmp_path / "hour.tokens").stat().st_size / (len(file) * 64)
    assert share < 1.07


def test_rows_that_hardly_change_take_little(tmp_path: Path) -> None:
    rows = still(3600, width=64)
    with TokenFile(tmp_path / "hour.tokens") as file:
        for start in range(0, 3600, 16):
            file.append(rows[start : start + 16])
        assert torch.allclose(file.read(0, 3600), rows, atol=float(rows.abs().max()) / 127)
    assert (tmp_path / "hour.tokens").stat().st_size < 0.5 * 3600 * 64


def test_a_file_of_version_1_is_read_and_goes_on_in_its_form(tmp_path: Path) -> None:
    path = tmp_path / "old.tokens"
    as_they_are(path, draw(5, 1), draw(3, 2))
    with TokenFile(path) as file, TokenFile(tmp_path / "new.tokens") as new:
        for rows in (draw(5, 1), draw(3, 2)):
            new.append(rows)
        assert file.append(still(40)) == range(8, 48)
        new.append(still(40))
        assert torch.equal(file.read(0, 48), new.read(0, 48))
    whole = tmp_path / "whole.tokens"
    as_they_are(whole, draw(5, 1), draw(3, 2), still(40))
    assert path.read_bytes() == whole.read_bytes()


def test_numbers_that_are_none_are_refused(tmp_path: Path) -> None:
    with TokenFile(tmp_path / "week.tokens") as file:
        for bad in (float("nan"), float("inf")):
            with pytest.raises(InvalidArgument):
                file.append(torch.tensor([[1.0, bad]]))
        assert len(file) == 0


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(1, 9), min_size=1, max_size=6),
    st.integers(0, 2**31),
    st.sampled_from([1e-30, 1.0, 1e30]),
    st.sampled_from([draw, still]),
)
def test_any_part_is_read_as_the_same_rows_of_the_whole(
    tmp_path_factory: pytest.TempPathFactory,
    sizes: list[int],
    seed: int,
    scale: float,
    kind: Callable[[int, int, int], torch.Tensor],
) -> None:
    path = tmp_path_factory.mktemp("tokens") / "t.tokens"
    rows = kind(sum(sizes), seed, 5) * scale
    with TokenFile(path) as file:
        done = 0
        for size in sizes:
            assert file.append(rows[done : done + size]) == range(done, done + size)
            done += size
        whole = file.read(0, done)
    assert np.allclose(whole, rows, atol=float(rows.abs().max()) / 127)
    with TokenFile(path) as file:
        for start in range(done):
            for stop in range(start, done + 1):
                assert torch.equal(file.read(start, stop), whole[start:stop])
