"""What `agent-tools doctor` finds: packages, models, the vector extension, folders, and what will not be known.

It only looks. If it is asked to mend, it makes the data folder private and rewrites a file that keeps traces."""

from __future__ import annotations

import contextlib
import importlib.metadata
import platform
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from agent_tools.channels import made_rows
from agent_tools.errors import AgentToolsError, ModelMissing
from agent_tools.settings import Settings, go_offline
from agent_tools.store import Objects, Store, open_store, privacy

if TYPE_CHECKING:
    from agent_tools.models.profiles import ModelSettings

PACKAGES = ("mcp", "torch", "transformers", "av", "apsw", "sqlite-vec", "rapidocr", "onnxruntime", "pysubs2")
MEND = "Mend it with: agent-tools doctor --fix"
AGAIN = "When that has ended, run again: agent-tools doctor --fix"


def checkup(settings: Settings, *, fix: bool = False) -> Iterator[tuple[bool, str]]:
    """(fine, sentence) for each thing looked at.

    Args:
        fix: mend a home that an older version made: only its owner can read it then, and no deleted text stands in its
            file."""
    yield True, f"Python {platform.python_version()} on {platform.system()} {platform.machine()}"
    for name in PACKAGES:
        try:
            yield True, f"{name} {importlib.metadata.version(name)}"
        except importlib.metadata.PackageNotFoundError:
            yield False, f"{name} is not installed. In the checkout: pip install -c constraints.txt ."
    yield from _permissions(settings.home, fix)
    yield from _store(settings, fix)
    yield from _files(settings)
    yield from _models(settings)
    if settings.allow:
        for folder in settings.allow:
            yield folder.exists(), f"allowed: {folder}" + ("" if folder.exists() else " (does not exist)")
    else:
        yield True, 'no folder is allowed: add one with agent-tools serve --allow "FOLDER"'


def _permissions(home: Path, fix: bool) -> Iterator[tuple[bool, str]]:
    if not (paths := privacy.exposed(home)):
        return
    counted = "1 file or folder" if len(paths) == 1 else f"{len(paths)} files and folders"
    if not fix:
        yield False, f"other users can read {counted} of {home}, for example {paths[-1]}. {MEND}"
        return
    try:
        privacy.make_private(home)
    except OSError as error:
        yield False, f"{home} could not be made private ({error}). Its owner can do it: chmod -R go= {home}"
    else:
        yield True, f"mended: other users could read {counted} of {home}; now only you can"


def _traces(store: Store, home: Path, fix: bool) -> Iterator[tuple[bool, str]]:
    if not store.keeps_traces():
        if fix and not store.wipe():
            yield False, f"another program reads the memory at {home}, so deleted texts may stand in its log. {AGAIN}"
        return
    if not fix:
        yield False, f"the memory at {home} was made by an older version: deleted texts may stand in its file. {MEND}"
        return
    store.rewrite()
    yield True, f"mended: the memory at {home} was written again, without traces of deleted texts"


def _store(settings: Settings, fix: bool) -> Iterator[tuple[bool, str]]:
    try:
        with contextlib.closing(open_store(settings.home, settings.store)) as store:
            verdict, counts = store.integrity_check(), store.stats()
            size = f"{counts.pop('file_bytes') / 1e6:.1f} MB"
            held = ", ".join(f"{count} {name.replace('_', ' ')}" for name, count in counts.items() if count) or "empty"
            yield from _traces(store, settings.home, fix and verdict == "ok")
            yield verdict == "ok", f"memory at {store.place}: {verdict}; {size}: {held}"
            store.load_vec0()
            yield True, "sqlite-vec loads"
            for job in store.open_jobs():
                yield True, f"job of {job.video_id}: {job.state}, {job.progress:.0%}, {job.message}"
            for video in store.videos():
                newest = store.job(video.id)
                if newest is not None and newest.state == "failed":
                    yield False, f"{video.id} failed: {newest.error}"
    except AgentToolsError as error:
        yield False, f"memory at {settings.store.rpartition('@')[2] or settings.home}: {error.described}"


def _files(settings: Settings) -> Iterator[tuple[bool, str]]:
    if not settings.files:
        return
    try:
        Objects(settings.files).check()
    except AgentToolsError as error:
        yield False, f"files at {settings.files}: {error.described}"
    else:
        yield True, f"files at {settings.files} can be written, read and removed"


def _models(settings: Settings) -> Iterator[tuple[bool, str]]:
    go_offline()
    from agent_tools.ingestion.model_choice import WORK_MB, channels_of, memory_limit_mb, model_settings
    from agent_tools.models.devices import choose
    from agent_tools.models.hub.catalogue import PROFILES, megabytes, receiver, why_missing
    from agent_tools.models.profiles import missing, pull_command, resolve, text_encoder

    try:
        chosen = model_settings(settings)
        profile = resolve(chosen)
        yield True, f"profile {settings.profile}" + (f" means {profile.name}" if settings.profile == "auto" else "")
        if settings.device != "auto" or any(model.from_hub for model in profile.models):
            yield True, f"models run on {choose(settings.device).described}; looked for in {_listed(chosen.searched)}"
        else:  # without asking for the device, which loads torch
            yield True, "models run on the processor, without torch"
        auto = "" if settings.memory_mb else f": {WORK_MB} and what the models take; --memory-mb sets another"
        yield True, f"an ingest gives up at {memory_limit_mb(settings)} MB of memory{auto}"
        absent = missing(profile, chosen.searched)
        for model in absent:
            yield False, f"no model for {model.role}: {why_missing(model, chosen.searched)}"
        size = sum(model.size_bytes for model in absent if model.from_hub)
        if size and profile.name in PROFILES:
            yield False, f"get the missing models ({megabytes(size)}) with: {pull_command(chosen, profile)}"
        if not any(model.role == "text" for model in absent):
            encoder = text_encoder(chosen)
            yield True, f"sentence encoder {encoder.producer}, languages: {encoder.languages}"
        if not any(model.role == "speech" for model in absent) and profile.model("speech") is not None:
            yield _speech(chosen)
        if not any(model.role == "speakers" for model in absent) and profile.model("speakers") is not None:
            yield _voices(chosen)
        yield True, f"an ingest makes: {', '.join(channels_of(profile))}"
        for row in made_rows():
            if row.role and row.name not in channels_of(profile):
                yield True, f"profile {profile.name} will not know: {row.unknown}"
        if host := receiver(profile):
            yield True, f"pictures of the video go to {host}, which captions them; nothing else is sent anywhere"
    except AgentToolsError as error:
        yield False, error.described


def _speech(chosen: ModelSettings) -> tuple[bool, str]:
    """Whether the speech model loads, what it is, and which languages it hears."""
    from agent_tools.models.profiles import speech

    try:
        engine = speech(replace(chosen, device="cpu/fp32"))  # without torch; its files are the same on every device
    except ModelMissing as error:
        return False, str(error)
    return True, f"speech model {engine.producer}, languages: {engine.languages}"


def _voices(chosen: ModelSettings) -> tuple[bool, str]:
    """Whether the model that tells voices apart loads."""
    from agent_tools.models.profiles import voices

    try:
        encoder = voices(chosen)
    except ModelMissing as error:
        return False, str(error)
    return True, f"speakers are distinguished by {encoder.producer if encoder else 'nothing'}"


def _listed(folders: Sequence[Path]) -> str:
    return ", ".join(map(str, folders))
