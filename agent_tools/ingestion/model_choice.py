"""Turns settings into what the model constructors take. No model is loaded here."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import cast

from agent_tools.channels import made_rows
from agent_tools.home import CacheFolder
from agent_tools.models.devices import choose
from agent_tools.models.hub.catalogue import Model, Role, memory_bytes, present
from agent_tools.models.hub.folders import cache_folder
from agent_tools.models.profiles import ModelSettings, Profile, resolve
from agent_tools.settings import Settings
from agent_tools.store import Job

WORK_MB = 6000  # that an ingest may take besides the weights of models from a hub


def model_settings(settings: Settings, profile: str = "", threads: int = 1) -> ModelSettings:
    """What the constructors need. Args: profile: of a job, where it is not the settings' own."""
    cache = CacheFolder(settings.cache)
    return ModelSettings(
        profile=profile or settings.profile,
        folders=(*settings.model_dirs, cache_folder()) if settings.model_dirs else None,
        threads=threads,
        remembered=cache.checked_weights,
        made=cache.weights,
        overrides={role.strip(): name.strip() for role, _, name in (one.partition("=") for one in settings.models)},
        device=settings.device,
        endpoint_key=settings.endpoint_key,
    )


def memory_limit_mb(settings: Settings, profile: str = "") -> int:
    """Memory at which an ingest gives up: the setting, else enough for the work and for the profile's models.

    Raises: InvalidArgument: no such profile, model or device."""
    if settings.memory_mb:
        return settings.memory_mb
    chosen = model_settings(settings, profile)
    resolved = resolve(chosen)
    if not any(model.from_hub for model in resolved.models):
        return WORK_MB  # without asking for the device, which loads torch
    return WORK_MB + memory_bytes(resolved, chosen.searched, choose(settings.device).precision) // 1_000_000


def channels_of(profile: Profile) -> tuple[str, ...]:
    """The channels that an ingest makes with a profile's models, in order; without one whose packages are missing."""
    return tuple(row.name for row in made_rows() if not row.role or _can_make(profile.model(cast("Role", row.role))))


def _can_make(model: Model | None) -> bool:
    return model is not None and (model.from_hub or present(model, ()))  # of a hub: its error names the download


def settings_of(job: Job, settings: Settings) -> Settings:
    """The settings with the models that the job was queued with: another server's worker may do it."""
    queued = job.settings
    if queued.models is None:
        return settings
    folders = tuple(Path(folder) for folder in queued.model_dirs)
    return replace(settings, models=queued.models, model_dirs=folders, device=queued.device)
