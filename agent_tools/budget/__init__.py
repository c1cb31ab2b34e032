"""What frames and words cost an agent, and what to hand over within a budget.

Knows sizes, scores and tokens. Does not know how frames were chosen. Importing it loads neither torch nor NumPy.
"""

from __future__ import annotations

from agent_tools.budget.cost import FAMILIES, ImageCost, token_cost
from agent_tools.budget.packer import FrameOffer, Packed, TextOffer, pack
from agent_tools.budget.reply import reply_tokens, text_tokens
from agent_tools.budget.table import Fit, Saving, fits, naive_tokens, savings_table

__all__ = [
    "FAMILIES",
    "Fit",
    "FrameOffer",
    "ImageCost",
    "Packed",
    "Saving",
    "TextOffer",
    "fits",
    "naive_tokens",
    "pack",
    "reply_tokens",
    "savings_table",
    "text_tokens",
    "token_cost",
]
