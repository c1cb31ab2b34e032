"""The frames pass: decoding, encoding and writing overlap, and nothing of the result depends on who is faster."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import torch
from numpy.typing import NDArray

from agent_tools.errors import EngineError
from agent_tools.home import HomeFolder
from agent_tools.ingestion.channels.frames import WINDOW, FramePass, Glances, shared_threads
from agent_tools.ingestion.control import Stopped
from agent_tools.ingestion.picture_vectors import frame_tokens
from agent_tools.ingestion.prefetch import Ahead
from agent_tools.ingestion.spaces import frame_space
from agent_tools.media import probe
from agent_tools.store import Store
from tests.drawing import Pixels, draw, even_times, numbered
from tests.ingestion.toys import Pictures
from tests.waiting import PATIENCE_S

VIDEO = "0123456789ab"
SECONDS = 10 * WINDOW
SCENE_S = 40  # pictures of one scene are equal: longer than two windows


class Waiting(Pictures):
    """Gives its first answer when told to, or fails then."""

    def __init__(self, producer: str, size: tuple[int, int], error: EngineError | None = None) -> None:
        super().__init__(producer, size)
        self.go, self.error, self.asked = threading.Event(), error, threading.Event()

    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        self.asked.set()
        assert self.go.wait(PATIENCE_S)
        if self.error is not None:
            raise self.error
        return super().encode(pictures)


def scene(number: int, width: int, height: int) -> Pixels:
    """Scenes of SCENE_S equal pictures."""
    rgb = numbered(0, width, height)
    rng = np.random.default_rng(number // SCENE_S)
    rgb[:] = np.kron(
        rng.integers(0, 256, (height // 20, width // 20, 3), dtype=np.uint8), np.ones((20, 20, 1), np.uint8)
    )
    return rgb


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "scenes.mp4"
    return draw(path, even_times(SECONDS, 1), picture=scene, key_every=16)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with contextlib.closing(Store.open(tmp_path / "home")) as opened:
        opened.add_video(VIDEO, "Scenes", 1)
        yield opened


def passing(store: Store, film: Path, encoder: Pictures, redundancy: Pictures) -> FramePass:
    torch.set_num_threads(1)
    return FramePass(store, VIDEO, probe(film), encoder, redundancy, 1.0, 1, float(SECONDS))


def nothing(*_: object) -> None:
    """No one listens."""


def held(store: Store, producer: str) -> tuple[object, ...]:
    """All that a pass wrote."""
    ids, matrix = store.vectors(frame_space(producer), VIDEO)
    with frame_tokens(store.home, VIDEO, producer) as repository:
        tokens = repository.read(0, len(repository)).numpy().tobytes()
    return store.frames(VIDEO), ids.tolist(), matrix.tobytes(), tokens


def test_glances_change_no_frame(store: Store, film: Path) -> None:
    encoder, seen = Pictures("search@1/1", (16, 12)), list[float]()
    passing(store, film, encoder, encoder).run(0, nothing, nothing, nothing)
    plain = held(store, encoder.producer)
    with contextlib.closing(Store.open(store.home.parent / "other")) as other:
        other.add_video(VIDEO, "Scenes", 1)
        work = FramePass(other, VIDEO, probe(film), encoder, encoder, 1.0, 1, float(SECONDS))
        work.run(0, nothing, nothing, nothing, glances=Glances(4, lambda time_s, picture: seen.append(time_s)))
        assert held(other, encoder.producer) == plain
    assert seen == [k / 4 for k in range(4 * (SECONDS - 1)) if k % 4]  # the last picture stands for no full second


def test_what_is_pruned_is_never_encoded_twice(store: Store, film: Path) -> None:
    search, redundancy = Pictures("search@1/1", (16, 12)), Pictures("redundancy@1/1", (32, 18))
    passing(store, film, search, redundancy).run(0, nothing, nothing, nothing)
    kept = sum(row.kept for row in store.frames(VIDEO))
    assert redundancy.seen == [WINDOW] * (SECONDS // WINDOW)
    assert sum(search.seen) == kept
    assert kept < SECONDS / 2
    ids, _ = store.vectors(frame_space(search.producer), VIDEO)
    assert ids.tolist() == [row.k for row in store.frames(VIDEO, kept_only=True)]


@pytest.mark.parametrize("one", [True, False], ids=["one encoder", "two encoders"])
def test_a_still_picture_is_kept_once_over_all_its_windows(store: Store, film: Path, one: bool) -> None:
    search = Pictures("search@1/1", (16, 12))
    passing(store, film, search, search if one else Pictures("redundancy@1/1", (32, 18))).run(
        0, nothing, nothing, nothing
    )
    begins = list(range(0, SECONDS, SCENE_S))
    rows = store.frames(VIDEO)
    assert [row.k for row in rows if row.kept] == begins
    assert [row.stands_for for row in rows] == [row.k // SCENE_S * SCENE_S for row in rows]
    with frame_tokens(store.home, VIDEO, search.producer) as repository:
        vectors = repository.read(0, SECONDS)
    # With one encoder each picture has its own vector; a second one never sees what is pruned.
    assert one or all(torch.equal(vectors[row.k], vectors[row.stands_for]) for row in rows)


def test_what_compares_frames_is_kept_between_windows_and_not_after_the_last(store: Store, film: Path) -> None:
    home, held_for = HomeFolder(store.home), []

    def on_window(next_k: int, *_: object) -> None:
        assert home.keeper(VIDEO, next_k).is_file()
        held_for.append(next_k)

    passing(store, film, *[Pictures("search@1/1", (16, 12))] * 2).run(0, nothing, on_window, nothing)
    assert held_for == list(range(WINDOW, SECONDS, WINDOW))
    assert list(home.keepers(VIDEO)) == []


def test_one_encoder_for_both_sees_each_picture_once(store: Store, film: Path) -> None:
    both = Pictures("both@1/1", (16, 12))
    passing(store, film, both, both).run(0, nothing, nothing, nothing)
    assert both.seen == [WINDOW] * (SECONDS // WINDOW)


def test_decoding_goes_on_while_the_encoder_works_but_only_so_far(store: Store, film: Path) -> None:
    """The encoder answers only when the pass has decoded beyond the window it works on; then no further than two."""
    encoder = Waiting("search@1/1", (16, 12))
    encoded_before: list[tuple[int, int]] = []

    def on_picture(time_s: float, _: object) -> None:
        window = int(time_s) // WINDOW
        encoded_before.append((window, len(encoder.seen)))
        if window == 1:
            assert encoder.asked.wait(PATIENCE_S)  # the encoder is at its first window while the second is decoded
            encoder.go.set()

    passing(store, film, encoder, encoder).run(0, on_picture, nothing, nothing)
    # One window is with the encoder, one waits, one is being decoded.
    assert max(window - encoded for window, encoded in encoded_before) <= 2
    assert len(store.frames(VIDEO)) == SECONDS


def run_paced(home: Path, film: Path, *, decoding_waits: bool) -> tuple[object, list[tuple[int, str]]]:
    """What a pass wrote, and its windows with their marks: how many pictures had been shown."""
    windows: list[tuple[int, str]] = []
    shown: list[float] = []
    written = threading.Event()

    def on_picture(time_s: float, _: object) -> None:
        if decoding_waits and time_s >= 2 * WINDOW:
            assert written.wait(PATIENCE_S)
        shown.append(time_s)

    def on_window(next_k: int, _: float, mark: str) -> None:
        windows.append((next_k, mark))
        written.set()

    with contextlib.closing(Store.open(home)) as store:
        store.add_video(VIDEO, "Scenes", 1)
        work = passing(store, film, Pictures("search@1/1", (16, 12)), Pictures("redundancy@1/1", (32, 18)))
        work.run(0, on_picture, on_window, nothing, lambda: str(len(shown)))
        return held(store, "search@1/1"), windows


def test_the_result_does_not_depend_on_who_is_faster(film: Path, tmp_path: Path) -> None:
    free = run_paced(tmp_path / "free", film, decoding_waits=False)
    paced = run_paced(tmp_path / "paced", film, decoding_waits=True)
    assert free == paced
    # The mark is that of the window which was written, however far decoding had come by then.
    assert free[1] == [(k, str(k)) for k in range(WINDOW, SECONDS, WINDOW)]


def test_a_failing_encoder_ends_the_pass_and_its_threads(store: Store, film: Path) -> None:
    encoder = Waiting("search@1/1", (16, 12), EngineError("it ran out of memory."))
    encoder.go.set()
    with pytest.raises(EngineError, match="ran out of memory"):
        passing(store, film, encoder, encoder).run(0, nothing, nothing, nothing)
    assert store.frames(VIDEO) == []
    assert not any(thread.name == "ahead" for thread in threading.enumerate())


@pytest.mark.parametrize("where", ["decoding", "writing"])
def test_a_stop_ends_the_pass_and_what_was_written_is_gone_on_from(store: Store, film: Path, where: str) -> None:
    reached: list[int] = []

    def on_picture(time_s: float, _: object) -> None:
        if where == "decoding" and time_s >= 5 * WINDOW:
            raise Stopped("stop")

    def on_window(next_k: int, *_: object) -> None:
        reached.append(next_k)
        if where == "writing" and next_k == 3 * WINDOW:
            raise Stopped("stop")

    def again(producer: str) -> FramePass:
        return passing(store, film, Pictures(producer, (16, 12)), Pictures("redundancy@1/1", (32, 18)))

    with pytest.raises(Stopped):
        again("search@1/1").run(0, on_picture, on_window, nothing)
    assert not any(thread.name == "ahead" for thread in threading.enumerate())
    assert 0 < len(store.frames(VIDEO)) < SECONDS
    again("search@1/1").run(reached[-1], nothing, nothing, nothing)
    stopped = held(store, "search@1/1")
    with contextlib.closing(Store.open(store.home.parent / "whole")) as other:
        other.add_video(VIDEO, "Scenes", 1)
        work = FramePass(
            other,
            VIDEO,
            probe(film),
            Pictures("search@1/1", (16, 12)),
            Pictures("redundancy@1/1", (32, 18)),
            1.0,
            1,
            SECONDS,
        )
        work.run(0, nothing, nothing, nothing)
        assert held(other, "search@1/1") == stopped


@pytest.mark.parametrize(
    ("threads", "beside", "shares"),
    [(1, False, (1, 1)), (1, True, (1, 1)), (3, True, (1, 2)), (15, True, (3, 12)), (15, False, (15, 15))],
)
def test_decoder_and_encoders_share_the_threads(threads: int, beside: bool, shares: tuple[int, int]) -> None:
    assert shared_threads(threads, beside) == shares


def test_items_keep_their_order_and_an_error_comes_behind_those_before_it() -> None:
    def items() -> Iterator[int]:
        yield from range(50)
        raise EngineError("the fifty-first")

    with contextlib.closing(Ahead(items(), 3)) as ahead:
        assert [next(ahead) for _ in range(50)] == list(range(50))
        with pytest.raises(EngineError, match="fifty-first"):
            next(ahead)
        assert next(ahead, None) is None


def test_closing_early_ends_what_is_iterated() -> None:
    ended = threading.Event()

    def endless() -> Iterator[int]:
        try:
            yield from iter(int, 1)
        finally:
            ended.set()

    with contextlib.closing(Ahead(endless())) as ahead:
        assert next(ahead) == 0
    assert ended.is_set()
