"""Copies a video out of one store into another, of any engine: how a home becomes part of a shared archive."""

from __future__ import annotations

from dataclasses import fields

from agent_tools.errors import VideoNotFound
from agent_tools.home import HomeFolder
from agent_tools.store import episodes
from agent_tools.store.channel_swap import LEVELS, switch_channel
from agent_tools.store.store import Store
from agent_tools.store.videos import VideoRow


def publish(made: Store, target: Store, video_id: str) -> list[str]:
    """Put a video of `made` into `target`, where channels that are done take the place of those that are there.

    Channel by channel, each as `switch_channel` does it: at each moment of the video a reader sees the old or the new.
    A run that was cut is run again. Channels that are not done stay behind: an ingest on the target makes them. Notes
    are added, never replaced or renumbered.

    Returns: the names of the channels that were put there.
    Raises: VideoNotFound: `made` has no such video. StoreError."""
    row = made.video(video_id)
    if row is None:
        raise VideoNotFound(f"No video {video_id!r} in {made.place}. `agent-tools ls` shows the ones there are.")
    target.add_video(video_id, row.title, row.size_bytes)
    target.update_video(video_id, **{f.name: getattr(row, f.name) for f in fields(VideoRow) if f.name != "id"})
    for source in made.sources(video_id):
        target.add_source(video_id, source.path, source.size, source.mtime_ns, source.inode, typed=source.typed)
    done = [channel.name for channel in made.channels(video_id) if channel.state in ("done", "absent")]
    for name in done:
        frames = made.channel(video_id, name) if name == "frames" else None
        if frames is not None:
            target.keep_tokens(video_id, frames.producer, HomeFolder(made.home).token_file(video_id, frames.producer))
        switch_channel(target, made, video_id, name)
    target.clear_gaps(video_id, "")
    for gap in made.gaps(video_id):
        if not gap.channel:
            target.add_gap(video_id, "", gap.start_s, gap.end_s, gap.why)
    for level in episodes.LEVELS:
        target.replace_episodes(video_id, level, made.episodes(video_id, level))
    target.memories.delete(video_id, read=LEVELS)
    target.memories.take(made.memories, video_id, LEVELS)
    for note in made.notes(video_id, current_only=False):
        there = target.note(video_id, note.number)
        if there is None:
            target.keep_note(note)
        elif (there.text, there.author) != (note.text, note.author) and note.replaced_by is None:
            target.add_note(video_id, note.start_s, note.end_s, note.text, note.author, note.looked_at)
    target.pack_pictures(video_id)
    return done
