"""The one tree of errors.

    AgentToolsError
    |- RequestError            a caller could have avoided it; written for the model that called
    |  |- InvalidArgument      a value breaks a stated rule
    |  |- VideoNotFound        no video by that id, title, file name, prefix or uri
    |  |- AmbiguousVideo       several videos answer to that name
    |  |- SpanOutsideVideo     a span lies outside the video or is empty
    |  |- SourceNotFound       no file or folder at that path
    |  |- SourceNotAllowed     the path lies outside the allowed folders
    |  |- UnreadableVideo      the file holds nothing that can be decoded
    |  |- NoteNotFound         no note by that uri
    |  '- LimitReached         too many jobs, calls or bytes at once; try later
    '- EngineError             the operator must act; written for the operator
       |- ShapeError           a tensor of the wrong shape or size (also a ValueError)
       |- TokenBudgetError     a number of tokens or frames that cannot be (also a ValueError)
       |- DecodeError          a stream broke while it was decoded
       |- ModelMissing         weights or a package that a profile needs are not there
       |- EndpointError        the named endpoint did not answer as it must
       |- WorkerDied           the process that did the work ended without a result
       '- StoreError           the memory file cannot be used
          |- StoreTooNew       it was written by a newer version
          '- StoreFull         the disk, or the file's limit, is full

Nothing found is a result, never an error. A message holds the value, the rule and the remedy, never text out of a
video.
"""

from __future__ import annotations


class AgentToolsError(Exception):
    """Any error this package raises on purpose; `code` is the stable word clients may match on."""

    @property
    def code(self) -> str:
        return type(self).__name__

    @property
    def described(self) -> str:
        """`Code: message`, the form every tool, job and log line shows."""
        return f"{self.code}: {self}"


class RequestError(AgentToolsError):
    """A caller could have avoided it: says what to send instead."""


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
    """The operator must act: says what to install, free, repair or change."""


class ShapeError(EngineError, ValueError): ...


class TokenBudgetError(EngineError, ValueError): ...


class DecodeError(EngineError): ...


class ModelMissing(EngineError): ...


class EndpointError(EngineError): ...


class WorkerDied(EngineError): ...


class StoreError(EngineError): ...


class StoreTooNew(StoreError): ...


class StoreFull(StoreError): ...
