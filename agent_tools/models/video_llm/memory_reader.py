"""Hour-LLaVA's memory between vision tower and language model, with a trained MemAug checkpoint.

The repository holds every token of every picture. Forgetting keeps a part of them, and MemAug adds to that part what
the repository holds about the question. Without weights there is no memory: MemAug.training_free normalises every
token, so a language model cannot read its output. It is only an analogue for retrieval."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor

from agent_tools.errors import ModelMissing, ShapeError
from agent_tools.memory import MemAug, forget
from agent_tools.models.hub.loader import load_weights
from agent_tools.models.video_llm.questions import TokenReport
from agent_tools.models.video_llm.visual_tokens import Compressed, PictureTokens, thin

if TYPE_CHECKING:
    from agent_tools.models.devices import Device
    from agent_tools.models.hub.folders import Found

KEPT_SHARE = 4  # one token in four of a kept picture stays, as 16 of 64 in the paper
_SIZES = ("dim", "depth", "heads", "kv_heads", "mlp_ratio")  # of MemAug, in config.json


class MemoryReader:
    """Applies forgetting and MemAug to the pictures of one prompt."""

    def __init__(self, found: Found, width: int, device: Device) -> None:
        """
        Args:
            width: C of the language model's embeddings; the checkpoint must have the same.
        Raises: ModelMissing: a folder that holds no MemAug, or one of another width.
        """
        config = found.config()
        sizes: dict[str, Any] = {name: config[name] for name in _SIZES if config.get(name) is not None}
        if config.get("model_type") != "memaug" or not all(type(size) is int and size > 0 for size in sizes.values()):
            raise ModelMissing(
                f"{found.folder} holds a {config.get('model_type')} model, no MemAug: its config.json must say "
                'model_type "memaug" and dim, depth, heads, kv_heads, mlp_ratio in whole numbers.'
            )
        if sizes.get("dim") != width:
            raise ModelMissing(
                f"{found.folder} is a MemAug for tokens {sizes.get('dim')} wide; those of the captions model are "
                f"{width} wide. Name the MemAug that was trained with this model."
            )
        try:
            self._memaug = MemAug(**sizes)
        except ShapeError as error:
            raise ModelMissing(f"{found.folder}: {error}. Get the model again.") from error
        load_weights(self._memaug, found.folder, device)
        self.name = found.name

    def read(
        self, pictures: Sequence[PictureTokens], newlines: Tensor, question: Tensor, budget: int
    ) -> Compressed | None:
        """The pictures' tokens for the language model; None if the pictures have several grids.

        Differs from Hour-LLaVA: its newline is a learnt token; here it is the mark that closes a picture in the prompt.
        MemAug reads that mark too but does not change it. Tokens that forgetting draws twice (videos under 128 pictures
        are stretched) are read once.
        Args:
            newlines: (T, C), the embedding of the column after each picture's last column.
        """
        count, size = len(pictures), len(pictures[0].tokens)
        if len({(one.grid, len(one.tokens)) for one in pictures}) > 1:
            return None
        rows = [torch.cat([one.tokens, end[None]]) for one, end in zip(pictures, newlines, strict=True)]
        repository = torch.cat(rows)  # (T * (N + 1), C)
        places = torch.cat([torch.cat([one.columns, one.columns[-1:] + 1]) for one in pictures])
        kept = forget(count, size, max(1, size // KEPT_SHARE)).position
        kept = torch.unique(kept).to(repository.device)
        far = torch.arange(len(repository), device=repository.device)
        read = self._memaug(
            repository[kept][None], question[None], repository[None], positions=kept, repository_positions=far
        )[0]
        visual = (kept + 1) % (size + 1) != 0
        steps = (("vision tower", count * size), ("forgetting", int(visual.sum())))
        return thin(read[visual], places[kept[visual]], budget, TokenReport(count, 0, steps))
