"""The demo's voice: what is said aloud stands in the file at its time, and in no subtitle."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest

from agent_tools.evals.agents.agent import ALIKE, alike_at_end
from agent_tools.evals.films.demo_story import tell
from agent_tools.evals.films.demo_video import draw
from agent_tools.evals.films.demo_voice import PIECES, RECORDING, SLOT_S, said, subtitles
from agent_tools.evals.films.demo_words import PEOPLE
from agent_tools.media import audio, probe, read_subtitles


def test_the_recording_is_small_and_holds_every_piece() -> None:
    assert RECORDING.stat().st_size <= 100_000
    heard_s = sum(len(block.samples) for block in audio(probe(RECORDING))) / 16_000
    assert heard_s == pytest.approx(len(PIECES) * SLOT_S, abs=0.1)


def test_sound_lies_where_the_story_says_so_and_nowhere_else(tmp_path: Path) -> None:
    path, story = tmp_path / "demo.mp4", tell(3, 60.0)
    truth = draw(path, 3, 60.0, speaks=True)
    assert truth.hops[0].channel == "speech"
    blocks = list(audio(probe(path)))
    assert [block.start_s for block in blocks] == pytest.approx([one.start_s for one in said(story)], abs=0.1)
    assert all(3.0 < block.end_s - block.start_s < 8.0 for block in blocks)
    assert all(abs(block.samples).max() > 0.1 for block in blocks)
    assert read_subtitles(probe(path)) == []


def test_the_same_seed_speaks_the_same_bytes(tmp_path: Path) -> None:
    ids = {draw(tmp_path / name, 3, 60.0, speaks=True).video_id for name in ("one.mp4", "two.mp4")}
    assert len(ids) == 1
    assert draw(tmp_path / "silent.mp4", 3, 60.0).video_id not in ids


@pytest.mark.parametrize("seed", range(6))
def test_subtitles_of_an_hour_leave_a_quarter_to_the_voice(seed: int) -> None:
    story = tell(seed)
    cues = subtitles(story)
    assert len(said(story)) == 8
    assert not any("handed the" in cue.text for cue in cues)
    ends = [(0.0, 0.0), *((cue.start_s, cue.end_s) for cue in cues), (story.duration_s, story.duration_s)]
    quiet_s = sum(max(0.0, after - before) for (_, before), (after, _) in pairwise(ends) if after - before > 30)
    assert 0.2 < quiet_s / story.duration_s < 0.3  # over .2, or subtitles would stand for speech


@pytest.mark.parametrize(
    ("name", "heard"),
    [("Mara Okafor", "boat left Mara, Okafer"), ("Noor Haddon", "boat left Nurhaden"), ("Ines Carrow", "in Escaro")],
)
def test_a_name_is_known_by_its_sound_among_all(name: str, heard: str) -> None:
    assert alike_at_end(name, heard) >= ALIKE
    assert max(PEOPLE, key=lambda one: alike_at_end(one, heard)) == name
