"""transformers, with its doors shut: from one local folder, safetensors only, no remote code, no connection.

Every model that transformers runs is loaded here."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from agent_tools.errors import ModelMissing
from agent_tools.models.devices import Device, out_of_memory, too_little_memory
from agent_tools.models.hub.folders import read_json

if TYPE_CHECKING:
    import torch


def load_model(name: str, folder: Path, device: Device, unused: str | None = None) -> Any:
    """An instance of the transformers class `name` from the folder, on the device, frozen and in inference mode.

    Args:
        unused: prefix of weights that the caller never runs, and that may therefore be missing.

    Raises: ModelMissing: this transformers has no such class; files that do not fit the class, or are broken.
        EngineError: it does not fit the memory.
    """
    import transformers
    from safetensors import SafetensorError

    kind = getattr(transformers, name, None)
    if kind is None:
        raise ModelMissing(f"transformers {transformers.__version__} has no {name}. Install a newer one.")
    try:
        model, said = kind.from_pretrained(
            str(folder),
            local_files_only=True,
            trust_remote_code=False,
            use_safetensors=True,
            dtype=device.dtype,
            output_loading_info=True,
        )
        model = model.to(device.name)
    except (OSError, ValueError, KeyError, SafetensorError) as error:
        raise ModelMissing(f"{folder} does not load as {name}: {_first_line(error)} Get the model again.") from error
    except (MemoryError, RuntimeError) as error:
        if out_of_memory(error):
            raise too_little_memory(folder.name) from error
        raise ModelMissing(f"{folder} does not load as {name}: {_first_line(error)} Get the model again.") from error
    lacking = sorted(key for key in said["missing_keys"] if unused is None or not key.startswith(unused))
    if lacking:
        raise ModelMissing(
            f"{folder} lacks {len(lacking)} weights of {name}, {lacking[0]} among them: they would be random. "
            "Get the model again, or name another."
        )
    return model.requires_grad_(False).eval()


def load_weights(module: torch.nn.Module, folder: Path, device: Device) -> None:
    """Fill one of our own modules from the folder's model.safetensors, frozen, on the device and in its precision.

    Raises: ModelMissing: no such file, a broken one, or weights of another architecture. EngineError: too little
        memory.
    """
    from safetensors import SafetensorError
    from safetensors.torch import load_file

    path = folder / "model.safetensors"
    try:
        module.load_state_dict(load_file(path))
        module.to(device.name, device.dtype).requires_grad_(False).eval()
    except (OSError, SafetensorError) as error:
        raise ModelMissing(f"{path} does not load: {_first_line(error)} Get the model again.") from error
    except (MemoryError, RuntimeError) as error:
        if out_of_memory(error):
            raise too_little_memory(folder.name) from error
        raise ModelMissing(f"{path} does not fit its config.json: {_first_line(error)} Get the model again.") from error


def load_tokenizer(folder: Path) -> Any:
    """The folder's tokenizer, callable as transformers' tokenizers are. Raises: ModelMissing."""
    from transformers import AutoTokenizer, PreTrainedTokenizerFast

    try:
        try:
            return AutoTokenizer.from_pretrained(str(folder), local_files_only=True, trust_remote_code=False)
        except ImportError:  # its class wants sentencepiece; tokenizer.json holds the same vocabulary
            return PreTrainedTokenizerFast.from_pretrained(str(folder), local_files_only=True)
    except Exception as error:  # tokenizers raises a bare Exception for any file it cannot read
        raise ModelMissing(f"{folder} does not hold a readable tokenizer ({_first_line(error)})") from error


def load_processor(folder: Path, config: dict[str, Any]) -> Any:
    """The folder's processor for texts and images, with images through Pillow and without a video processor.

    transformers' own AutoProcessor builds the video processor too, which wants torchvision.
    Raises: ModelMissing: no processor is known for the model, or a file or package is missing.
    """
    import transformers
    from transformers.models.auto import processing_auto

    family = str(config.get("model_type"))
    name = getattr(processing_auto, "PROCESSOR_MAPPING_NAMES", {}).get(family)
    base: Any = getattr(transformers, name, None) if name else None
    if base is None:
        raise ModelMissing(f"{folder} holds a {family} model, for which transformers has no processor of images.")

    class WithoutVideo(base):  # type: ignore[misc]  # the class is known at run time only
        def check_argument_for_proper_class(self, argument_name: str, argument: Any) -> Any:
            if argument is None and argument_name == "video_processor":
                return None
            return super().check_argument_for_proper_class(argument_name, argument)

    WithoutVideo.__name__ = base.__name__
    tokenizer = load_tokenizer(folder)
    try:
        loader: Any = transformers.AutoImageProcessor
        images = loader.from_pretrained(str(folder), backend="pil", local_files_only=True, trust_remote_code=False)
        said = _processor_settings(folder)
        template = said.pop("chat_template", None) or getattr(tokenizer, "chat_template", None)
        return WithoutVideo(
            image_processor=images, tokenizer=tokenizer, video_processor=None, chat_template=template, **said
        )
    except ImportError as error:  # its first line names the package and the command
        raise ModelMissing(f"{folder} does not load as {name}: {_first_line(error)}") from error
    except (OSError, ValueError, TypeError, KeyError) as error:
        raise ModelMissing(f"{folder} does not load as {name}: {_first_line(error)} Get the model again.") from error


def _processor_settings(folder: Path) -> dict[str, Any]:
    """What processor_config.json and chat_template.* say, less the parts that are loaded apart."""
    path = folder / "processor_config.json"
    said = read_json(path) if path.is_file() else {}
    kept = {key: value for key, value in said.items() if not key.endswith(("_processor", "_class", "auto_map"))}
    for name in ("chat_template.jinja", "chat_template.json"):
        path = folder / name
        if path.is_file():
            kept["chat_template"] = (
                path.read_text("utf-8") if name.endswith("jinja") else read_json(path)["chat_template"]
            )
            break
    return kept


def parameters_dtype(model: Any) -> torch.dtype:
    """The dtype that a model's inputs must have."""
    dtype: torch.dtype = next(model.parameters()).dtype
    return dtype


def _first_line(error: BaseException) -> str:
    text = str(error).strip().partition("\n")[0][:300]
    return text if text.endswith(".") else f"{text}."
