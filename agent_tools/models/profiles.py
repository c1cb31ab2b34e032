"""From a setting to a loaded model: what a profile means here, and the constructors of its models.

It chooses the class for each role. Nothing is loaded before a constructor is called. A constructor never downloads: its
error names the command that does."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from agent_tools.errors import InvalidArgument, ModelMissing
from agent_tools.models.hub.catalogue import (
    BUILT_IN,
    FULL,
    LITE,
    PROFILES,
    ROLES,
    ROUTED_PACKAGE,
    STANDARD,
    Model,
    Profile,
    Role,
    is_address,
    megabytes,
    missing,
    reference,
)
from agent_tools.models.hub.folders import Found, Reference, cache_folder, locate
from agent_tools.untrusted import clean

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.ocr import OcrLine
    from agent_tools.models.picture_memory import PictureMemory
    from agent_tools.models.segment_reader import SegmentReader
    from agent_tools.models.speech import Speech
    from agent_tools.models.video_llm.questions import Answerer
    from agent_tools.models.voices.encoder import VoiceEncoder


__all__ = [
    "FULL",
    "LITE",
    "PROFILES",
    "STANDARD",
    "FrameEncoder",
    "Model",
    "ModelSettings",
    "OcrEngine",
    "Profile",
    "Role",
    "TextEncoder",
    "TextSide",
    "frame_encoder",
    "missing",
    "ocr",
    "picture_memory",
    "pull_command",
    "redundancy_encoder",
    "resolve",
    "segment_reader",
    "speech",
    "text_encoder",
    "video_llm",
    "voices",
]


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


class TextSide(Protocol):
    """What a FrameEncoder has besides, where has_text_side: texts (n,) to vectors (n, dim) in the space of encode."""

    @property
    def languages(self) -> str: ...
    def encode_text(self, texts: Sequence[str]) -> NDArray[np.float32]: ...


class OcrEngine(Protocol):
    """A picture (H, W, 3) to its lines of text in reading order."""

    @property
    def producer(self) -> str: ...
    def read(self, rgb: NDArray[np.uint8]) -> list[OcrLine]: ...


OFF = "off"  # in the place of a model: the profile goes without


@dataclass(frozen=True)
class ModelSettings:
    """What the constructors need to know; made by whoever read the settings."""

    profile: str = "auto"  # auto, lite, standard or full
    # where weights may lie: Hugging Face caches, or folders of <org>--<name>; None = this user's Hugging Face cache
    folders: tuple[Path, ...] | None = None
    threads: int = 1  # of torch, of speech and of OCR, each
    remembered: Path | None = None  # file that keeps which weights were checked (weights.sha256_of)
    made: Path | None = None  # folder for what is unpacked out of packages once; None = unpacked at each load
    # role -> a local folder, org/name, org/name@revision, "off", or for captions http(s)://host/v1#model
    overrides: Mapping[str, str] = field(default_factory=dict)
    device: str = "auto"  # devices.choose
    endpoint_key: str = field(default="", repr=False)  # bearer token of the captions endpoint

    @property
    def searched(self) -> tuple[Path, ...]:
        """The folders in which weights are looked for."""
        return (cache_folder(),) if self.folders is None else self.folders


def resolve(settings: ModelSettings) -> Profile:
    """The profile that a name means, with the models that the settings put in; "auto" is standard where all its models
    are on disk, and what runs them is installed, else lite.

    Raises: InvalidArgument: no profile or role of that name, or an override that names no model."""
    if settings.profile == "auto":
        standard = _overridden(STANDARD, settings.overrides)
        return standard if not missing(standard, settings.searched) else _overridden(LITE, settings.overrides)
    try:
        return _overridden(PROFILES[settings.profile], settings.overrides)
    except KeyError:
        known = ", ".join(["auto", *PROFILES])
        raise InvalidArgument(f"No profile {settings.profile!r}. Give one of {known}.") from None


def pull_command(settings: ModelSettings, profile: Profile) -> str:
    """The line that downloads what a resolved profile lacks, and nothing that was replaced in it."""
    given = (f" --models {shlex.quote(f'{role}={name}')}" for role, name in settings.overrides.items())
    return f"agent-tools models pull {profile.name}{''.join(given)}"


def text_encoder(settings: ModelSettings) -> TextEncoder:
    """The sentence encoder of the profile, loaded (seconds). Raises: ModelMissing."""
    model = _wanted(settings, "text")
    if model.package == ROUTED_PACKAGE:
        from agent_tools.models.routed_text import RoutedText
        from agent_tools.models.use_files import FOLDER

        made = settings.made and settings.made / FOLDER
        return RoutedText(made, threads=settings.threads, remembered=settings.remembered)
    if not model.from_hub:
        from agent_tools.models.minilm import MiniLM

        return MiniLM(threads=settings.threads, remembered=settings.remembered)
    found = _located(settings, "text")
    from agent_tools.models.devices import choose
    from agent_tools.models.sentences import Sentences

    device = choose(settings.device)
    return Sentences(found, device=device, threads=settings.threads, remembered=settings.remembered)


def frame_encoder(settings: ModelSettings) -> FrameEncoder:
    """The encoder whose vectors are kept and searched, loaded; with `encode_text` where has_text_side.

    Raises: ModelMissing."""
    if not _wanted(settings, "frames").from_hub:
        from agent_tools.models.descriptor import PixelDescriptor

        return PixelDescriptor()
    found = _located(settings, "frames")
    from agent_tools.models.devices import choose
    from agent_tools.models.image_text import ImageText

    device = choose(settings.device)
    return ImageText(found, device=device, threads=settings.threads, remembered=settings.remembered)


def redundancy_encoder(settings: ModelSettings) -> FrameEncoder:
    """The encoder that frames are pruned by, before the frame encoder sees what is left; its vectors are not kept.

    A profile without one prunes by the pixel descriptor: the same as lite's frame encoder. Raises: ModelMissing."""
    if resolve(settings).model("redundancy") is None:
        from agent_tools.models.descriptor import PixelDescriptor

        return PixelDescriptor()
    found = _located(settings, "redundancy")
    from agent_tools.models.devices import choose
    from agent_tools.models.redundancy import Redundancy

    device = choose(settings.device)
    return Redundancy(found, device=device, threads=settings.threads, remembered=settings.remembered)


def speech(settings: ModelSettings) -> Speech:
    """The speech model of the profile, loaded (seconds). Raises: ModelMissing: also where the profile has none."""
    from agent_tools.models.devices import choose
    from agent_tools.models.speech import Speech

    device = choose(settings.device)
    if not _wanted(settings, "speech").from_hub:
        from agent_tools.models.whisper.base_weights import NAME, whisper_base

        base = whisper_base(settings.made and settings.made / NAME, settings.remembered)
        return Speech(
            base.found, device=device, threads=settings.threads, remembered=settings.remembered, files=base.files
        )
    found = _located(settings, "speech")
    return Speech(found, device=device, threads=settings.threads, remembered=settings.remembered)


def voices(settings: ModelSettings) -> VoiceEncoder | None:
    """What tells voices apart, loaded; None where the settings name none, as no profile does of itself.

    Raises: ModelMissing."""
    if resolve(settings).model("speakers") is None:
        return None
    from agent_tools.models.voices.encoder import VoiceEncoder

    return VoiceEncoder(threads=settings.threads, remembered=settings.remembered)


def video_llm(settings: ModelSettings) -> Answerer:
    """The model that captions and grounds (asking.caption, asking.VideoLocalizer), loaded; an endpoint is not asked.

    Raises: ModelMissing: also where the profile has none. InvalidArgument: the endpoint's address is none."""
    model = _wanted(settings, "captions")
    if is_address(model.name):
        from agent_tools.models.video_llm.endpoint import Endpoint

        url, _, name = model.name.partition("#")
        return Endpoint(url, name, key=settings.endpoint_key)
    found = _located(settings, "captions")
    memaug = _located(settings, "memaug") if resolve(settings).model("memaug") is not None else None
    if memaug is not None and memaug.config().get("encoder"):
        memaug = None  # it reads the vectors of the frames model: picture_memory
    from agent_tools.models.devices import choose
    from agent_tools.models.video_llm.local import VideoLlm

    device = choose(settings.device)
    return VideoLlm(found, device=device, threads=settings.threads, remembered=settings.remembered, memaug=memaug)


def segment_reader(settings: ModelSettings, width: int, encoder: str = "") -> SegmentReader:
    """What makes one vector, `width` numbers wide, of a segment's frames; softmax pooling without an adapter.

    `encoder`: the producer of the frames' vectors, for which an adapter must have been trained.

    Raises: ModelMissing: the adapter that is named is not here, or does not fit the frames model."""
    found = _located(settings, "adapter") if resolve(settings).model("adapter") is not None else None
    from agent_tools.models.devices import choose
    from agent_tools.models.segment_reader import SegmentReader

    return SegmentReader(found, width, choose(settings.device), encoder)


def picture_memory(settings: ModelSettings, width: int, encoder: str) -> PictureMemory | None:
    """What reads all pictures of a video for a question; None without a memaug, or with one for the captions model.

    Raises: ModelMissing: the memaug that is named is not here, or does not fit the frames model."""
    profile = resolve(settings)
    if profile.model("memaug") is None:
        return None
    found = _located(settings, "memaug")
    if not found.config().get("encoder"):
        captions = profile.model("captions")
        if captions is None or is_address(captions.name):
            raise ModelMissing(
                f"{found.folder} is a MemAug for a captions model, and none runs here. Leave memaug out."
            )
        return None
    from agent_tools.models.devices import choose
    from agent_tools.models.picture_memory import PictureMemory

    return PictureMemory(found, width, choose(settings.device), encoder)


def ocr(settings: ModelSettings) -> OcrEngine:
    """The OCR engine: the same bundled one in every profile. Raises: ModelMissing."""
    from agent_tools.models.ocr import RapidOcr

    resolve(settings)
    return RapidOcr(threads=settings.threads)


def _overridden(profile: Profile, overrides: Mapping[str, str]) -> Profile:
    models = {model.role: model for model in profile.models}
    for role, text in overrides.items():
        known = next((one for one in ROLES if one == role and one != "screen_text"), None)
        if known is None:
            names = ", ".join(one for one in ROLES if one != "screen_text")
            raise InvalidArgument(f"models: no role {role!r} can be set. Give one of {names}.")
        if text.strip().lower() == OFF:
            if known in ("frames", "text"):
                raise InvalidArgument(f"models: {role} cannot be off. Name a model, or leave it out.")
            models.pop(known, None)
        elif is_address(text):
            if known != "captions" or "#" not in text:
                raise InvalidArgument(
                    "models: an address serves captions only, with the model's name behind a #: "
                    "captions=http://127.0.0.1:8000/v1#name"
                )
            models[known] = Model(known, text.strip(), 0, "as its server says", package="")
        elif (known, text.strip()) in BUILT_IN:
            models[known] = BUILT_IN[known, text.strip()]
        elif known == "speakers":
            raise InvalidArgument(f"models: speakers is {clean(text, 40)!r}; it must be resemblyzer, or off.")
        else:
            named = Reference.of(text)
            models[known] = Model(
                known,
                named.name if named.folder is None else str(named.folder),
                0,
                "as its publisher says",
                revision=named.revision,
                needs="faster_whisper" if known == "speech" else None,
            )
    has_captions = "captions" in models and not is_address(models["captions"].name)
    if "memaug" in models and not has_captions and not models["frames"].from_hub:
        where = "at an endpoint" if "captions" in models else "off"
        raise InvalidArgument(
            f"models: memaug works inside a captions model that runs here; captions are {where}. Name a folder or a "
            "hub id for captions, or leave memaug out. One of agent-tools train needs an image-text model for frames."
        )
    if "adapter" in models and not models["frames"].from_hub:
        raise InvalidArgument(
            f"models: adapter reads vectors that words can be compared with; frames are the {models['frames'].name}. "
            "Name an image-text model for frames, or leave adapter out."
        )
    return replace(profile, models=tuple(models[role] for role in ROLES if role in models))


def _wanted(settings: ModelSettings, role: Role) -> Model:
    profile = resolve(settings)
    model = profile.model(role)
    if model is None:
        raise ModelMissing(
            f"Profile {profile.name} has no model for {role}. Name one with the setting models ({role}=org/name), or "
            "take another profile."
        )
    return model


def _located(settings: ModelSettings, role: Role) -> Found:
    """Raises: ModelMissing: with the command that gets the model, and its size."""
    profile, model = resolve(settings), _wanted(settings, role)
    get = f"Get it with: {pull_command(settings, profile)}"
    if reference(model).folder is not None:
        remedy = f"Name another folder with the setting models ({role}=FOLDER)."
    elif role in settings.overrides:
        remedy = f"{get}, or leave {role} out of the setting models."
    else:
        remedy = (
            f"Profile {profile.name} needs it. {get} ({megabytes(model.size_bytes)}, {megabytes(profile.size_bytes)} "
            "in all), or start with --profile lite, which needs no download."
        )
    return locate(reference(model), settings.searched, remedy)
