"""The maker of each channel, in the order in which an ingest makes them."""

from __future__ import annotations

from agent_tools.ingestion.channels.base import ChannelMaker
from agent_tools.ingestion.channels.captions import Captions
from agent_tools.ingestion.channels.frames import Frames
from agent_tools.ingestion.channels.screen_text import ScreenText
from agent_tools.ingestion.channels.speech import Speech
from agent_tools.ingestion.channels.subtitles import Subtitles


def makers() -> dict[str, type[ChannelMaker]]:
    """Channel name -> its maker."""
    return {maker.name: maker for maker in (Subtitles, Frames, ScreenText, Speech, Captions)}
