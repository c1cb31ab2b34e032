"""The words of one window as entries: repeats collapsed, cut at pauses, sentence ends or 8 s.

It works on words and times only."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from agent_tools.models.whisper.decoder import SpokenWord

LONGEST_S = 8.0  # of one entry
PAUSE_S = 0.6  # a longer silence between two words ends an entry
SENTENCE_S = 2.0  # a sentence end ends an entry that lasts this long
ENDS = ".?!。？！…؟"
COMMAS = ",;:，、；："
REPEATS, WORD_REPEATS = 3, 4  # times in a row that a phrase, or one word, counts as repeated
LONGEST_PHRASE = 40  # words
LEAST_STUTTERED = 3  # letters: "e, e, e, e" and "xxxxxxxx" are no speech
STUTTERS = 6  # times in a row that one letter stands in no word
LEAST_ECHO = 3  # words
LETTER_S = 0.02  # nobody speaks 50 letters a second: faster repeats are the decoder's, not a voice's


_STUTTER = re.compile(rf"(\w)\1{{{STUTTERS - 1}}}")


@dataclass(frozen=True)
class Run:
    """Words in a row, said `repeats` times; `end_s` is the end of the last time."""

    words: tuple[SpokenWord, ...]
    end_s: float
    repeats: int = 1

    @property
    def start_s(self) -> float:
        return self.words[0].start_s

    @property
    def stutters(self) -> bool:
        """Whether it is a letter or two again and again, which a decoder writes over noise."""
        letters = "".join(_key(word) for word in self.words)
        return (self.repeats > 1 and len(letters) < LEAST_STUTTERED) or bool(_STUTTER.search(letters))

    @property
    def text(self) -> str:
        said = "".join(word.text for word in self.words).strip()
        return f"{said} (×{self.repeats})" if self.repeats > 1 else said


def runs(words: Sequence[SpokenWord]) -> tuple[list[Run], float | None]:
    """Entries in time order, and from which second on the text is the decoder's loop; None where it is not.

    A phrase that is said three times or more in a row is one entry with its count. Repeats that are faster than
    speech were not said: the decoder fell into a loop. They and all words after them are left out."""
    entries: list[Run] = []
    plain: list[SpokenWord] = []
    if echo := _echo(words):
        entries, loop_s = runs(words[:-echo])
        return entries, words[-echo].start_s if loop_s is None else loop_s
    at = 0
    while at < len(words):
        size, times = _repeat(words, at)
        if times == 1:
            plain.append(words[at])
            at += 1
            continue
        phrases = [words[at + size * k : at + size * (k + 1)] for k in range(times)]
        said = next((k for k, phrase in enumerate(phrases) if not _speakable(phrase)), times)
        if said >= (WORD_REPEATS if size == 1 else REPEATS):
            entries += [*_cut(plain), Run(tuple(phrases[0]), phrases[said - 1][-1].end_s, said)]
            plain = []
        else:
            plain += [word for phrase in phrases[:said] for word in phrase]
        if said < times:
            loop_s = phrases[said][0].start_s
            return [*entries, *_cut(plain)], loop_s
        at += size * times
        rest = words[at:]
        if rest and len(rest) < size and _same(rest, phrases[0]) and not _speakable(rest):
            return entries, rest[0].start_s  # the token limit cut the loop's last time short
    return [*entries, *_cut(plain)], None


def _repeat(words: Sequence[SpokenWord], at: int) -> tuple[int, int]:
    """(words in the phrase, times in a row) of the repetition that begins here; (1, 1) where none does."""
    keys = [_key(word) for word in words[at:]]
    best = (1, 1)
    for size in range(1, min(LONGEST_PHRASE, len(keys) // REPEATS) + 1):
        phrase, times = keys[:size], 1
        while keys[size * times : size * (times + 1)] == phrase:
            times += 1
        enough = times >= (WORD_REPEATS if size == 1 else REPEATS)
        if enough and size * times > best[0] * best[1]:
            best = (size, times)
    return best


def _key(word: SpokenWord) -> str:
    return "".join(letter for letter in word.text.casefold() if letter.isalnum())


def _echo(words: Sequence[SpokenWord]) -> int:
    """How many words at the end repeat earlier words faster than any voice speaks; 0 without a repeat."""
    keys = [_key(word) for word in words]
    for size in range(len(words) // 2, LEAST_ECHO - 1, -1):
        tail = keys[-size:]
        before = range(len(keys) - 2 * size, -1, -1)
        if not _speakable(words[-size:]) and any(keys[at : at + size] == tail for at in before):
            return size
    return 0


def _same(rest: Sequence[SpokenWord], phrase: Sequence[SpokenWord]) -> bool:
    return all(_key(one) == _key(other) for one, other in zip(rest, phrase, strict=False))


def _speakable(phrase: Sequence[SpokenWord]) -> bool:
    letters = sum(len(_key(word)) for word in phrase)
    return phrase[-1].end_s - phrase[0].start_s >= LETTER_S * letters


def _cut(words: Sequence[SpokenWord]) -> Iterator[Run]:
    begin = 0
    for at in range(1, len(words) + 1):
        if at == len(words) or _ends(words, begin, at):
            yield from _short(words[begin:at])
            begin = at


def _ends(words: Sequence[SpokenWord], begin: int, at: int) -> bool:
    """Whether an entry that began at `begin` ends before the word `at`."""
    before, after = words[at - 1], words[at]
    if after.start_s - before.end_s > PAUSE_S:
        return True
    return before.text.rstrip("\"'”)").endswith(tuple(ENDS)) and before.end_s - words[begin].start_s >= SENTENCE_S


def _short(words: Sequence[SpokenWord]) -> Iterator[Run]:
    """A sentence in parts of at most LONGEST_S, cut behind a comma, else at its longest pause, near its middle."""
    lasts = words[-1].end_s - words[0].start_s
    if lasts <= LONGEST_S or len(words) < 2:
        yield Run(tuple(words), words[-1].end_s)
        return

    def worth(at: int) -> tuple[bool, bool, float]:
        share = (words[at].start_s - words[0].start_s) / lasts
        comma = words[at - 1].text.endswith(tuple(COMMAS + ENDS))
        return 0.25 <= share <= 0.75, comma, words[at].start_s - words[at - 1].end_s - abs(share - 0.5)

    at = max(range(1, len(words)), key=worth)
    yield from _short(words[:at])
    yield from _short(words[at:])
