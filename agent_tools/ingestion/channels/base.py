"""What the steps of every channel share: the job, its models, progress, and the channel's row from begin to end.

Knows the store and the job. Knows nothing of any one channel."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from agent_tools.ingestion import text_index
from agent_tools.ingestion.control import Control
from agent_tools.ingestion.model_choice import model_settings
from agent_tools.media import Probe
from agent_tools.models.profiles import FrameEncoder, Profile, TextEncoder, resolve, text_encoder
from agent_tools.settings import Settings
from agent_tools.store import Entry, Job, Store


class Steps:
    """One job at work on one video. `opened` and `duration_s` are set before any step."""

    opened: Probe
    duration_s: float

    def __init__(self, store: Store, job: Job, settings: Settings, control: Control, base: Store | None = None) -> None:
        """Args: base: the store that holds the video's other channels, where `store` is for one made anew."""
        self.store, self.job, self.control = store, job, control
        self.base = base or store
        self.settings = asked(settings, job)
        self.video_id = job.video_id
        self.models = model_settings(self.settings, job.profile, settings.worker_threads)
        self.profile: Profile = resolve(self.models)
        self._text: TextEncoder | None = None
        self._frames: FrameEncoder | None = None

    def _encoder(self) -> TextEncoder:
        if self._text is None:
            self.control.tell(0.0, "loading the sentence encoder")
            self._text = text_encoder(self.models)
        return self._text

    def _index(self, channel: str, start: float, end: float) -> None:
        """Vectors for the channel's entries, chunk tokens as each chunk becomes whole, progress from start to end."""
        encoder = self._encoder()
        entries: list[Entry] = self.store.entries(self.video_id, channels=(channel,))

        def on_batch(written: int) -> None:
            share = min(1.0, written / max(1, len(entries)))
            reached = entries[min(len(entries), written) - 1].start_s if entries else self.duration_s
            self.store.set_channel(self.video_id, channel, done_to_s=reached, detail={"done": round(share, 3)})
            self.control.tell(start + (end - start) * share, f"indexing {channel}: {written} of {len(entries)} entries")

        text_index.index_entries(self.store, self.video_id, encoder, on_batch)
        text_index.write_chunks(self.store, self.video_id, channel, encoder.producer, self.duration_s, self.duration_s)

    def _begin(self, channel: str, producer: str) -> None:
        self.store.set_channel(self.video_id, channel, state="running", producer=producer, error=None)

    def _end(
        self, channel: str, *, entries: int, language: str | None = None, detail: dict[str, object] | None = None
    ) -> None:
        self.store.set_channel(
            self.video_id,
            channel,
            state="done",
            done_to_s=self.duration_s,
            entries=entries,
            language=language,
            detail={"done": 1.0, **(detail or {}), **self._vectors_of(channel)},
        )

    def _vectors_of(self, channel: str) -> dict[str, object]:
        """Which encoder's vectors the texts of a channel have, for its row."""
        return {} if self._text is None or channel == "frames" else {"vectors": [self._text.producer]}

    def _finished(self, channel: str) -> bool:
        row = self.store.channel(self.video_id, channel)
        return row is not None and row.state in ("done", "absent") and not row.detail.get("no_model")


def asked(settings: Settings, job: Job) -> Settings:
    """The settings with the models that the job was queued with: another server's worker may have taken it up."""
    if "models" not in job.settings:
        return settings
    folders = tuple(Path(folder) for folder in job.settings["model_dirs"])
    return replace(
        settings, models=tuple(job.settings["models"]), model_dirs=folders, device=str(job.settings["device"])
    )
