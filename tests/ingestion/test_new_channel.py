"""A new channel is a row of the table and a maker: an ingest makes it, and makes it again, like any other."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from agent_tools import channels
from agent_tools.channels import ChannelSpec
from agent_tools.ingestion.channels.base import ChannelMaker
from agent_tools.ingestion.channels.makers import makers
from agent_tools.ingestion.worker import work
from agent_tools.media import content_id
from agent_tools.settings import Settings
from agent_tools.store import EntryIn, JobSettings, Store
from tests.drawing import draw, even_times
from tests.ingestion.toys import Words, use

ROW = ChannelSpec("example", "text", "pictures", maker=f"{__name__}:Example", order=9)


class Example(ChannelMaker):
    """Three entries."""

    name = "example"
    says = "a heron"

    def run(self) -> None:
        self.forget()
        self.begin("example@1")
        entries = [EntryIn(k, k + 1, f"{self.says} on post {k}") for k in range(3)]
        self.store.add_entries(self.video_id, self.name, "example@1", entries)
        self.index_all(0.0, 0.9)
        self.end(entries=len(entries))


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    monkeypatch.setattr(channels, "TABLE", (*channels.TABLE, ROW))
    use(monkeypatch, text=Words("words@1/1"))
    return Settings.load({}, home=tmp_path / "home", profile="lite")


@pytest.fixture
def store(settings: Settings) -> Iterator[Store]:
    with contextlib.closing(Store.open(settings.home)) as opened:
        yield opened


def ingested(store: Store, settings: Settings, film: Path, job: JobSettings) -> str:
    """The id of a film whose channel `example` a worker has made."""
    video_id, stat = content_id(film), film.stat()
    store.add_video(video_id, film.stem, stat.st_size)
    store.add_source(video_id, str(film), stat.st_size, stat.st_mtime_ns, stat.st_ino)
    store.enqueue(video_id, (ROW.name,), "lite", job)
    work(settings)
    return video_id


def test_a_channel_is_a_row_and_a_maker(
    store: Store, settings: Settings, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    film = draw(tmp_path / "film.mp4", even_times(6, 2))
    video_id = ingested(store, settings, film, JobSettings())
    row = store.channel(video_id, ROW.name)
    assert row is not None
    assert (row.state, row.entries, row.detail.vectors) == ("done", 3, ("words@1/1",))
    assert [hit.entry.text for hit in store.search_words("heron")] == [f"a heron on post {k}" for k in range(3)]
    assert len(store.vectors("words@1/1|text", video_id)[0]) == 3
    assert [memory.kind for memory in store.memories.read_all(video_id, ROW.name)] == ["chunk"]

    monkeypatch.setattr(makers()[ROW.name], "says", "an owl")
    ingested(store, settings, film, JobSettings(remake=(ROW.name,)))  # beside the old one, then in its place
    texts = [entry.text for entry in store.entries(video_id, channels=(ROW.name,))]
    assert texts == [f"an owl on post {k}" for k in range(3)]
    assert store.search_words("heron") == []


@pytest.mark.parametrize("maker", ["json:JSONDecoder", "agent_tools.ingestion.channels.speech:Speech"])
def test_a_row_that_names_no_maker_of_its_channel_is_refused(monkeypatch: pytest.MonkeyPatch, maker: str) -> None:
    monkeypatch.setattr(channels, "TABLE", (*channels.TABLE, replace(ROW, maker=maker)))
    with pytest.raises(TypeError, match="does not make channel 'example'"):
        makers()
