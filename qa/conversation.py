"""Make a follow-up question stand alone, with the names of the turns before it.

Holds: the same turns always give the same question; a question that stands alone is left as typed.
Deterministic and offline: capitalised names and pronouns, no model. Knows no index.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from qa.terms import STOP_WORDS, content_words

PEOPLE = frozenset("he she him her his hers".split())
GROUP = frozenset("they them their".split())
POSSESSIVE = frozenset("his her its their".split())
# "this" and "that" mean what was said rather than a name, so they stay.
PRONOUN = re.compile(r"\b(he|she|him|her|his|hers|it|its|they|them|their)\b", re.IGNORECASE)
# "that" and "those" point back only where nothing that they could belong to follows at once; "is there",
# "is it true" and "did it cost to" point nowhere.
POINTS_BACK = re.compile(
    r"\b(?:he|she|him|his|hers|its|they|them|their|her|then"
    r"|it(?!\s+(?:(?:true|possible|likely|clear|known)\b|(?:cost|take)\b.*\bto\b))"
    r"|(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )there(?! (?:is|are|was|were)\b)"
    r"|(?:this|that|these|those)(?=\s*(?:\?|$|happen|mean|cost|start|end|was|were|is|are|did|do|take|on|for)))\b",
    re.IGNORECASE,
)
OTHER = re.compile(r"\b(?:else|others?)\b", re.IGNORECASE)
LEAD = re.compile(r"^(?:(?:and|but|so|or|ok|then)\b,?\s*)+", re.IGNORECASE)
WHAT_ABOUT = re.compile(r"^(?:what|how) about\s+(.+?)\??$", re.IGNORECASE)
NAME = re.compile(
    r"[A-Z#@£$€][\w'’&.-]*(?:\s+(?:(?:of|the|de|la|van|von|and)\s+)?[A-Z0-9][\w'’&.-]*)*|\b(?:19|20)\d\d\b"
)
YEAR = re.compile(r"(?:19|20)\d\d")
SENTENCE_OPENERS = frozenset(
    """who whom whose what which when where why how did do does was were is are in at on by for from to the a
    an and as after before during under since going per with of over""".split()
)
QUESTION = re.compile(
    r"^(?:(?:in|at|on|by|for|from|to|with|of)\s+)?(?:who\w*|what|which|when|where|why|how|did|do|does|was|were"
    r"|is|are|has|have|had|can|could|will|would|should|tell)\b",
    re.IGNORECASE,
)
# What a rewritten question has around the one it was made from: "Why – Who left? (Fiat, Zurich)".
JOINT = " – "
AROUND = re.compile(rf"^[^–]{{1,80}}{JOINT}|\s*\([^()]*\)\??$")


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as it was asked of the articles, its answer, "" if there was none, and whose it was.

    ``articles``: ids of the articles that gave the answer.
    """

    question: str
    answer: str
    articles: tuple[str, ...] = ()


def stand_alone(text: str, turns: Sequence[Turn]) -> str:
    """Rewrite a follow-up so that it can be asked by itself.

    >>> turn = Turn("Which Fiat boss was due in Zurich?", "Sergio Marchionne")
    >>> stand_alone("And who was he meeting?", [turn])
    'who was Sergio Marchionne meeting? (Fiat, Zurich)'
    """
    if not turns or not re.search(r"\w", text) or not is_follow_up(text):
        return text
    last = turns[-1]
    bare = LEAD.sub("", text.strip())
    about = WHAT_ABOUT.match(bare)
    topic = AROUND.sub("", last.question).rstrip(" ?")
    if about or not QUESTION.match(bare):
        return f"{(about[1] if about else bare).rstrip(' ?')}{JOINT}{topic}?"
    question = _resolve(bare, turns)
    if question == bare and not (set(content_words(bare)) - STOP_WORDS):
        return f"{bare.rstrip(' ?')}{JOINT}{topic}?" + (f" ({last.answer})" if last.answer else "")
    missing = [
        name
        for name in dict.fromkeys([*_names(last.question), *([last.answer] if last.answer else [])])
        if name.lower() not in question.lower()
    ]
    return f"{question} ({', '.join(missing[:4])})" if missing else question


def is_follow_up(text: str) -> bool:
    """Tell whether a question needs the turns before it."""
    bare = text.strip()
    pronoun = POINTS_BACK.search(_quiet(bare))
    if LEAD.match(bare) or WHAT_ABOUT.match(bare) or pronoun:
        # Names of its own before the pronoun are what the pronoun means: "When did Stone say it?"
        own = [name for name in _names(bare) if pronoun is None or bare.find(name) < pronoun.start()]
        return not own or bool(LEAD.match(bare) or WHAT_ABOUT.match(bare))
    few = len(set(content_words(bare)) - STOP_WORDS) <= 2
    return (few or bool(OTHER.search(bare))) and not _names(bare)


def _resolve(text: str, turns: Sequence[Turn]) -> str:
    """Put the name that it most likely means in the place of the first pronoun."""
    quiet = _quiet(text)
    match = next((m for m in PRONOUN.finditer(quiet) if POINTS_BACK.match(quiet, m.start())), None)
    if not match:
        return text
    pronoun = match[1].lower()
    name = _person(turns) if pronoun in PEOPLE else _thing(turns, group=pronoun in GROUP)
    if not name:
        return text
    following = re.match(r"\s+(\w+)", text[match.end() :])
    owned = following is not None and following[1].lower() not in STOP_WORDS  # not "gave her the job"
    possessive = pronoun in POSSESSIVE and (pronoun != "her" or owned)
    return text[: match.start()] + name + ("'s" if possessive else "") + text[match.end() :]


def _quiet(text: str) -> str:
    """Blank out words in capitals: IT and US are no pronouns."""
    return re.sub(r"\b[A-Z]{2,}\b", lambda match: "_" * len(match[0]), text)


def _person(turns: Sequence[Turn]) -> str:
    """The last answer that is a name or the last name of two words in a question, else any name."""
    for turn in reversed(turns):
        if re.fullmatch(NAME, turn.answer) and (" " in turn.answer or _asks_who(turn)):
            return turn.answer
        people = [name for name in _names(turn.question) if " " in name and not name[-1].isdigit()]
        if people:
            return people[0]
    return next((name for turn in reversed(turns) for name in _names(turn.question)), "")


def _thing(turns: Sequence[Turn], *, group: bool) -> str:
    """The last answer if it names a thing or a group, else the first name in a question that has one."""
    for turn in reversed(turns):
        fits = " and " in turn.answer if group else not _asks_who(turn) and not YEAR.fullmatch(turn.answer)
        if fits and re.fullmatch(NAME, turn.answer):
            return turn.answer
        things = [name for name in _names(turn.question) if not YEAR.fullmatch(name)]
        if things:
            return things[0]
    return ""


def _asks_who(turn: Turn) -> bool:
    return turn.question.lower().startswith("who")


def _names(text: str) -> list[str]:
    """Capitalised names and years, without the capital that only opens the sentence."""
    found = []
    for match in NAME.finditer(text):
        name = match[0].rstrip(".'’")
        first, _, rest = name.partition(" ")
        if match.start() == 0 and first.lower() in SENTENCE_OPENERS:
            name = rest
        name = re.sub(r"['’]s$", "", name)
        if len(name) > 1:
            found.append(name)
    return found
