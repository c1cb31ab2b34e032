"""The table of channels: what a video is known by, who makes each, and what is said where one is missing.

A new channel is one row here and one maker in ingestion/channels; docs/development/add-a-channel.md shows both.
Everything that lists channels reads this table."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["pictures", "text", "notes"]  # notes are texts too, but agents write them
Origin = Literal["pictures", "sound", "file", "agents"]
Showing = Literal[
    "on screen", "said", "in subtitles", "visible", "quoted"
]  # the kinds of event that grounding.rules name


@dataclass(frozen=True)
class ChannelSpec:
    """One channel. Every sentence in it is read by a person or a model, so it must stand for itself."""

    name: str
    kind: Kind
    derived_from: Origin  # a file without sound has no speech, one without pictures no frames
    maker: str = ""  # module:class of its ChannelMaker; "" where no ingest makes it
    order: int = 0  # its place among the channels that an ingest makes
    role: str = ""  # of the model that makes it; "" where every profile can
    shows: frozenset[Showing] = frozenset()  # kinds of event that it can show, so that without it there is no "absent"
    calibrated: bool = False  # whether the calibrations that ship were fitted with it; else verdicts from it are raw
    nothing: str = "not there"  # phrase: the file has nothing of the kind
    not_made: str = "not made"  # phrase: it could be made, but was not
    unfinished: str = "{state}, searched to {at}"  # phrase: it is being made
    failed: str = "failed at {at}: {error}"  # phrase: its making ended early
    no_model: str = ""  # phrase, with {profile}: the profile has no model for it
    unknown: str = ""  # what a profile without its model does not do, for doctor
    remedy: str = ""  # how it comes about on a server that does not make it


TABLE: tuple[ChannelSpec, ...] = (
    ChannelSpec(
        "frames",
        "pictures",
        "pictures",
        maker="agent_tools.ingestion.channels.frames:Frames",
        order=1,
        shows=frozenset({"visible"}),
        calibrated=True,
        nothing="no picture",
    ),
    ChannelSpec(
        "subtitles",
        "text",
        "file",
        maker="agent_tools.ingestion.channels.subtitles:Subtitles",
        order=0,
        shows=frozenset({"said", "in subtitles", "quoted"}),
        calibrated=True,
        nothing="none in the file or beside it",
    ),
    ChannelSpec(
        "speech",
        "text",
        "sound",
        maker="agent_tools.ingestion.channels.speech:Speech",
        order=3,
        role="speech",
        shows=frozenset({"said", "quoted"}),
        calibrated=True,
        not_made="not transcribed",
        no_model="not transcribed: profile {profile} has no speech model",
        unknown="speech is not transcribed",
        remedy="start it with --models speech=whisper-base, or put a .srt or .vtt beside the file",
    ),
    ChannelSpec(
        "screen_text",
        "text",
        "pictures",
        maker="agent_tools.ingestion.channels.screen_text:ScreenText",
        order=2,
        shows=frozenset({"on screen", "in subtitles", "visible", "quoted"}),
        calibrated=True,
        nothing="no picture",
    ),
    ChannelSpec(
        "captions",
        "text",
        "pictures",
        maker="agent_tools.ingestion.channels.captions:Captions",
        order=4,
        role="captions",
        shows=frozenset({"visible"}),
        calibrated=True,
        not_made="not captioned",
        no_model="not captioned: profile {profile} has no video LLM",
        unknown="nothing is captioned",
        remedy="start it with --models captions=FOLDER, or captions=http://host/v1#model",
    ),
    ChannelSpec("notes", "notes", "agents", calibrated=True, remedy="notes come from remember"),
)


def channel(name: str) -> ChannelSpec:
    """The row of a channel. Raises: KeyError: no such channel."""
    for row in TABLE:
        if row.name == name:
            return row
    raise KeyError(name)


def names() -> tuple[str, ...]:
    """All channels, in the order in which replies list them."""
    return tuple(row.name for row in TABLE)


def text_names() -> tuple[str, ...]:
    """The channels whose entries are texts, notes among them."""
    return tuple(row.name for row in TABLE if row.kind != "pictures")


def made_rows() -> tuple[ChannelSpec, ...]:
    """The channels that an ingest makes, in the order in which it makes them."""
    return tuple(sorted((row for row in TABLE if row.maker), key=lambda row: row.order))


def made_text_names() -> tuple[str, ...]:
    """The channels of texts that an ingest makes: all but notes."""
    return tuple(row.name for row in TABLE if row.kind == "text")


def showing(event_kind: Showing) -> frozenset[str]:
    """The channels that can show events of a kind."""
    return frozenset(row.name for row in TABLE if event_kind in row.shows)
