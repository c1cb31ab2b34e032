"""The models behind the channels: sentence and frame vectors, speech, text on pictures, captions; loaded when asked.

The constructors of speech and of the video LLM are in profiles: here their names are those of submodules."""

from __future__ import annotations

from agent_tools.models.profiles import (
    PROFILES,
    FrameEncoder,
    ModelSettings,
    OcrEngine,
    Profile,
    TextEncoder,
    frame_encoder,
    ocr,
    redundancy_encoder,
    resolve,
    text_encoder,
)

__all__ = [
    "PROFILES",
    "FrameEncoder",
    "ModelSettings",
    "OcrEngine",
    "Profile",
    "TextEncoder",
    "frame_encoder",
    "ocr",
    "redundancy_encoder",
    "resolve",
    "text_encoder",
]
