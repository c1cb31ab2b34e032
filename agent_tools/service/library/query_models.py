"""The models that questions go through, loaded once, in the background, and never in the way of an answer.

The encoders are those of the profile."""

from __future__ import annotations

import functools
import logging
import threading
from collections import OrderedDict
from typing import TYPE_CHECKING, cast

from agent_tools import background
from agent_tools.errors import AgentToolsError, EngineError
from agent_tools.settings import Settings, go_offline

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from agent_tools.models.picture_memory import PictureMemory
    from agent_tools.models.profiles import FrameEncoder, ModelSettings, Profile, TextEncoder, TextSide
    from agent_tools.models.segment_reader import SegmentReader
    from agent_tools.models.video_llm.questions import VideoLocalizer

REMEMBERED = 64  # vectors of queries

log = logging.getLogger("agent_tools")


class QueryModels:
    """The text encoder for queries: `warm` loads it in a thread, `text` waits for it or says it is not there yet."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._thread: threading.Thread | None = None
        self._text: TextEncoder | None = None
        self._picture_words: TextSide | None = None
        self._making = threading.RLock()  # two calls at once load a model once; the reader needs the encoder
        self._frame_encoder: FrameEncoder | None = None
        self._segment_reader: SegmentReader | None = None
        self.error: AgentToolsError | None = None
        self.closer_lock = threading.Lock()  # held while the closer model is loaded or asked: it answers one at a time
        self._closer: VideoLocalizer | None = None
        self._event: tuple[str, NDArray[np.float32]] | None = None
        self._asked: OrderedDict[tuple[str, str], NDArray[np.float32]] = OrderedDict()

    @property
    def model_settings(self) -> ModelSettings:
        from agent_tools.ingestion.model_choice import model_settings

        return model_settings(self._settings)

    @functools.cached_property
    def profile(self) -> Profile:
        from agent_tools.models.profiles import resolve

        return resolve(self.model_settings)

    @property
    def profile_has_text_side(self) -> bool:
        """Whether pictures can be searched by words: an image-text model embeds both."""
        frames = self.profile.model("frames")
        return frames is not None and frames.from_hub

    @property
    def frame_producer(self) -> str:
        """Who makes this profile's frame vectors."""
        return self._frames.producer

    @property
    def frame_threshold(self) -> float:
        """At which likeness this profile's frame encoder calls a frame redundant."""
        return self._frames.threshold

    def event_vector(self, event: str, wait_s: float = 0.0) -> NDArray[np.float32] | None:
        """The event in the space of picture_vectors, (D,); None as for picture_words. The last one is remembered: a
        whole library is asked of one event, video by video."""
        words = self.picture_words(wait_s)
        if words is None:
            return None
        held = self._event  # of this moment: another thread may ask of another event
        if held is None or held[0] != event:
            held = self._event = event, words.encode_text([event])[0]
        return held[1]

    def picture_vectors(self, pictures: NDArray[np.uint8]) -> NDArray[np.float32]:
        """Vectors (n, dim) of pictures (n, H, W, 3) by this profile's frame encoder."""
        return self._frames.encode(pictures)

    @property
    def segment_reader(self) -> SegmentReader:
        """What makes one vector of a segment of frames; softmax pooling where no adapter's weights are named.

        Raises: ModelMissing: a named adapter that is not here, or is not an adapter."""
        from agent_tools.models.profiles import segment_reader

        with self._making:
            if self._segment_reader is None:
                self._segment_reader = segment_reader(self.model_settings, self._frames.dim, self._frames.producer)
            return self._segment_reader

    @functools.cached_property
    def picture_memory(self) -> PictureMemory | None:
        """What reads all pictures of a video for a question, where a memaug for the frames model is named.

        Raises: ModelMissing: a named memaug that is not here, or was trained on another encoder's vectors."""
        from agent_tools.models.profiles import picture_memory

        return picture_memory(self.model_settings, self._frames.dim, self._frames.producer)

    @property
    def _frames(self) -> FrameEncoder:
        from agent_tools.models.profiles import frame_encoder

        with self._making:
            if self._frame_encoder is None:
                self._frame_encoder = frame_encoder(self.model_settings)
            return self._frame_encoder

    def warm(self) -> None:
        """Begin loading, once."""
        with self._lock:
            if self._thread is None:
                self._thread = background.start(self._load, name="query-models")

    def text(self, wait_s: float = 0.0) -> TextEncoder | None:
        """The encoder, or None while it is still loading after wait_s, or where it cannot be loaded (see `error`)."""
        self.warm()
        self._ready.wait(wait_s)
        return self._text

    def query_vector(self, encoder: TextEncoder, query: str) -> NDArray[np.float32]:
        """The query as a vector (dim,). The last ones are remembered: a library is asked of one event video by video,
        and a search again for its next page."""
        key = encoder.producer, query
        with self._lock:
            vector = self._asked.get(key)
        if vector is None:
            vector = encoder.encode([query], query=True)[0]
            with self._lock:
                self._asked[key] = vector
                while len(self._asked) > REMEMBERED:
                    self._asked.popitem(last=False)
        return vector

    @property
    def loaded(self) -> TextEncoder | None:
        """The encoder if it is there; asking does not load it."""
        return self._text

    def picture_words(self, wait_s: float = 0.0) -> TextSide | None:
        """The text side of the frame encoder, for searching pictures by words; None where the profile has none, while
        it still loads after wait_s, or where it cannot be loaded."""
        if not self.profile_has_text_side:
            return None
        self.warm()
        self._ready.wait(wait_s)
        return self._picture_words

    @property
    def has_closer(self) -> bool:
        """Whether this profile has a model, here or at an endpoint, that pictures can be shown to."""
        return self.profile.model("captions") is not None

    def closer(self) -> VideoLocalizer:
        """The model that pictures are shown to, loaded on the first call (a minute for a large one); hold closer_lock.

        Raises: ModelMissing: it is not here. EngineError: it does not fit."""
        if self._closer is None:
            go_offline()
            from agent_tools.models.profiles import video_llm
            from agent_tools.models.video_llm.questions import VideoLocalizer

            self._closer = VideoLocalizer(video_llm(self.model_settings))
        return self._closer

    def _load(self) -> None:
        what = "the sentence encoder"
        try:
            go_offline()
            from agent_tools.models.profiles import text_encoder

            encoder = text_encoder(self.model_settings)
            encoder.encode(["warm"], query=True)
            self._text = encoder
            if self.profile_has_text_side:
                what = "the pictures' text side"
                words = cast("TextSide", self._frames)
                words.encode_text(["warm"])
                self._picture_words = words
        except AgentToolsError as error:
            self.error = error
        except Exception as error:  # noqa: BLE001  # the thread's outermost frame: else it says "loading" for ever
            self.error = EngineError(f"{what} does not load: {type(error).__name__}. agent-tools doctor says more.")
        finally:
            if self.error is not None:
                log.error("%s", self.error.described)
            self._ready.set()  # last: who waited for it goes on
