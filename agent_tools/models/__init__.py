"""The models behind the channels: sentence vectors, frame vectors, text on pictures; loaded when asked for."""

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
    "resolve",
    "text_encoder",
]
