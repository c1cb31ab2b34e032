"""Settings made into what the model constructors take: the one place where the two meet.

Knows names on both sides. Loads nothing."""

from __future__ import annotations

from typing import Literal

from agent_tools.models.folders import cache_folder
from agent_tools.models.profiles import ModelSettings, Profile
from agent_tools.settings import Settings

CHANNELS = ("subtitles", "frames", "screen_text")  # that every profile makes, in the order they are made
BY_MODEL: tuple[Literal["speech", "captions"], ...] = ("speech", "captions")  # where the profile has a model for it


def model_settings(settings: Settings, profile: str = "", threads: int = 1) -> ModelSettings:
    """What the constructors need. Args: profile: of a job, where it is not the settings' own."""
    return ModelSettings(
        profile=profile or settings.profile,
        folders=(*settings.model_dirs, cache_folder()) if settings.model_dirs else None,
        threads=threads,
        remembered=settings.home / "checked-weights.json",
        overrides={role.strip(): name.strip() for role, _, name in (one.partition("=") for one in settings.models)},
        device=settings.device,
        endpoint_key=settings.endpoint_key,
    )


def channels_of(profile: Profile) -> tuple[str, ...]:
    """The channels that an ingest makes with a profile's models, in order."""
    return (*CHANNELS, *(name for name in BY_MODEL if profile.model(name) is not None))
