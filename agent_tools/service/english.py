"""Whether texts are English: by the language they are said to be in, else by their letters and their commonest words.

Knows texts. Knows nothing of channels or encoders. What tells nothing, such as a number or a name, passes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

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
