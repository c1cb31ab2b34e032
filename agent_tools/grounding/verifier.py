"""The second look: a candidate is looked at again with half its length more on both sides.

`refine` then looks at each bound alone, with many pictures of few seconds.
Knows one proposal, a localizer and a look. Knows nothing of how the candidate was found."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from agent_tools.errors import InvalidArgument
from agent_tools.grounding.evidence import Localizer, Look, Proposal
from agent_tools.grounding.spans import temporal_iou

LEAST_PAD_S = 1.0  # half of a very short span shows nothing new
SAME_BOUND_S = 0.25  # bounds closer than a quarter of a second are called the same


@dataclass(frozen=True)
class Verification:
    before: Proposal
    after: Proposal | None  # None: not found again
    pad_s: float  # by which each side was widened, before the video's ends cut it
    text: str  # what changed, for the reply; holds no text out of the video

    @property
    def held(self) -> bool:
        return self.after is not None


def verify(
    event: str, proposal: Proposal, localizer: Localizer, look: Look, duration_s: float, fps: float = 1.0
) -> Verification:
    """Look again at the proposal, widened by half its length (at least 1 s) on both sides, and say what changed.

    Source: the verifier of VideoMind (widening by half on both sides). Differs: it asks the localizer for bounds again
    instead of a yes/no question, so it can move them; of what it finds, the span that overlaps the candidate most
    counts.
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
    """The proposal with bounds as exact as one look at each, reach_s to both sides, can tell: 1 / fps.

    A bound at which the event is not seen stays; an event that fills the look begins or ends at its edge. Takes two
    looks. A proposal as long as no step of such a look is left as it is."""
    if proposal.end_s - proposal.start_s <= 1 / fps:
        return proposal
    start_s, end_s = proposal.start_s, proposal.end_s
    for bound in ("start", "end"):
        middle_s = start_s if bound == "start" else end_s
        window = (max(0.0, middle_s - reach_s), min(duration_s, middle_s + reach_s))
        found = localizer.localize(event, look(*window, fps))
        seen = max(found, key=lambda one: (temporal_iou(one, (start_s, end_s)), one.score), default=None)
        if seen is None or temporal_iou(seen, (start_s, end_s)) == 0:
            continue
        if bound == "start" and seen.start_s < end_s:
            start_s = seen.start_s
        elif bound == "end" and seen.end_s > start_s:
            end_s = seen.end_s
    return replace(proposal, start_s=start_s, end_s=end_s)


def changes(before: Proposal, after: Proposal | None) -> str:
    """What moved between two looks, for the reply; holds no text out of the video."""
    if after is None:
        return "not found again"
    moved = [
        f"{name} {old:.1f} -> {new:.1f} s"
        for name, old, new in (("start", before.start_s, after.start_s), ("end", before.end_s, after.end_s))
        if abs(old - new) > SAME_BOUND_S
    ]
    return ", ".join(moved) or "same bounds"
