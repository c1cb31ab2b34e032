"""Which channels could show an event: the published rules, as data.

The rules read events in English, and words in the quotation marks of many languages.
An event names its channel only if the whole of it does: "'Rex' on a slide" does, "a dog named 'Rex' runs" does not.
Whatever no rule matches from end to end could be shown by every channel, so a rule that is missing costs an "absent",
never makes a wrong one."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from agent_tools.channels import names, showing
from agent_tools.excerpts import QUOTATION

CHANNELS = names()

_KIND = (
    r"(?:words?|text|phrase|term|title|heading|headline|caption|line|label|sentence|name|number|url|bullet(?: point)?)"
)
_QUOTED = rf"(?:(?:a|an|the) )?(?:{_KIND} )?Q(?:(?:,| or| and|, or|, and) Q)*"
_SURFACE = (
    r"(?:(?:a|an|any|some|the|one of the|one) )?"
    r"(?:slides?|screen|title card|title slide|lower third|end credits|credits)"
)
_SHOWN = r"(?:is |are |being )?(?:shown|written|printed|displayed|visible|appears|appear|appearing|appeared|stands)"
_SPEAKER = (
    r"(?:someone|somebody|anyone|anybody|he|she|they|(?:a|an|the) "
    r"(?:speaker|lecturer|teacher|professor|presenter|narrator|host|moderator|interviewer|guest|commentator|voice|person|man|woman))"
)
_SAYS = r"(?:says|say|said|saying|mentions|mention|mentioned|mentioning)"
# Up to six words without quotation marks, as long as none of them could go on to what is seen, or deny the whole:
# connectives, places, negations, and after the first word "waving", "slowly" or what somebody does.
_JOINT = (
    r"(?:while|whilst|as|when|where|during|then|before|after|and|but|with|without|in|on|at|near|by|to|into|from|under"
    r"|over|behind|beside|outside|inside|nothing|nobody|not|no|never)"
)
# What somebody, or a word on a screen, does: "the man says yes jumps up" goes on to what is seen.
_ACT = (
    r"(?:appear|blink|bounce|burn|change|clap|climb|close|cry|dance|disappear|drop|dissolve|eat|enter|explode|fade|fall"
    r"|flash|flicker|flip|float|fly|frown|get|glow|go|grin|grow|hold|hug|jump|kick|kneel|laugh|lean|leave|light|look|melt"
    r"|morph|move|nod|open|pick|point|pop|pulse|push|put|raise|roll|rotate|run|scroll|shake|show|shrink|sit|slide|smile"
    r"|spin|stand|start|stop|take|throw|touch|turn|twirl|vanish|walk|wave|wink|write|zoom)"
)
_THEN = rf"(?:{_ACT}(?:e?s|e?d)|up|down|away|back|off|out|again|twice|is|are|was|were|has|gets|got)"
_WORDS = rf"(?P<words>(?!{_JOINT}\b)[\w'’-]+(?: (?!{_JOINT}\b)(?!\w+(?:ing|ly)\b)(?!{_THEN}\b)[\w'’-]+){{0,5}})"
# A single word that is neither what a word does on a screen (any form in -s but a noun's, -ed or -ing), nor how, nor
# the second half of a thing: a "word cloud" is a picture.
_ONE_WORD = (
    rf"(?P<words>(?!{_JOINT}\b)(?!(?:{_ACT}|{_THEN})\b)(?!\w+(?:ing|ed|ly|(?<!ment)(?<!ion)s)\b)"
    r"(?!(?:clouds?|art|search|game|wall|puzzle|list|count|counter|processor|document|file|map|bank|box|bubble|balloon"
    r"|ladder|square|tree|family|class|order|chain|play|problem|paper|sheet|alone|upside|first|last|once|here|there"
    r"|everywhere|itself|only|came|went|fell|flew|grew|lit|rose|shrank|spun)\b)[\w'’-]+)"
)


@dataclass(frozen=True)
class Rule:
    name: str
    pattern: str  # matched against the whole event, in lower case, every quotation replaced by Q
    channels: frozenset[str]  # those that could show an event so worded
    example: str
    verbatim: bool = True  # whether the words it names must occur as they stand; else what they mean may be said


@dataclass(frozen=True)
class Named:
    """What an event names: the rule that matched the whole of it, if any, and the words it speaks of."""

    rule: Rule | None
    words: tuple[str, ...]  # the quotations, or the words that the rule takes without quotation marks
    all_of_them: bool  # "'a' and 'b'"; with "or" any one suffices

    @property
    def as_they_stand(self) -> tuple[str, ...]:
        """The words that have to stand somewhere as they are; a rule may take them for their meaning alone."""
        return self.words if self.rule is None or self.rule.verbatim else ()


JUST_QUOTED = Rule(
    "nothing but quoted words",
    _QUOTED,
    showing("quoted"),
    "the word 'Mitigation'",
)
RULES: tuple[Rule, ...] = (
    Rule(
        "quoted words on a slide or screen",
        rf"{_QUOTED}(?: {_SHOWN})? (?:on|in) {_SURFACE}",
        showing("on screen"),
        "'Mitigation' on a slide",
    ),
    Rule(
        "a slide or screen with quoted words",
        rf"{_SURFACE} (?:titled|headed|that says|which says|says|reads|that reads|with|showing|containing) {_QUOTED}",
        showing("on screen"),
        "a slide titled 'Related work'",
    ),
    Rule(
        "a text shown, named as on-screen text",
        rf"(?:the )?on-?screen (?:text|title|caption|words?) (?:(?:says|reads|is|showing) )?{_QUOTED}",
        showing("on screen"),
        "the on-screen text 'Chapter 2'",
    ),
    Rule(
        "a slide or screen with a title or line, unquoted",
        rf"{_SURFACE} (?:titled|headed|that says|which says|that reads) {_WORDS}",
        showing("on screen"),
        "a slide titled related work",
    ),
    Rule(
        "a word on a slide or screen, unquoted",
        rf"(?:the )?(?:word|term) {_ONE_WORD}(?: {_SHOWN})? (?:on|in) {_SURFACE}",
        showing("on screen"),
        "the word mitigation on a slide",
    ),
    Rule(
        "someone says quoted words",
        rf"{_SPEAKER} {_SAYS}(?: the)?(?: (?:word|words|phrase|name|term|sentence|number))? {_QUOTED}",
        showing("said"),
        "the speaker says 'entropy'",
    ),
    Rule(
        "quoted words are said",
        rf"{_QUOTED} (?:is |are |being )?(?:said|mentioned|spoken|heard)(?: aloud)?",
        showing("said"),
        "'entropy' is mentioned",
    ),
    Rule(
        "someone says or mentions a few words, unquoted",
        rf"{_SPEAKER} (?:{_SAYS}|talks about|talked about|talking about) (?!that\b){_WORDS}",
        showing("said"),
        "the speaker mentions gradient descent",
        verbatim=False,
    ),
    Rule(
        "someone says that ...",
        # what follows "that" is what was said, unless it goes on to what happens meanwhile or next
        rf"{_SPEAKER} {_SAYS} that (?!.*(?:\b(?:while|whilst|as|when|during|then|before|after"
        r"|holding|wearing|pointing|standing|sitting|walking|showing|with|and)\b|[,;]))(?P<words>.+)",
        showing("said"),
        "the lecturer says that keys are kept",
        verbatim=False,
    ),
    Rule(
        "quoted words in the transcript",
        rf"{_QUOTED}(?: {_SHOWN})? in (?:the )?transcript",
        showing("said"),
        "'thank you' in the transcript",
    ),
    Rule(
        "quoted words in the subtitles",
        # written, not heard: what was said aside from them does not count, but they may be part of the picture
        rf"{_QUOTED}(?: {_SHOWN})? in (?:the |a )?(?:subtitles?|captions track|closed captions)",
        showing("in subtitles"),
        "'thank you' in the subtitles",
    ),
    Rule(
        "quoted words shown somewhere",
        rf"{_QUOTED} (?:is |are |being )?(?:shown|written|printed|displayed|visible|seen|readable)",
        showing("visible"),
        "'Exit' is shown",
    ),
    JUST_QUOTED,
)
_COMPILED = tuple((rule, re.compile(rule.pattern)) for rule in RULES)


def matching_rule(event: str) -> Rule | None:
    """The first rule whose pattern is the whole event, or None: then every channel could show it."""
    return named(event).rule


def named(event: str) -> Named:
    """The rule that the whole event matches, and the words it names; without a rule, the quotations in it."""
    event = event.replace("\x00", " ")
    quoted = tuple(found.strip()[1:-1].strip() for found in QUOTATION.findall(event))
    worded = QUOTATION.sub("\x00", event)
    worded = " ".join(worded.lower().split()).strip(" .!?").replace("\x00", "Q")
    for rule, pattern in _COMPILED:
        if found := pattern.fullmatch(worded):
            words = quoted or (found["words"],)
            return Named(rule, words, re.search(r"Q,? or Q", worded) is None)
    return Named(None, quoted, True)


def could_show(event: str, channels: Iterable[str] = CHANNELS) -> frozenset[str]:
    """Those of `channels` that could show the event.

    `channels` are those the caller asked about: all, unless narrowed. Where a rule names none of them, all of them
    stay: a doubt leads to "uncertain", never to "absent". Where subtitles in the language of the audio cover the span,
    the caller takes speech out of what was not judged: they stand for it."""
    requested = frozenset(channels)
    rule = matching_rule(event)
    return (requested & rule.channels if rule else requested) or requested
