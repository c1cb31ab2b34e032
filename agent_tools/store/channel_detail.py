"""What a channel's row says beside its state: how it was made, how far it is, and what an interrupted run needs.

Kept as JSON in one column. Rows of older versions may lack any key."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self

from agent_tools.store.part import read_fields, written_fields


@dataclass(frozen=True)
class ChannelDetail:
    """A field that does not apply to the channel, or that an older version did not write, has its default."""

    done: float | None = None  # share of the channel that is made, 0..1
    vectors: tuple[str, ...] = ()  # sentence encoders whose vectors its texts have
    remade: int | None = None  # the job that put it in the place of an older one
    # Where it is absent
    why: str = ""
    no_model: bool = False  # only because the profile had no model for it: another profile can make it
    stands_in: str = ""  # the channel that has its words already: it is made only where somebody asks for it
    # What an interrupted run resumes from
    fps: float | None = None  # pictures that are looked at per second
    judge: str | None = None  # model that frames are pruned by
    keep: str = ""  # the numbers of the rule by which frames are kept, as JSON
    next_k: int = 0  # frame of the sampling grid
    rule: str = ""  # state of the still rule
    spans: str = ""  # digest of the spans that get captions
    # What was read
    sidecars: str | None = (
        None  # names, sizes and times of the subtitle files beside the video, "" where there are none
    )
    not_taken: tuple[str, ...] = ()  # subtitle tracks that were not taken, or not as their file says: a sentence each
    pictures: int = 0
    half_size: int = 0  # of the pictures, those that share a call of the OCR with five others
    left_out: int = 0  # pictures over the limit of OCR calls
    # Spans (start_s, end_s) in which text may have stood that no picture shows which was read
    unread: tuple[tuple[float, float], ...] = ()
    hidden: tuple[tuple[float, float], ...] = ()  # the same, in which text may have stood on texture that was searched
    of: int = 0  # captions that are wanted
    sent_to: str = ""  # host that got the pictures, "" where they stayed on this machine
    english_only: bool = False  # heard by a model that writes English whatever is said
    speakers: str = ""  # what told the voices apart
    no_speakers: str = ""  # why nothing did, although it was asked for
    visual_tokens: tuple[int, int] | None = None  # (read by the model, given to it)

    def to_json(self) -> dict[str, Any]:
        """The fields that are not at their default."""
        return written_fields(self)

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        """The detail that was stored; keys of other versions are left out."""
        return cls(**read_fields(cls, stored))


NO_DETAIL = ChannelDetail()
