"""Language codes of containers and file names in one form (ISO 639)."""

from __future__ import annotations

import re
from itertools import takewhile

from agent_tools.untrusted import clean

_THREE_TO_TWO = """
ara:ar bul:bg ben:bn cat:ca ces:cs cze:cs cym:cy wel:cy dan:da deu:de ger:de ell:el gre:el eng:en est:et eus:eu
baq:eu fas:fa per:fa fin:fi fil:tl tgl:tl fra:fr fre:fr gle:ga glg:gl heb:he hin:hi hrv:hr hun:hu hye:hy arm:hy
ind:id isl:is ice:is ita:it jpn:ja kat:ka geo:ka kaz:kk kan:kn kor:ko lat:la lit:lt lav:lv mkd:mk mac:mk mal:ml
mon:mn mar:mr msa:ms may:ms mya:my bur:my nld:nl dut:nl nor:no nob:nb nno:nn pan:pa pol:pl por:pt ron:ro rum:ro
rus:ru slk:sk slo:sk slv:sl sqi:sq alb:sq srp:sr swe:sv swa:sw tam:ta tel:te tha:th tur:tr ukr:uk urd:ur uzb:uz
vie:vi zho:zh chi:zh yue:yu afr:af
khm:km lao:lo aze:az bel:be nep:ne sin:si guj:gu pus:ps amh:am
"""
# English names of languages, as players and archives write them in file names ("2_English.srt").
_NAMES = """
arabic:ar bulgarian:bg bengali:bn catalan:ca chinese:zh mandarin:zh cantonese:zh croatian:hr czech:cs danish:da dutch:nl
english:en estonian:et finnish:fi filipino:tl french:fr german:de greek:el hebrew:he hindi:hi hungarian:hu icelandic:is
indonesian:id italian:it japanese:ja korean:ko latvian:lv lithuanian:lt macedonian:mk malay:ms malayalam:ml norwegian:no
persian:fa farsi:fa polish:pl portuguese:pt romanian:ro russian:ru serbian:sr slovak:sk slovenian:sl spanish:es
swedish:sv tamil:ta telugu:te thai:th turkish:tr ukrainian:uk urdu:ur vietnamese:vi burmese:my khmer:km lao:lo
deutsch:de francais:fr français:fr espanol:es español:es italiano:it
"""
_NAMED = dict(pair.split(":") for pair in _NAMES.split())
_SHORT = dict(pair.split(":") for pair in _THREE_TO_TWO.split())
_REGION = re.compile(r"[a-z]{2}|han[st]|latn|cyrl|\d{3}")  # a country, a script, a number of the United Nations
HINDI = "hi"
_DEVANAGARI = re.compile("[\u0900-\u097f]")
_UNKNOWN = frozenset({"und", "mul", "zxx", "mis", "unk", ""})


def language_of(code: str | None) -> str | None:
    """The code in lower case, with two letters if such a code exists, and its region; None if it names no language.
    "eng" -> "en", "pt_BR" -> "pt-br", "und" -> None."""
    head, *rest = clean(code or "", 35).lower().replace("_", "-").split("-")
    head = _SHORT.get(head, head)
    return None if head in _UNKNOWN or not head.isalpha() else "-".join([head, *rest])


def is_language(word: str) -> bool:
    """Whether a word of a file name is a language code of this table, with or without a region."""
    head = word.lower().replace("_", "-").split("-")[0]
    return head in _SHORT or head in _SHORT.values()


def in_devanagari(text: str) -> bool:
    """Whether the text holds letters that Hindi is written in."""
    return _DEVANAGARI.search(text) is not None


def language_in_name(word: str) -> str | None:
    """The language that a word of a file name stands for: a code ("pt-BR", "eng", "en-orig") or an English name."""
    if (name := _NAMED.get(word.lower())) is not None:
        return name
    head, *rest = word.lower().replace("_", "-").split("-")
    if not is_language(head):
        return None
    # "en-orig" and "en-nP7-2PuUl7o" are names of tracks: only a known kind of region is kept.
    regions = list(takewhile(_REGION.fullmatch, rest))
    return language_of("-".join([head, *regions]))
