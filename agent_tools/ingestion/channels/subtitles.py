"""The subtitles channel: text tracks inside the file, and subtitle files beside it."""

from __future__ import annotations

from agent_tools.ingestion.channels.base import ChannelMaker
from agent_tools.media import Track, read_subtitles
from agent_tools.media.cues import named
from agent_tools.store import ChannelDetail, EntryIn
from agent_tools.untrusted import clean

MOST_PROBLEMS = 4  # that a channel's row names of a file's tracks; it counts the rest


class Subtitles(ChannelMaker):
    """One entry per cue; all tracks are read."""

    name = "subtitles"
    follows_growth = True

    def run(self) -> None:
        before = self.context.row(self.name)
        if before is not None and before.state != "running":  # read again, because what lies beside the file changed
            self.forget()
        self.store.clear_gaps(self.video_id, self.name)
        self.begin("subtitles")
        problems: list[str] = []
        tracks = read_subtitles(self.file, problems.append, self.duration_s)
        self.control.check()
        count = sum(self._write(track) for track in tracks)
        detail = ChannelDetail(sidecars=self.context.job.settings.sidecars, not_taken=_first(problems))
        if self.context.growing:
            if count:
                self.index_all(0.02, 0.08)
            self.store.set_channel(self.video_id, self.name, done_to_s=self.duration_s)
            return
        if not count:
            self.store.set_channel(self.video_id, self.name, state="absent", entries=0, detail=detail)
            return
        self.index_all(0.02, 0.08)
        language = next((track.language for track in tracks if track.language), None)
        self.end(entries=count, language=language, detail=detail)
        if not self.context.beside:
            self.context.write_episodes(final=False)

    def _write(self, track: Track) -> int:
        """Store a track's cues that lie in the film; returns how many. A named speaker stands before the text."""
        entries = []
        for cue in track.cues:
            if cue.start_s < self.duration_s and cue.text:
                extra = {"language": track.language or "", "track": track.source}
                if cue.speaker:
                    extra["speaker"] = cue.speaker
                entries.append(EntryIn(cue.start_s, min(cue.end_s, self.duration_s), named(cue), extra))
        if track.read_to_s is not None and track.read_to_s < self.duration_s:
            why = f"too many cues: the first {len(track.cues)} were read"
            self.store.add_gap(self.video_id, self.name, track.read_to_s, self.duration_s, why)
        return len(self.store.add_entries(self.video_id, self.name, f"{track.kind}:{track.source}", entries))


def _first(problems: list[str]) -> tuple[str, ...]:
    """The first few problems, and how many more there are."""
    more = len(problems) - MOST_PROBLEMS
    return (*(clean(one, 240) for one in problems[:MOST_PROBLEMS]), *([f"{more} more"] if more > 0 else []))
