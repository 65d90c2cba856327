"""What an earlier turn spoke of, and which of its names and noun phrases a pronoun means.

Holds: everything given stands in the turn's question or answer, but for "the" before a counted noun.
Words and capitals only, English; knows no model, no index and no conversation.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qa.phrases import ASIDE, CAPITALS, DETERMINERS, YEAR, Phrase, names, phrases

# What is counted in these is an amount: "them" after "how many years" are not the years.
UNITS = re.compile(
    r"years?|months?|weeks?|days?|hours?|minutes?|times|tonnes.*|pounds|dollars|miles|kilomet\w+", re.I
)
# Endings of words that stand before what is asked for: "which bottled water brand", "which national park".
ADJECTIVE = ("ing", "ed", "al", "ic", "ive", "ous", "ful", "ish", "an")
DEMONYM = re.compile(rf"[{CAPITALS}][a-z]+(?:an|ish|ese)")
WHO = re.compile(
    r"^(?:(?:to|by|for|from|with|against|of) )?(?:who|whom|whose|which (?:\w+ ){0,3}?(?:actor|actress|boss"
    r"|chief|coach|player|man|woman|minister|singer|director|captain|manager|footballer|runner|leader|politician|star"
    r"|writer|author|judge|doctor|founder))\b",
    re.IGNORECASE,
)


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as it was asked of the articles, its answer, "" if there was none, and whose it was.

    ``articles``: ids of the articles that gave the answer, or else were nearest.
    """

    question: str
    answer: str
    articles: tuple[str, ...] = ()


def person(turns: Sequence[Turn]) -> str:
    """Whom "he" or "she" means: the last answer that is a name, else a name of two words in a question."""
    for turn in reversed(turns):
        asked = asks_who(turn)
        if asked and names(turn.answer) and len(turn.answer.split()) <= 6:
            return turn.answer
        if re.match(r"wh(?:ich|at)\b", turn.question, re.I) and re.fullmatch(
            rf"[{CAPITALS}]\S+(?: [{CAPITALS}]\S+)+", turn.answer
        ):
            return turn.answer
        people = [name for name in names(turn.question) if " " in name and not re.search(r"\d|^The ", name)]
        if people:
            return people[0]
    return next((n for turn in reversed(turns) for n in names(turn.question) if not YEAR.search(n)), "")


def thing(turns: Sequence[Turn], *, group: bool = False) -> str:
    """What "it", or of a ``group`` "they", means: the last answer if it is one, else the question's topic."""
    for turn in reversed(turns):
        if group and (counted := counted_noun(turn.question)):
            return f"the {counted}"
        if _is_thing(turn, group=group):
            return _with_kind(turn)
        if about := topic(turn.question):
            return about
    return ""


def _is_thing(turn: Turn, *, group: bool) -> bool:
    answer, question = turn.answer, turn.question
    if (
        not answer
        or len(answer.split()) > 6
        or not re.match(rf"(?:the|a|an)\s|(?!(?:Yes|No)$)[{CAPITALS}#]", answer)
    ):
        return False
    if YEAR.fullmatch(answer) or re.match(r"(?:when|why|where|how|what time)\b", question, re.IGNORECASE):
        return False
    described = re.fullmatch(r"what (?:is|was|are|were) (.+?)\??", question, re.IGNORECASE)
    if described and not names(answer) and described[1] in [p.text for p in phrases(question) if p.names]:
        return False  # "a boat race" is what the Elswick Regatta is
    return (group and " and " in answer) or not asks_who(turn)


def _with_kind(turn: Turn) -> str:
    """A name with what the question asked for: "Robots" of "Which film ..." gives "the film Robots"."""
    kind = re.match(
        r"which (?!of\b)((?:[a-z][a-z-]+ )?[a-z][a-z-]+) (?:was|is|did|does|has|had|[a-z]+)\b",
        turn.question,
        re.I,
    )
    if not kind or not re.fullmatch(rf"[{CAPITALS}#][^\s,]*(?: [{CAPITALS}/&][^\s,]*)*", turn.answer):
        return turn.answer
    words = kind[1].split()
    noun = words[0] if len(words) > 1 and not words[0].endswith(ADJECTIVE) else kind[1]
    return turn.answer if noun.lower() in turn.answer.lower() else f"the {noun} {turn.answer}"


def topic(question: str) -> str:
    """The noun phrase that a question is about, "" if it names none.

    "Who" and "which" are themselves the subject, so the rest is about the object; after "did" and "would"
    the subject comes first. What somebody says is about what comes after.
    """
    found = [p for p in phrases(question) if p.names and not _is_no_thing(p)]
    if said := re.search(r"\bsa(?:y|ys|id)\b", question):
        found = [p for p in found if p.start > said.start()] or found
    central = [p for p in found if p.before not in ASIDE] or found
    if after := re.search(r"\b(?:did|do|does|is|was|are|were|has|have|had|can|could|will|would)\b", question):
        central = [p for p in central if p.start > after.start()] or central  # not "How many London crew did"
    if not central:
        return ""
    who = re.match(
        r"(?:who|whose|which|what)\b(?! (?:\S+ )?(?:did|do|does|would|will)\b)", question, re.IGNORECASE
    )
    if who:
        last, rival = central[-1], central[-2] if len(central) > 1 else None
        if rival and question[rival.start + len(rival.text) : last.start].strip() == "for":
            last = rival  # "the offer for Quennell"
        return _bare(last)
    return _bare(next((p for p in found if p.start < central[0].start < p.start + len(p.text)), central[0]))


def _is_no_thing(phrase: Phrase) -> bool:
    """Whether it is a time, a nationality, or somebody's own."""
    only = phrase.names[0] if len(phrase.names) == 1 else ""
    return (
        all(YEAR.search(name) for name in phrase.names)
        or bool(DEMONYM.fullmatch(only) and phrase.text == only)
        or phrase.text.split()[0] in DETERMINERS - {"the", "The"}
    )


def _bare(phrase: Phrase) -> str:
    return re.sub(r"['’]s?$", "", phrase.text)


def counted_noun(question: str) -> str:
    """What a question counts: "oiled birds" of "How many oiled birds were found?"; "" for an amount."""
    match = re.match(r"(?:\w+ )?how many ((?:[\w'’-]+\s+){0,2}?[\w'’-]+s|people|men|women)\b", question, re.I)
    return match[1] if match and not UNITS.fullmatch(match[1]) else ""


def asks_who(turn: Turn) -> bool:
    return bool(WHO.match(turn.question))
