"""What the tools answer: the replies as pydantic values, as DESIGN's contract and outputSchema name their fields.

Only field names and bounds; service/ fills the replies."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, PrivateAttr, create_model

from agent_tools import channels

CHANNELS = channels.names()
TEXT_CHANNELS = channels.text_names()
LEVELS = ("chapter", "scene", "chunk")
if TYPE_CHECKING:
    Channel = str
else:
    Channel = Literal[CHANNELS]  # so that a schema names them
NEXT_TO_ALL = 0.99  # share of a span from which its gaps are only counted in a short coverage
State = Literal["queued", "running", "done", "failed", "stopped"]
Number = Annotated[float, Field(allow_inf_nan=False)]


class Reply(BaseModel):
    """A part of a reply: unknown fields are a fault, absent ones are left out of the JSON."""

    model_config = ConfigDict(extra="forbid")

    def compact(self) -> dict[str, Any]:
        """The JSON object a client gets: no field that is None."""
        facts = self.model_dump(mode="json", exclude_none=True)
        view = getattr(self, "coverage", None)
        return {**facts, "coverage": view.compact()} if isinstance(view, Coverage) else facts


def _with_a_text_each(base: type[Reply], names: tuple[str, ...]) -> Any:
    """The model with one more field, a text that may be left out, for each of the channels."""
    fields: dict[str, Any] = dict.fromkeys(names, (str | None, None))
    return create_model(base.__name__.lstrip("_"), __base__=base, __module__=__name__, __doc__=base.__doc__, **fields)


class _ChannelWords(Reply):
    """One short phrase per channel."""

    if TYPE_CHECKING:

        def __init__(self, **phrases: str | None) -> None: ...


if TYPE_CHECKING:
    ChannelWords = _ChannelWords
else:
    ChannelWords = _with_a_text_each(_ChannelWords, CHANNELS)


class GapOut(Reply):
    video_id: str | None = None
    channel: str | None = None
    start_s: Number
    end_s: Number
    why: str


class Coverage(Reply):
    """What was searched: the share of the asked span, each channel's state, its producer, and the gaps."""

    share: Number
    channels: ChannelWords
    producers: ChannelWords | None = None
    gaps: list[GapOut] = []
    gaps_omitted: int | None = None
    _missing: ChannelWords | None = PrivateAttr(None)  # of `channels` what was not searched, in shorter words

    def say_only(self, missing: ChannelWords | None) -> None:
        """Let `compact` name only these channels, and count gaps that are next to nothing; None: let it say all."""
        self._missing = missing

    def compact(self) -> dict[str, Any]:
        facts = super().compact()
        if self._missing is None:
            return facts
        gaps = [] if self.share >= NEXT_TO_ALL else facts["gaps"]
        omitted = (self.gaps_omitted or 0) + len(self.gaps) - len(gaps)
        channels = self._missing.compact() if facts["channels"] else {}
        shown = {"share": self.share, "channels": channels, "gaps": gaps, "gaps_omitted": omitted}
        return {name: value for name, value in shown.items() if value or name in ("share", "channels")}


class NotKnown(Reply):
    channel: str
    why: str
    remedy: str


class ChannelOut(Reply):
    name: str
    state: Literal["queued", "running", "done", "failed", "stopped", "absent"]
    entries: int | None = None
    language: str | None = None
    done: Number | None = None
    eta_s: Number | None = None
    error: str | None = None


class VideoOut(Reply):
    """A video in a list. The title comes first, because a model answers with the name that it reads first."""

    title: str
    length: str | None = None
    recorded_at: str | None = None
    part_of: str | None = None
    duration_s: Number | None = None
    state: State
    channels: list[str] | None = None
    notes: int | None = None
    video_id: str
    uri: str
    error: str | None = None


class Refused(Reply):
    source: str
    error: str


class IngestReply(Reply):
    """Of one file: video_id and what follows it. Of a folder: folder, the counts, videos and refused."""

    summary: str = ""
    title: str | None = None
    video_id: str | None = None
    duration_s: Number | None = None
    state: State | None = None
    searchable_to_s: Number | None = None
    channels: list[ChannelOut] | None = None
    not_known: list[NotKnown] | None = None
    gaps: list[GapOut] | None = None
    gaps_omitted: int | None = None
    error: str | None = None
    uri: str | None = None
    folder: str | None = None
    found: int | None = None
    done: int | None = None
    running: int | None = None
    queued: int | None = None
    failed: int | None = None
    refused: list[Refused] | None = None
    videos: list[VideoOut] | None = None
    omitted: int | None = None
    eta_s: Number | None = None
    hints: list[str] = []
    tokens: int = 0


class EpisodeOut(Reply):
    start_s: Number
    end_s: Number
    at: str
    recorded_at: str | None = None
    title: str
    title_from: str | None = Field(None, serialization_alias="from")
    stood_s: Number | None = None
    same_picture_as: str | None = None
    uri: str


class NotIngested(Reply):
    count: int
    first: list[str]


class ListReply(Reply):
    """Without video_id: videos and not_ingested. With it: level, episodes and coverage."""

    summary: str = ""
    videos: list[VideoOut] | None = None
    not_ingested: NotIngested | None = None
    title: str | None = None
    video_id: str | None = None
    recorded_at: str | None = None
    part_of: str | None = None
    level: Literal["chapter", "scene", "chunk"] | None = None
    episodes: list[EpisodeOut] | None = None
    coverage: Coverage | None = None
    not_known: list[NotKnown] | None = None
    more: int | None = None
    cursor: str = ""
    hints: list[str] = []
    tokens: int = 0

    def compact(self) -> dict[str, Any]:
        facts = super().compact()
        if self.episodes is not None:
            facts["episodes"] = [one.model_dump(mode="json", exclude_none=True, by_alias=True) for one in self.episodes]
        return facts


class _Found(Reply):
    title: str
    start_s: Number
    end_s: Number
    at: str
    rank: int
    score: Annotated[float, Field(ge=0, le=1)]
    strength: Literal["strong", "fair", "weak"]
    matched: list[str]


if TYPE_CHECKING:
    _WithTexts = _Found
else:
    _WithTexts = _with_a_text_each(_Found, TEXT_CHANNELS)


class Hit(_WithTexts):
    match_s: Number | None = None  # where the text that answers begins, if that is a second or more behind start_s
    line: str | None = None
    region: list[Number] | None = None
    frame: str | None = None
    repeats: int | None = None
    video_id: str
    uri: str

    def texts(self) -> dict[str, str]:
        """What each channel says there, by channel; channels that say nothing are left out."""
        texts = {name: getattr(self, name) for name in TEXT_CHANNELS}
        return {name: text for name, text in texts.items() if text}


class Elsewhere(Reply):
    """The best moment of the videos that a search did not name, where those named hold nothing that answers."""

    title: str
    start_s: Number
    at: str
    strength: Literal["strong", "fair"]
    text: str
    uri: str


class RetrieveReply(Reply):
    summary: str = ""
    hits: list[Hit]
    elsewhere: Elsewhere | None = None
    coverage: Coverage
    not_known: list[NotKnown] | None = None
    more: int = 0
    cursor: str = ""
    hints: list[str] = []
    tokens: int = 0


class SpanOut(Reply):
    start_s: Number
    end_s: Number
    at: str
    confidence: Annotated[float, Field(ge=0, le=1)]
    evidence: str
    verified: str | None = None
    uri: str


class NotJudged(Reply):
    channel: str
    why: str


class LevelOut(Reply):
    window_s: Number
    windows: int
    frames: int


class VideoVerdict(Reply):
    title: str
    verdict: Literal["present", "absent", "uncertain"]
    best: SpanOut | None = None
    coverage: Number
    video_id: str


class VerdictCounts(Reply):
    present: int
    absent: int
    uncertain: int


class GroundReply(Reply):
    """Of one video: verdict and what follows it. Of all: videos (most likely first) and counts."""

    summary: str = ""
    verdict: Literal["present", "absent", "uncertain"] | None = None
    why: str | None = None
    probability: Annotated[float, Field(ge=0, le=1)] | None = None
    spans: list[SpanOut] | None = None
    more: int | None = None
    best_rejected: SpanOut | None = None
    confidence_kind: Literal["calibrated", "raw"] | None = None
    judged: list[str] | None = None
    not_judged: list[NotJudged] | None = None
    coverage: Coverage | None = None
    levels: list[LevelOut] | None = None
    videos: list[VideoVerdict] | None = None
    counts: VerdictCounts | None = None
    omitted: int | None = None
    hints: list[str] = []
    tokens: int = 0


class RememberReply(Reply):
    summary: str = ""
    note: str
    at: str
    stored: bool
    same_as_before: bool
    findable: str
    replaces: str | None = None
    uri: str
    hints: list[str] | None = None
    tokens: int = 0
