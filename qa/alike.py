"""Ask the question before about something else: "And the women's title?", "What about the previous year?".

Holds: but for a year that is counted, each word is one of the turn's or the person's.
Tries one way after another to find the words that the new ones take the place of; no model.
"""

import re

from qa.entities import Turn, counted_noun
from qa.merge import JOINT, asked_of, plain
from qa.phrases import NAME, YEAR, phrases

# What the words of another time do to the question's year.
YEARS = {
    "previous": -1,
    "before": -1,
    "last": -1,
    "earlier": -1,
    "next": 1,
    "after": 1,
    "following": 1,
    "later": 1,
}
OPPOSITE = {"against": "for", "for": "against", "before": "after", "after": "before", "without": "with"}
PREPOSITION = re.compile(r"(in|at|on|for|from|by|of|with|against|during|to)\s+(.+)", re.IGNORECASE)


def about_like(words: str, turn: Turn) -> str:
    """Ask the question before about something else: "Dacosta", "in Saltby", "the previous year".

    >>> about_like("the women's title", Turn("Who won the men's title?", "Jo Pell"))
    "Who won the women's title"
    """
    question = plain(turn.question)
    if match := re.fullmatch(r"(.+?),\s+((?:how|what|when|where|who|which|why)\b.+)", words):
        topic, asked = match.groups()
        own = re.sub(r"\b(?:that|it|this)\b", topic, asked, count=1)
        return asked_of(own if own != asked else f"{asked} {topic}", turn)
    for way in (
        _other_year,
        _opposite,
        _other_one,
        _other_counted,
        _aligned,
        _same_preposition,
        _other_name,
        _other_role,
    ):
        if other := way(words, question):
            return other
    return f"{question}{JOINT}{words}"


def _other_year(words: str, question: str) -> str:
    years = YEAR.findall(question)
    if len(years) != 1:
        return ""
    if own := re.fullmatch(r"(?:in )?((?:19|20)\d\d)", words):
        return question.replace(years[0], own[1])
    step = next((step for word, step in YEARS.items() if re.search(rf"\b{word}\b", words)), 0)
    if step and re.search(r"\byear\b", words) and len(words.split()) <= 4:
        return question.replace(years[0], str(int(years[0]) + step))
    return ""


def _opposite(words: str, question: str) -> str:
    other = OPPOSITE.get(words.lower(), "")
    return re.sub(rf"\b{other}\b", words, question, count=1) if other and f" {other} " in question else ""


def _other_one(words: str, question: str) -> str:
    """Put "the women's one" in the place of "the men's"."""
    one = re.fullmatch(r"((?:the )?[\w-]+['’]s) ones?", words)
    return re.sub(r"\bthe [\w-]+['’]s\b", one[1], question, count=1) if one else ""


def _other_counted(words: str, question: str) -> str:
    """Count "otters" instead of "birds"."""
    noun = counted_noun(question)
    return question.replace(noun, words, 1) if noun and re.fullmatch(r"[a-z-]+s(?: [a-z-]+s)?", words) else ""


def _aligned(words: str, question: str) -> str:
    """Put the words where the question has a word of theirs: "the women's title" for "the men's title"."""
    mine, theirs = words.split(), question.split()
    for at, word in enumerate(mine):
        if len(word) < 4 or word.lower() in ("those", "that", "what") or theirs.count(word) != 1:
            continue
        place = theirs.index(word)
        before, after = (at, 0) if at == len(mine) - 1 else (0, len(mine) - at - 1)
        if place - before < 1 or place + after >= len(theirs) + (after == 0):
            return ""
        return " ".join([*theirs[: place - before], *mine[at - before :], *theirs[place + after + 1 :]])
    return ""


def _same_preposition(words: str, question: str) -> str:
    """Put "in Saltby" in the place of "in Elswick", else behind the question."""
    match = PREPOSITION.fullmatch(words)
    if not match:
        return ""
    for phrase in phrases(question):
        if phrase.before == match[1].lower() and phrase.names:
            return question[: phrase.start] + match[2] + question[phrase.start + len(phrase.text) :]
    return f"{question} {words}"


def _other_name(words: str, question: str) -> str:
    """Put a name in the place of the only name like it."""
    if not re.fullmatch(rf"(?:the )?(?:{NAME.pattern})", words):
        return ""
    found = [p for p in phrases(question) if p.names and not all(YEAR.search(n) for n in p.names)]
    like = [p for p in found if not any(p.start < q.start < p.start + len(p.text) for q in found)]
    same = [p for p in like if p.text.startswith("the ") == words.startswith("the ")]
    chosen = same[0] if len(same) == 1 else like[0] if len(like) == 1 else None
    if not chosen:
        return ""
    end = chosen.start + len(chosen.text)
    if owned := re.search(r"['’]s?((?:\s+[a-z].*)?)$", chosen.text):  # not "the Time's Up fund"
        words = re.sub(r"['’]s?$", "", words) + "'s" + owned[1]
    return question[: chosen.start] + words + question[end:]


def _other_role(words: str, question: str) -> str:
    """Put "the pilot" in the place of "captain" of "Who was the Pioneer's captain?"."""
    role = re.fullmatch(r"(?:the )?([a-z][\w-]*(?: [a-z][\w-]*)?)", words)
    place = re.match(r"(who (?:is|was|are|were) (?:the |.+['’]s? ))([a-z][\w -]*?)( of .+)?$", question, re.I)
    return (
        f"{place[1]}{role[1]}{place[3] or ''}"
        if role and place and role[1].split()[-1] not in ("one", "ones", "time")
        else ""
    )
