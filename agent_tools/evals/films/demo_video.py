"""Draws the demo video: an hour of slides, cards and moving pictures with subtitles and, if wanted, a voice."""

from __future__ import annotations

import heapq
from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import Any

from agent_tools.evals.films.demo_pictures import HEIGHT, WIDTH, Motion, card, slide
from agent_tools.evals.films.demo_story import Cue, Hop, Scene, Story, tell
from agent_tools.evals.films.demo_voice import Voice, said, spoken_hop, subtitles
from agent_tools.media.identity import content_id
from agent_tools.timeline import video_uri

FPS = 4  # the story's grid of 0.25 s
_MILLISECONDS = Fraction(1, 1000)
# FFmpeg's mov_text encoder does not open without an ASS header; the packets below are written by hand.
_ASS_HEADER = (
    b"[Script Info]\nScriptType: v4.00+\n\n[V4+ Styles]\nFormat: Name, Fontname, Fontsize, PrimaryColour, "
    b"SecondaryColour, OutlineColour, BackColour, Bold, Italic, Underline, StrikeOut, ScaleX, ScaleY, Spacing, Angle, "
    b"BorderStyle, Outline, Shadow, Alignment, MarginL, MarginR, MarginV, Encoding\nStyle: Default,Arial,16,&Hffffff,"
    b"&Hffffff,&H0,&H0,0,0,0,0,100,100,0,0,1,1,0,2,10,10,10,1\n\n[Events]\nFormat: Layer, Start, End, Style, Name, "
    b"MarginL, MarginR, MarginV, Effect, Text\n"
)


@dataclass(frozen=True)
class TrueHop:
    """A clue as it stands in the file: what it says, in which channel, and its uri."""

    channel: str
    start_s: float
    end_s: float
    text: str
    uri: str


@dataclass(frozen=True)
class DemoTruth:
    """What the video holds. No agent may see more of it than the question."""

    video_id: str
    question: str
    hops: tuple[TrueHop, ...]
    answer: str


def draw(path: Path, seed: int, duration_s: float = 3600.0, *, speaks: bool = False) -> DemoTruth:
    """Write the demo video of a seed to `path` (MP4: H.264 640x360 at 4 fps, English mov_text subtitles).

    Args:
        speaks: who handed what over is said aloud (Opus), and the subtitles leave it out: the first hop needs hearing.
    Raises: ValueError: a duration under 60 s.
    """
    story = tell(seed, duration_s)
    _write(path, story, speaks=speaks)
    video_id = content_id(path)
    first, *others = story.hops
    hops = (spoken_hop(first) if speaks else first, *others)
    return DemoTruth(video_id, story.question, tuple(_true(video_id, hop) for hop in hops), story.answer)


def _true(video_id: str, hop: Hop) -> TrueHop:
    return TrueHop(hop.channel, hop.start_s, hop.end_s, hop.text, video_uri(video_id, hop.start_s, hop.end_s))


def _write(path: Path, story: Story, *, speaks: bool) -> None:
    import av

    voice = Voice() if speaks else None
    cues = subtitles(story) if speaks else story.cues
    with av.open(str(path), "w", format="mp4") as container:
        container.metadata["title"] = f"Demo lectures {story.seed}"
        video = container.add_stream("libx264", rate=FPS, options={"preset": "ultrafast", "crf": "27"})
        video.width, video.height, video.pix_fmt = WIDTH, HEIGHT, "yuv420p"
        video.codec_context.gop_size = 10 * FPS
        video.codec_context.thread_count = 2  # fixed: the bytes, and with them the id, are the same on every machine
        sound = container.add_stream_from_template(voice.template) if voice is not None else None
        text = _subtitle_stream(container) if cues else None

        def pictures() -> Iterator[tuple[float, Any]]:
            for number, frame in enumerate(_frames(story.scenes)):
                frame.pts, frame.time_base = number, Fraction(1, FPS)
                for packet in video.encode(frame):
                    yield number / FPS, packet
            for packet in video.encode():
                yield story.duration_s, packet

        tracks = [pictures(), ((cue.start_s, _packet(cue, text)) for cue in cues)]
        if voice is not None:
            tracks.append(voice.packets(said(story), sound))
        for _, packet in heapq.merge(*tracks, key=lambda timed: timed[0]):
            container.mux(packet)


def _subtitle_stream(container: Any) -> Any:
    text = container.add_stream("mov_text")
    text.codec_context.subtitle_header = _ASS_HEADER
    text.codec_context.time_base = text.time_base = _MILLISECONDS
    text.metadata["language"] = "eng"
    return text


def _frames(scenes: tuple[Scene, ...]) -> Iterator[Any]:
    """Pictures in display order at FPS, already in the encoder's format; a still one is converted once."""
    import av

    for scene in scenes:
        count = round((scene.end_s - scene.start_s) * FPS)
        if scene.kind == "motion":
            motion = Motion(scene.style, scene.seed)
            for number in range(count):
                small = av.VideoFrame.from_ndarray(motion.at(number / FPS), format="rgb24")
                yield small.reformat(width=WIDTH, height=HEIGHT, format="yuv420p")
        else:
            drawn = slide(scene.lines, scene.style) if scene.kind == "slide" else card(scene.lines, scene.style)
            still = av.VideoFrame.from_ndarray(drawn, format="rgb24").reformat(format="yuv420p")
            for _ in range(count):
                yield still


def _packet(cue: Cue, stream: Any) -> Any:
    """A mov_text sample: the length of the text in two bytes, then the text."""
    import av

    text = cue.text.encode()
    packet = av.Packet(len(text).to_bytes(2, "big") + text)
    packet.stream, packet.time_base = stream, _MILLISECONDS
    packet.pts = packet.dts = round(cue.start_s * 1000)
    packet.duration = round((cue.end_s - cue.start_s) * 1000)
    return packet
