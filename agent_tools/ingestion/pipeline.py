"""One job: the channels of one video, each resumable on its own, then its episodes.

What is done in which order, and what survives an interruption. How a channel is made stands in its own file in
channels/."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path

from agent_tools.errors import EngineError
from agent_tools.ingestion import reindex
from agent_tools.ingestion.channels.base import ChannelMaker, Context, JobModels, OpenedVideo
from agent_tools.ingestion.channels.makers import makers
from agent_tools.ingestion.control import Control, give_back_memory
from agent_tools.ingestion.job_file import changed, describe, has_changed, has_grown, source_of, stamp
from agent_tools.ingestion.model_choice import model_settings, settings_of
from agent_tools.media import probe
from agent_tools.settings import Settings
from agent_tools.store import ChannelDetail, Job, Store

log = logging.getLogger("agent_tools.worker")
CHANNELS_END = 0.96  # of a job: the episodes are what is left


class Ingest:
    """The work of one claimed job.

    Raises: InvalidArgument: no such profile or model."""

    def __init__(self, store: Store, job: Job, settings: Settings, control: Control) -> None:
        self.store, self.job, self.control = store, job, control
        self.settings = settings_of(job, settings)
        self.models = JobModels(model_settings(self.settings, job.profile, settings.worker_threads), control)

    @property
    def _growing(self) -> bool:
        return self.job.settings.growing

    @property
    def left(self) -> tuple[str, ...]:
        """Channels that the job asks for, and that this worker leaves to others."""
        able = self.settings.work_channels
        return tuple(name for name in self.job.channels if able and name not in able)

    def run(self) -> list[str]:
        """Make the channels that the job asks for, but those that are left. Returns what failed, a sentence for each.

        Raises: SourceNotFound: the file is gone, or changed while it was read. UnreadableVideo. Stopped."""
        self.control.tell(0.0, "opening the file")
        path = source_of(self.store, self.job.video_id, self.store.roots.here(self.job.settings.path))
        if has_grown(self.store, self.job.video_id, path):
            self.job = replace(self.job, settings=replace(self.job.settings, growing=True))
        before = stamp(path)
        context = self._context(path)
        again = {name for name in self.job.settings.remake if self._is_done(name)}
        todo = self._todo(context, again)
        failures: list[str] = []
        for maker in todo:
            self._give_share(maker, todo)
            give_back_memory()
            try:
                if maker.name in again:
                    self._make_again(maker, path, before)
                else:
                    self._make(maker, path, before)
            except EngineError as error:
                log.error("video %s, channel %s: %s", self.job.video_id, maker.name, error.described)
                if maker.name not in again:  # else the old one is as good as it was
                    self.store.set_channel(self.job.video_id, maker.name, state="failed", error=error.described)
                failures.append(f"{maker.name}: {error.described}")
        if "text" in self.job.settings.remake and not self.left:
            encoder = self.models.text()
            reindex.remake_vectors(self.store, self.job.video_id, encoder, context.video.duration_s, self._on_vectors)
        self._end(context, clear=bool(again) and not failures)
        return failures

    def _context(self, path: Path) -> Context:
        opened = probe(path)
        duration_s = describe(self.store, self.job.video_id, opened)
        # The header may end early: every channel goes by the length that the packets show.
        video = OpenedVideo(self.job.video_id, replace(opened, duration_s=duration_s), duration_s)
        return Context(self.store, self.store, self.job, video, self.settings, self.control, self.models)

    def _todo(self, context: Context, again: set[str]) -> list[ChannelMaker]:
        """The makers of what is asked for, needed for it, and not there yet, in order."""
        known = makers()
        own = [name for name in self.job.channels if name not in self.left]
        needed = {need for name in own if name in known for need in known[name].needs}
        wanted = {*own, *needed}
        return [
            maker(context)
            for name, maker in known.items()
            if name in wanted
            and (name in again or not context.finished(name))
            and (maker.follows_growth or not self._growing)
        ]

    def _give_share(self, maker: ChannelMaker, todo: Sequence[ChannelMaker]) -> None:
        """Each slow channel takes its share of the job's progress; the others share what is before."""
        others = [made(maker.context) for name, made in makers().items() if name in self.left]
        if len(todo) + len(others) == 1:
            return
        begins = sorted(at for at in (one.begins_at for one in (*todo, *others)) if at is not None)
        own = maker.begins_at
        if own is not None:
            self.control.within(own, next((at for at in begins if at > own), CHANNELS_END))
        elif begins:
            self.control.within(0.0, begins[0])

    def _make(self, maker: ChannelMaker, path: Path, before: tuple[int, int, int] | None) -> None:
        maker.run()
        if has_changed(path, before, growing=self._growing):
            maker.forget()  # it was read from a file that changed meanwhile: this video holds nothing of it
            self.store.set_channel(
                self.job.video_id,
                maker.name,
                state="failed",
                done_to_s=0.0,
                entries=0,
                detail=ChannelDetail(),
                error="the file changed meanwhile",
            )
            raise changed(path)

    def _is_done(self, name: str) -> bool:
        """Whether there is something of the channel to keep until the new one is whole."""
        row = self.store.channel(self.job.video_id, name)
        return row is not None and row.state == "done"

    def _make_again(self, maker: ChannelMaker, path: Path, before: tuple[int, int, int] | None) -> None:
        """Make the channel in a store of its own, beside the old one, then put it in the old one's place."""
        video_id, name = self.job.video_id, maker.name
        if reindex.switched(self.store, video_id, name, self.job.id):
            return
        made_by = (self.job.profile, self.settings.models, self.settings.fps, self.settings.ocr_per_hour)
        with closing(reindex.staged(self.store, video_id, made_by)) as made:
            beside = replace(maker.context, store=made)
            if not beside.finished(name):
                type(maker)(beside).run()
            if has_changed(path, before, growing=self._growing):
                reindex.clear(self.store, video_id)
                raise changed(path)
            encoder = self.models.text() if maker.has_texts else None
            self.control.tell(0.95, f"putting the new {name} in place of the old")
            duration_s = maker.duration_s
            reindex.put_in_place(self.store, made, video_id, name, self.job.id, encoder, duration_s, self._on_vectors)
        if not maker.has_texts:
            reindex.drop_old_tokens(self.store, video_id)

    def _on_vectors(self, written: int) -> None:
        self.control.tell(0.9, f"indexing what is there by the new sentence encoder: {written} entries")

    def _end(self, context: Context, *, clear: bool) -> None:
        """Once the channels are made or have failed: the rows of the others, the episodes, the working files."""
        give_back_memory()
        known = [maker(context) for maker in makers().values()]
        if not self._growing and not self.left:
            self._name_missing(known)
        if not self.left:
            self.control.within(0.0, 1.0)
            self.control.tell(CHANNELS_END, "dividing the video into episodes")
        self._name_vectors(known)
        context.write_episodes(final=not self._growing)
        if clear:
            reindex.clear(self.store, self.job.video_id)
            self.store.wipe()  # nothing of the old channel stays in the file
        for maker in known:
            maker.clean_up()

    def _name_missing(self, known: Sequence[ChannelMaker]) -> None:
        """State each channel that this profile cannot make, and why."""
        for maker in known:
            detail = maker.absence()
            if detail is not None and not maker.context.finished(maker.name):
                self.store.set_channel(self.job.video_id, maker.name, state="absent", detail=detail)

    def _name_vectors(self, known: Sequence[ChannelMaker]) -> None:
        """Name this job's text vectors in the row of each channel of texts: all texts have them by now."""
        producer = self.models.text_producer
        for maker in known:
            row = maker.context.row(maker.name)
            if producer is None or row is None or not maker.has_texts or row.state != "done":
                continue
            if producer not in row.detail.vectors:
                detail = replace(row.detail, vectors=(*row.detail.vectors, producer))
                self.store.set_channel(self.job.video_id, maker.name, detail=detail)
