"""The subtitles channel: text tracks inside the file, and subtitle files beside it."""

from __future__ import annotations

from dataclasses import replace

from agent_tools.ingestion.channels.base import ChannelMaker
from agent_tools.media import read_subtitles
from agent_tools.store import ChannelDetail, EntryIn


class Subtitles(ChannelMaker):
    """One entry per cue; all tracks are read."""

    name = "subtitles"

    def run(self) -> None:
        before = self.context.row(self.name)
        if before is not None and before.state != "running":  # read again, because what lies beside the file changed
            self.forget()
        self.store.clear_gaps(self.video_id, self.name)
        self.begin("subtitles")
        tracks = read_subtitles(self.file)
        self.control.check()
        count = 0
        for track in tracks:
            cues = [
                EntryIn(
                    cue.start_s,
                    min(cue.end_s, self.duration_s),
                    cue.text,
                    {"language": track.language or "", "track": track.source},
                )
                for cue in track.cues
                if cue.start_s < self.duration_s and cue.text
            ]
            count += len(self.store.add_entries(self.video_id, self.name, f"{track.kind}:{track.source}", cues))
            if track.read_to_s is not None and track.read_to_s < self.duration_s:
                why = f"too many cues: the first {len(track.cues)} were read"
                self.store.add_gap(self.video_id, self.name, track.read_to_s, self.duration_s, why)
        detail = ChannelDetail(sidecars=self.context.job.settings.sidecars)
        if not count:
            drawn = sorted({track.codec for track in self.file.subtitles if not track.text})
            if drawn:
                why = f"in the file as pictures only ({', '.join(drawn)}), which are not read"
                detail = replace(detail, why=why)
            self.store.set_channel(self.video_id, self.name, state="absent", entries=0, detail=detail)
            return
        self.index_all(0.02, 0.08)
        language = next((track.language for track in tracks if track.language), None)
        self.end(entries=count, language=language, detail=detail)
        if not self.context.beside:
            self.context.write_episodes(final=False)
