"""What an earlier turn spoke of: its names and noun phrases, and which of them a pronoun means.

Holds: everything given stands in the turn's question or answer, but for "the" before a counted noun.
Words and capitals only, English; knows no model, no index and no conversation.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise

from qa.terms import STOP_WORDS


@dataclass(frozen=True, slots=True)
class Turn:
    """A question as it was asked of the articles, its answer, "" if there was none, and whose it was.

    ``articles``: ids of the articles that gave the answer, or else were nearest.
    """

    question: str
    answer: str
    articles: tuple[str, ...] = ()


# Capitals of the Latin alphabets of Europe, so that Özil and Łódź are names too.
CAPITALS = "".join(letter for letter in map(chr, range(0x250)) if letter.isupper())
_WORD = rf"[{CAPITALS}#@£$€][\w'’&.-]*"
NAME = re.compile(
    rf"{_WORD}(?:\s+(?:(?:of|the|de|la|van|von|and|&)\s+){{0,2}}(?:{_WORD}|\d[\w'’&.-]*))*|\b(?:19|20)\d\d\b"
)
YEAR = re.compile(r"(?:19|20)\d\d")
# A capital on one of these is only that of a first word: phones write "Any arrests?" by themselves.
SENTENCE_OPENERS = STOP_WORDS | frozenset(
    """since according besides above behind below despite near anyone anybody anything someone somebody
    something everyone everybody everything nobody nothing none exactly explain describe show give thank
    thanks please sorry ok okay""".split()
)
CONTRACTED = re.compile(r"(?:n['’]t|['’]\w+)$")
DETERMINERS = frozenset("the The its his her their".split())
LINKS = frozenset("of de la van von and &".split())
# Words that end a noun phrase: none of them stands inside "the best director Bafta".
ENDS = frozenset(
    """a an the and or but of in on at to for from by with about as into over after before during since until
    against between is are was were be been being do does did has have had can could will would shall should
    may might must that this these those which who whom whose what when where why how if than it he she they
    there its his her their out up off down back under""".split()
)
# Verbs that end one where another such word, or nothing, follows: "the fund open with" but "the open letter".
VERBS = frozenset(
    """say said get got take took make made go went come came give gave win won pay paid buy bought cost last
    open end begin start happen reach fail run find found set send sell sound lose leave sail close born built
    held kept led met told sold spent taught caught brought fought meant heard felt struck sunk stolen broken
    written drawn thrown grown chosen hidden driven beaten given taken seen shown known""".split()
)
# Behind these the verb comes after the subject, and must be left to it: "did the BBC cut jobs".
DOES = frozenset("did do does has have had will would can could should must might may".split())
# Participles that look like nouns, so that only "was" tells: "was the Elswick quay shut", "the pay cut".
SHUT = frozenset("shut cut shot hit read put hurt split".split())
BE = frozenset("is are was were".split())
# After a noun phrase, and then its verb is still to come: "would the lagoon have cost".
STILL_TO_COME = DOES | BE | frozenset("be been being who which whose".split())
# What comes after these is where or when it happened rather than what it was about.
ASIDE = frozenset("in on at from by during after before since until near under per with against".split())
# In front of a noun phrase that says what the one before it belongs to: "the strike at the brewery".
BELONGS = frozenset("of at on in for from".split())
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
class Phrase:
    """A noun phrase of a question, where it starts, its names, and the word before it."""

    text: str
    start: int
    names: tuple[str, ...]
    before: str


def names(text: str) -> list[str]:
    """Capitalised names and years, without the capital that only opens the sentence."""
    found = []
    for match in NAME.finditer(text):
        name = match[0].rstrip(".'’")
        first, _, rest = name.partition(" ")
        if match.start() == 0 and _opens(first):
            name = rest
        name = re.sub(r"['’]s$", "", name)
        if len(name) > 1:
            found.append(name)
    return found


def uncapitalised(text: str) -> str:
    """Take away the capital that only opens the sentence: "Any arrests" is "any arrests"."""
    return text[:1].lower() + text[1:] if _opens(text.partition(" ")[0]) else text


def _opens(word: str) -> bool:
    return CONTRACTED.sub("", word.lower()) in SENTENCE_OPENERS


def phrases(question: str) -> list[Phrase]:
    """Noun phrases that begin with "the" or hold a name, each with what it belongs to.

    >>> [phrase.text for phrase in phrases("When was the strike at the Quennell brewery called off?")]
    ['the strike at the Quennell brewery', 'the Quennell brewery']
    """
    found: list[Phrase] = []
    for start, end, before in reversed(list(_runs(question))):
        text = question[start:end]
        own = names("the " + text if not text.startswith(("the ", "The ")) else text)
        after = found[-1] if found else None
        if not own and after and after.names and question[end : after.start].strip() in BELONGS:
            text = question[start : after.start + len(after.text)]
            own = list(after.names)
        found.append(Phrase(text, start, tuple(own), before))
    return found[::-1]


def _runs(question: str) -> Iterator[tuple[int, int, str]]:
    """Stretches of words that begin with a determiner or hold a name, with the word before each."""
    found = list(re.finditer(r"[^\s?,;:()–]+", question))
    words = [match[0] for match in found]
    at, last, due = 0, 0, False
    while at < len(words):
        determined = words[at] in DETERMINERS
        opener = at == 0 and not determined and _opens(words[0])
        if opener or not (determined or NAME.match(words[at])):
            at += 1
            continue
        end = at + 1
        while end < len(words) and question[found[end - 1].end() : found[end].start()].isspace():
            if not _goes_on(words, at, end):
                break
            end += 1
        before = words[at - 1].lower() if at else ""
        # "did the strike at the Elswick brewery collapse": the verb is due after the second
        due = CONTRACTED.sub("", before) in DOES or (due and at - last == 1 and before in BELONGS)
        end = _before_verb(words, at, end, due=due, passive=before in BE)
        due = due and (end - at <= 2 or any(map(_is_name, words[at:end])))
        if end - at > 1 or not determined:
            yield found[at].start(), found[end - 1].end(), before
        at = last = end


def _goes_on(words: Sequence[str], first: int, at: int) -> bool:
    """Whether the word at ``at`` belongs to the noun phrase that begins at ``first``."""
    word, before = words[at], words[at - 1]
    named, following = NAME.match(word), words[at + 1] if at + 1 < len(words) else ""
    if word.lower() in LINKS or (word == "at" and words[first] == "The"):
        return bool(NAME.match(before) and NAME.match(following))
    if word in ENDS:  # not the "Up" of "Time's Up"
        return False
    if word in VERBS and (not following or following.lower() in ENDS):
        return False
    if (
        word.endswith("ed")
        and at - first > 1
        and (not following or following in ENDS or NAME.match(following))
    ):
        return False  # "the Lathbury Museum raided", "the votes backed Quennell's"
    whole = words[first] in DETERMINERS or re.search(r"['’]s?$", " ".join(words[first:at]).split()[-1])
    owned = any(re.search(r"['’]s?$", other) for other in words[first:at])
    return bool(named or whole or owned)


def _before_verb(words: Sequence[str], first: int, end: int, *, due: bool, passive: bool) -> int:
    """Where a subject ends that was taken to ``end``, if a verb is ``due`` and is among its own words.

    >>> _before_verb("did the BBC cut jobs in March".split(), 1, 5, due=True, passive=False)
    3
    """
    named = [at for at in range(first, end) if _is_name(words[at])]
    following = words[end].lower() if end < len(words) else ""
    no_verb = not following or (following in ENDS - STILL_TO_COME and not _has_verb(words[end:]))
    if not named or not no_verb:
        return end
    start = named[-1] + 1 + bool(re.search(r"['’]s?$", words[named[-1]]))
    tail = words[start:end]
    between = [at for at in range(named[0], named[-1]) if at not in named and words[at] not in LINKS]
    if due and between and (not tail or words[between[-1]] in VERBS):
        return between[-1]
    if due and tail:
        known = [at for at, word in enumerate(tail) if word in VERBS]
        plural = len(tail) > 1 and re.search(r"[^su]s$", tail[-1])
        return start + (known[-1] if known else 0 if plural else len(tail) - 1)
    return end - 1 if passive and tail and tail[-1] in SHUT else end


def _has_verb(words: Sequence[str]) -> bool:
    """Whether a verb is sure to come behind a preposition: known, or after a name without "the"."""
    if words[0].lower() not in ASIDE | BELONGS:
        return False
    known = any(word in VERBS and before not in ENDS for before, word in pairwise(words))
    rest = list(dropwhile(NAME.match, words[1:]))
    after_name = bool(rest) and len(rest) < len(words) - 1
    return known or (after_name and rest[0].islower() and rest[0] not in ENDS)


def _is_name(word: str) -> bool:
    return bool(NAME.match(word) or word.isdigit()) and not YEAR.fullmatch(word)


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
