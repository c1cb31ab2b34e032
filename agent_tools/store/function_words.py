"""Words that carry a question's grammar and not its subject, in the languages of lite's sentence encoder.

Question words are among them: a film does not say "who", so its inverse document frequency is the highest of all. A
word of grammar in one language is a noun in another ("die", "war", "son"), so the query's own language decides."""

from __future__ import annotations

from collections.abc import Sequence

from agent_tools.store.spelling import searchable

_WORDS = {
    "en": """a an the and or but if of to in on at by for from with about into over after before as is are was were be
        been being am do does did done has have had having will would can could shall should may might must not no nor
        so than then that this these those there here it its he she they them his her their our your my we you i me us
        him who whom whose what which when where why how many much long say says said any some all get gets""",
    "de": """der die das ein eine einer eines einem einen und oder aber wenn von zu zum zur im in am an auf bei für aus
        mit um über nach vor als ist sind war waren sein wird werden wurde wurden hat haben hatte kann nicht kein keine
        es er sie wir ihr ich du sich dass den dem des wer wen wem wessen was welche welcher welches wann wo woher wohin
        warum wieso wie viele viel lange""",
    "fr": """le la les un une des du de et ou mais si à au aux en dans sur par pour avec est sont était être été a ont
        avait ne pas ce cette ces il elle ils elles on nous vous je tu se qui que quoi quel quelle quels quelles quand
        où pourquoi comment combien parle t""",
    "es": """el la los las un una unos unas y o pero si de del a al en por para con sobre es son era fue ser está están
        ha han no se su sus lo él ella ellos nosotros yo tú quién quiénes qué cuál cuáles cuándo dónde cómo cuánto
        cuánta cuántos cuántas""",
    "it": """il lo la i gli le un uno una e o ma se di del dei delle della dello a al da in nel nella su per con tra è
        sono era essere ha hanno non si suo sua chi che cosa quale quali quando dove perché come quanto quanta quanti
        quante parla""",
    "pt": """o a os as um uma uns umas e ou mas se de do da dos das em no na nos nas por para com é são era foi ser tem
        não seu sua ele ela eles quem que quê qual quais quando onde porque como quanto quanta quantos quantas""",
    "nl": """de het een en of maar als van naar in op aan bij voor uit met over is zijn was waren wordt worden heeft
        hebben had kan niet geen wie wat welk welke wanneer waar waarom hoe veel hoeveel gaat""",
    "pl": """i oraz lub ale jeśli w z ze do na we po przez dla od jest są był była było być ma nie się kto kogo co czego
        jaki jaka jakie który która które kiedy gdzie dlaczego jak ile czy to ten ta""",
    "tr": """ve veya ama eğer ile için bir bu şu mi mı mu mü ne kim kimin hangi nerede nereye niçin neden nasıl kaç
        değil var yok""",
    "ru": """и или но если в во на по с со из от для о об у к за это этот эта был была было были быть есть не кто кого
        кому что чего какой какая какое какие когда где куда почему зачем как сколько""",
    "ar": "في من على إلى عن مع هل ما ماذا متى أين كيف لماذا كم أي هو هي هذا هذه التي الذي كان كانت لا",
    "th": "ที่ และ ใน ของ เป็น คือ ใคร อะไร เมื่อไหร่ ที่ไหน ทำไม อย่างไร กี่",
    "ko": "누가 누구 무엇 뭐라고 언제 어디 어디서 왜 어떻게 몇 얼마나 대해 하나요 있나요 인가요 나요",
    "ja": """だれ 誰が 誰 何が 何を 何 いつ どこ どこで なぜ どう どのように いくつ です ます ですか ますか した か は
        が を の に で と""",
    "zh": "谁 谁是 什么 什麼 何时 哪里 哪裡 为什么 為什麼 怎么 怎麼 多少 几 的 是 了 在 吗 嗎 呢 和",
}
BY_LANGUAGE = {language: frozenset(map(searchable, words.split())) for language, words in _WORDS.items()}


def likely_languages(words: Sequence[str]) -> list[str]:
    """The languages that have most of their words of grammar among a query's words; none where it holds none."""
    counts = {language: sum(word in of for word in words) for language, of in BY_LANGUAGE.items()}
    most = max(counts.values())
    return [language for language, count in counts.items() if most and count == most]


def grammar(words: Sequence[str]) -> frozenset[str]:
    """The words of grammar, in lower case, of the languages that have most of them among a query's words."""
    return frozenset[str]().union(*(BY_LANGUAGE[language] for language in likely_languages(words)))
