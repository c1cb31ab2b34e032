"""Tiny checkpoints that tests make: real architectures and file layouts, random weights. Their answers mean nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import torch

_TEXT = "a the red green blue yellow triangle circle square man is eating food hund katze läuft und here it"
WORDS = _TEXT.split()


def word_tokenizer(words: list[str] = WORDS, *, lower: bool = True, specials: list[str] | None = None) -> Any:
    """A tokenizer of whole words that ends each text with [SEP], as transformers saves and loads it."""
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", *(specials or [])]
    vocabulary = {word: number for number, word in enumerate([*names, *dict.fromkeys(words)])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    if lower:
        inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    return PreTrainedTokenizerFast(
        tokenizer_object=inner,
        pad_token="[PAD]",
        unk_token="[UNK]",
        cls_token="[CLS]",
        sep_token="[SEP]",
        eos_token="[SEP]",
        padding_side="right",
    )


def siglip(folder: Path, *, seed: int = 0, image: int = 32) -> Path:
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    torch.manual_seed(seed)
    tokenizer = word_tokenizer()
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**size, "vocab_size": len(tokenizer), "max_position_embeddings": 16, "projection_size": 32}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    model = SiglipModel(SiglipConfig(text_config=text, vision_config={**size, "image_size": image, "patch_size": 8}))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": image, "width": image}).save_pretrained(folder)
    return folder


def clip(folder: Path, *, seed: int = 0) -> Path:
    from transformers import CLIPConfig, CLIPModel
    from transformers.models.clip.image_processing_pil_clip import CLIPImageProcessorPil

    torch.manual_seed(seed)
    tokenizer = word_tokenizer()
    size = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 2, "num_attention_heads": 2}
    text = {**size, "vocab_size": len(tokenizer), "max_position_embeddings": 16}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    config = CLIPConfig(text_config=text, vision_config={**size, "image_size": 32, "patch_size": 8}, projection_dim=24)
    CLIPModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    CLIPImageProcessorPil(size={"shortest_edge": 36}, crop_size={"height": 32, "width": 32}).save_pretrained(folder)
    return folder


def dinov2(folder: Path, *, seed: int = 0, registers: int = 0) -> Path:
    from transformers import Dinov2Config, Dinov2Model, Dinov2WithRegistersConfig, Dinov2WithRegistersModel
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    torch.manual_seed(seed)
    size: dict[str, Any] = {"hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 2, "mlp_ratio": 2}
    size |= {"image_size": 28, "patch_size": 7}
    if registers:
        Dinov2WithRegistersModel(Dinov2WithRegistersConfig(**size, num_register_tokens=registers)).save_pretrained(
            folder
        )
    else:
        Dinov2Model(Dinov2Config(**size)).save_pretrained(folder)
    BitImageProcessorPil(size={"shortest_edge": 32}, crop_size={"height": 28, "width": 28}).save_pretrained(folder)
    return folder


def dinov3(folder: Path, *, seed: int = 0) -> Path:
    from transformers import DINOv3ViTConfig, DINOv3ViTModel

    torch.manual_seed(seed)
    size: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    DINOv3ViTModel(DINOv3ViTConfig(**size, image_size=32, patch_size=8, num_register_tokens=4)).save_pretrained(folder)
    rule = {"size": {"height": 32, "width": 32}, "resample": 2, "do_rescale": True, "rescale_factor": 1 / 255}
    rule |= {"do_normalize": True, "image_mean": [0.485, 0.456, 0.406], "image_std": [0.229, 0.224, 0.225]}
    (folder / "preprocessor_config.json").write_text(json.dumps(rule))
    return folder


def xlm_roberta(folder: Path, *, seed: int = 0) -> Path:
    from transformers import XLMRobertaConfig, XLMRobertaModel

    torch.manual_seed(seed)
    tokenizer = word_tokenizer([*WORDS, "query", "passage", ":"])
    size: dict[str, Any] = {
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
    }
    config = XLMRobertaConfig(**size, vocab_size=len(tokenizer), max_position_embeddings=34, pad_token_id=0)
    XLMRobertaModel(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


def whisper(folder: Path, *, seed: int = 0, english_only: bool = False) -> Path:
    """A random Whisper of two tiny layers with all 51,865 tokens, converted as for faster-whisper. One of English alone
    has a token less, by which CTranslate2 knows it."""
    import ctranslate2
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers
    from transformers import (
        WhisperConfig,
        WhisperFeatureExtractor,
        WhisperForConditionalGeneration,
        WhisperTokenizerFast,
    )
    from transformers.models.whisper.tokenization_whisper import LANGUAGES

    torch.manual_seed(seed)
    specials = ["<|endoftext|>", "<|startoftranscript|>", *(f"<|{code}|>" for code in list(LANGUAGES)[:99])]
    specials += [
        "<|translate|>",
        "<|transcribe|>",
        "<|startoflm|>",
        "<|startofprev|>",
        "<|nocaptions|>",
        "<|notimestamps|>",
    ]
    specials += [f"<|{0.02 * step:.2f}|>" for step in range(1501)]
    letters = pre_tokenizers.ByteLevel.alphabet()
    plain = 50_256 if english_only else 50_257
    words = sorted(letters) + [f"Ġw{number}" for number in range(plain - len(letters))]
    inner = Tokenizer(models.BPE({word: number for number, word in enumerate(words)}, merges=[]))
    inner.pre_tokenizer, inner.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    inner.add_special_tokens(specials)
    size: dict[str, Any] = {"d_model": 16, "encoder_layers": 1, "decoder_layers": 1, "num_mel_bins": 80}
    size |= {"encoder_attention_heads": 2, "decoder_attention_heads": 2, "encoder_ffn_dim": 16, "decoder_ffn_dim": 16}
    start = plain + 1
    config = WhisperConfig(
        **size,
        vocab_size=plain + len(specials),
        decoder_start_token_id=start,
        eos_token_id=plain,
        bos_token_id=plain,
        pad_token_id=plain,
        suppress_tokens=[],
        begin_suppress_tokens=[220],
    )
    model = WhisperForConditionalGeneration(config)
    model.generation_config.alignment_heads = [[0, 0], [0, 1]]
    whole = folder.with_name(folder.name + "-transformers")
    model.save_pretrained(whole)
    saved = json.loads((whole / "generation_config.json").read_text())
    if not english_only:
        saved["lang_to_id"] = {f"<|{code}|>": start + 1 + i for i, code in enumerate(list(LANGUAGES)[:99])}
    (whole / "generation_config.json").write_text(json.dumps(saved))
    inner.save(str(whole / "tokenizer.json"))
    WhisperTokenizerFast(tokenizer_object=inner).save_pretrained(whole)
    WhisperFeatureExtractor(feature_size=80).save_pretrained(whole)
    converter = ctranslate2.converters.TransformersConverter(
        str(whole), copy_files=["tokenizer.json", "preprocessor_config.json"]
    )
    converter.convert(str(folder), quantization="int8", force=True)
    return folder


CHAT = (
    "{% for message in messages %}{% for part in message.content %}{% if part.type == 'image' %}"
    "<|vision_start|><|image_pad|><|vision_end|>{% else %}{{ part.text }} {% endif %}{% endfor %}{% endfor %}"
)
_ANSWERS = "frame segment from to not present in which numbers answer 0 1 2 3 4 5 6 7 8 9 00 01 02 03 : , . ?"
VIDEO_WORDS = _ANSWERS.split()


def qwen2_vl(
    folder: Path, *, seed: int = 0, side: int = 56, context: int = 4096, layers: int = 2, newer: bool = False
) -> Path:
    """A random Qwen2-VL (`newer`: Qwen2.5-VL) of tiny layers, with the special tokens and the chat template of its
    family. Pictures are shown at no more than side x side px; `context` tokens are what it was made for."""
    from transformers import (
        Qwen2_5_VLConfig,
        Qwen2_5_VLForConditionalGeneration,
        Qwen2VLConfig,
        Qwen2VLForConditionalGeneration,
    )
    from transformers.models.qwen2_vl.image_processing_pil_qwen2_vl import Qwen2VLImageProcessorPil

    torch.manual_seed(seed)
    marks = ["<|vision_start|>", "<|vision_end|>", "<|image_pad|>", "<|video_pad|>"]
    tokenizer = word_tokenizer([*WORDS, *VIDEO_WORDS], specials=marks)
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    tokenizer.chat_template = CHAT
    ids = dict(zip(marks, tokenizer.convert_tokens_to_ids(marks), strict=True))
    text = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": layers, "num_attention_heads": 4}
    text |= {"num_key_value_heads": 2, "vocab_size": len(tokenizer), "max_position_embeddings": context}
    text |= {"rope_scaling": {"type": "mrope", "mrope_section": [1, 1, 2]}, "bos_token_id": 2, "eos_token_id": 3}
    seen = {"depth": 1, "hidden_size": 32, "num_heads": 2, "patch_size": 14}
    seen |= {"intermediate_size": 64, "out_hidden_size": 32} if newer else {"embed_dim": 32, "mlp_ratio": 2}
    kind: Any = Qwen2_5_VLConfig if newer else Qwen2VLConfig
    config = kind(
        text_config=text,
        vision_config={**seen, "spatial_merge_size": 2, "temporal_patch_size": 2},
        image_token_id=ids["<|image_pad|>"],
        video_token_id=ids["<|video_pad|>"],
        vision_start_token_id=ids["<|vision_start|>"],
        vision_end_token_id=ids["<|vision_end|>"],
    )
    built: Any = Qwen2_5_VLForConditionalGeneration if newer else Qwen2VLForConditionalGeneration
    built(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    Qwen2VLImageProcessorPil(size={"shortest_edge": 28 * 28, "longest_edge": side * side}).save_pretrained(folder)
    return folder


def smolvlm(folder: Path, *, seed: int = 0, layers: int = 1, tiles: bool = False) -> Path:
    """A random SmolVLM of tiny layers; `tiles`: it cuts a picture in tiles and shows the whole of it last."""
    from transformers import SmolVLMConfig, SmolVLMForConditionalGeneration
    from transformers.models.smolvlm.image_processing_pil_smolvlm import SmolVLMImageProcessorPil

    torch.manual_seed(seed)
    marks = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<video>"]
    tokenizer = word_tokenizer([*WORDS, *VIDEO_WORDS], specials=marks)
    tokenizer.add_special_tokens({"additional_special_tokens": marks})
    tokenizer.chat_template = CHAT.replace("<|vision_start|><|image_pad|><|vision_end|>", "<image>")
    image = int(tokenizer.convert_tokens_to_ids("<image>"))
    text = {"model_type": "llama", "hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": layers}
    text |= {"num_attention_heads": 2, "num_key_value_heads": 1, "vocab_size": len(tokenizer), "pad_token_id": 0}
    text |= {"bos_token_id": 2, "eos_token_id": 3}
    seen = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 1, "num_attention_heads": 2}
    config = SmolVLMConfig(
        text_config=text,
        vision_config={**seen, "image_size": 32, "patch_size": 8},
        image_token_id=image,
        scale_factor=2,
        pad_token_id=0,
    )
    SmolVLMForConditionalGeneration(config).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    side = 64 if tiles else 32
    SmolVLMImageProcessorPil(
        size={"longest_edge": side}, max_image_size={"longest_edge": 32}, do_image_splitting=tiles
    ).save_pretrained(folder)
    (folder / "processor_config.json").write_text(
        json.dumps({"processor_class": "SmolVLMProcessor", "image_seq_len": 4})
    )
    return folder


def memaug(folder: Path, *, seed: int = 0, **config: Any) -> Path:
    """A random MemAug as --models memaug=FOLDER takes it; `config` puts something else into its config.json."""
    from safetensors.torch import save_file

    from agent_tools.memory import MemAug

    torch.manual_seed(seed)
    sizes = {"dim": 32, "depth": 1, "heads": 2, "kv_heads": 2, "mlp_ratio": 2}
    folder.mkdir(parents=True)
    save_file(MemAug(**sizes).state_dict(), folder / "model.safetensors")
    (folder / "config.json").write_text(json.dumps({"model_type": "memaug", **sizes, **config}))
    return folder


def adapter(folder: Path, width: int, *, seed: int = 0, **config: Any) -> Path:
    """A random hierarchical adapter as --models adapter=FOLDER takes it; `config` changes its config.json."""
    from safetensors.torch import save_file

    from agent_tools.grounding import HierarchicalAdapter

    torch.manual_seed(seed)
    folder.mkdir(parents=True)
    save_file(HierarchicalAdapter(width, width).state_dict(), folder / "model.safetensors")
    sizes = {"dim": width, "hidden": width}
    (folder / "config.json").write_text(json.dumps({"model_type": "hierarchical-adapter", **sizes, **config}))
    return folder
