"""Encoders inside an ingest against bare loops of the same models on ready tensors: the cost of everything else.

    python -m lab.bench.encoders [--length 180] [--rounds 2] [--threads 1] [--device cpu/fp32] [--quick]

Both models have random weights and the shape of a real one (ViT-S, 224 px, patches of 16): a SigLIP for search and, in
the second row, a DINOv2 for redundancy. A bare loop runs the network over the pictures that the ingest encoded, as
tensors in memory, in batches of a window, under inference mode and with the same number of threads. Rounds alternate.
The ratio is that of the medians; 1 means that the encoders never wait. The first window must be decoded before there
is anything to encode, and this counts more in a short film. CPU is the same ratio for the processor time of the
encoders' own thread: on a busy machine it is more reliable than the time on the wall."""

from __future__ import annotations

import argparse
import contextlib
import tempfile
import time
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np
import torch

from agent_tools.ingestion.channels.frames import WINDOW, FramePass
from agent_tools.media import probe
from agent_tools.models.descriptor import PixelDescriptor
from agent_tools.models.devices import choose
from agent_tools.models.hub.folders import Found
from agent_tools.models.hub.loader import parameters_dtype
from agent_tools.models.image_text import ImageText
from agent_tools.models.redundancy import Redundancy
from agent_tools.store import Store
from lab.bench.decode_material import material
from lab.bench.rows import emit
from tests.models.checkpoints import word_tokenizer

VIDEO = "0123456789ab"
SHAPE = {"hidden_size": 384, "num_attention_heads": 6, "image_size": 224}


class Counted:
    """A FrameEncoder that keeps what it was given, as a bare loop is to have it, and how long it worked."""

    def __init__(self, encoder: Any) -> None:
        self.encoder = encoder
        self.producer, self.size, self.threshold = encoder.producer, encoder.size, encoder.threshold
        self.has_text_side, self.dim = encoder.has_text_side, encoder.dim
        self.given: list[Any] = []
        self.busy_s = self.cpu_s = 0.0

    def encode(self, pictures: Any) -> Any:
        begun, cpu = time.perf_counter(), time.thread_time()
        self.given.append(pictures)
        made = self.encoder.encode(pictures)
        self.busy_s += time.perf_counter() - begun
        self.cpu_s += time.thread_time() - cpu
        return made


def siglip(folder: Path, layers: int) -> Path:
    """A random SigLIP whose picture tower has the shape of a ViT-S, its text tower one layer."""
    from transformers import SiglipConfig, SiglipModel
    from transformers.models.siglip.image_processing_pil_siglip import SiglipImageProcessorPil

    torch.manual_seed(0)
    tokenizer = word_tokenizer()
    text = {"hidden_size": 384, "intermediate_size": 384, "num_hidden_layers": 1, "num_attention_heads": 6}
    text |= {"vocab_size": len(tokenizer), "max_position_embeddings": 16, "projection_size": 384}
    text |= {"pad_token_id": 0, "bos_token_id": 2, "eos_token_id": 3}
    vision = {**SHAPE, "intermediate_size": 1536, "num_hidden_layers": layers, "patch_size": 16}
    SiglipModel(SiglipConfig(text_config=text, vision_config=vision)).save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    SiglipImageProcessorPil(size={"height": 224, "width": 224}).save_pretrained(folder)
    return folder


def dinov2(folder: Path, layers: int) -> Path:
    """A random DINOv2 of the shape of dinov2-small."""
    from transformers import Dinov2Config, Dinov2Model
    from transformers.models.bit.image_processing_pil_bit import BitImageProcessorPil

    torch.manual_seed(0)
    shape: dict[str, Any] = {**SHAPE, "num_hidden_layers": layers, "mlp_ratio": 4, "patch_size": 14}
    Dinov2Model(Dinov2Config(**shape)).save_pretrained(folder)
    BitImageProcessorPil(size={"shortest_edge": 256}, crop_size={"height": 224, "width": 224}).save_pretrained(folder)
    return folder


def inside(path: Path, search: Any, redundancy: Any, length_s: float, threads: int) -> float:
    """Seconds of a frames pass into an empty store."""
    with tempfile.TemporaryDirectory() as home, contextlib.closing(Store.open(Path(home))) as store:
        store.add_video(VIDEO, "encoding", 1)
        work = FramePass(store, VIDEO, probe(path), search, redundancy, 1.0, threads, length_s)
        begun = time.perf_counter()
        work.run(0, lambda _time, _picture: None, lambda _k, _time, _mark: None, lambda _damage: None)
        return time.perf_counter() - begun


def bare(encoder: Any, batches: list[torch.Tensor]) -> tuple[float, float]:
    """Seconds, and of this thread's processor, of the network alone over tensors that are on its device."""
    model = getattr(encoder._model, "vision_model", encoder._model)
    begun, cpu = time.perf_counter(), time.thread_time()
    with torch.inference_mode():
        for batch in batches:
            last = model(pixel_values=batch)
        (last.pooler_output if hasattr(last, "pooler_output") else last[0]).float().cpu()  # waits for the device
    return time.perf_counter() - begun, time.thread_time() - cpu


def ready(encoder: Any, given: list[Any]) -> list[torch.Tensor]:
    """The pictures as the network takes them, a window in each batch."""
    pictures = np.concatenate(given)
    batches = [encoder._rule.prepare(pictures[i : i + WINDOW]) for i in range(0, len(pictures), WINDOW)]
    return [batch.to(encoder._device.name, parameters_dtype(encoder._model)) for batch in batches]


def measure(name: str, path: Path, search: ImageText, redundancy: Any, asked: argparse.Namespace) -> None:
    searched, judged = Counted(search), Counted(redundancy)
    inside(path, searched, judged, asked.length, asked.threads)  # warms up, and says what is encoded
    networks = [one for one in (searched, judged) if not isinstance(one.encoder, PixelDescriptor)]
    given = [one.given for one in networks]
    batches = [(one.encoder, ready(one.encoder, of)) for one, of in zip(networks, given, strict=True)]
    rounds = []
    for _ in range(asked.rounds):
        alone, alone_cpu = map(sum, zip(*(bare(encoder, of) for encoder, of in batches), strict=True))
        searched, judged = Counted(search), Counted(redundancy)
        whole = inside(path, searched, judged, asked.length, asked.threads)
        encoded_cpu = searched.cpu_s + (0.0 if isinstance(redundancy, PixelDescriptor) else judged.cpu_s)
        rounds.append((alone, whole, (searched.busy_s + judged.busy_s) / whole, alone_cpu / encoded_cpu))
    alone_s, inside_s, busy, cpu_ratio = (median(column) for column in zip(*rounds, strict=True))
    pictures = sum(sum(map(len, of)) for of in given)
    emit(
        f"encoder throughput inside ingest: {name}, {pictures} pictures of {asked.length / 60:g} min of 720p, "
        f"{asked.threads} thread, {search._device.described}",
        against="a bare loop of the same models on ready tensors",
        ours=f"{pictures / inside_s:.1f} pictures/s, the encoders at work {busy:.0%} of the time",
        reference=f"{pictures / alone_s:.1f} pictures/s",
        ratio=alone_s / inside_s,
        cpu_ratio=cpu_ratio,
        goal=">= 0.9 of its speed",
        reached=alone_s / inside_s >= 0.9,
        rounds=asked.rounds,
        length_s=asked.length,
        pictures=pictures,
        busy=round(busy, 3),
        inside_s=round(inside_s, 2),
        bare_s=round(alone_s, 2),
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n")[0])
    parser.add_argument("--length", type=float, default=180.0)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--threads", type=int, default=1, help="of torch and of the decoder, each")
    parser.add_argument("--device", default="cpu/fp32")
    parser.add_argument("--layers", type=int, default=12)
    parser.add_argument("--quick", action="store_true", help="80 s of video, one round")
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()) / "agent-tools-bench")
    asked = parser.parse_args()
    if asked.quick:
        asked.length, asked.rounds = 80.0, 1
    asked.folder.mkdir(parents=True, exist_ok=True)
    path = material(asked.folder, "h264-b", asked.length)
    device = choose(asked.device)
    with tempfile.TemporaryDirectory() as models:
        folders = siglip(Path(models) / "siglip", asked.layers), dinov2(Path(models) / "dinov2", asked.layers)
        search = ImageText(Found(folders[0], "siglip", "bench"), device=device, threads=asked.threads)
        dino = Redundancy(Found(folders[1], "dinov2", "bench"), device=device, threads=asked.threads)
        measure("SigLIP of ViT-S shape", path, search, PixelDescriptor(), asked)
        measure("DINOv2 small for redundancy, then that SigLIP", path, search, dino, asked)


if __name__ == "__main__":
    main()
