"""Whether quoted words that were not found may stand in a text in another writing: then "absent" is not certain.

"e-mail" and "email", "1,000" and "1000", "Mueller" and "Müller", "colour" and "color", 預算 and 预算, すし and スシ, a
word broken at the end of a line: people take them for the same words, a comparison of letters does not. All of it errs
towards "may stand there"."""

from __future__ import annotations

import functools
import unicodedata
from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import regex

from agent_tools.service.verdicts.transliteration import sounds_like
from agent_tools.store import spelling

LEAST_HIRAGANA = 2  # letters of a word that may stand somewhere in Han characters
_KATAKANA = {code: code - 0x60 for code in range(0x30A1, 0x30F7)}  # to Hiragana
_APOSTROPHES = regex.compile("[\u02b0-\u02ff\u2018-\u201b`´]")  # some are letters to Unicode: in Hawaiian, in Ukrainian
_AGAIN = regex.compile(r"(\p{Han})々")
_THAI_AM = regex.compile("\u0e4d([\u0e48-\u0e4b])")  # the ring of am is typed before the tone, or behind it
_HAN, _HIRAGANA, _HEBREW = (regex.compile(rf"\p{{{script}}}") for script in ("Han", "Hiragana", "Hebrew"))
_ONLY_HIRAGANA = regex.compile(rf"\p{{Hiragana}}{{{LEAST_HIRAGANA},}}")
# Letters that stand for others where a keyboard or a custom has no mark for them, and what is British or American.
_SAME = tuple(
    (regex.compile(one), other)
    for one, other in (
        *(("ae", "a"), ("oe", "o"), ("ue", "u"), ("aa", "a"), ("dj", "d"), ("ou", "o")),
        *(("z", "s"), (r"(?<=\w)re$", "er"), (r"^0(?=\d$)", ""), (r"(?<=[\u05d0-\u05ea])[\u05d5\u05d9]", "")),
    )
)
_UNSTEADY = b"aeoudjzsr0"  # every letter that _SAME changes
_WORD = regex.compile(r"[\p{L}\p{M}]+")
_SOUND_BY_SOUND = ("Latin", "Cyrillic", "Greek", "Armenian", "Georgian", "")  # a letter for each sound, vowels too
_SCRIPTS = tuple(
    (script, regex.compile(rf"\p{{{script}}}")) for script in spelling.HANDLED if script not in ("Common", "Inherited")
)


def skeleton(letters: bytes) -> bytes:
    """ASCII letters without those in which two writings of one word may differ: that of the words sought is part of
    that of each text which `written_otherwise` finds them in."""
    return letters.translate(None, _UNSTEADY)


def written_otherwise(words: str, texts: Sequence[str], *, spoken: bool, tracks: Sequence[Sequence[str]] = ()) -> str:
    """Why the words may stand in one of the texts although they were not found; "" if nothing speaks for it,
    or they stand there as they are.

    Args:
        spoken: the texts write down what is said, so that numbers and foreign words may be written in any way.
        tracks: the texts by subtitle track, where they are of several."""
    sought = "".join(_reduced(words))
    if not sought:
        return ""
    if any(_stands(spelling.words(words), spelling.words(text)) for text in texts):
        return ""  # asked with others, which are the ones that were not found
    is_hebrew = _HEBREW.search(words) is not None
    found = next((one for text in texts if (one := _place(sought, text, ends=is_hebrew))), "")
    if found:
        return f"{words!r} may stand there as {found!r}"
    if not spoken:
        return ""
    if any(map(str.isdigit, words)):
        return f"{words!r}: a number may be written in words"
    if _ONLY_HIRAGANA.fullmatch(words) and any(_HAN.search(text) for text in texts):
        return f"{words!r} may be written in Han characters"
    return _other_script(words, texts, tracks or (texts,))


def _place(sought: str, text: str, *, ends: bool) -> str:
    """The words of the text that are, without their spaces, the words sought; "" if there are none.

    Args:
        ends: a longer word that ends with them counts too: Hebrew writes "the" and "and" as parts of the word."""
    reduced = _reduced(text)
    if sought not in "".join(reduced):
        return ""
    for first in range(len(reduced)):
        window = ""
        for last in range(first, len(reduced)):
            window += reduced[last]
            if window == sought or (ends and window.endswith(sought)):
                return " ".join(_tokens(text)[first : last + 1])
            if len(window) > len(sought):
                break
    return ""


def _stands(sought: tuple[str, ...], held: tuple[str, ...]) -> bool:
    size = len(sought)
    return sought[0] in held and any(held[at : at + size] == sought for at in range(len(held) - size + 1))


def _reduced(text: str) -> tuple[str, ...]:
    """The words of a text, each without what differs between two writings of one word."""
    return tuple(map(_reduced_word, _tokens(text)))


@functools.lru_cache(maxsize=65_536)  # a library has more texts than words
def _reduced_word(word: str) -> str:
    return functools.reduce(lambda left, pair: pair[0].sub(pair[1], left), _SAME, word)


@functools.lru_cache(maxsize=65_536)
def _tokens(text: str) -> tuple[str, ...]:
    if not text.isascii():
        text = unicodedata.normalize("NFKC", _APOSTROPHES.sub("", text))
        text = _THAI_AM.sub("\\1\u0e4d", unicodedata.normalize("NFKD", text) if "\u0e33" in text else text)
        if _HAN.search(text):
            text = _simplified().convert(_AGAIN.sub(r"\1\1", text))
        text = text.translate(_KATAKANA)
    return spelling.words(text)


@functools.cache
def _simplified() -> Any:
    import opencc

    return opencc.OpenCC("t2s")


def _other_script(words: str, texts: Sequence[str], tracks: Sequence[Sequence[str]]) -> str:
    """Why words in one script may stand in a text in another one: most texts are in it, or words there sound like
    them, or a text is in a script that does not write sounds and so gives no proof."""
    sought, there = _scripts([words]), _scripts(texts)
    if not sought or not there:
        return ""
    if (script := there.most_common(1)[0][0]) not in sought:
        return f"{words!r} may be written in {script} letters, as most words there are"
    if sought.keys() >= there.keys():
        return ""
    asked = _WORD.findall(words)
    for text in texts:
        if found := sounds_like(asked, _foreign(text, sought)):
            return f"{words!r} may stand there as {found!r}"
    # Of two tracks with the same speech, one in the script of the words is enough.
    whole = [track for track in tracks if 2 * len(track) >= max(map(len, tracks))]
    reasons = [_soundless(words, sought, track) for track in whole]
    return reasons[0] if all(reasons) else ""


def _soundless(words: str, sought: Counter[str], texts: Iterable[str]) -> str:
    """Why the words may stand in the first text that is mostly in a script which does not write sounds."""
    for text in texts:
        scripts = _scripts(_foreign(text, sought))
        script, count = scripts.most_common(1)[0] if scripts else ("", 0)
        if script not in _SOUND_BY_SOUND and 2 * count > sum(_scripts([text]).values()):
            return f"{words!r} may be written in {script} letters, as {text!r} is"
    return ""


def _foreign(text: str, sought: Counter[str]) -> list[str]:
    """The words of the text that have no letter of the scripts sought."""
    if text.isascii() and "Latin" in sought:
        return []
    return [word for word in _WORD.findall(text) if sought.keys().isdisjoint(_scripts([word]))]


def _scripts(texts: Iterable[str]) -> Counter[str]:
    """How many letters of each script; those of Japanese and of Chinese count as one."""
    counts: Counter[str] = Counter()
    for text in texts:
        if text.isascii():
            counts["Latin"] += sum(map(str.isalpha, text))
        else:
            for letter, count in Counter(filter(str.isalpha, text)).items():
                counts[_script(letter)] += count
    return +counts


@functools.lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    found = next((script for script, pattern in _SCRIPTS if pattern.match(letter)), "other")
    return "Han" if found in ("Hiragana", "Katakana", "Bopomofo") else found
