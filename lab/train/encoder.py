"""An image-text encoder for the drawn world: a small SigLIP, trained from nothing in some minutes of one core.

It stands for the general encoder that a user has: it has seen the world's things and relations, with the usual words
and now and then with others, and never the archive's films. Its relations stay weak, as those of real ones are."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray

from lab.train.world import (
    COLOURS,
    RELATIONS,
    SHAPES,
    TEMPLATES,
    TEXTURES,
    Camera,
    Scene,
    Shot,
    look_alike,
    paraphrases,
    random_scene,
)

PICTURE, WIDTH, LENGTH = 48, 96, 28  # px of a side, numbers of a vector, tokens of a text
STEPS, GALLERY, BATCH = 1500, 5000, 64
RARE = 0.2  # chance of a word to be another than the usual one
ATTRIBUTES = (list(COLOURS), list(SHAPES), list(TEXTURES))


def train_encoder(
    folder: Path, *, steps: int = STEPS, gallery: int = GALLERY, seed: int = 0, on_line: Callable[[str], None] = print
) -> Path:
    """Train and save as transformers does; returns the folder.

    Loss: SigLIP's sigmoid over all pairs of a batch; a pair is right wherever the text is true of the picture, and
    right and wrong pairs weigh the same."""
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    torch.manual_seed(seed)
    rng = random.Random(seed)
    words = _words()
    tokenizer = _tokenizer(words)
    text = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 2, "num_attention_heads": 4}
    text |= {"vocab_size": len(tokenizer), "max_position_embeddings": LENGTH, "projection_size": WIDTH}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    seen = {"hidden_size": WIDTH, "intermediate_size": 2 * WIDTH, "num_hidden_layers": 3, "num_attention_heads": 4}
    seen |= {"image_size": PICTURE, "patch_size": 8}
    model: Any = SiglipModel(SiglipConfig(text_config=text, vision_config=seen))
    model.logit_scale.data.fill_(math.log(10.0))
    model.logit_bias.data.fill_(-2.0)
    scenes, pixels = _gallery(gallery, rng)
    optimizer = torch.optim.AdamW(model.parameters(), lr=2e-3, betas=(0.9, 0.98), weight_decay=0.02)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=max(100, steps), pct_start=0.1)
    begun = time.monotonic()
    for step in range(1, steps + 1):
        chosen = [rng.randrange(gallery) for _ in range(BATCH)]
        claims = [_claim(scenes[i], rng) for i in chosen]
        texts = [_text(claim, rng, words) for claim in claims]
        ids = tokenizer(texts, padding="max_length", truncation=True, max_length=LENGTH, return_tensors="pt").input_ids
        right = torch.from_numpy(_true([scenes[i] for i in chosen], claims))
        shown = (torch.from_numpy(pixels[chosen]).permute(0, 3, 1, 2).float() / 255 - 0.5) / 0.5
        logits = model(pixel_values=shown, input_ids=ids).logits_per_image
        losses = -torch.nn.functional.logsigmoid(torch.where(right, logits, -logits))
        loss = losses[right].mean() + losses[~right].mean()
        optimizer.zero_grad()
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if step % 200 == 0:
            on_line(f"encoder, step {step} of {steps}: loss {loss.item():.3f}, {time.monotonic() - begun:.0f} s")
    model.eval()
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": PICTURE, "width": PICTURE}).save_pretrained(folder)
    return folder


def camera(rng: random.Random) -> Camera:
    return Camera(rng.uniform(-0.08, 0.08), rng.uniform(-0.08, 0.08), rng.uniform(0.85, 1.2))


Claim = tuple[str | None, tuple[str | None, ...], tuple[str | None, ...] | None]  # relation, first and second thing


def _claim(scene: Scene, rng: random.Random) -> Claim:
    """What a text says: of the scene or of a look-alike, whole or in part."""
    told = look_alike(scene, rng) if rng.random() < 0.4 else scene
    a = (told.a.colour, told.a.shape, told.a.texture)
    if told.b is None or rng.random() < 0.35:
        whole = a if told.b is None or rng.random() < 0.5 else (told.b.colour, told.b.shape, told.b.texture)
        if rng.random() < 0.3:
            whole = rng.choice([(whole[0], None, None), (None, whole[1], None)])
        return None, whole, None
    return told.relation, a, (told.b.colour, told.b.shape, told.b.texture)


def _text(claim: Claim, rng: random.Random, words: list[str]) -> str:
    relation, a, b = claim
    said = rng.choice(TEMPLATES[relation or "alone"]).format(a=_name(a, rng), b=_name(b, rng) if b else "")
    if rng.random() < 0.5:  # words that mean nothing here: an encoder of the world's texts has learnt to pass over them
        parts = said.split()
        for _ in range(rng.randint(1, 5)):
            parts.insert(rng.randint(0, len(parts)), rng.choice(words))
        said = " ".join(parts)
    return said


def _name(spec: tuple[str | None, ...], rng: random.Random) -> str:
    colour, shape, texture = spec
    pools = (TEXTURES[texture] if texture else (), COLOURS[colour][1] if colour else (), SHAPES[shape] if shape else ())
    return "a " + " ".join(rng.choice(pool) if rng.random() < RARE else pool[0] for pool in pools if pool)


def _true(scenes: list[Scene], claims: list[Claim]) -> NDArray[np.bool_]:
    """(pictures, texts): whether the text is true of the picture."""

    def coded(spec: tuple[str | None, ...] | None) -> list[int]:
        if spec is None:
            return [-1, -1, -1]
        return [-1 if value is None else pool.index(value) for pool, value in zip(ATTRIBUTES, spec, strict=True)]

    a = np.array([coded((one.a.colour, one.a.shape, one.a.texture)) for one in scenes])[:, None]
    b = np.array([coded((o.b.colour, o.b.shape, o.b.texture)) if o.b else [-2, -2, -2] for o in scenes])[:, None]
    first = np.array([coded(claim[1]) for claim in claims])[None]
    second = np.array([coded(claim[2]) for claim in claims])[None]

    def fits(thing: NDArray[np.int64], spec: NDArray[np.int64]) -> NDArray[np.bool_]:
        made: NDArray[np.bool_] = ((spec < 0) | (thing == spec)).all(axis=2)
        return made

    relation = np.array([RELATIONS.index(one.relation) for one in scenes])[:, None]
    asked = np.array([-1 if claim[0] is None else RELATIONS.index(claim[0]) for claim in claims])[None]
    related = (relation == asked) & fits(a, first) & fits(b, second)
    present = (b[..., 0] > -2) & fits(b, first)
    made: NDArray[np.bool_] = np.where(asked < 0, fits(a, first) | present, related)
    return made


def _gallery(count: int, rng: random.Random) -> tuple[list[Scene], NDArray[np.uint8]]:
    scenes = [random_scene(rng) for _ in range(count)]
    return scenes, np.stack([Shot(scene, rng).picture(PICTURE, camera(rng)) for scene in scenes])


def _words() -> list[str]:
    """Every word of the world, and every word of the paraphrases."""
    patterns = [pattern for found in (TEMPLATES, paraphrases()) for many in found.values() for pattern in many]
    said = " ".join(patterns).replace("{a}", " ").replace("{b}", " ")
    names = [word for _, pool in COLOURS.values() for word in pool]
    names += [word for of in (SHAPES, TEXTURES) for pool in of.values() for word in pool]
    plain = "".join(char if char.isalpha() else " " for char in said.lower()).split()
    return sorted({*names, *plain, "a", "something"})


def _tokenizer(words: list[str]) -> Any:
    from tokenizers import Tokenizer, models, normalizers, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    names = ["[PAD]", "[UNK]", "[CLS]", "[SEP]"]
    vocabulary = {word: number for number, word in enumerate([*names, *words])}
    inner = Tokenizer(models.WordLevel(vocabulary, unk_token="[UNK]"))
    inner.normalizer = normalizers.Lowercase()
    inner.pre_tokenizer = pre_tokenizers.Whitespace()
    inner.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", special_tokens=[("[CLS]", vocabulary["[CLS]"]), ("[SEP]", vocabulary["[SEP]"])]
    )
    made: Any = PreTrainedTokenizerFast
    tokens = {"pad_token": "[PAD]", "unk_token": "[UNK]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    return made(tokenizer_object=inner, **tokens, eos_token="[SEP]", padding_side="right")
