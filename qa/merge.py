"""Put a question word into the question that came before it, or a question after what is known.

Holds: what is given keeps the words of the turn and of the person, but for question words and a year.
Word order of English questions, no model; says "" where it knows no place for the words.
"""

import re
from dataclasses import dataclass

from qa.entities import Turn, counted_noun
from qa.phrases import CAPITALS, YEAR, names

AUXILIARY = r"did|do|does|was|were|is|are|has|have|had|can|could|will|would|should|must|might"
PREPOSITIONS = "in|at|on|by|for|from|to|with|of|since|until|till|under|against|about|before|after|during|into"
# A question word with the noun it asks for, up to the verb: "Which Fiat boss", "In which city".
_NOUN = rf"(?!(?:{AUXILIARY}|the|a|an|and|with|in|at|on|to|for|by|from|when|that)\b)[\w'’&.#-]+"
ASKED = re.compile(
    rf"(?P<wh>(?:(?:exactly|{PREPOSITIONS})\s+)?"
    rf"(?:whom?|whose {_NOUN}|(?:what|which)(?:\s+{_NOUN}(?:\s+of\s+{_NOUN})?){{0,5}}?|when|where|why"
    rf"|how(?:\s+(?:much|many)(?:\s+{_NOUN}(?:\s+of\s+{_NOUN})?){{0,4}}?|\s+\w+)?))"
    rf"\s+(?P<aux>{AUXILIARY})\s+(?P<rest>.+)",
    re.IGNORECASE,
)
# Without an auxiliary the verb comes next: known by its ending, or one of the commonest that have none.
_VERB = (
    r"(?:[a-z]+ed|ran|won|bought|kept|wrote|led|gave|took|made|said|lost|beat|fell|left|held|became|began|broke"
    r"|built|came|chose|drew|found|got|grew|hit|knew|met|paid|put|rose|sang|saw|sent|set|shot|sold|spent|stole"
    r"|struck|told|went|wore|shut|owns|runs|leads|makes|wants|represents)"
)
WHO_DID = re.compile(
    rf"(?P<wh>who|(?:which|what|how many)(?:\s+{_NOUN}(?:\s+of\s+{_NOUN})?){{1,4}}?)"
    rf"\s+(?P<verb>(?:{_VERB})\b.*|(?<=who )\S+.*)",
    re.I,
)
WHETHER = re.compile(rf"(?P<aux>{AUXILIARY})\s+(?P<rest>.+)", re.IGNORECASE)
ADVERBIAL = re.compile(
    r"(?:\w+ )?(?:when|where|why|how\b(?! (?:much|many)))|(?:in|at|on|by|for|from|since|until) "
    r"|wh(?:at|ich) (?:time|year|month|day|date)",
    re.IGNORECASE,
)
SUBJECT = re.compile(rf"(?:the|a|an|his|her|its|their|he|she|it|they|people|this|that)\b|[{CAPITALS}#£$€]|\d")
FRAGMENT = re.compile(
    rf"(?P<wh>(?:(?:exactly|{PREPOSITIONS})\s+)?"
    r"(?:when|where|why|how(?:\s+(?:much|many|long|often|soon|far|come))?|whom?|what(?:\s+(?:time|year|day|month|date|for))?"
    r"|which\s+\w+|any(?:one|body)(?=\s+else)))(?P<other>\s+else)?(?P<by>\s+(?:by|for|to|with|from))?(?P<tail>\s+\S.*)?",
    re.IGNORECASE,
)
# "When was it" and "how did that happen" ask of what happened, not of a thing.
_WHEN = rf"(?:(?:exactly|{PREPOSITIONS})\s+)?(?:when|where|(?:what|which)\s+(?:time|year|month|day|date))"
_IT = r"(?:it|this|that)"
EVENT = re.compile(
    rf"(?:tell me\s+)?(?P<wh>{_WHEN}(?=\s+was\s+{_IT}$)"
    rf"|(?:{_WHEN}|why|how)(?=\s+(?:did\s+)?{_IT}\s+(?:happen|occur|take\s+place|took\s+place)\w*$)).*",
    re.IGNORECASE,
)
# "It" is what somebody did.
DO_IT = re.compile(
    r"\b(?:(?:do|done|doing)\s+it|did\s+it(?=\W*$|\s+(?:in|on|at|for|with|by|again|alone|because)\b))\b", re.I
)
# A bare count says nothing of what a conversation is about.
COUNT = re.compile(r"[\d.,]+|one|two|three|four|five|six|seven|eight|nine|ten|eleven|twelve", re.IGNORECASE)
BESIDES = ", besides "
JOINT = ": "  # between what is known and what is asked of it


@dataclass(frozen=True, slots=True)
class Parts:
    """A question in parts: "In which city" "does" "the tour begin"; ``verb`` is there without auxiliary."""

    wh: str
    aux: str
    rest: str

    @property
    def adverbial(self) -> bool:
        """Whether it asks for a circumstance, or whether, so that the rest is whole without the answer."""
        return not self.wh or bool(ADVERBIAL.match(self.wh))

    @property
    def preposition(self) -> str:
        """The one before the question word with a space, or nothing: "to " of "To whom"."""
        match = re.match(rf"(?:{PREPOSITIONS})\s+", self.wh, re.IGNORECASE)
        return match[0].lower() if match else ""

    @property
    def inverted(self) -> bool:
        """Whether the subject comes after the auxiliary, rather than being what is asked for."""
        return bool(self.aux) and (
            self.adverbial or self.aux.lower() in ("did", "do", "does") or bool(SUBJECT.match(self.rest))
        )


def parted(question: str) -> Parts | None:
    """Take a question apart; None if it is built in another way."""
    text = plain(question)
    if match := ASKED.fullmatch(text):
        return Parts(match["wh"], match["aux"], match["rest"])
    if match := WHO_DID.fullmatch(text):
        return Parts(match["wh"], "", match["verb"])
    if match := WHETHER.fullmatch(text):
        return Parts("", match["aux"].lower(), match["rest"])
    return None


def plain(question: str) -> str:
    """The question itself, without what an earlier rewriting put before or behind it."""
    first, _, second = re.sub(r"\s*\([^()]*\)\s*\??$", "", question).partition(JOINT)
    asked = any(form.fullmatch(first) for form in (ASKED, WHO_DID, WHETHER)) or not second
    return (first if asked else second).rstrip(" ?")


def filled(words: str, turn: Turn) -> str:
    """Ask the question before with another question word: "why so late", "who else"; "" if it is none.

    >>> filled("when", Turn("Who won the cup?", "Thornley Vale"))
    'when was it that Thornley Vale won the cup'
    """
    match, parts = _fragment(words), parted(turn.question)
    if not match or not parts or not (parts.wh or match["by"] or ADVERBIAL.match(match["wh"])):
        return ""  # not "who was anyone arrested"
    wh, tail = match["wh"], match["tail"] or ""
    if match["by"]:
        wh = f"{match['by'].strip()} {'whom' if wh.lower() == 'who' else wh.lower()}"
    if match["other"]:
        return _another(re.sub("any(?:one|body)$", "who", wh, flags=re.IGNORECASE), parts, turn.answer)
    answer = counted(turn)
    if parts.inverted:
        put_back = "" if parts.adverbial or tail or not answer else f" {parts.preposition}{answer}"
        return f"{wh} {parts.aux} {parts.rest}{put_back}{tail}"
    if not answer:
        return ""
    if parts.aux:
        return f"{wh} {parts.aux} {answer} {parts.rest}{tail}"
    return f"{wh} {'is' if re.match(r'[a-z]+s ', parts.rest) else 'was'} it that {answer} {parts.rest}{tail}"


def of_event(words: str, turn: Turn) -> str:
    """Ask when or where it was of what happened; "" if the question before was what something is.

    >>> of_event("when was it", Turn("Why did Concorde crash in Paris?", "a burst tyre"))
    'when did Concorde crash in Paris'
    """
    match, parts = EVENT.fullmatch(words), parted(turn.question)
    if not match:
        return ""
    if not parts:
        return f"{plain(turn.question)}{JOINT}{match['wh']}"
    about_thing = (
        parts.inverted and not parts.adverbial and re.fullmatch(r"(?:is|was|are|were)", parts.aux, re.I)
    )
    return "" if about_thing else filled(match["wh"], turn)


def is_fragment(words: str) -> bool:
    """Whether it is a question word without a sentence: "In which minute?", "Why so late?"."""
    return _fragment(words.rstrip(" .?")) is not None


def _fragment(words: str) -> re.Match[str] | None:
    match = FRAGMENT.fullmatch(words)
    if not match or re.search(rf"\b(?:{AUXILIARY})\b", match["tail"] or ""):
        return None
    more = re.match(
        rf"(?:(?:{PREPOSITIONS})\s+)?(?:why|when|where|how long)\s+(?:so|not|only|exactly|then|there)\b",
        words,
        re.IGNORECASE,
    )
    return match if more or not match["tail"] else None


def _another(wh: str, parts: Parts, answer: str) -> str:
    """Ask who or what else it was."""
    if parts.adverbial and wh.lower() not in parts.wh.lower():
        return ""
    rest, _, before = parts.rest.removeprefix("else ").partition(BESIDES)
    besides = [*before.split(" and "), answer][-3:]  # of a long list the last
    known = " and ".join(name for name in besides if name)
    asked = " ".join(part for part in (wh, "else", parts.aux, rest) if part)
    return f"{asked}{BESIDES}{known}" if known else asked


def counted(turn: Turn) -> str:
    """The answer with what it counts: "340" of "How many homes ..." gives "340 homes"."""
    noun = counted_noun(turn.question)
    return (
        f"{turn.answer} {noun}" if noun and re.fullmatch(r"[\d,.]+|[A-Za-z]+", turn.answer) else turn.answer
    )


def asked_of(words: str, turn: Turn) -> str:
    """Ask the words of what the turn before was about.

    >>> asked_of("what was the score", Turn("Who beat Nalbandian in Marseille?", "Taylor Dent"))
    'Taylor Dent beat Nalbandian in Marseille: what was the score'
    """
    answer = "" if COUNT.fullmatch(turn.answer) else turn.answer
    known_names = [name for name in dict.fromkeys([*names(turn.question), answer]) if name]
    missing = [name for name in known_names if name.lower() not in words.lower()]
    named = any(name != answer and not YEAR.fullmatch(name) for name in known_names)
    named = named or (bool(answer) and answer not in missing)
    known = "" if is_fragment(words) else said(turn)
    if not known and (is_fragment(words) or DO_IT.search(words) or not named):
        known = plain(turn.question)
    if known:
        return f"{known}{JOINT}{words[0].lower()}{words[1:]}"
    return f"{words}? ({', '.join(missing[:4])})" if missing else words


def said(turn: Turn) -> str:
    """What a question and its answer say together; "" where the words do not tell how."""
    parts, answer = parted(turn.question), counted(turn)
    if not parts or not answer or not (_subject_asked(parts) or _is_role(parts)):
        return ""
    kind = parts.wh.partition(" ")[2]
    known = f"{answer}, {kind}," if names(kind) and not kind.startswith("many") else answer
    return " ".join(part for part in (known[0].upper() + known[1:], parts.aux, parts.rest) if part)


def _subject_asked(parts: Parts) -> bool:
    return not (parts.inverted or parts.preposition or re.match(r"whose\b", parts.wh, re.IGNORECASE))


def _is_role(parts: Parts) -> bool:
    """Whether it asks who has a role, so that answer and question can change places."""
    return (
        bool(re.fullmatch(r"who|which [\w ]+|what", parts.wh, re.IGNORECASE))
        and bool(re.fullmatch(r"is|was|are|were", parts.aux))
        and bool(re.match(rf"the |[{CAPITALS}].*['’]s? ", parts.rest))
        and not re.search(r"(?:ing|ed)$", parts.rest)
    )
