"""What kind of answer a question wants, and which texts could be it: a name to "who", a number to "how many", a date to
"when". In the sixteen languages that lite's encoder understands, without a model.

A text of the right kind is preferred among those that are near the question anyway; it is not found for that alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from functools import lru_cache
from typing import Literal

import regex

from agent_tools.service.search.fusion import FLOOR, MIDDLE, SLOPE, score_of
from agent_tools.service.search.recall import ScoredEntry
from agent_tools.store import ShownLine, function_words, line_with, shown_lines, spelling

Kind = Literal["name", "number", "date"]

ORDER: tuple[Kind, ...] = ("number", "date", "name")  # "how many of those who ..." wants a number
SURE = 2  # a name with a title or an initial
GAIN = 0.7  # deviations that a text of the right kind gains: enough to decide between two that are about as near

# By language, so that "wie" is "how" in German and "who" in Dutch. Of one phrase a question holds all the words.
_ASKING: dict[Kind, str] = {
    "name": """en who|whom|whose de wer|wen|wem|wessen fr qui es quién|quiénes|quien|quienes it chi pt quem
        nl wie pl kto|kogo|komu|kim tr kim|kimin|kime|kimler ru кто|кого|кому|кем th ใคร ko 누가|누구
        ja 誰|だれ|どなた zh 谁|誰""",
    "number": """en how+many|how+much|number+of|percentage|percent|price de wie+viele|wie+viel|wieviel|wieviele|prozent
        fr combien|pourcentage es cuántos|cuántas|cuánto|cuánta|porcentaje it quanti|quante|quanto|quanta|percentuale
        pt quantos|quantas|quanto|quanta|porcentagem nl hoeveel|percentage pl ile|ilu|procent tr kaç|yüzde
        ru сколько|процент|процентов ar كم th กี่|เท่าไหร่|เท่าไร ko 몇|얼마 ja いくつ|いくら|何人|何個
        zh 多少|几个|幾個|几人|百分之几""",
    "date": """en when|what+date|which+date|which+year|what+year|what+day de wann|welches+jahr|welchem+jahr|welchem+tag
        fr quand|quelle+date|quelle+année es cuándo|qué+fecha|qué+año it quando|quale+data|che+anno pt quando|que+data
        nl wanneer|welk+jaar pl kiedy|którym+roku tr ne+zaman|hangi+yıl ru когда|каком+году ar متى
        th เมื่อไหร่|เมื่อไร|วันไหน|ปีไหน ko 언제|몇+년 ja いつ|何年|何月|何日 zh 何时|何時|什么时候|什麼時候|哪年|几月""",
}
_WORD = regex.compile(r"[\p{L}\p{M}\p{N}]+")
_NUMBER = regex.compile(r"\p{Nd}")
_MONTHS = (
    "january february march april may june july august september october november december jan feb mar apr jun jul aug "
    "sep sept oct nov dec januar februar märz mai juni juli oktober dezember janvier février mars avril juin juillet "
    "août septembre octobre novembre décembre enero febrero marzo abril mayo junio julio agosto septiembre octubre "
    "noviembre diciembre gennaio febbraio aprile maggio giugno luglio settembre ottobre novembre dicembre janeiro "
    "fevereiro março maio junho julho setembro outubro novembro dezembro januari februari maart mei augustus stycznia "
    "lutego marca kwietnia maja czerwca lipca sierpnia września października listopada grudnia ocak şubat mart nisan "
    "mayıs haziran temmuz ağustos eylül ekim kasım aralık января февраля марта апреля мая июня июля августа сентября "
    "октября ноября декабря يناير فبراير مارس أبريل مايو يونيو يوليو أغسطس سبتمبر أكتوبر نوفمبر ديسمبر มกราคม "
    "กุมภาพันธ์ มีนาคม เมษายน พฤษภาคม มิถุนายน กรกฎาคม สิงหาคม กันยายน ตุลาคม พฤศจิกายน ธันวาคม"
)
_MONTH = "|".join(regex.escape(month) for month in sorted(set(_MONTHS.split()), key=lambda month: -len(month)))
_DATE = regex.compile(
    rf"(?<!\d)(?:1[1-9]|20)\d\d(?!\d)"  # a year
    rf"|(?<!\d)\d{{1,2}}[./-]\d{{1,2}}[./-](?:\d\d)?\d\d(?!\d)|(?<!\d)\d{{1,2}}:\d\d(?!\d)"
    rf"|\d\s?(?:年|月|日|년|월|일)"
    rf"|(?:\d\.?\s?(?:de |di |d')?(?:{_MONTH})|\b(?:{_MONTH})\.?\s\d)",
    regex.IGNORECASE,
)
_TITLE = (
    r"Prof|Professor|Dr|Mr|Mrs|Ms|Miss|Sir|Lady|Lord|Herr|Frau|Fräulein|Monsieur|Madame|Mme|Señor|Señora|Sr|Sra|Don|Doña"
    r"|Signor|Signora|Dott|Senhor|Senhora|Dona|Mevrouw|Meneer|Pan|Pani|Bay|Bayan|Г-н|Г-жа|Господин|Госпожа|Профессор"
)
_PERSON = (
    rf"\b(?:{_TITLE})\b\.?\s+\p{{Lu}}"
    r"|\b\p{Lu}\p{Ll}+\s+\p{Lu}\.\s+\p{Lu}\p{Ll}"  # Sonia I. Seneviratne
    r"|\b\p{Lu}\.\s?(?:\p{Lu}\.\s?)?\p{Lu}\p{Ll}+"  # J. R. Tolkien
)
_SURELY: dict[Kind, regex.Pattern[str]] = {"name": regex.compile(_PERSON)}  # a person, not just capital letters
_NAME = regex.compile(
    rf"{_PERSON}"
    r"|\b[\w.+-]+@[\w-]+\.\w"
    r"|(?<=[\p{Ll},;]\s)\p{Lu}\p{Ll}+\s+\p{Lu}\p{Ll}+"  # inside a sentence or in a list
    r"|(?:さん|氏|先生|教授|博士|씨|선생님|교수|박사|คุณ)"
)


def preferred(query: str, found: Sequence[ScoredEntry]) -> list[ScoredEntry]:
    """The entries with those raised that hold the kind of answer that the query wants, best first."""
    kind = wanted(query)
    if kind is None:
        return list(found)
    raised = [one._replace(score=_raised(one.score)) if _may_rise(one, kind) else one for one in found]
    return sorted(raised, key=lambda one: (one.entry.unsure, -one.score))


def wanted(query: str) -> Kind | None:
    """The kind of answer that a question wants; None where its words do not say."""
    text = spelling.searchable(query)
    words = _WORD.findall(text)
    languages = function_words.likely_languages(words)
    for kind, language, phrase in _phrases():
        unspaced = spelling.UNSPACED.match(phrase[0])
        if unspaced and all(part in text for part in phrase):
            return kind
        if not unspaced and language in languages and set(phrase).issubset(words):
            return kind
    return None


def is_of_kind(text: str, kind: Kind) -> bool:
    """Whether a text holds such an answer, judged by its letters."""
    pattern = {"name": _NAME, "number": _NUMBER, "date": _DATE}[kind]
    return pattern.search(text) is not None


def answering_line(query: str, found: ScoredEntry) -> ShownLine | None:
    """The line of an on-screen text that a hit shows: the one that shares most words with the query, else the nearest
    by meaning. Where the question wants a name, a number or a date that this line does not hold, the line nearest to it
    that does, as "Prof. Ada Byron" above "Lecture of 6 December" answers who gave the lecture."""
    kind, near = wanted(query), line_with(found.entry, query) or found.line
    if kind is None or (near is not None and _certainty(near.text, kind) == SURE):
        return near
    lines = shown_lines(found.entry)
    certain = [_certainty(line.text, kind) for line in lines]
    best = max(certain, default=0)
    if best == 0 or (near is not None and _certainty(near.text, kind) == best):
        return near
    answers = [place for place, one in enumerate(certain) if one == best]
    if near is None:
        return lines[answers[0]] if len(answers) == 1 else None
    here = next((place for place, line in enumerate(lines) if line.start == near.start), 0)
    return lines[min(answers, key=lambda place: abs(place - here))]


def _certainty(text: str, kind: Kind) -> int:
    """0 where the text holds no such answer, SURE where its form says so, else 1."""
    surely = _SURELY.get(kind)
    if surely is not None and surely.search(text):
        return SURE
    return int(is_of_kind(text, kind))


@lru_cache(maxsize=1)
def _phrases() -> list[tuple[Kind, str, tuple[str, ...]]]:
    """(kind, language, folded words) of each phrase; those of several words first, numbers before names."""
    found: list[tuple[Kind, str, tuple[str, ...]]] = []
    for kind in ORDER:
        words = _ASKING[kind].split()
        for language, phrases in zip(words[::2], words[1::2], strict=True):
            for phrase in phrases.split("|"):
                found.append((kind, language, tuple(map(spelling.searchable, phrase.split("+")))))
    return sorted(found, key=lambda one: (ORDER.index(one[0]), -len(one[2])))


def _may_rise(one: ScoredEntry, kind: Kind) -> bool:
    return not one.entry.unsure and one.score >= score_of(FLOOR) and is_of_kind(one.entry.text, kind)


def _raised(score: float) -> float:
    score = min(max(score, 1e-9), 1 - 1e-9)
    return score_of(MIDDLE + SLOPE * math.log(score / (1 - score)) + GAIN)
