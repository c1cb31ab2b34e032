"""The verdict on an event: present, absent or uncertain, with the reason."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from agent_tools.errors import InvalidArgument

ABSENT_AT_MOST = 0.1  # calibrated p(present) up to which "absent" may be said
COVERAGE_AT_LEAST = 0.95  # share of the asked span that must have been searched for "absent"
PRESENT_AT_LEAST = 0.5  # least calibrated p(present) for "present"
UNJUDGED = "not judged, though it could show this: "  # begins the part of a reason that names channels
RAW = "the score is raw: no calibration exists for this localizer and profile"


@dataclass(frozen=True)
class Verdict:
    verdict: Literal["present", "absent", "uncertain"]
    reason: str


def decide(
    probability: float | None,
    kind: Literal["calibrated", "raw"],
    coverage_share: float,
    judged: Collection[str],
    not_judged: Mapping[str, str] | Iterable[str],
    could_show: Collection[str],
    doubt: str = "",
    why_raw: str = "",
) -> Verdict:
    """The verdict about the channels that were searched.

    absent: calibrated p <= 0.1, at least 95 % of the span searched, and no channel in not_judged could show the event.
    present: calibrated p >= 0.5; a found moment needs no coverage of the rest. All other cases are uncertain: the
    reason names the first obstacle, and for a p between the two the channels that could decide it. A raw score is
    never more than uncertain.
    Args:
        probability: p(present) of the best candidate; None without a candidate, which is uncertain.
        not_judged: channel -> reason, or only the channels.
        could_show: channels that could show the event, from `could_show`.
        doubt: the reason why "absent" is not allowed; "" if there is none.
        why_raw: why the score is raw, where a calibration exists.
    Raises: InvalidArgument: a probability or share outside 0..1, or an unknown kind."""
    if kind not in ("calibrated", "raw"):
        raise InvalidArgument(f"kind = {kind!r}: calibrated or raw.")
    for name, value in (("probability", probability), ("coverage_share", coverage_share)):
        if value is not None and not (math.isfinite(value) and 0 <= value <= 1):
            raise InvalidArgument(f"{name} = {value}: it must lie in 0..1.")
    why = dict(not_judged) if isinstance(not_judged, Mapping) else dict.fromkeys(not_judged, "")
    if kind == "raw":
        return Verdict("uncertain", doubt or why_raw or RAW)
    if probability is None:
        return Verdict("uncertain", "nothing was found that could be judged")
    if probability >= PRESENT_AT_LEAST:
        return Verdict("present", f"calibrated p(present) {probability:.2f} is at least {PRESENT_AT_LEAST}")
    if doubt:
        return Verdict("uncertain", doubt)
    unseen = sorted(set(why) & set(could_show))
    named = ", ".join(f"{channel} ({why[channel]})" if why[channel] else channel for channel in unseen)
    unjudged = UNJUDGED + named
    if probability > ABSENT_AT_MOST:
        bounds = f"{ABSENT_AT_MOST} and {PRESENT_AT_LEAST}"
        between = f"calibrated p(present) {probability:.2f} lies between {bounds}"
        return Verdict("uncertain", f"{between}; {unjudged}" if unseen else between)
    if coverage_share < COVERAGE_AT_LEAST:
        searched, needed = f"{coverage_share * 100:.3g} %", f"{COVERAGE_AT_LEAST * 100:.0f} %"
        partly = f"only {searched} of the span was searched; absent needs {needed}"
        return Verdict("uncertain", f"{partly}; {unjudged}" if unseen else partly)
    if unseen:
        return Verdict("uncertain", unjudged)
    if not set(judged) & set(could_show):
        return Verdict("uncertain", "no channel that could show this was searched")
    where = f"{', '.join(sorted(judged))} over {coverage_share * 100:.3g} % of the span"
    return Verdict("absent", f"calibrated p(present) {probability:.2f} after searching {where}")
