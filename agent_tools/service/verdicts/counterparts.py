"""Whether the texts near a moment say all that an event says, word for word or in other words.

A sentence's vector is near to all of the same matter: beside "The lighthouse was built two hundred years ago", "the
lighthouse became a museum" has p(present) .93. So each word of the event that carries a subject is compared by itself
with the words near the moment: "museum" has no counterpart there, and the event may not be called present."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Protocol, runtime_checkable

import numpy as np
import regex
from numpy.typing import NDArray

from agent_tools.models.text_language import language_of
from agent_tools.service.verdicts.event_search import FEW, LOCALIZER, EvidenceSource
from agent_tools.store import function_words, spelling

if TYPE_CHECKING:
    from agent_tools.grounding import Calibrator
    from agent_tools.service.library.library import Library, VideoSpan

LEAST = 0.45  # cosine of two words that may stand for each other; see docs/evaluation/grounding.md
FEWEST_LETTERS = 2  # of a word that carries a subject
MOST_WORDS = 80  # of the texts near a moment
AROUND_S = 10.0  # before and after the nearest text
UNSAID = "the nearest text is of the same matter, but no text near it says anything like "
MOST_UNSAID = 3
# For "present" where words cannot be compared one by one: the calibration was off by up to .32 on such queries.
OTHER_AT_LEAST = 0.82
OTHER = (
    "the nearest text is of the same matter; in these languages it must be nearer to be sure: look with zoom_segment"
)
# Words about the telling and not of what is told.
_FRAME = frozenset(
    "someone somebody anyone speaker narrator presenter lecturer teacher talk talks speaks speaking mentions mentioned "
    "explains explained explaining tells told describes described shown shows video film clip scene slide screen "
    "jemand quelqu alguien qualcuno alguém кто-то".split()
)
_WORD = regex.compile(r"[\p{L}\p{M}]+(?:['’-][\p{L}\p{M}]+)*")
# Scripts whose words cannot be compared one by one: without spaces, or with particles that are part of a word.
_OTHER_WORDS = regex.compile(f"{spelling.UNSPACED.pattern}|[\u1100-\u11ff\u3130-\u318f\uac00-\ud7af]")


@runtime_checkable
class WordEncoder(Protocol):
    """An encoder whose vectors of single words can be compared, in several languages."""

    def encode_words(self, words: Sequence[str]) -> NDArray[np.float32]:
        """(n, D), of length 1."""
        ...


def near_only(
    library: Library,
    scope: VideoSpan,
    event: str,
    calibrated: Sequence[tuple[EvidenceSource, Calibrator | None]],
) -> str:
    """Why what speaks for the event may only be of the same matter; "" where something says it.

    Only p(present) by meaning is doubted. Quoted words stand there or not."""
    from agent_tools.grounding import PRESENT_AT_LEAST, named

    likely = [
        (probability, source)
        for source, calibrator in calibrated
        if calibrator is not None and (probability := source.sure_probability(calibrator)) >= PRESENT_AT_LEAST
    ]
    by_meaning = [(probability, source) for probability, source in likely if source.calibration in (LOCALIZER, FEW)]
    if len(by_meaning) < len(likely) or named(event).as_they_stand:
        return ""
    whys = [_far(library, scope, event, source, probability) for probability, source in by_meaning]
    return "" if "" in whys else whys[0]


def _far(library: Library, scope: VideoSpan, event: str, source: EvidenceSource, probability: float) -> str:
    """Why the text nearest to the event may not say it."""
    around = source.around(AROUND_S)
    if not around:
        return ""
    texts = [*(item.text for item in around), scope.video.title]
    encoder = library.text_encoder(scope.video.id)
    if isinstance(encoder, WordEncoder) and all(map(has_words, (event, *texts))):
        missing = without_counterpart(encoder, event, texts)
        return f"{UNSAID}{', '.join(map(repr, missing[:MOST_UNSAID]))}: look with zoom_segment" if missing else ""
    english = all(language_of(text).maybe_english for text in (event, around[0].text))
    return "" if english or probability >= OTHER_AT_LEAST else OTHER


def has_words(text: str) -> bool:
    """Whether the words of the text can be compared one by one: not in Chinese, Japanese, Korean or Thai."""
    return not _OTHER_WORDS.search(text)


def without_counterpart(encoder: WordEncoder, event: str, texts: Sequence[str]) -> list[str]:
    """The event's words that no word of the texts comes near, the farthest first; numbers are not judged.

    Of texts and an event that have words, see has_words."""
    sought = _telling(event)
    there = list(dict.fromkeys(word for text in texts for word in _words(text)))[:MOST_WORDS]
    missing = [word for word in sought if word not in there]
    if not missing or not there:
        return missing
    cosines = (encoder.encode_words(missing) @ encoder.encode_words(there).T).max(axis=1)
    return [missing[i] for i in np.argsort(cosines) if cosines[i] < LEAST]


def _words(text: str) -> list[str]:
    return [word for word in _WORD.findall(text.lower()) if len(word) >= FEWEST_LETTERS]


def _telling(event: str) -> list[str]:
    words = _words(event)
    left_out = function_words.grammar(words) | _FRAME
    return list(dict.fromkeys(word for word in words if word not in left_out))
