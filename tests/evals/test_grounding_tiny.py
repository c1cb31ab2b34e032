"""The tiny evidence runs on a small budget and reports each claim with its number."""

from __future__ import annotations

import pytest

from agent_tools.evals.grounding_tiny import TinySettings, run


@pytest.mark.train
def test_each_of_the_four_claims_has_its_number_and_a_verdict() -> None:
    lines: list[str] = []
    result = run(seed=0, out=lines.append, settings=TinySettings(steps=60, videos=3, absent=2))
    assert len(result["claims"]) == 4
    for claim in result["claims"]:
        better = -claim["difference"] if "fewer" in claim["claim"] else claim["difference"]
        assert claim["agree"] == (better > 0)
        assert any(line.startswith(claim["claim"]) for line in lines)
    frames = result["claims"][1]
    assert 0 < frames["here"] < 0.5
    # a network that was never taught to refuse finds the event everywhere
    assert result["said_present_of_absent"]["never"] == 1.0
    assert set(result["r1"]) == {"recursive", "flat", "never", "cosine", "released"}
