"""Getting models from the Hugging Face hub: what it takes is said first, then downloaded, resumed and checked.

The only module that opens a connection to a hub, and only where somebody asked for a download. It takes safetensors,
configurations and tokenizers; never a pickle, never code."""

from __future__ import annotations

import fnmatch
import hashlib
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

from agent_tools.errors import EngineError, ModelMissing
from agent_tools.models.hub.catalogue import Model, Profile, megabytes, present, reference
from agent_tools.models.hub.folders import PULLED

_WANTED = ("*.safetensors", "*.json", "*.txt", "*.model", "*.jinja")
_SPEECH = (*_WANTED, "model.bin")  # CTranslate2's format, which holds plain arrays
_LEFT = ("onnx/*", "openvino/*", "original/*", "*/model.safetensors", "*/pytorch_model*", "*.onnx.json")
SPARE_BYTES = 500_000_000  # that a download leaves free on the disk
CHUNK = 1 << 20

OnProgress = Callable[[str, int, int], None]  # (file, bytes of the whole plan that are there, bytes of the whole plan)


@dataclass(frozen=True)
class File:
    name: str
    size_bytes: int
    sha256: str | None  # known for large files only
    here: bool


@dataclass(frozen=True)
class Plan:
    """One model's download, as the hub describes it now."""

    model: Model
    commit: str
    files: tuple[File, ...]  # weights last, so that a model that looks whole is whole

    @property
    def size_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files)

    @property
    def to_get_bytes(self) -> int:
        return sum(file.size_bytes for file in self.files if not file.here)

    @property
    def described(self) -> str:
        """`google/siglip2-base-patch16-224@1a2b3c4d: 1.5 GB to download in 5 files, Apache-2.0`."""
        lacking = [file for file in self.files if not file.here]
        left = (
            f"{megabytes(self.to_get_bytes)} to download in {len(lacking)} files" if lacking else "all files are here"
        )
        return f"{self.model.name}@{self.commit[:8]}: {left}, {self.model.licence}"


def plan(profile: Profile, cache: Path, endpoint: str | None = None, folders: Sequence[Path] = ()) -> list[Plan]:
    """What a pull of the profile would download, sizes as the hub tells them; a model that is here whole is left out.

    Asks the hub for names and sizes only. Models in plain folders and at endpoints are not its business.
    Args:
        endpoint: another hub than huggingface.co.
        folders: where a model may lie too; one that is there whole is not downloaded.
    Raises: ModelMissing: the hub cannot be reached or is switched off; no such model; its licence must be accepted
        first; it holds no safetensors.
    """
    plans = []
    for model in profile.models:
        if model.from_hub and reference(model).folder is None and not present(_runnable(model), [cache, *folders]):
            plans.append(_planned(model, cache, endpoint))
    return plans


def pull(
    plans: Sequence[Plan],
    cache: Path,
    on_progress: OnProgress,
    endpoint: str | None = None,
    spare_bytes: int = SPARE_BYTES,
) -> list[Path]:
    """Download what the plans lack into the cache, check every file, and return the models' folders.

    The commit that a model was pulled at is recorded, and used from then on, whatever its publisher does later.
    Files that are there whole are kept from one pull to the next. A connection that breaks goes on where it stopped; a
    file that a stopped pull left half done begins again, as huggingface_hub does it. on_progress may raise to stop.
    At least spare_bytes stay free on the disk.
    Raises: EngineError: the disk is too small. ModelMissing: the hub cannot be reached, or sent other bytes than
        announced (they are deleted).
    """
    total = sum(one.size_bytes for one in plans)
    _require_room(sum(one.to_get_bytes for one in plans), cache, spare_bytes)
    done = sum(file.size_bytes for one in plans for file in one.files if file.here)
    folders = []
    for one in plans:
        name = one.model.name
        for file in one.files:
            if not file.here:
                path = _downloaded(one, file, cache, partial(_advance, on_progress, name, done, total), endpoint)
                _check(path, file, name)
                done += file.size_bytes
            on_progress(name, done, total)
        home = cache / f"models--{name.replace('/', '--')}"
        named = reference(one.model).revision
        _record(home / "refs" / (named or PULLED), one.commit)
        if named is None and not (home / "refs" / "main").is_file():
            _record(home / "refs" / "main", one.commit)
        folders.append(home / "snapshots" / one.commit)
    return folders


def _advance(on_progress: OnProgress, name: str, before: int, total: int, of_file: int) -> None:
    on_progress(name, before + of_file, total)


def _runnable(model: Model) -> Model:
    """The model as its files alone are: whether its package is installed is not a matter of downloads."""
    return replace(model, needs=None)


def _planned(model: Model, cache: Path, endpoint: str | None) -> Plan:
    from huggingface_hub import HfApi, try_to_load_from_cache

    with _told(model):
        info = HfApi(endpoint=endpoint).model_info(
            model.name, revision=reference(model).revision, files_metadata=True, timeout=20
        )
    wanted = _SPEECH if model.role == "speech" else _WANTED
    files = []
    for one in info.siblings or ():
        name = one.rfilename
        if _any(name, wanted) and not _any(name, _LEFT):
            here = try_to_load_from_cache(model.name, name, cache_dir=cache, revision=info.sha)
            sha256 = one.lfs.sha256 if one.lfs else None
            files.append(File(name, int(one.size or 0), sha256, isinstance(here, str)))
    if not any(file.name.endswith((".safetensors", "model.bin")) for file in files) or not info.sha:
        raise ModelMissing(
            f"{model.name} holds no safetensors at the hub: pickles are never loaded. Name another model."
        )
    return Plan(model, info.sha, tuple(sorted(files, key=lambda file: file.size_bytes)))


def _downloaded(one: Plan, file: File, cache: Path, on_bytes: Callable[[int], None], endpoint: str | None) -> Path:
    from huggingface_hub import hf_hub_download

    with _told(one.model):
        path: Any = hf_hub_download(
            one.model.name,
            file.name,
            revision=one.commit,
            cache_dir=cache,
            endpoint=endpoint,
            tqdm_class=_bar(on_bytes),
        )
    return Path(path)


def _bar(on_bytes: Callable[[int], None]) -> Any:
    """A class with the face of a progress bar that tells bytes instead of drawing."""
    from huggingface_hub import utils

    base: Any = utils.tqdm  # type: ignore[attr-defined]  # exported, though not by name

    class Bar(base):  # type: ignore[misc]  # the library's own base class has no types
        def __init__(self, *args: Any, **kwargs: Any) -> None:
            self.received = int(kwargs.get("initial") or 0)
            super().__init__(*args, **{**kwargs, "disable": True})

        def update(self, n: float | None = 1) -> bool | None:
            self.received += int(n or 0)
            on_bytes(self.received)
            return None

    return Bar


def _check(path: Path, file: File, model: str) -> None:
    """Raises: ModelMissing: other bytes than the hub announced; they are deleted, so that a new pull gets them."""
    size = path.stat().st_size
    if size == file.size_bytes and (file.sha256 is None or _sha256(path) == file.sha256):
        return
    blob = path.resolve()
    path.unlink()
    blob.unlink(missing_ok=True)
    raise ModelMissing(
        f"{file.name} of {model} came as {size} bytes that are not those the hub announced ({file.size_bytes} bytes): "
        "deleted. Pull it again."
    )


def _sha256(path: Path) -> str:
    with path.open("rb") as opened:
        return hashlib.file_digest(opened, "sha256").hexdigest()


def _record(ref: Path, commit: str) -> None:
    ref.parent.mkdir(parents=True, exist_ok=True)
    new = ref.with_name(ref.name + ".new")
    new.write_text(commit, "ascii")
    os.replace(new, ref)


def _require_room(size_bytes: int, cache: Path, spare_bytes: int) -> None:
    place = next(folder for folder in (cache, *cache.parents) if folder.exists())
    free = shutil.disk_usage(place).free
    if size_bytes and free < size_bytes + spare_bytes:
        raise EngineError(
            f"{megabytes(size_bytes)} are to be downloaded to {cache}, where {megabytes(free)} are free. "
            "Free some, or set HF_HUB_CACHE to a folder on another disk."
        )


def _any(name: str, patterns: Sequence[str]) -> bool:
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns)


@contextmanager
def _told(model: Model) -> Iterator[None]:
    """The hub's errors as ours. Raises: ModelMissing: for each, with what to do."""
    import httpx2
    from huggingface_hub import errors

    try:
        yield
    except errors.GatedRepoError as error:
        raise ModelMissing(
            f"{model.name} is given to those who accept its licence. Accept it at https://huggingface.co/{model.name}, "
            "log in with: hf auth login, and pull again."
        ) from error
    except (errors.RepositoryNotFoundError, errors.RevisionNotFoundError, errors.EntryNotFoundError) as error:
        raise ModelMissing(f"The hub has no {reference(model).shown}. Check its name and revision.") from error
    except errors.OfflineModeIsEnabled as error:
        raise ModelMissing(
            "Downloads are switched off by HF_HUB_OFFLINE or TRANSFORMERS_OFFLINE. Unset it to pull models."
        ) from error
    except (httpx2.HTTPError, errors.HfHubHTTPError, errors.LocalEntryNotFoundError, ConnectionError) as error:
        raise ModelMissing(
            f"The hub did not answer for {model.name} ({type(error).__name__}). Check the connection and pull again: "
            "what is there is kept. Without internet, copy the model's folder here and name it with the setting models."
        ) from error
    except OSError as error:
        raise EngineError(
            f"{model.name} could not be written: {error.strerror or error}. Free space, pull again."
        ) from error
