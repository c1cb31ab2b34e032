"""The second look: a candidate is looked at again, widened by half its length on both sides.

`refine` then looks at each bound separately, with many pictures of a few seconds."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from agent_tools.errors import InvalidArgument
from agent_tools.grounding.evidence import Localizer, Look, Proposal
from agent_tools.grounding.spans import temporal_iou

LEAST_PAD_S = 1.0  # half of a very short span would show nothing new
SAME_BOUND_S = 0.25  # bounds closer than this count as the same


@dataclass(frozen=True)
class Verification:
    before: Proposal
    after: Proposal | None  # None: not found again
    pad_s: float  # each side was widened by this, before the video's ends cut it
    text: str  # the change, for the reply; it holds no text of the video

    @property
    def held(self) -> bool:
        return self.after is not None


def verify(
    event: str, proposal: Proposal, localizer: Localizer, look: Look, duration_s: float, fps: float = 1.0
) -> Verification:
    """Look again at the proposal, widened by half its length (at least 1 s) on both sides, and say what changed.

    Source: the verifier of VideoMind (widening by half on both sides). Differs: it asks the localizer for bounds again
    instead of a yes/no question, so it can move them. If the localizer finds several spans, the one that overlaps the
    candidate most counts.
    Takes one look. Raises: InvalidArgument: the proposal lies outside 0..duration_s."""
    if not (math.isfinite(duration_s) and 0 <= proposal.start_s < duration_s):
        raise InvalidArgument(f"Proposal at {proposal.start_s} s is outside the video, which lasts {duration_s} s.")
    pad_s = max(LEAST_PAD_S, (proposal.end_s - proposal.start_s) / 2)
    wide = (max(0.0, proposal.start_s - pad_s), min(duration_s, proposal.end_s + pad_s))
    found = localizer.localize(event, look(*wide, fps))
    after = max(found, key=lambda one: (temporal_iou(one, proposal), one.score), default=None)
    if after is not None and temporal_iou(after, proposal) == 0:
        after = None
    return Verification(proposal, after, pad_s, f"widened by {pad_s:.4g} s each side: {changes(proposal, after)}")


def refine(
    event: str,
    proposal: Proposal,
    localizer: Localizer,
    look: Look,
    duration_s: float,
    *,
    reach_s: float = 2.0,
    fps: float = 8.0,
) -> Proposal:
    """The proposal with bounds exact to 1 / fps, from one look at each bound, reach_s to both sides.

    A bound stays if the event is not found there; an event that fills the look begins or ends at its edge. Takes two
    looks. A proposal of at most 1 / fps stays unchanged."""
    if proposal.end_s - proposal.start_s <= 1 / fps:
        return proposal
    start_s, end_s = proposal.start_s, proposal.end_s
    for bound in ("start", "end"):
        middle_s = start_s if bound == "start" else end_s
        window = (max(0.0, middle_s - reach_s), min(duration_s, middle_s + reach_s))
        found = localizer.localize(event, look(*window, fps))
        best = max(found, key=lambda one: (temporal_iou(one, (start_s, end_s)), one.score), default=None)
        if best is None or temporal_iou(best, (start_s, end_s)) == 0:
            continue
        if bound == "start" and best.start_s < end_s:
            start_s = best.start_s
        elif bound == "end" and best.end_s > start_s:
            end_s = best.end_s
    return replace(proposal, start_s=start_s, end_s=end_s)


def changes(before: Proposal, after: Proposal | None) -> str:
    """The bounds that moved between two looks, for the reply; it holds no text of the video."""
    if after is None:
        return "not found again"
    moved = [
        f"{name} {old:.1f} -> {new:.1f} s"
        for name, old, new in (("start", before.start_s, after.start_s), ("end", before.end_s, after.end_s))
        if abs(old - new) > SAME_BOUND_S
    ]
    return ", ".join(moved) or "same bounds"
