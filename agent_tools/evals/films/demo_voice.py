"""The spoken part of the demo's story: who handed what over is said aloud, and stands in no subtitle.

The voice is synthetic: demo_voice.ogg holds the pieces of the sentences as Opus packets, which are copied into the film
(`python -m lab.picture.voice` makes the file). So the film's bytes, and its id, are the same on every machine."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from agent_tools.evals.films.demo_story import Cue, Hop, Story, chapter_length_s, handover
from agent_tools.evals.films.demo_words import ITEMS, PEOPLE

SLOT_S = 2.0  # of the recording, for each piece
OPENING, HANDED, CLOSING = "Before the last boat left,", "handed the", "to the night porter."
PIECES = (OPENING, HANDED, CLOSING, *PEOPLE, *ITEMS)
RECORDING = Path(__file__).with_suffix(".ogg")
SILENT_BYTES = 8  # Opus packets of silence are this small at the rate of the recording
PACKET_S = 0.02
_MILLISECONDS = Fraction(1, 1000)
_HANDOVER = re.compile(re.escape(handover("@", "#")).replace("@", "(.+)").replace("\\#", "(.+)"))
# Subtitles that cover 80 % of a film stand for speech, and pauses under 30 s count as covered. So they leave a quarter
# of each chapter to the voice; a film whose quarters are shorter than 40 s has no subtitles.
QUIET_SHARE, LEAST_QUIET_S = 0.26, 40.0


@dataclass(frozen=True)
class Said:
    """A sentence that is said from start_s on, in pieces."""

    start_s: float
    pieces: tuple[str, ...]


def said(story: Story) -> list[Said]:
    """What is said aloud, in time order: every handover, the true one and its look-alikes."""
    return [
        Said(cue.start_s, (OPENING, found[1], HANDED, found[2], CLOSING))
        for cue in story.cues
        if (found := _HANDOVER.fullmatch(cue.text))
    ]


def subtitles(story: Story) -> tuple[Cue, ...]:
    """The story's cues without what is said aloud, and without those around it."""
    quiet_s = QUIET_SHARE * chapter_length_s(story.duration_s)
    if quiet_s < LEAST_QUIET_S:
        return ()
    spoken = [one.start_s for one in said(story)]
    return tuple(cue for cue in story.cues if all(abs(cue.start_s - at_s) > quiet_s / 2 for at_s in spoken))


def spoken_hop(hop: Hop) -> Hop:
    """The first hop as it stands in a film that speaks."""
    return Hop("speech", hop.start_s, hop.end_s, hop.text)


class Voice:
    """The recording, read once; `packets` needs a stream that was made from `template`."""

    def __init__(self) -> None:
        import av

        self._container = av.open(str(RECORDING))
        self.template: Any = self._container.streams.audio[0]
        per_slot = round(SLOT_S / PACKET_S)
        packets = [bytes(packet) for packet in self._container.demux(self.template) if packet.size]
        slots = [packets[at * per_slot : (at + 1) * per_slot] for at in range(len(PIECES))]
        self._pieces = {piece: _without_silence(slot) for piece, slot in zip(PIECES, slots, strict=True)}

    def close(self) -> None:
        self._container.close()

    def packets(self, sentences: list[Said], stream: Any) -> Iterator[tuple[float, Any]]:
        """(time_s, packet) of every sentence, in time order."""
        import av

        for one in sentences:
            at_s = one.start_s
            for data in (data for piece in one.pieces for data in self._pieces[piece]):
                packet = av.Packet(data)
                packet.stream, packet.time_base = stream, _MILLISECONDS
                packet.pts = packet.dts = round(at_s * 1000)
                packet.duration = round(PACKET_S * 1000)
                yield at_s, packet
                at_s += PACKET_S


def _without_silence(slot: list[bytes]) -> list[bytes]:
    """The packets up to the last one that holds sound, and one more."""
    last = max(number for number, data in enumerate(slot) if len(data) > SILENT_BYTES)
    return slot[: last + 2]
