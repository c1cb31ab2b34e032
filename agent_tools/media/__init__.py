"""Files in, pictures, sound and texts out: probe, sample, look at moments, read subtitles, draw sheets, cut clips.

The only home of PyAV and pysubs2. Knows files and times; knows nothing of stores, models, jobs or MCP.
Names are loaded on first use: `from agent_tools.media.identity import content_id` must not pull in PyAV."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from agent_tools.media.access import Opener as Opener
    from agent_tools.media.access import nearest_keys as nearest_keys
    from agent_tools.media.access import pictures_at as pictures_at
    from agent_tools.media.browser_clips import Playable as Playable
    from agent_tools.media.browser_clips import playable as playable
    from agent_tools.media.clips import clip as clip
    from agent_tools.media.cues import Cue as Cue
    from agent_tools.media.cues import subtitle_text as subtitle_text
    from agent_tools.media.cuts import Cut as Cut
    from agent_tools.media.cuts import cut as cut
    from agent_tools.media.damage import Damage as Damage
    from agent_tools.media.identity import content_id as content_id
    from agent_tools.media.picture import Picture as Picture
    from agent_tools.media.picture import crop as crop
    from agent_tools.media.samples import Sample as Sample
    from agent_tools.media.samples import sample as sample
    from agent_tools.media.sheets import sheet as sheet
    from agent_tools.media.sound import Block as Block
    from agent_tools.media.sound import audio as audio
    from agent_tools.media.streams import AudioStream as AudioStream
    from agent_tools.media.streams import Chapter as Chapter
    from agent_tools.media.streams import Probe as Probe
    from agent_tools.media.streams import SubtitleStream as SubtitleStream
    from agent_tools.media.streams import VideoStream as VideoStream
    from agent_tools.media.streams import last_time as last_time
    from agent_tools.media.streams import probe as probe
    from agent_tools.media.subtitles import Track as Track
    from agent_tools.media.subtitles import read_subtitles as read_subtitles

_HOMES = {
    "access": ("Opener", "nearest_keys", "pictures_at"),
    "browser_clips": ("Playable", "playable"),
    "clips": ("clip",),
    "cues": ("Cue", "subtitle_text"),
    "cuts": ("Cut", "cut"),
    "identity": ("content_id",),
    "picture": ("Picture", "crop"),
    "streams": ("AudioStream", "Chapter", "Probe", "SubtitleStream", "VideoStream", "last_time", "probe"),
    "damage": ("Damage",),
    "samples": ("Sample", "sample"),
    "sheets": ("sheet",),
    "sound": ("Block", "audio"),
    "subtitles": ("Track", "read_subtitles"),
}
_HOME_OF = {name: module for module, names in _HOMES.items() for name in names}
__all__ = sorted(_HOME_OF)


def __getattr__(name: str) -> object:
    if name not in _HOME_OF:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(f"{__name__}.{_HOME_OF[name]}"), name)
