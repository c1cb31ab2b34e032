"""Whether texts and questions can be compared by meaning: by their language, and by whose vectors the texts have.

A text is in the language it is said to be in, else in the one that its letters and its commonest words show. A text
that tells nothing, such as a number or a name, can be compared. `languages` is what an encoder understands, in its own
words: "English", SIXTEEN, or "many"."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING

from agent_tools.models.text_language import LANGUAGES, SIXTEEN, language_of
from agent_tools.service.library.library import Library
from agent_tools.store import ChannelRow

if TYPE_CHECKING:
    from agent_tools.models.profiles import TextEncoder

ENGLISH_ONLY = "meaning: English only"
SIXTEEN_ONLY = f"by words only: meaning is known in {', '.join(sorted(LANGUAGES))}"
LIMITS = {"English": ENGLISH_ONLY, SIXTEEN: SIXTEEN_ONLY}
UNKNOWN = ("", "und")  # languages of which nothing is said
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


def limit(languages: str) -> str:
    """What is said of a text in a language that an encoder does not understand; "" of one without limits."""
    return LIMITS.get(languages, "")


def understands(languages: str, language: str, text: str) -> bool:
    """Whether an encoder understands a text: by the text's language where that is known, else by what it shows."""
    if languages == "English":
        return is_english(language, text)
    if languages != SIXTEEN:
        return True
    if language not in UNKNOWN:
        return language.split("-")[0].lower() in LANGUAGES
    found = language_of(text)
    return found.undecided or found.language in LANGUAGES


def sound_strange(languages: str, texts: Sequence[str]) -> bool:
    """Whether texts together are in a language that an encoder does not understand, as their commonest words show."""
    if languages == "English":
        return sound_foreign(texts)
    return not understands(languages, "", " ".join(texts[:: max(1, len(texts) // SAMPLE)]))


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
    if any(older.producer in made for older in getattr(encoder, "older", ())):
        return ""
    return f"words only: its vectors are {made[-1]}'s, not this server's model"


def other_texts(row: ChannelRow, encoder: TextEncoder | None) -> str:
    """Why this server's encoder cannot compare a channel's texts by meaning, as far as its row tells; "" if it can."""
    made = row.detail.vectors
    if encoder is not None and encoder.producer not in made:
        encoder = next((older for older in getattr(encoder, "older", ()) if older.producer in made), encoder)
    if encoder is not None and not understands(encoder.languages, row.language or "", ""):
        return limit(encoder.languages)
    return other_vectors(row, encoder)


def words_only_because(library: Library, encoder: TextEncoder | None, query: str) -> str:
    """Why a query cannot go by meaning, "" if it can."""
    if encoder is None:
        error = library.models.error
        return "words only: " + (error.described if error else "the sentence encoder is still loading")
    if encoder.languages == "English":
        return ENGLISH_ONLY if any(ord(c) > LAST_LATIN for c in query if c.isalpha()) else ""
    return "" if understands(encoder.languages, "", query) else limit(encoder.languages)
