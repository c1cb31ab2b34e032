"""Tiny checkpoints that tests make: real architectures and file layouts, random weights. Their answers mean nothing."""

from __future__ import annotations

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
    import json

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
