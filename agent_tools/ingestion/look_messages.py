"""The messages between a server and its looker process: frozen values, each one line of JSON on a pipe."""

from __future__ import annotations

import base64
import json
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class PicturesRequest:
    """The picture on screen at each time, `side` px at most on its longer side."""

    path: str
    times_s: tuple[float, ...]
    side: int
    region: tuple[float, ...] | None = None  # x, y, width, height in 0..1, cut out before scaling


@dataclass(frozen=True)
class SheetsRequest:
    """Contact sheets of the pictures at these times, cells of `side` px on the longer side."""

    path: str
    times_s: tuple[float, ...]
    side: int


@dataclass(frozen=True)
class KeyTimesRequest:
    """Each time, or that of the key frame nearest to it, where it is at most within_s away."""

    path: str
    times_s: tuple[float, ...]
    within_s: float


@dataclass(frozen=True)
class KeptSheetsRequest:
    """Contact sheets of kept frames, which need no file."""

    cells: tuple[tuple[float, bytes], ...]  # time, JPEG
    side: int


@dataclass(frozen=True)
class ClipRequest:
    """The span as MP4 of at most max_bytes."""

    path: str
    start_s: float
    end_s: float
    max_bytes: int


@dataclass(frozen=True)
class PlayableRequest:
    """The span, or its beginning, in a form that browsers play, of at most max_bytes."""

    path: str
    start_s: float
    end_s: float
    max_bytes: int


@dataclass(frozen=True)
class Shot:
    """One JPEG picture. `times_s` holds the time of the picture, or of each cell of a sheet."""

    jpeg: bytes
    width: int
    height: int
    times_s: tuple[float, ...]
    repeats_s: tuple[float, ...] = ()  # times left out of a sheet, because their pictures look like one that is shown


@dataclass(frozen=True)
class Shots:
    """The reply with pictures or sheets; None for a picture that could not be decoded."""

    shots: tuple[Shot | None, ...]


@dataclass(frozen=True)
class Times:
    """The reply with times."""

    times_s: tuple[float, ...]


@dataclass(frozen=True)
class Clip:
    """The reply with a clip, and the span that it holds."""

    data: bytes
    start_s: float
    end_s: float
    mime_type: str = "video/mp4"


@dataclass(frozen=True)
class Failure:
    """The reply of a request that failed."""

    code: str  # name of a class of agent_tools.errors
    message: str


Request = PicturesRequest | SheetsRequest | KeyTimesRequest | KeptSheetsRequest | ClipRequest | PlayableRequest
Reply = Shots | Times | Clip | Failure
_REQUESTS = {
    kind.__name__: kind
    for kind in (PicturesRequest, SheetsRequest, KeyTimesRequest, KeptSheetsRequest, ClipRequest, PlayableRequest)
}


def to_line(message: Request | Reply) -> bytes:
    """One line of JSON, with its line end."""
    return json.dumps({"kind": type(message).__name__, **asdict(message)}, default=_base64).encode() + b"\n"


def request_of(line: bytes) -> Request:
    """The request that to_line wrote. Raises: KeyError, TypeError: the line is of another version of this program."""
    kind, fields = _parsed(line)
    return _REQUESTS[kind](**fields)


def reply_of(line: bytes) -> Reply:
    """The reply that to_line wrote. Raises: KeyError, TypeError: the line is of another version of this program."""
    kind, fields = _parsed(line)
    if kind == "Shots":
        return Shots(tuple(None if shot is None else Shot(**shot) for shot in fields["shots"]))
    replies: dict[str, type[Times | Clip]] = {"Times": Times, "Clip": Clip}
    return replies[kind](**fields) if kind in replies else Failure(**fields)


def _base64(data: bytes) -> dict[str, str]:
    return {"base64": base64.b64encode(data).decode()}


def _parsed(line: bytes) -> tuple[str, dict[str, Any]]:
    fields: dict[str, Any] = _frozen(json.loads(line))
    return fields.pop("kind"), fields


def _frozen(value: Any) -> Any:
    """JSON's lists as tuples, and what _base64 wrote as bytes again."""
    if isinstance(value, list):
        return tuple(map(_frozen, value))
    if isinstance(value, dict):
        return (
            base64.b64decode(value["base64"]) if set(value) == {"base64"} else {k: _frozen(v) for k, v in value.items()}
        )
    return value
