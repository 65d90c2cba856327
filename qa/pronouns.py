"""Which words of a question point back, and the names that they most likely mean.

Holds: a word that can mean something in the question itself is told apart: "Did the bank raise its rates?".
English word order; no model.
"""

import re
from collections.abc import Sequence

from qa.entities import Turn, person, thing
from qa.merge import AUXILIARY, DO_IT, counted
from qa.phrases import CAPITALS
from qa.terms import STOP_WORDS

PEOPLE = frozenset("he she him her his hers".split())
GROUP = frozenset("they them their theirs".split())
POSSESSIVE = frozenset("his her its their".split())
KINDS = {"person": PEOPLE, "group": GROUP, "said": frozenset(("this", "that"))}
PRONOUN = re.compile(
    r"\b(?:he|she|him|her|his|hers|it|its|they|them|their|theirs|this|that(?= (?:on|to|per|each|in|a)\b))\b",
    re.IGNORECASE,
)
# "It" that points nowhere: "is it true that", "how much does it cost to", "is it raining", "who is it that".
EMPTY_IT = (
    r"it(?!\s+(?:(?:really\s+|still\s+)?(?:true|false|possible|likely|clear|known|safe|legal|illegal|normal|better"
    r"|worth\s+\w+ing|easy|hard|right|wrong|ok|okay|like|get)\b"
    r"|(?:going\s+to\s+)?(?:rain|snow)\w*|matter\s+(?:wh\w+|if|how|that)\b|who\b"
    r"|that\s+(?!(?:day|night|morning|evening|week|month|year|season|time)\b)\w+\s+\w"
    r"|(?:time|too\s+(?:late|early|soon)|dangerous|healthy|rude|cruel|cheaper|necessary|wise|difficult"
    r"|an?\s+(?:mistake|error|crime|sin|shame|(?:good|bad)\s+(?:idea|time|thing)))\s+to\b"
    r"|(?:cost|take|mean|feel)\b.*\bto\b))(?<!what time is it)"
)
# "That" and "those" point back only where nothing that they could belong to follows at once, or a time;
# "there" not in "is there" and "there are", but at the end of "how many people were there?".
POINTS_BACK = re.compile(
    rf"\b(?:he|she|him|his|hers|its|they|them|their|theirs|her|then|{EMPTY_IT}"
    r"|(?<!\bis )(?<!\bare )(?<!\bwas )(?<!\bwere )there(?! (?:is|are|was|were)\b)"
    r"|(?<=\bwas )there(?=\s*\??$)|(?<=\bwere )there(?=\s*\??$)"
    r"|(?:this|that|these|those)(?=\s*(?:,|\?|$)|\s+(?:happen|mean|cost|start|end|was|were|is|are|did|do|does|take"
    r"|on|for|to|first|time|day|night|morning|evening|week|month|year|season|point)\b))\b",
    re.IGNORECASE,
)
# The subject of a question, of which "its" and "he" later in it may speak: "Did the bank raise its rates?".
# A plural without an article is one too, but not in what belongs to the pronoun: "Did members of their team".
SUBJECT = re.compile(
    r"(?:\b(?:did|does|do|has|have|had|will|would|can|could|should|is|are|was|were|when|while|if|whether"
    r"|because|why|how(?! many| much))\s+(?:"
    r"(?:the|a|an|any|this|that)\s+(?P<noun>[\w-]+)(?:\s+of\s+[\w' -]+?)?"
    r"|(?:(?!(?:he|she|it|they|we|you|i)\s)[a-z-]+\s+)?"
    r"(?P<plural>(?!this\b)[a-z-]{3,}s|people|men|women|children|police|every(?:one|body))"
    r"(?!\s+(?:(?:of|in|at|on|from|for|with|by)\s+)?$))"
    r"|^(?:who|(?P<one>which)\s+[\w-]+|how many\s+[\w-]+)"
    r"(?!\s+(?:did|does|do|is|are|was|were|has|have|had)\b))\s",
    re.IGNORECASE,
)
# What is asked for and put first is never the subject: in "How many medals did it win?" the pronoun means
# neither the medals nor a name among them; but in "Which of Bell's medals did he sell?" Bell.
ASKED_FOR = re.compile(
    rf"\b(?:how\s+(?:many|much)|which|what)\b(?:(?!['’]s\b|\bof\b)[^,;:])*\b(?:{AUXILIARY})\s+$",
    re.IGNORECASE,
)
SUBJECTS = frozenset(("he", "she", "it", "they"))
DOES = re.compile(r"\s+(?:is|was|has|had|will|would|can|could|should|must|did|does|[a-z]+ed|[a-z]+s)\b")
# A clause of its own, in which an object can be what the subject of the question is.
CLAUSE = re.compile(r"\b(?:when|that|because|before|after|while|if|who|which|until|since|as)\b", re.I)
PERSON_NOUN = re.compile(
    r"\w*(?:[eo]r|ist|man|woman|ant|boss|captain|coach|chief|king|queen|thief|guard|pilot|judge|author)s?",
    re.I,
)


def pointer(text: str) -> re.Match[str] | None:
    """The first word that points back; words in capitals are none: IT and US."""
    return POINTS_BACK.search(_quiet(text))


def _quiet(text: str) -> str:
    return re.sub(rf"\b[{CAPITALS}]{{2,}}\b", lambda match: "_" * len(match[0]), text)


def has_its_own(text: str, pronoun: re.Match[str]) -> bool:
    """Whether the question itself has what its pronoun may mean: the subject, but of an object pronoun never.

    Source: principle B, Chomsky 1981: "the board thanked it" does not say that it thanked itself.
    """
    subject = SUBJECT.search(text[: pronoun.start()])
    word = pronoun[0].lower()
    if not subject or word not in PEOPLE | GROUP | {"it", "its"}:
        return False
    owned = _owned(text, pronoun)
    does = owned or word not in ("him", "her", "it", "them") or DOES.match(text[pronoun.end() :])
    if not does and not CLAUSE.search(text[subject.end() : pronoun.start()]):
        return False
    if subject["plural"] or not (subject["noun"] or subject["one"] or word in PEOPLE):
        return word in GROUP
    person_like = subject["noun"] is None or PERSON_NOUN.fullmatch(subject["noun"])
    return bool(person_like) if word in PEOPLE else True


def is_subject_of_asked(text: str, pronoun: re.Match[str]) -> bool:
    """Whether it is the subject of what is asked for, so that no name before it can be what it means."""
    return pronoun[0].lower() in SUBJECTS and ASKED_FOR.match(text[: pronoun.start()]) is not None


def _owned(text: str, pronoun: re.Match[str]) -> bool:
    """Whether the next word is what the pronoun's owner has: not in "gave her the job"."""
    following = re.match(r"\s+(\w+)", text[pronoun.end() :])
    return following is not None and following[1].lower() not in STOP_WORDS


def resolved(text: str, turns: Sequence[Turn]) -> str:
    """Put the names that they most likely mean in the place of the first pronoun of each kind."""
    quiet, done, at = _quiet(text), set[str](), 0
    deeds = {deed.end() for deed in DO_IT.finditer(text)}
    parts: list[str] = []
    for match in PRONOUN.finditer(quiet):
        word = match[0].lower()
        kind = next((kind for kind, words in KINDS.items() if word in words), "thing")
        subject = SUBJECT.search(text[: match.start()])
        own = subject and (subject["noun"] or subject["plural"]) and has_its_own(text, match)
        if kind in done or own or match.end() in deeds or not POINTS_BACK.match(quiet, match.start()):
            continue
        if kind == "said":
            name = counted(turns[-1]) if re.match(r"\W?\d", turns[-1].answer) else ""
        else:
            name = person(turns) if kind == "person" else thing(turns, group=kind == "group")
        name = next((f"the {name[len(p) + 3 :]}" for p in parts if name.startswith(f"{p}'s ")), name)
        if not name or name in parts:
            continue
        done.add(kind)
        possessive = word in POSSESSIVE and (word != "her" or _owned(text, match))
        parts += [text[at : match.start()], name, "'s" if possessive else ""]
        at = match.end()
    return "".join([*parts, text[at:]])
