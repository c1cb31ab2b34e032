"""All errors of this package, in one tree.

    AgentToolsError
    |- RequestError            the caller can avoid it; written for the model that calls
    |  |- InvalidArgument      a value breaks a stated rule
    |  |- VideoNotFound        no video by that id, title, file name, prefix or uri
    |  |- AmbiguousVideo       several videos have that name
    |  |- SpanOutsideVideo     a span lies outside the video or is empty
    |  |- SourceNotFound       no file or folder at that path
    |  |- SourceNotAllowed     the path lies outside the allowed folders
    |  |- UnreadableVideo      the file holds nothing that can be decoded
    |  |- NoteNotFound         no note by that uri
    |  '- LimitReached         too many jobs, calls or bytes at once; try later
    '- EngineError             the operator must act; written for the operator
       |- ShapeError           a tensor of the wrong shape or size (also a ValueError)
       |- TokenBudgetError     an impossible number of tokens or frames (also a ValueError)
       |- DecodeError          a stream broke while it was decoded
       |- ModelMissing         weights or a package that a profile needs are missing
       |- EndpointError        the named endpoint gave no valid answer
       |- WorkerDied           the worker process ended without a result
       '- StoreError           the memory file cannot be used
          |- StoreTooNew       a newer version wrote it
          |- StoreFull         the disk, or the file's limit, is full
          '- StoreUnreachable  the database server does not answer; the same call may succeed later

A search that finds nothing has a result, not an error. A message names the value, the rule and the remedy; it never
holds text from a video.
"""

from __future__ import annotations


class AgentToolsError(Exception):
    """Any error that this package raises on purpose. `code` is stable, so clients can match it."""

    @property
    def code(self) -> str:
        return type(self).__name__

    @property
    def described(self) -> str:
        """`Code: message`, as tools, jobs and log lines show it."""
        return f"{self.code}: {self}"


class RequestError(AgentToolsError):
    """The caller can avoid it: the message says what to send instead."""


class InvalidArgument(RequestError, ValueError): ...


class VideoNotFound(RequestError): ...


class AmbiguousVideo(RequestError): ...


class SpanOutsideVideo(RequestError, ValueError): ...


class SourceNotFound(RequestError): ...


class SourceNotAllowed(RequestError): ...


class UnreadableVideo(RequestError): ...


class NoteNotFound(RequestError): ...


class LimitReached(RequestError): ...


class EngineError(AgentToolsError):
    """The operator must act: the message says what to install, free, repair or change."""


class ShapeError(EngineError, ValueError): ...


class TokenBudgetError(EngineError, ValueError): ...


class DecodeError(EngineError): ...


class ModelMissing(EngineError): ...


class EndpointError(EngineError): ...


class WorkerDied(EngineError): ...


class StoreError(EngineError): ...


class StoreTooNew(StoreError): ...


class StoreFull(StoreError): ...


class StoreUnreachable(StoreError): ...
