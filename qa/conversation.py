"""Make a follow-up question stand alone, with what the turns before it spoke of.

Comes before retrieve -> read -> aggregate -> answer. In order: a question that stands alone is left as
typed; "When?" and "And the women's title?" are put into the question before; a pronoun gives way to the name
it means; what still points back is asked of the last turn's names.
Holds: the same turns always give the same question. Deterministic and offline: words and capitals, no
model. Knows no index: whether an uncertain question is about the articles of the last turn, it is told.
"""

import re
from collections.abc import Callable, Sequence
from enum import Enum

from qa.alike import about_like
from qa.entities import Turn
from qa.merge import AUXILIARY, DO_IT, PREPOSITIONS, asked_of, filled, is_fragment, of_event
from qa.phrases import YEAR, names, uncapitalised
from qa.pronouns import has_its_own, is_subject_of_asked, pointer, resolved
from qa.terms import STOP_WORDS, content_words

__all__ = ["Needs", "Turn", "needs", "stand_alone"]

VERB = re.compile(rf"\b(?:{AUXILIARY})\b", re.IGNORECASE)
OTHER = re.compile(
    r"\b(?:else|others?)\b|^how many (?:did|was|were|is|are|has|have|had|will)\b", re.IGNORECASE
)
ASKS = (
    rf"(?:(?:{PREPOSITIONS})\s+)?(?:who\w*|what|which|when|where|why|how|did|do|does|was|were|is|are|has|have|had"
    r"|can|could|will|would|should|tell)(?:n?['’]t)?\b"
)
# Words before the question itself; thanks and the like only where one comes after them.
LEAD = re.compile(
    r"^(?:(?:(?:and|but|so|or|ok|okay|then|well)\b,?\s*"
    rf"|(?:thanks|thank you|please|sorry|yes|no)\b\W*(?={ASKS}|please\b|(?:and|but|so)\b.*\?)"
    r"|(?:explain|tell me)\s+(?=(?:who|what|when|where|why|how)\W*$))+)(?=\w)",
    re.IGNORECASE,
)
NO_QUESTION = re.compile(r"(?:thanks|thank you)\b|no\W*$", re.IGNORECASE)
AND = re.compile(r"(?:and|but|or|so)\b", re.IGNORECASE)
WHAT_ABOUT = re.compile(r"^(?:what|how) about\s+(.+?)\??$", re.IGNORECASE)
QUESTION = re.compile(ASKS, re.IGNORECASE)
# More words than this that say something, and a question has said what it is about. "What was the deal
# worth?" has two, "How many people work at the port?" three.
FEW = 2


class Needs(Enum):
    """What a question needs of the turns before it; ``PERHAPS`` if its words alone cannot tell."""

    NOTHING = 0
    PERHAPS = 1
    TURNS = 2


def stand_alone(text: str, turns: Sequence[Turn], *, on_topic: Callable[[str], bool] = lambda _: True) -> str:
    """Rewrite a follow-up so that it can be asked by itself.

    :param on_topic: tells whether the articles of the last turn speak of a question like this one; asked
        only where the words cannot tell: "What was the deal worth?" or "Who runs the port?"

    >>> turn = Turn("Which Fiat boss was due in Zurich?", "Sergio Marchionne")
    >>> stand_alone("And who was he meeting?", [turn])
    'Who was Sergio Marchionne meeting?'
    """
    needed = needs(text)
    if not turns or needed is Needs.NOTHING or (needed is Needs.PERHAPS and not on_topic(text)):
        return text
    last = turns[-1]
    bare = LEAD.sub("", text.strip())
    if about := WHAT_ABOUT.match(bare):
        bare = about[1]
    bare = uncapitalised(bare.rstrip(" .?"))
    whole = (
        filled(bare, last) or of_event(bare, last) or ("" if QUESTION.match(bare) else about_like(bare, last))
    )
    if not whole:
        whole = resolved(bare, turns)
        if whole == bare or DO_IT.search(bare) or not names(whole[0].lower() + whole[1:]):
            whole = asked_of(whole, last)
    whole = whole[0].upper() + whole[1:]
    return whole if whole.endswith((")", "?")) else f"{whole}?"


def needs(text: str) -> Needs:
    """Tell whether a question needs the turns before it."""
    bare = text.strip()
    rest = LEAD.sub("", bare)
    own, whole = _own_names(rest), bool(QUESTION.match(rest))
    if NO_QUESTION.match(rest):
        return Needs.NOTHING
    if (
        WHAT_ABOUT.match(rest)
        or is_fragment(rest)
        or (rest != bare and not whole)
        or (AND.match(bare) and not own)
    ):
        return Needs.TURNS
    if word := pointer(bare):
        return _needs_for(word, bare, own)
    said = len(set(content_words(rest)) - STOP_WORDS)
    if own or not re.search(r"\w", bare):
        return Needs.NOTHING
    part = not whole and bare.endswith("?")
    if not said or (part and said <= FEW):
        return Needs.TURNS
    return Needs.PERHAPS if part or (whole and (said <= FEW or OTHER.search(bare))) else Needs.NOTHING


def _needs_for(word: re.Match[str], text: str, own: Sequence[str]) -> Needs:
    """Tell what a question needs for a word of it that points back."""
    if is_subject_of_asked(text, word):
        return Needs.TURNS
    # A name before it is what it means: "When did Stone say it?"; or, if it stands before the verb, a name
    # after it: "How far from its place was buoy No. 7?".
    early = own and not VERB.search(text[: word.start()])
    if early or any(text.find(name) < word.start() for name in own):
        return Needs.PERHAPS if word[0].lower() == "there" else Needs.NOTHING
    return Needs.PERHAPS if has_its_own(text, word) else Needs.TURNS


def _own_names(text: str) -> list[str]:
    return [name for name in names(text) if not YEAR.fullmatch(name)] if not text.isupper() else []
