"""The Python API: the six tools as methods of one object, for scripts and notebooks that need no MCP client.

The methods take the arguments of the tools and return the same replies, as pydantic values. They run in the calling
process; only an ingest runs in a worker process of its own, as it does for a server.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from agent_tools.progress import OnStep
from agent_tools.settings import Profile, Settings

if TYPE_CHECKING:
    from types import TracebackType
    from typing import Self

    from agent_tools.service.zoom_segment import Zoomed
    from agent_tools.types import GroundReply, IngestReply, ListReply, RememberReply, RetrieveReply

__all__ = ["Library"]

CALL_S = 45.0  # the longest wait of one ingest call; a longer one is several calls
MODELS_S = 120.0  # how long a search waits for the sentence encoder, which the first search loads
CALLER = "python"


class Library:
    """A memory of videos, in one folder on disk. Use it in a `with` block, or call `close`.

        with Library("~/video-memory") as library:
            talk = library.ingest_video("talk.mp4")
            for hit in library.retrieve_memory("who pays for the bridge?").hits:
                print(hit.at, hit.score, hit.uri)

    Several processes may open one folder at the same time: servers, commands and scripts share it.
    """

    def __init__(
        self,
        home: str | PathLike[str] | None = None,
        *,
        allow: Iterable[str | PathLike[str]] = (),
        profile: Profile = "auto",
        **settings: Any,
    ) -> None:
        """Open a memory, or make an empty one.

        Args:
            home: folder of the memory; by default the platform's data folder, as for the command and the server.
            allow: folders that `ingest_video("")` and `list_episodes()` look into. A path that you give to
                `ingest_video` yourself needs no permission.
            profile: the models to use: "auto", "lite", "standard" or "full".
            settings: any other field of `agent_tools.settings.Settings`, such as `models=("speech=off",)`.

        Raises: InvalidArgument: a setting breaks its rule.
        """
        from agent_tools.service.library.library import Library as Session

        chosen = Settings.load(
            home=Path(home) if home is not None else None,
            allow=tuple(Path(folder) for folder in allow),
            profile=profile,
            **settings,
        )
        self._session = Session(chosen, by_hand=True)

    @property
    def home(self) -> Path:
        """The folder of the memory."""
        return self._session.settings.home

    def close(self) -> None:
        """Close the files and end the process that decodes pictures. A running ingest goes on."""
        self._session.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def ingest_video(
        self,
        source: str | PathLike[str],
        *,
        title: str = "",
        channels: Sequence[str] | None = None,
        wait_s: float | None = None,
        on_step: OnStep | None = None,
    ) -> IngestReply:
        """Make a video file, or every video in a folder, part of the memory. The same content is stored once.

        Args:
            source: path of a file or folder, or the id of a video whose ingest should go on; "" for all folders of
                `allow`.
            title: name of the video; by default its file name. Not for a folder.
            channels: the channels to make; by default those of the profile.
            wait_s: how long to wait, in seconds; None waits until the work is done. The work goes on after that.
            on_step: called with the progress (0 to 1) and a sentence; it may raise to stop waiting.

        Raises: SourceNotFound, UnreadableVideo, InvalidArgument.
        """
        from agent_tools.service.ingest_video import ingest_video

        path = Path(source).expanduser()
        named = str(path.absolute()) if str(source) and path.exists() else str(source)
        left_s = wait_s
        while True:
            call_s = CALL_S if left_s is None else min(CALL_S, left_s)
            reply = ingest_video(
                self._session,
                named,
                title=title,
                channels=None if channels is None else list(channels),
                wait_s=call_s,
                trusted=True,
                patient=True,
                on_step=on_step,
            )
            running = bool(reply.queued or reply.running) if reply.folder else reply.state in ("queued", "running")
            left_s = None if left_s is None else left_s - call_s
            if not running or (left_s is not None and left_s <= 0):
                return reply

    def list_episodes(
        self,
        video: str = "",
        *,
        level: Literal["auto", "chapter", "scene", "chunk"] = "auto",
        start_s: float | None = None,
        end_s: float | None = None,
        more: str = "",
        max_tokens: int = 1500,
    ) -> ListReply:
        """The videos of the memory; with `video`, the timeline of one as titled episodes.

        Args:
            video: id, unique title, file name or prefix, or a `video://` uri; "" for the library.
            level: how fine the episodes are; "auto" is the finest level that fits `max_tokens`.
            start_s, end_s: a part of the video, in seconds.
            more: the `cursor` of the last reply, to continue its list.
            max_tokens: size of the reply, 200 to 20,000.

        Raises: VideoNotFound, AmbiguousVideo, SpanOutsideVideo, InvalidArgument.
        """
        from agent_tools.service.list_episodes import list_episodes

        return list_episodes(
            self._session,
            video_id=video,
            level=level,
            start_s=start_s,
            end_s=end_s,
            cursor_text=more,
            max_tokens=max_tokens,
            caller=CALLER,
        )

    def retrieve_memory(
        self,
        query: str = "",
        video: str | Sequence[str] = "",
        *,
        like: str = "",
        start_s: float | None = None,
        end_s: float | None = None,
        channels: Sequence[str] | None = None,
        limit: int = 8,
        detail: Literal["concise", "full"] = "concise",
        more: str = "",
        max_tokens: int = 2000,
    ) -> RetrieveReply:
        """Moments that answer a question, by meaning and by words, in some videos or all.

        Args:
            query: what is said, shown or noted; "quoted words" must occur.
            video: id, title, file name or uri of a video, or a list of them; "" for all videos.
            like: a `video://` uri: find what looks like that moment, instead of `query`.
            start_s, end_s: a part of each video, in seconds.
            channels: the channels to search; by default all.
            limit: number of hits, 1 to 20.
            detail: "full" gives longer texts and a frame for each hit.
            more: the `cursor` of the last reply, to get more hits.
            max_tokens: size of the reply, 200 to 20,000.

        Raises: VideoNotFound, AmbiguousVideo, SpanOutsideVideo, InvalidArgument.
        """
        from agent_tools.service.retrieve_memory import SearchRequest, retrieve_memory

        return retrieve_memory(
            self._session,
            SearchRequest(
                query=query,
                like=like,
                video_ids=([video] if isinstance(video, str) else list(video)) if video else None,
                start_s=start_s,
                end_s=end_s,
                channels=channels,
                limit=limit,
                detail=detail,
                cursor=more,
                max_tokens=max_tokens,
            ),
            caller=CALLER,
            wait_s=MODELS_S,
        )

    def zoom_segment(
        self,
        video: str,
        start_s: float | None = None,
        end_s: float | None = None,
        *,
        query: str = "",
        frames: int = 6,
        layout: Literal["auto", "sheet", "frames", "text"] = "auto",
        region: Sequence[float] | None = None,
        max_tokens: int = 3000,
    ) -> Zoomed:
        """Pictures, speech and on-screen text of a span, chosen for a question.

        Args:
            video: id, unique title, file name or prefix, or a `video://` uri, whose #t sets the span.
            start_s, end_s: the span, in seconds; by default the whole video.
            query: prefer pictures and texts that match this.
            frames: number of pictures, 1 to 16.
            layout: "frames" for single pictures, "sheet" for contact sheets, "text" for no pictures.
            region: part of the picture as shares, [x, y, width, height], to read small things.
            max_tokens: size of the reply with its pictures, 200 to 20,000.

        Returns: `.facts` (a dict), `.pictures` (JPEG bytes with their times) and `.links`.
        Raises: VideoNotFound, AmbiguousVideo, SpanOutsideVideo, InvalidArgument; EngineError: decoding failed.
        """
        from agent_tools.service.zoom_segment import ZoomRequest, zoom_segment

        self._session.models.text(MODELS_S if query else 0)
        return zoom_segment(
            self._session,
            ZoomRequest(
                video_id=video,
                start_s=start_s,
                end_s=end_s,
                query=query,
                max_frames=frames,
                layout=layout,
                region=region,
                max_tokens=max_tokens,
            ),
            caller=CALLER,
        )

    def ground_event(
        self,
        event: str,
        video: str = "",
        *,
        start_s: float | None = None,
        end_s: float | None = None,
        channels: Sequence[str] | None = None,
        max_spans: int = 3,
        max_tokens: int = 1000,
    ) -> GroundReply:
        """When something happens, or that it does not: "present", "absent" or "uncertain", with spans and confidence.

        Args:
            event: what to look for, said positively ("a dog barks"); quoted words must be said or shown.
            video: id, unique title, file name or prefix, or a `video://` uri; "" for one verdict on each video.
            start_s, end_s: a part of the video, in seconds.
            channels: the channels to judge; by default all.
            max_spans: number of spans, 1 to 10.
            max_tokens: size of the reply, 200 to 20,000.

        Raises: VideoNotFound, AmbiguousVideo, SpanOutsideVideo, InvalidArgument.
        """
        from agent_tools.service.ground_event import ground_event

        self._session.models.text(MODELS_S)
        return ground_event(
            self._session,
            event=event,
            video_id=video,
            start_s=start_s,
            end_s=end_s,
            channels=None if channels is None else list(channels),
            max_spans=max_spans,
            max_tokens=max_tokens,
            caller=CALLER,
        )

    def remember(
        self,
        video: str,
        text: str,
        start_s: float | None = None,
        end_s: float | None = None,
        *,
        replaces: str = "",
    ) -> RememberReply:
        """Write a note on a span, which later searches find. The same text on the same span is one note.

        Args:
            video: id, unique title, file name or prefix, or a `video://` uri, whose #t sets the span.
            text: 1 to 2,000 characters.
            start_s, end_s: the span, in seconds; needed where the uri has none.
            replaces: uri of a note that this one corrects; the old note is kept as history.

        Raises: VideoNotFound, SpanOutsideVideo, InvalidArgument, NoteNotFound.
        """
        from agent_tools.service.remember import remember

        self._session.models.text(MODELS_S)
        return remember(
            self._session,
            video_id=video,
            start_s=start_s,
            end_s=end_s,
            text=text,
            replaces=replaces,
            caller=CALLER,
            author=CALLER,
        )
