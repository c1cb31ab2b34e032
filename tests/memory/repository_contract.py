"""What every Repository must do; a subclass says how one is made and opened again.

The file form rounds once (int8 with a scale), so the suite compares what is read with what is read; how near that is
to what was appended is `tolerance`, a share of each row's greatest magnitude."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from agent_tools.errors import AgentToolsError
from agent_tools.memory import Repository


class RepositoryContract:
    tolerance = 0.0

    def open(self, folder: Path) -> Repository:
        """The repository kept in `folder`, made when it is not there."""
        raise NotImplementedError

    def reopened(self, repository: Repository, folder: Path) -> Repository:
        """The same repository as after a restart."""
        return repository

    @pytest.fixture
    def repository(self, tmp_path: Path) -> Repository:
        return self.open(tmp_path)

    def test_positions_go_on_from_append_to_append(self, repository: Repository) -> None:
        given = [[int(p) for p in repository.append(torch.ones(n, 6))] for n in (65, 1, 130)]
        assert given == [list(range(65)), [65], list(range(66, 196))]
        assert len(repository) == 196

    def test_an_append_of_nothing_takes_no_position(self, repository: Repository) -> None:
        repository.append(torch.ones(3, 6))
        assert [int(p) for p in repository.append(torch.ones(0, 6))] == []
        assert len(repository) == 3

    def test_what_is_read_is_what_was_appended(self, repository: Repository) -> None:
        tokens = torch.randn(130, 32, generator=torch.Generator().manual_seed(0))
        repository.append(tokens[:65])
        repository.append(tokens[65:])
        read = repository.read(0, 130)
        assert read.shape == (130, 32)
        assert read.dtype == torch.float32
        off = (read - tokens).abs().amax(dim=1) / tokens.abs().amax(dim=1)
        assert float(off.max()) <= self.tolerance

    def test_rows_of_very_different_size_are_each_kept(self, repository: Repository) -> None:
        tokens = torch.randn(3, 32, generator=torch.Generator().manual_seed(1)) * torch.tensor([[1e-3], [1.0], [1e3]])
        repository.append(tokens)
        off = (repository.read(0, 3) - tokens).abs().amax(dim=1) / tokens.abs().amax(dim=1)
        assert float(off.max()) <= self.tolerance

    def test_zeros_are_kept(self, repository: Repository) -> None:
        repository.append(torch.zeros(2, 8))
        assert torch.equal(repository.read(0, 2), torch.zeros(2, 8))

    def test_a_part_is_read_bit_equal_to_the_same_rows_of_the_whole(self, repository: Repository) -> None:
        repository.append(torch.randn(195, 16, generator=torch.Generator().manual_seed(2)))
        whole = repository.read(0, 195)
        for start, stop in ((0, 1), (64, 66), (130, 195), (7, 7)):
            assert torch.equal(repository.read(start, stop), whole[start:stop])

    def test_later_appends_leave_what_was_read_bit_equal(self, repository: Repository) -> None:
        draw = torch.Generator().manual_seed(3)
        repository.append(torch.randn(65, 16, generator=draw))
        before = repository.read(0, 65)
        for _ in range(20):
            repository.append(100 * torch.randn(65, 16, generator=draw))
        assert torch.equal(repository.read(0, 65), before)

    def test_what_was_read_once_is_read_bit_equal_after_a_restart(self, repository: Repository, tmp_path: Path) -> None:
        repository.append(torch.randn(130, 16, generator=torch.Generator().manual_seed(4)))
        before = repository.read(0, 130)
        after = self.reopened(repository, tmp_path)
        assert torch.equal(after.read(0, 130), before)
        assert [int(p) for p in after.append(torch.ones(2, 16))] == [130, 131]
        assert torch.equal(after.read(0, 130), before)

    def test_the_callers_tensors_stay_the_callers(self, repository: Repository) -> None:
        tokens = torch.ones(4, 8)
        repository.append(tokens)
        before = repository.read(0, 4)
        tokens.zero_()
        repository.read(0, 4).zero_()
        assert torch.equal(repository.read(0, 4), before)

    @pytest.mark.parametrize(("start", "stop"), [(0, 5), (-1, 2), (3, 2), (9, 9)])
    def test_a_position_never_written_is_an_error(self, repository: Repository, start: int, stop: int) -> None:
        repository.append(torch.ones(4, 8))
        with pytest.raises(AgentToolsError):
            repository.read(start, stop)

    @pytest.mark.parametrize("shape", [(2, 9), (8,), (1, 2, 8)])
    def test_tokens_of_another_shape_are_an_error(self, repository: Repository, shape: tuple[int, ...]) -> None:
        repository.append(torch.ones(4, 8))
        with pytest.raises(AgentToolsError):
            repository.append(torch.ones(shape))
        assert len(repository) == 4
