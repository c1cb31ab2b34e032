"""The needles row of the bench table, read from the last run of `agent-tools eval needles`.

    python -m lab.bench.needles

It measures nothing itself: the figures come from lab/measured/needles.json."""

from __future__ import annotations

import json
from pathlib import Path

from agent_tools.evals.needles.needles import MOST_CALLS, MOST_TOKENS
from lab.bench.rows import emit

MEASURED = Path(__file__).parents[1] / "measured"


def main() -> None:
    report = json.loads((MEASURED / "needles.json").read_text(encoding="utf-8"))
    longest = max(report["lengths"], key=lambda length: length["frames"])
    calls = max(chain["calls"] for chain in longest["chains"])
    tokens = max(chain["tokens"] for chain in longest["chains"])
    right = sum(chain["cap"] and chain["qa"] for chain in longest["chains"])
    emit(
        f"a {report['hops']}-hop needle question among {longest['frames']:,} frames, lite, the dearest of "
        f"{len(longest['chains'])} ({right} right); from `agent-tools eval needles`",
        ours=f"{calls} calls, {tokens:,} tokens of replies",
        goal=f"<= {MOST_CALLS} calls, <= {MOST_TOKENS:,} tokens",
        reached=calls <= MOST_CALLS and tokens <= MOST_TOKENS,
        calls=calls,
        tokens=tokens,
    )


if __name__ == "__main__":
    main()
