"""What all makers of channels share: the job's context, and a channel's row from its beginning to its end.

A new channel is one file with one ChannelMaker, and one row in the table of channels that names it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, replace
from typing import ClassVar, cast

from agent_tools.channels import channel
from agent_tools.ingestion import text_index
from agent_tools.ingestion.control import Control
from agent_tools.ingestion.episode_writer import divide
from agent_tools.ingestion.model_choice import channels_of
from agent_tools.media import Probe
from agent_tools.models.hub.catalogue import why_missing
from agent_tools.models.profiles import ModelSettings, Profile, Role, TextEncoder, resolve, text_encoder
from agent_tools.settings import Settings
from agent_tools.store import ChannelDetail, ChannelRow, Entry, Job, Store


@dataclass(frozen=True)
class OpenedVideo:
    """The job's file, opened."""

    id: str
    file: Probe
    duration_s: float


class JobModels:
    """The models that a job is done with. The sentence encoder is loaded when the first channel needs it."""

    def __init__(self, settings: ModelSettings, control: Control) -> None:
        """Raises: InvalidArgument: no such profile or model."""
        self.settings = settings
        self.profile: Profile = resolve(settings)
        self._control = control
        self._text: TextEncoder | None = None

    def text(self) -> TextEncoder:
        """The sentence encoder, loaded. Raises: ModelMissing, Stopped."""
        if self._text is None:
            self._control.tell(0.0, "loading the sentence encoder")
            self._text = text_encoder(self.settings)
        return self._text

    @property
    def text_producer(self) -> str | None:
        """The name of the sentence encoder, None before it is loaded."""
        return None if self._text is None else self._text.producer


@dataclass(frozen=True)
class Context:
    """What a channel is made from and where it is written."""

    store: Store
    base: Store  # holds the video's other channels: `store` itself, unless one channel is made again beside the old one
    job: Job
    video: OpenedVideo
    settings: Settings
    control: Control
    models: JobModels

    @property
    def beside(self) -> bool:
        """Whether the channel is made in a store of its own, beside the one that is searched until then."""
        return self.base is not self.store

    def row(self, channel: str) -> ChannelRow | None:
        """The channel's row in the store that is written."""
        return self.store.channel(self.video.id, channel)

    def finished(self, channel: str) -> bool:
        """Whether there is nothing to do for it: it is made, or this file cannot have it."""
        row = self.row(channel)
        if row is None or row.state not in ("done", "absent") or row.detail.no_model:
            return False
        return not (row.detail.stands_in and self.asked)

    @property
    def growing(self) -> bool:
        """Whether the file is a recording under way: its end stays open, and the next job reads on from there."""
        return self.job.settings.growing

    @property
    def asked(self) -> bool:
        """Whether somebody named the job's channels, rather than taking all that the profile makes."""
        return self.job.settings.asked or bool(self.job.settings.remake)

    def write_episodes(self, *, final: bool) -> None:
        """Divide the video into chunks, scenes and chapters, from what its channels hold by now; see divide."""
        producer = self.models.text_producer or self._stored_text_producer() or self.models.text().producer
        divide(self.store, self.video.id, self.video.file, self.video.duration_s, producer, final=final)

    def _stored_text_producer(self) -> str | None:
        """Whose text vectors the video has, by its channels' rows."""
        rows = self.store.channels(self.video.id)
        return next((row.detail.vectors[-1] for row in rows if row.detail.vectors), None)


class OpenEnd(Exception):
    """All that a growing recording holds for good is read; the next job reads on from there."""


class ChannelMaker(ABC):
    """Makes one channel of one video: a subclass for each channel.

    `name` is the channel's; `needs` are channels that are made before it, asked for or not. `begins_at` is the share of
    a job that is behind it when this channel begins, for a channel that takes longer than those before it and then
    counts its own steps from 0 to 1; None where the channel counts its share of the whole job.
    """

    name: ClassVar[str]
    needs: ClassVar[tuple[str, ...]] = ()
    follows_growth: ClassVar[bool] = False  # it can be made as far as a recording is; else it waits for the end

    def __init__(self, context: Context) -> None:
        self.context, self.store, self.control = context, context.store, context.control
        self.video_id, self.file = context.video.id, context.video.file
        self.duration_s = context.video.duration_s
        self._entry_index: text_index.EntryIndex | None = None

    @property
    def begins_at(self) -> float | None:
        return None

    @property
    def has_texts(self) -> bool:
        """Whether the channel is entries with text vectors."""
        return channel(self.name).kind == "text"

    @abstractmethod
    def run(self) -> None:
        """Make the channel. It resumes where an interrupted run of the same models and settings has stopped.

        Raises: EngineError: the channel has failed; the others go on. Stopped: the job ends here."""

    def forget(self) -> None:
        """Remove all that was written of the channel, but not its row."""
        self.store.delete_entries(self.video_id, self.name)
        self.store.memories.delete(self.video_id, read=self.name)

    def clean_up(self) -> None:  # noqa: B027 - most makers have no working files
        """Remove working files that a worker may have left behind when it died; called when the job ends."""

    def absence(self) -> ChannelDetail | None:
        """The row's detail where the profile has no model for the channel; None where the channel can be made."""
        row, profile = channel(self.name), self.context.models.profile
        if self.name in channels_of(profile):
            return None
        if row.derived_from == "sound" and not self.file.audio:
            return ChannelDetail(why="no audio")
        model = profile.model(cast("Role", row.role))
        if model is not None:
            why = why_missing(model, self.context.models.settings.searched)
            return ChannelDetail(why=f"{row.not_made}: no {row.name} model: {why}", no_model=True)
        return ChannelDetail(why=row.no_model.format(profile=profile.name), no_model=True)

    def begin(self, producer: str) -> None:
        """The channel's row says that it is being made, and by what."""
        self.store.set_channel(self.video_id, self.name, state="running", producer=producer, error=None)

    def end(self, *, entries: int, language: str | None = None, detail: ChannelDetail | None = None) -> None:
        """The channel's row says that it is done, and with which sentence encoder's vectors."""
        producer = self.context.models.text_producer
        vectors = (producer,) if self.has_texts and producer is not None else ()
        self.store.set_channel(
            self.video_id,
            self.name,
            state="done",
            done_to_s=self.duration_s,
            entries=entries,
            language=language,
            detail=replace(detail or ChannelDetail(), done=1.0, vectors=vectors),
        )

    def end_absent(self, why: str = "") -> None:
        """The channel's row says that this file has nothing of the kind, and why."""
        self.store.set_channel(self.video_id, self.name, state="absent", detail=ChannelDetail(why=why))

    def entries(self) -> list[Entry]:
        """The channel's entries so far, in time order."""
        return self.store.entries(self.video_id, channels=(self.name,))

    def share(self, time_s: float) -> float:
        """How much of the video lies before time_s, 0..1."""
        return min(1.0, time_s / max(self.duration_s, 1e-9))

    def index(self, to_s: float) -> None:
        """Make what is written so far findable by meaning: vectors of entries, memory tokens of chunks that end by
        to_s."""
        encoder = self.context.models.text()
        if self._entry_index is None:
            self._entry_index = text_index.EntryIndex(self.store, self.video_id, encoder)
        self._entry_index.write()
        text_index.write_chunks(
            self.store, self.video_id, self.name, encoder.producer, self.duration_s, to_s, self.control.check
        )

    def index_all(self, start: float, end: float) -> None:
        """The same for the whole channel in one go; the job's progress goes from start to end meanwhile."""
        encoder = self.context.models.text()
        entries = self.entries()

        def on_batch(written: int) -> None:
            share = min(1.0, written / max(1, len(entries)))
            reached = entries[min(len(entries), written) - 1].start_s if entries else self.duration_s
            self.store.set_channel(
                self.video_id, self.name, done_to_s=reached, detail=ChannelDetail(done=round(share, 3))
            )
            message = f"indexing {self.name}: {written} of {len(entries)} entries"
            self.control.tell(start + (end - start) * share, message)

        text_index.index_entries(self.store, self.video_id, encoder, on_batch)
        whole_s = self.duration_s
        text_index.write_chunks(
            self.store, self.video_id, self.name, encoder.producer, whole_s, whole_s, self.control.check
        )
