"""What an image costs in each family of models, as data with its date and source.

The rules are those that the vendors publish. The caller names the family, because a server cannot see the model.
"""

from __future__ import annotations

from dataclasses import dataclass

from agent_tools.errors import InvalidArgument, TokenBudgetError


@dataclass(frozen=True)
class ImageCost:
    """How one family counts an image; exactly one of patch_px and flat is set."""

    family: str
    source: str  # the page that states the rule
    checked: str  # the day it was looked up, ISO
    note: str  # which models it holds for, and on which side it errs
    patch_px: int | None = None  # tokens = ceil(width / patch_px) * ceil(height / patch_px)
    flat: int | None = None  # tokens of an image of any size

    def tokens(self, width: int, height: int) -> int:
        if self.patch_px is None:
            return self.flat or 0
        return -(-width // self.patch_px) * -(-height // self.patch_px)


FAMILIES = {
    cost.family: cost
    for cost in (
        ImageCost(
            "claude",
            "https://platform.claude.com/docs/en/build-with-claude/vision",
            "2026-11-20",
            "One token per 28 px patch. Images beyond a model's native size are scaled down first and cost less.",
            patch_px=28,
        ),
        ImageCost(
            "gpt",
            "https://developers.openai.com/api/docs/guides/images-vision",
            "2026-11-20",
            "One token per 32 px patch: GPT-5.6 and later with detail original or auto. Older ones scale large images "
            "down first; mini and nano models multiply (1.62, 2.46), GPT-4o and GPT-5 count tiles of 512 px.",
            patch_px=32,
        ),
        ImageCost(
            "gemini",
            "https://docs.cloud.google.com/vertex-ai/generative-ai/docs/multimodal/image-understanding",
            "2026-11-20",
            "At most 1120 tokens at the default media resolution of Gemini 3, whatever the size; Gemini 2 took 258 per "
            "tile of 768 px.",
            flat=1120,
        ),
    )
}


def token_cost(width: int, height: int, family: str) -> int:
    """Return the tokens an image of width x height pixels costs in a family of FAMILIES.

    Raises: InvalidArgument: an unknown family. TokenBudgetError: a side is below 1 pixel.
    """
    if family not in FAMILIES:
        raise InvalidArgument(f"No model family {family!r}; known are {', '.join(sorted(FAMILIES))}.")
    if width < 1 or height < 1:
        raise TokenBudgetError(f"An image of {width} x {height} px does not exist; each side is at least 1.")
    return FAMILIES[family].tokens(width, height)
