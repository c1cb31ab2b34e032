"""What every MemoryStore must do; a subclass says how one is made and opened again."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor

from agent_tools.errors import AgentToolsError
from agent_tools.memory import Memory, MemoryStore, ScoredMemory, contextualise

WEEK, TALK = "9f6cbced0247", "0123456789ab"


def chunks(count: int, seed: int = 0, dim: int = 16, producer: str = "toy@1") -> list[Memory]:
    """Chunks of 60 s whose scenes return, as they do in a video."""
    draw = torch.Generator().manual_seed(seed)
    scenes = torch.randn(max(1, count // 2), dim, generator=draw)
    return [
        Memory(
            kind="chunk",
            start_s=60.0 * i,
            end_s=60.0 * i + 60,
            text=f"chunk {i}",
            vectors=scenes[torch.randint(len(scenes), (4,), generator=draw)]
            + 0.2 * torch.randn(4, dim, generator=draw),
            producer=producer,
        )
        for i in range(count)
    ]


def note(text: str, start_s: float, vector: Tensor, producer: str = "agent") -> Memory:
    return Memory("note", start_s, start_s + 5, text, vector, producer)


def axis(i: int, dim: int = 16) -> Tensor:
    return torch.eye(dim)[i]


def by_key(store: MemoryStore) -> dict[tuple[object, ...], ScoredMemory]:
    """All that the store holds of width 16, by video and key."""
    return {(hit.video_id, *hit.memory.key): hit for hit in store.retrieve(torch.ones(16), 1000)}


def same(a: dict[tuple[object, ...], ScoredMemory], b: dict[tuple[object, ...], ScoredMemory]) -> bool:
    """Bit-equal: keys, texts, vectors, contexts and scores."""
    return a.keys() == b.keys() and all(
        x.memory.text == y.memory.text
        and x.score == y.score
        and torch.equal(x.memory.vectors, y.memory.vectors)
        and (x.context is None) == (y.context is None)
        and (x.context is None or y.context is None or torch.equal(x.context, y.context))
        for x, y in ((a[key], b[key]) for key in a)
    )


class MemoryStoreContract:
    tolerance = 1e-6  # of a score or a vector; a form that rounds says its own
    past_tolerance = 1e-5  # of what a chunk read of its past

    def open(self, folder: Path) -> MemoryStore:
        """The store kept in `folder`, made when it is not there."""
        raise NotImplementedError

    def reopened(self, store: MemoryStore, folder: Path) -> MemoryStore:
        """The same store as after a restart."""
        return store

    @pytest.fixture
    def store(self, tmp_path: Path) -> MemoryStore:
        return self.open(tmp_path)

    def test_write_counts_what_is_new(self, store: MemoryStore) -> None:
        assert store.write(WEEK, chunks(3)) == 3
        assert store.write(WEEK, chunks(5)) == 2
        assert store.write(WEEK, []) == 0

    def test_the_same_memory_again_changes_nothing(self, store: MemoryStore) -> None:
        store.write(WEEK, chunks(3))
        before = by_key(store)
        assert store.write(WEEK, chunks(3)) == 0
        assert same(by_key(store), before)

    def test_the_first_write_of_a_key_stands(self, store: MemoryStore) -> None:
        assert store.write(WEEK, [note("first", 10, axis(0)), note("second", 10, axis(1))]) == 1
        assert store.write(WEEK, [note("third", 10, axis(2))]) == 0
        assert [hit.memory.text for hit in store.retrieve(axis(0), 9)] == ["first"]

    def test_video_kind_start_end_and_producer_each_make_another_memory(self, store: MemoryStore) -> None:
        one = Memory("scene", 0, 60, "", axis(0), "toy@1")
        store.write(WEEK, [one])
        assert store.write(TALK, [one]) == 1
        others = [
            ("chapter", 0, 60, "toy@1"),
            ("scene", 1, 60, "toy@1"),
            ("scene", 0, 61, "toy@1"),
            ("scene", 0, 60, "b"),
        ]
        for kind, start_s, end_s, producer in others:
            assert store.write(WEEK, [Memory(kind, start_s, end_s, "", axis(0), producer)]) == 1
        assert len(store.retrieve(axis(0), 100)) == 6

    def test_a_memory_comes_back_as_it_was_written(self, store: MemoryStore) -> None:
        written = Memory(
            "scene", 12.5, 80.25, "KV-Cache für alle 한국어", torch.stack([axis(1), 0.5 * axis(2)]), "toy@1"
        )
        store.write(WEEK, [written])
        (hit,) = store.retrieve(axis(1), 5)
        assert hit.video_id == WEEK
        assert hit.memory.key == written.key
        assert hit.memory.text == written.text
        assert torch.allclose(hit.memory.vectors, written.vectors, atol=self.tolerance)
        assert hit.score == pytest.approx(1.0, abs=self.tolerance)

    def test_the_score_is_the_maximum_over_vectors_never_the_mean(self, store: MemoryStore) -> None:
        store.write(WEEK, [Memory("scene", 0, 60, "one of four", torch.stack([axis(i) for i in range(4)]), "toy@1")])
        store.write(WEEK, [Memory("scene", 60, 120, "all a little", axis(0) + axis(5), "toy@1")])
        first, second = store.retrieve(axis(0), 2)
        assert first.memory.text == "one of four"
        assert first.score == pytest.approx(1.0, abs=self.tolerance)
        assert second.score == pytest.approx(0.5**0.5, abs=self.tolerance)

    def test_retrieve_gives_the_k_nearest_of_all_videos_best_first(self, store: MemoryStore) -> None:
        store.write(WEEK, chunks(12, seed=1))
        store.write(TALK, chunks(12, seed=2))
        query = torch.randn(16, generator=torch.Generator().manual_seed(9))
        everything = [(v, m) for v, seed in ((WEEK, 1), (TALK, 2)) for m in chunks(12, seed=seed)]
        slow = sorted(
            (-float(torch.cosine_similarity(m.vectors, query[None]).max()), v, m.start_s) for v, m in everything
        )
        hits = store.retrieve(query, 5)
        assert [(hit.video_id, hit.memory.start_s) for hit in hits] == [(v, s) for _, v, s in slow[:5]]
        assert [hit.score for hit in hits] == pytest.approx([-score for score, _, _ in slow[:5]], abs=self.tolerance)

    def test_nothing_found_is_an_empty_list(self, store: MemoryStore) -> None:
        assert store.retrieve(axis(0), 5) == []
        store.write(WEEK, chunks(2))
        assert store.retrieve(axis(0), 0) == []

    def test_vectors_of_another_width_are_never_compared(self, store: MemoryStore) -> None:
        store.write(WEEK, [*chunks(2, dim=16), *chunks(3, dim=8, producer="other@1")])
        assert {hit.memory.producer for hit in store.retrieve(torch.ones(16), 9)} == {"toy@1"}
        assert len(store.retrieve(torch.ones(8), 9)) == 3
        assert store.retrieve(torch.ones(5), 9) == []

    def test_a_query_with_its_producer_meets_only_that_producers_vectors(self, store: MemoryStore) -> None:
        store.write(WEEK, [*chunks(2), *chunks(3, producer="other@1")])
        assert len(store.retrieve(torch.ones(16), 9)) == 5
        assert {hit.memory.producer for hit in store.retrieve(torch.ones(16), 9, producer="other@1")} == {"other@1"}

    def test_a_memory_without_vectors_is_kept_and_never_retrieved(self, store: MemoryStore) -> None:
        silent = Memory("scene", 0, 60, "no text", torch.empty(0, 16), "toy@1")
        assert store.write(WEEK, [silent]) == 1
        assert store.write(WEEK, [silent]) == 0
        assert store.retrieve(torch.ones(16), 5) == []

    def test_a_query_that_is_not_one_vector_is_an_error(self, store: MemoryStore) -> None:
        with pytest.raises(AgentToolsError):
            store.retrieve(torch.ones(2, 16), 5)

    def test_each_chunks_write_reads_the_chunks_before_it(self, store: MemoryStore) -> None:
        store.write(WEEK, chunks(6))
        written, held = chunks(6), by_key(store)
        for i, chunk in enumerate(written):
            bank = torch.cat([chunk.vectors[:0], *(past.vectors for past in written[:i])])
            context = held[WEEK, *chunk.key].context
            assert context is not None
            assert torch.allclose(context, contextualise(chunk.vectors, bank), atol=self.past_tolerance)

    def test_the_bank_is_of_one_video_one_producer_and_chunks_alone(self, store: MemoryStore) -> None:
        store.write(TALK, chunks(4, seed=5))
        store.write(WEEK, chunks(4, seed=6, producer="other@1"))
        store.write(WEEK, [Memory("scene", 0, 60, "", torch.ones(16), "toy@1")])
        store.write(WEEK, chunks(4))
        held = by_key(store)
        last = chunks(4)[3]
        bank = torch.cat([past.vectors for past in chunks(4)[:3]])
        context = held[WEEK, *last.key].context
        assert context is not None
        assert torch.allclose(context, contextualise(last.vectors, bank), atol=self.past_tolerance)
        assert held[WEEK, "scene", 0, 60, "toy@1"].context is None

    def test_the_past_is_kept_beside_and_does_not_change_what_is_scored(self, store: MemoryStore) -> None:
        store.write(WEEK, chunks(8))
        for hit in by_key(store).values():
            assert hit.score == pytest.approx(
                float(torch.cosine_similarity(hit.memory.vectors, torch.ones(1, 16)).max()), abs=self.tolerance
            )

    @pytest.mark.parametrize("interrupted_after", range(9))
    def test_a_stream_of_writes_is_the_same_wherever_it_was_interrupted(
        self, store: MemoryStore, tmp_path: Path, interrupted_after: int
    ) -> None:
        undisturbed = self.open(tmp_path / "undisturbed")
        for chunk in chunks(8):
            undisturbed.write(WEEK, [chunk])
        for chunk in chunks(8)[:interrupted_after]:
            store.write(WEEK, [chunk])
        store = self.reopened(store, tmp_path)
        for chunk in chunks(8):  # a resumed ingest need not know how far it came: what is there is left alone
            store.write(WEEK, [chunk])
        assert same(by_key(store), by_key(undisturbed))

    @pytest.mark.parametrize("batches", [(8,), (1, 7), (3, 1, 4), (5, 3)])
    def test_a_stream_of_writes_is_the_same_in_any_batches(
        self, store: MemoryStore, tmp_path: Path, batches: tuple[int, ...]
    ) -> None:
        undisturbed = self.open(tmp_path / "undisturbed")
        for chunk in chunks(8):
            undisturbed.write(WEEK, [chunk])
        done = 0
        for size in batches:
            store.write(WEEK, reversed(chunks(8)[done : done + size]))
            done += size
        assert same(by_key(store), by_key(undisturbed))

    @pytest.mark.parametrize("breaks_at", [0, 1, 3])
    def test_a_batch_that_breaks_leaves_nothing_behind(self, store: MemoryStore, breaks_at: int) -> None:
        def breaking() -> Iterator[Memory]:
            for i, chunk in enumerate(chunks(4)):
                if i == breaks_at:
                    raise KeyboardInterrupt
                yield chunk

        with pytest.raises(KeyboardInterrupt):
            store.write(WEEK, breaking())
        assert by_key(store) == {}
        assert store.write(WEEK, chunks(4)) == 4

    def test_chunks_of_a_new_width_under_the_same_producer_are_an_error(self, store: MemoryStore) -> None:
        store.write(WEEK, chunks(2, dim=16))
        with pytest.raises(AgentToolsError):
            store.write(WEEK, chunks(3, dim=8))
        assert len(by_key(store)) == 2

    def test_what_is_held_is_bit_equal_after_a_restart(self, store: MemoryStore, tmp_path: Path) -> None:
        store.write(WEEK, chunks(5))
        before = by_key(store)
        assert same(by_key(self.reopened(store, tmp_path)), before)
