"""Decide whether two answers say the same: "$13m" and "13 million dollars", "Ms Washington" and
"Kerry Washington", "2 March" and "March 2, 2018".

Holds: agreement is symmetric, and answers with different numbers never agree; only the year of a date
may be left out. Knows English number words, months and titles; no model.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Iterable, Iterator
from decimal import Decimal
from functools import lru_cache

from qa.terms import STOP_WORDS, words

TITLES = frozenset("mr mrs ms miss dr prof professor sir dame lord lady president minister".split())
NUMBERS = {
    word: Decimal(value)
    for value, word in [
        *enumerate(
            """zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen
            sixteen seventeen eighteen nineteen twenty""".split()
        ),
        *zip(range(30, 100, 10), "thirty forty fifty sixty seventy eighty ninety".split(), strict=True),
    ]
}
SCALES = {
    "dozen": Decimal(12),
    "hundred": Decimal(100),
    "thousand": Decimal(10**3),
    "million": Decimal(10**6),
    "billion": Decimal(10**9),
    "trillion": Decimal(10**12),
}
SUFFIXES = {
    "m": "million",
    "mn": "million",
    "bn": "billion",
    "b": "billion",
    "tn": "trillion",
    "k": "thousand",
}
ORDINALS = frozenset(("st", "nd", "rd", "th"))
MONTHS = {
    name[:3]: name
    for name in """january february march april may june july august september october november
    december""".split()
}
CURRENCIES = {"$": "dollar", "£": "pound", "€": "euro", "¥": "yen"}
# Words that qualify a figure without changing it, and units that outlets leave out.
HEDGES = frozenset("about around some nearly almost roughly approximately over than least total".split())
NEGATIONS = frozenset(("no", "not", "without", "minus", "half"))
UPWARD = frozenset("up over above more least after".split())
DOWNWARD = frozenset("down under below less fewer most before".split())
QUALIFIERS = frozenset("new north south east west northern southern eastern western former".split())
LEFT_OUT = (STOP_WORDS | TITLES | HEDGES) - NEGATIONS - {"may", "am"}
INITIALS = re.compile(r"\b[^\W\d_](?:\.[^\W\d_]\b)+\.?")  # "U.S.", "p.m."
FIGURE = re.compile(r"(\d[\d.,]*)(?!s\b)([a-z]*)")  # not "1990s", which is no number
NUMBER = re.compile(r"\d+(?:\.\d+)?")
YEAR = re.compile(r"(?:19|20)\d\d")
TO = re.compile(r"\bto\b", re.IGNORECASE)
SEVERAL = re.compile(r"&|\b(?:and|or)\b", re.IGNORECASE)


@lru_cache(maxsize=4096)
def key(answer: str) -> tuple[str, ...]:
    """Give the words of an answer that count, in a common form.

    "Some $13m" -> ("dollar", "13000000"); "the three-hundred women" -> ("300", "women")
    """
    parts = [
        MONTHS[word[:3]] if MONTHS.get(word[:3], "").startswith(word) else _singular(word)
        for word in _numbered(_spelt_out(answer))
    ]
    return tuple(part for part in parts if part not in LEFT_OUT) or tuple(words(answer))


def agree(one: str, two: str) -> bool:
    """Tell whether two answers say the same, one perhaps in fewer words."""
    first, second = key(one), key(two)
    if one == two or not first or not second:
        return one == two
    if not _years(first) or not _years(second):
        first, second = _without_year(first), _without_year(second)
    (few, shorter), (many, longer) = sorted([(first, one), (second, two)], key=lambda item: len(item[0]))
    if _fixed(few) != _fixed(many) or not Counter(few) <= Counter(many) or _opposed(one, two):
        return False
    if len(few) == len(many):
        return few == many or not TO.search(longer)  # "from London to Paris" has an order
    if any(part[0].isdigit() for part in few):
        return True  # the same figure, with or without its unit
    if len(SEVERAL.findall(longer)) > len(SEVERAL.findall(shorter)):
        return False  # one of several names
    # An alias is the end of a name or title ("Portman"), or most of a longer phrase.
    alias = many[-len(few) :] == few and "," not in longer and many[-len(few) - 1] not in QUALIFIERS
    return alias or (len(few) >= 2 and len(many) <= 2 * len(few))


def _spelt_out(answer: str) -> Iterator[str]:
    """Give the words, without accents, signs and suffixes: "$13m" -> "dollar", "13", "million"."""
    answer = "".join(c for c in unicodedata.normalize("NFD", answer) if not unicodedata.combining(c))
    answer = INITIALS.sub(lambda match: match[0].replace(".", ""), answer)
    answer = re.sub(r"\bUS\b", "USA", answer)  # lest it is taken for "us"
    answer = re.sub(r"(\d):(\d\d)(?!\d)", r"\1.\2", answer)
    answer = re.sub(r"(?<!\S)[-−](?=\d)", "minus ", answer)
    for sign, name in {**CURRENCIES, "%": "percent", "per cent": "percent"}.items():
        answer = answer.replace(sign, f" {name} ")
    for word in words(answer):
        figure = FIGURE.fullmatch(word)
        if figure:
            yield figure[1].replace(",", "")
            if figure[2] and figure[2] not in ORDINALS:
                yield SUFFIXES.get(figure[2], figure[2])
        else:
            yield SUFFIXES.get(word, word) if len(word) > 1 else word


def _numbered(spelt: Iterable[str]) -> Iterator[str]:
    """Make one number of "two hundred and fifty" and of "13 million"; 3.50 is 3.5."""
    held, in_words = None, False
    for word in (*spelt, ""):
        value = NUMBERS.get(word)
        if word in SCALES:
            held, in_words = _scaled(held, SCALES[word], in_words=in_words), True
        elif held is not None and in_words and (word == "and" or _goes_on(held, value)):
            held += value or 0
        else:
            if held is not None:
                text = f"{held:f}"
                yield text.rstrip("0").rstrip(".") if "." in text else text
            held, in_words = value, value is not None
            if NUMBER.fullmatch(word):
                held = Decimal(word)
            elif value is None and word:
                yield word


def _scaled(held: Decimal | None, scale: Decimal, *, in_words: bool) -> Decimal:
    """Multiply what precedes a scale: "two thousand five" and "hundred" make 2,500."""
    if held is None:
        return scale
    low = held % scale if in_words else held
    return held - low + low * scale if low else held * scale


def _goes_on(held: Decimal, value: Decimal | None) -> bool:
    """Tell whether a number word belongs to those before it: "twenty" and "one", not "one" and "two"."""
    return value is not None and bool(held) and held % (10 if value < 10 else 100) == 0


def _singular(word: str) -> str:
    single = word.removesuffix("s")
    return single if single in CURRENCIES.values() else word


def _fixed(parts: tuple[str, ...]) -> list[str]:
    """Give what no agreeing answer may lack, in order: "2-1" is not "1-2"."""
    return [part for part in parts if part[0].isdigit() or part in NEGATIONS]


def _opposed(one: str, two: str) -> bool:
    """Tell whether one answer says "more", "up" or "after" where the other says the opposite."""
    first, second = set(words(one)), set(words(two))
    return bool(
        (first & UPWARD and second & DOWNWARD and not first & DOWNWARD)
        or (first & DOWNWARD and second & UPWARD and not second & DOWNWARD)
    )


def _years(parts: tuple[str, ...]) -> list[str]:
    return [part for part in parts if YEAR.fullmatch(part)]


def _without_year(parts: tuple[str, ...]) -> tuple[str, ...]:
    """Leave the year out of a date with a month."""
    if not any(part in MONTHS.values() for part in parts):
        return parts
    return tuple(part for part in parts if not YEAR.fullmatch(part))
