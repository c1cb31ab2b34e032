"""The language of a short text, by its script and its commonest words: the sixteen languages that lite understands,
and their neighbours.

Light on purpose: no model, no file. A text of a few words often tells nothing ("Mitigation", a name, a number); then
the language is undecided, and `maybe_english` says whether anything speaks against English."""

from __future__ import annotations

import unicodedata
from collections import Counter, defaultdict
from dataclasses import dataclass
from functools import lru_cache

LANGUAGES = {
    "ar": "Arabic", "zh": "Chinese", "nl": "Dutch", "en": "English", "fr": "French", "de": "German", "it": "Italian",
    "ja": "Japanese", "ko": "Korean", "pl": "Polish", "pt": "Portuguese", "ru": "Russian", "es": "Spanish",
    "th": "Thai", "tr": "Turkish",
}  # fmt: skip
SIXTEEN = ", ".join([*LANGUAGES.values(), "Chinese (traditional)"])  # what an encoder of these languages says it knows

SURE = 0.5  # a smaller lead over the next language is undecided
ENGLISH_SHARE = 0.5  # of another language's evidence: with this much of its own a text may still be English
LETTER_WORTH = 0.7  # of a letter that few languages write, beside a common word's 1

# Words that a language uses all the time. One that several share counts for each, divided by their number. English also
# holds those of its words that are common ones elsewhere: "a man under a tree" is neither German nor Swedish.
WORDS = {
    "en": """the of and to is that it you was for this with are have not i we they be at or from had by his her she he
        but what all were when there can which their if will would who so about them then me my your been has do did
        how where why could should an as on no out up its into our than only does in a over after while just
        these those two one some any every each down along past near behind between across around through before again
        off here someone people under man men come till am ten hat war care mint volt pro""",
    "de": """einem des wurde worden wieder jetzt immer alle alles
        der das und ist nicht ein eine ich sie wir mit auf von zu den dem sich auch es im für an er so dass wie als
        bei oder aus wird war noch nur nach aber wenn was haben hat sind man mir mich du dir wo über einen einer eines
        kann mein dein sein ihr uns euch hier schon mehr sehr doch zum zur warum wer wann die in unter keine kein ja""",
    "es": """el los una por con del para como pero más está que de la y en un se no las lo su al es son ha me si sin
        sobre este esta ya todo muy hay yo te mi tu nos cuando donde qué cómo quién porque entre desde eso esto ser
        tiene fue han era ella ellos le les a o dónde cuándo también""",
    "fr": """le les et est une des que pas dans je vous pour qui ce nous sur de la un il elle ne se au aux du en avec
        plus mais ou où son sa ses cette ces mon ma mes ton ta tes tout fait être avoir été comme si on leur par y
        c'est l'on à quand comment pourquoi quoi sont ont suis très bien""",
    "it": """il che di della sono per gli nel questo la le un una e è non con si del dei delle al da in lo come ma più
        anche mi ti ci se io lui lei noi voi hai ha ho hanno era suo sua questa quello cosa dove quando perché chi
        molto nella alla dal degli i""",
    "nl": """het een niet zijn dat ik wij voor de en van is op te in met er ze je hij maar om aan ook als naar dan bij
        nog uit wat wie waar heeft hebben had was worden wordt kan deze dit die over geen mijn jouw zo meer moet we
        hoe waarom wanneer""",
    "pl": """się nie jest jak że w na i z do to o co ale po tak za od już tylko czy są był była było przez dla jego jej
        ich mnie ja ty my wy oni gdzie kiedy kto ten ta te może być bardzo jeszcze kiedy dlaczego a""",
    "pt": """os não uma em com você ele isso o a e de que do da no na um para por se mais as dos das como mas foi ao
        eu tem seu sua ou quando muito já está são também só pelo pela até isto ela entre era depois sem mesmo aos
        nos me onde quem porque minha meu à""",
    "tr": """bir ve için bu ne da de mi çok gibi daha var yok ben sen biz siz onlar o şey kadar sonra ama ki her olan
        olarak değil ile en nasıl neden niçin kim nerede bunu onu bana sana diye mı mu mü evet hayır""",
    "sv": """och att det som är på för inte jag en ett av den till med har de om vi du han hon var men så kan ska när
        från min din sig vad hur varför där här nu eller efter under alla vem vilken vilket vilka nya gör går någon""",
    "da": """og at det er på for ikke jeg en et af den til med har de om vi du han hun var men så kan skal når fra min
        din sig hvad hvor hvorfor der her nu eller efter alle""",
    "fi": """ja on ei se että hän mutta minä sinä me te he kun niin oli olla mitä missä miksi tämä joka ovat kuin
        kuka mikä milloin kenen miten""",
    "cs": """a se na je že to v s z do o jako ale po tak za od už jen jsem jsi jsou byl byla pro jeho její jak kde
        když kdo kdy proč který která které kolik""",
    "ro": """și în de la cu pe nu este sunt un o care ce din pentru mai dar eu tu el ea noi cum unde când să au am
        cine cât nouă""",
    "vi": """và của là không có được cho trong một những này với các người đã tôi anh em ở ra khi đi đó như gì làm
        lúc nào đâu mấy nhiêu ông nói""",
    "hu": """a az és hogy nem is egy van ez azt de meg csak már volt én te ő mi ti ők mint ha el kell vagy miért
        mikor mennyi milyen új""",
    "id": """yang dan di itu dengan untuk dari tidak ini ke pada adalah saya kamu dia kami mereka ada akan bisa apa
        siapa kapan berapa mengapa bagaimana baru""",
}
LETTERS = {
    "de": "ßäöü", "es": "ñ¿¡", "fr": "çèêœùû", "it": "ìò", "pl": "łęąśźżćń", "pt": "ãõç", "tr": "ğşıç", "sv": "åäö",
    "da": "æøå", "fi": "äö", "cs": "ěřůčšž", "ro": "șțăâ", "hu": "őű",
    "vi": "ơưđạảấầẩẫậắằẳẵặẹẻẽếềểễệỉịĩọỏốồổỗộớờởỡợụủũứừửữựỳỵỷỹ",
}  # fmt: skip
# Scripts by the first word of a letter's Unicode name. Han without kana is Chinese.
SCRIPTS = {
    "HANGUL": "ko", "HIRAGANA": "ja", "KATAKANA": "ja", "CJK": "zh", "THAI": "th", "ARABIC": "ar", "CYRILLIC": "ru",
    "HEBREW": "he", "GREEK": "el", "DEVANAGARI": "hi", "BENGALI": "bn", "TAMIL": "ta", "GEORGIAN": "ka",
    "ARMENIAN": "hy", "MYANMAR": "my", "KHMER": "km", "LAO": "lo", "ETHIOPIC": "am",
}  # fmt: skip
# Letters that another language of the same script writes, and the one of SCRIPTS does not.
STRANGERS = {"ar": ("پچژگک", "fa"), "ru": ("іїєґў", "uk")}


@dataclass(frozen=True)
class TextLanguage:
    """`language` is an ISO code, or "" where the text does not tell."""

    language: str
    confidence: float  # 0..1: its lead over the next likely language
    maybe_english: bool  # English, or nothing speaks against it; also where the language itself is undecided

    @property
    def undecided(self) -> bool:
        return not self.language


def language_of(text: str) -> TextLanguage:
    """The language that a text is written in."""
    by_script = Counter[str]() if text.isascii() else Counter(map(_script, text))
    by_script.pop("", None)
    others = sum(count for script, count in by_script.items() if script != "LATIN")
    latin = sum(letter.isascii() and letter.isalpha() for letter in text) + by_script["LATIN"]
    if others and 2 * others >= latin / 2:  # a Latin letter says less than a Han sign: a name inside a sentence
        return _by_script(by_script, text, others / (others + latin / 4))
    return _by_words(text)


def _by_script(counts: Counter[str], text: str, share: float) -> TextLanguage:
    counts.pop("LATIN", None)
    script = "HIRAGANA" if counts["HIRAGANA"] + counts["KATAKANA"] else counts.most_common(1)[0][0]
    language = SCRIPTS.get(script, "")
    if not language:
        return TextLanguage("und", share, False)  # a script that is not listed: surely not English
    letters, other = STRANGERS.get(language, ("", ""))
    return TextLanguage(other if set(letters) & set(text.lower()) else language, share, False)


def _by_words(text: str) -> TextLanguage:
    words = [word.strip(".,;:!?\"'()[]…“”«»-") for word in text.lower().replace("’", "'").split()]
    scores: defaultdict[str, float] = defaultdict(float)
    weights = _weights()
    for word in words:
        for language, worth in weights.get(word, ()):
            scores[language] += worth
    if not text.isascii():
        for letter in text.lower():
            for language, worth in _letter_weights().get(letter, ()):
                scores[language] += worth
    if not scores:
        return TextLanguage("", 0.0, maybe_english=True)
    (best, most), *rest = sorted(scores.items(), key=lambda one: -one[1])
    other = max((score for language, score in scores.items() if language != "en"), default=0.0)
    maybe_english = scores["en"] >= other * ENGLISH_SHARE if other >= SURE else True
    lead = (most - rest[0][1]) / most if rest else 1.0
    confidence = lead * most / (most + 0.25)  # one rare word is weaker than three
    if confidence < SURE or most < SURE:
        return TextLanguage("", 0.0, maybe_english)
    return TextLanguage(best, confidence, best == "en" or maybe_english)


@lru_cache(maxsize=1)
def _weights() -> dict[str, list[tuple[str, float]]]:
    return _shared({language: set(words.split()) for language, words in WORDS.items()}, 1.0)


@lru_cache(maxsize=1)
def _letter_weights() -> dict[str, list[tuple[str, float]]]:
    return _shared({language: set(letters) for language, letters in LETTERS.items()}, LETTER_WORTH)


def _shared(signs: dict[str, set[str]], worth: float) -> dict[str, list[tuple[str, float]]]:
    languages: dict[str, list[str]] = {}
    for language, of_language in signs.items():
        for sign in of_language:
            languages.setdefault(sign, []).append(language)
    return {sign: [(one, worth / len(who)) for one in who] for sign, who in languages.items()}


@lru_cache(maxsize=4096)
def _script(letter: str) -> str:
    """The first word of a letter's Unicode name; "" for signs that are no letters, and for ASCII."""
    if letter.isascii() or unicodedata.category(letter)[0] not in "LM":
        return ""
    return unicodedata.name(letter, "").split(" ")[0].split("-")[0]
