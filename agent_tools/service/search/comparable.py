"""Whether texts and questions can be compared by meaning: by their language, and by whose vectors the texts have.

A text is English by the language it is said to be in, else by its letters and its commonest words. A text that tells
nothing, such as a number or a name, counts as English."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_tools.service.library.library import Library
from agent_tools.store import ChannelRow

if TYPE_CHECKING:
    from agent_tools.models.profiles import TextEncoder

ENGLISH_ONLY = "meaning: English only"
LAST_LATIN = 0x24F  # letters above are of scripts that English is not written in
SAMPLE = 300  # texts, evenly spread
TELLING_SHARE = 0.08  # of all words: in running text the commonest are about a third
_ENGLISH = frozenset("the of and to is that it you was for this with are have not i we they".split())
_OTHERS = frozenset(
    """der das und ist nicht ein eine ich sie wir mit auf von zu den dem sich auch
    le les et est une des que pas dans je vous pour qui ce nous sur
    el los una por con del para como pero más está
    il che di della sono per gli nel questo
    os não uma em com você ele isso
    het een niet zijn dat ik wij voor
    och att det som är på för inte jag ikke jeg til og
    się nie jest jak że ale bir ve için bu""".split()
)


def is_english(language: str, text: str) -> bool:
    """By its language where that is known, else by its script."""
    if language:
        return language.split("-")[0] == "en"
    letters = [] if text.isascii() else [letter for letter in text if letter.isalpha()]
    return 2 * sum(ord(letter) > LAST_LATIN for letter in letters) <= len(letters)


def sound_foreign(texts: Sequence[str]) -> bool:
    """Whether texts together hold the commonest words of other languages of Latin script, more than English ones."""
    words = Counter(word for text in texts[:: max(1, len(texts) // SAMPLE)] for word in text.lower().split())
    others, english = (sum(words[word] for word in common) for common in (_OTHERS, _ENGLISH))
    return others > english and others >= TELLING_SHARE * words.total()


def other_vectors(row: ChannelRow, encoder: TextEncoder | None) -> str:
    """Why a channel's texts cannot be compared by meaning with this server's questions; "" where they can."""
    made = row.detail.vectors
    if not made or encoder is None or encoder.producer in made:
        return ""
    return f"words only: its vectors are {made[-1]}'s, not this server's model"


def other_texts(row: ChannelRow, encoder: TextEncoder | None) -> str:
    """Why this server's encoder cannot compare a channel's texts by meaning, as far as its row tells; "" if it can."""
    if encoder is not None and encoder.languages == "English" and not is_english(row.language or "", ""):
        return ENGLISH_ONLY
    return other_vectors(row, encoder)


def words_only_because(library: Library, encoder: TextEncoder | None, query: str) -> str:
    """Why a query cannot go by meaning, "" if it can."""
    if encoder is None:
        error = library.models.error
        return "words only: " + (error.described if error else "the sentence encoder is still loading")
    if encoder.languages == "English" and any(ord(c) > LAST_LATIN for c in query if c.isalpha()):
        return ENGLISH_ONLY
    return ""
