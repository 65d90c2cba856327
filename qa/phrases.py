"""The names and noun phrases of a question, known by capitals, articles and the order of words.

Holds: every phrase is a stretch of the question. Where a subject ends and the verb begins is told by word
order and by lists of common verbs, so it can be wrong.
English; knows no turn, no model and no index.
"""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import dropwhile, pairwise

from qa.terms import STOP_WORDS

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
