"""Where the files of a model lie: a folder that was named, <org>--<name> folders, or a Hugging Face cache.

Nothing is downloaded or loaded here. Weights
are safetensors (or CTranslate2's model.bin, which holds plain arrays); a pickle is never opened."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.models.hub.weights import sha256_of

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.\-]{0,95}/[\w.\-]{1,96}")
_REVISION = re.compile(r"[\w.\-/]{1,100}")
_COMMIT = re.compile(r"[0-9a-f]{40}")
_PICKLES = ("pytorch_model*.bin", "*.pt", "*.pth", "*.pkl", "*.ckpt")
INDEX = "model.safetensors.index.json"
PULLED = "agent-tools"  # the revision that a pull records in a cache: other programs may move `main`


@dataclass(frozen=True)
class Reference:
    """A model as a setting names it: a local folder, or a hub id with an optional revision (org/name@revision)."""

    name: str
    revision: str | None = None
    folder: Path | None = None

    @classmethod
    def of(cls, text: str) -> Reference:
        """Raises: InvalidArgument: neither a folder's path nor a hub id."""
        text = text.strip()
        path = Path(text).expanduser()
        if path.is_absolute() or text.startswith((".", "~")):  # a bare a/b is a hub id, whatever lies in this folder
            return cls(path.name, folder=path)
        name, at, revision = text.partition("@")
        if not _HUB_ID.fullmatch(name) or (at and not _REVISION.fullmatch(revision)):
            raise InvalidArgument(f"{text!r} names no model; give a folder's path, org/name or org/name@revision.")
        return cls(name, revision or None)

    @property
    def shown(self) -> str:
        if self.folder is not None:
            return str(self.folder)
        return f"{self.name}@{self.revision}" if self.revision else self.name


@dataclass(frozen=True)
class Found:
    """A folder that holds a whole model, and the name under which its vectors are kept."""

    folder: Path
    name: str
    commit: str | None  # of the hub, where the place tells it

    def producer(self, settings: str, remembered: Path | None = None) -> str:
        """`name@revision/settings`. Without a commit the revision is a digest of the weights: a retrained model in the
        same folder is another producer."""
        return f"{self.name}@{(self.commit or weights_digest(self.folder, remembered))[:8]}/{settings}"

    def config(self) -> dict[str, Any]:
        """config.json. Raises: ModelMissing: it is not readable."""
        return read_json(self.folder / "config.json")


def cache_folder() -> Path:
    """The Hugging Face cache of this user (HF_HUB_CACHE, HF_HOME, or ~/.cache/huggingface/hub)."""
    from huggingface_hub import constants

    return Path(constants.HF_HUB_CACHE)


def places(reference: Reference, folders: Sequence[Path]) -> list[tuple[Path, str | None]]:
    """(folder, commit or None) of each place where the model may lie, best first; they need not exist.

    In a cache of the hub only the snapshot counts that the revision points at; without one the snapshot that a pull
    recorded, else that of `main`; where none is recorded, each snapshot counts.
    """
    if reference.folder is not None:
        return [(reference.folder, None)]
    flat = reference.name.replace("/", "--")
    found: list[tuple[Path, str | None]] = []
    for folder in folders:
        if reference.revision is None:  # a plain folder does not say which revision it holds
            found += [(folder / flat, None), (folder / reference.name, None)]
        cache = folder / f"models--{flat}"
        wanted = _recorded(cache, reference.revision or PULLED)
        if reference.revision is None and (wanted is None or not (cache / "snapshots" / wanted).is_dir()):
            wanted = _recorded(cache, "main")
        if wanted is not None:
            found.append((cache / "snapshots" / wanted, wanted))
        elif reference.revision is None:
            found += [(path, path.name) for path in sorted((cache / "snapshots").glob("*"))]
    return found


def locate(reference: Reference, folders: Sequence[Path], remedy: str) -> Found:
    """The first place that holds the whole model.

    Raises: ModelMissing: no such place; a folder without config.json; weights in pickles only; a shard is missing.
        The message ends in `remedy`.
    """
    candidates = [place for place in places(reference, folders) if place[0].is_dir()]
    for folder, commit in candidates:
        if why_unusable(folder) is None:
            return Found(folder, reference.name if reference.folder is None else folder.name, commit)
    if candidates:
        folder = candidates[0][0]
        raise ModelMissing(f"{reference.shown}: {folder} {why_unusable(folder)}. {remedy}")
    if reference.folder is not None:
        raise ModelMissing(f"{reference.folder} is not a folder. Name the folder that holds the model's config.json.")
    looked = ", ".join(map(str, folders)) or "no folder"
    raise ModelMissing(f"{reference.shown} is not on this machine (looked in {looked}). {remedy}")


def why_unusable(folder: Path) -> str | None:
    """What keeps a folder from being loaded, as the rest of a sentence about it; None where it can be."""
    if not (folder / "config.json").is_file():
        return "holds no config.json, so it is no model folder"
    if (folder / "model.bin").is_file() and not any(folder.glob("*.safetensors")):
        return None  # CTranslate2
    index = folder / INDEX
    if index.is_file():
        try:
            shards = set(json.loads(index.read_text("utf-8"))["weight_map"].values())
        except (OSError, ValueError, KeyError, AttributeError):
            return f"holds a broken {INDEX}"
        lacking = sorted(shard for shard in shards if not (folder / str(shard)).is_file())
        return f"lacks {lacking[0]} ({len(lacking)} of {len(shards)} shards are missing)" if lacking else None
    if any(folder.glob("*.safetensors")):
        return None
    if any(True for pattern in _PICKLES for _ in folder.glob(pattern)):
        return (
            "holds its weights as pickles only, which can run code and are never loaded; take a revision with "
            "safetensors, or convert them where you trust them"
        )
    return "holds no weights (*.safetensors)"


def weight_files(folder: Path) -> list[Path]:
    """The files that hold the weights, in the order of their names."""
    if (folder / INDEX).is_file():
        shards = set(read_json(folder / INDEX).get("weight_map", {}).values())
        return [folder / str(name) for name in sorted(shards)]
    return sorted(folder.glob("*.safetensors")) or [folder / "model.bin"]


def weights_digest(folder: Path, remembered: Path | None = None) -> str:
    """sha256 over the digests of the weight files; each is read once (weights.sha256_of)."""
    whole = hashlib.sha256()
    for path in weight_files(folder):
        whole.update(sha256_of(path, remembered).encode())
    return whole.hexdigest()


def read_json(path: Path) -> dict[str, Any]:
    """Raises: ModelMissing: no such file, or it holds no JSON object."""
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ModelMissing(f"{path} is not readable as JSON. Get the model again.") from error
    if not isinstance(value, dict):
        raise ModelMissing(f"{path} holds no JSON object. Get the model again.")
    return value


def _recorded(cache: Path, revision: str) -> str | None:
    """The commit that a revision stands for in a cache, as far as the cache records it."""
    if _COMMIT.fullmatch(revision):
        return revision
    ref = cache / "refs" / revision
    try:
        return ref.read_text("ascii").strip() or None
    except (OSError, UnicodeDecodeError):
        snapshots = [path.name for path in (cache / "snapshots").glob(f"{revision}*")]
        return snapshots[0] if len(snapshots) == 1 and len(revision) >= 7 else None
