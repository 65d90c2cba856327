"""Mend typos in a question by the words that the articles use.

Holds: a word that an article has in any form, that the reader knows whole, or that stands in double
quotes stays as typed; of another at most one letter changes, and never its first. Deterministic; keeps
no word list of its own.
"""

import re
import string
from collections.abc import Callable, Sequence

from index.types import Measure

Count = Callable[[Sequence[str]], list[int]]

# First letters are hardly ever mistyped, and shorter words are one letter away from too many others
# (Kukich 1992, "Techniques for automatically correcting words in text"); longer ones are no words.
WORD = re.compile(r'"[^"]*"|\b([^\W\d_]{4,24})\b')
# A slip that could have hit any letter, or put in any, is so much less likely to be this one.
ANY_LETTER = 0.1
MADE_UP = 0.1  # for a word that the reader does not know whole
LEAST = 1.0  # passages, so weighed: with fewer a word that no article has is likelier new than mistyped


def mended(question: str, count: Count, measure: Measure) -> str:
    """Replace each unknown word by the likeliest of the articles' words that is one letter away.

    :param count: tells in how many passages each of some words occurs
    :param measure: counts the reader's tokens of each of some texts; a word that it knows is one

    Source: the noisy channel of Norvig 2007, "How to write a spelling corrector".
    """
    typed = [word for word in WORD.findall(question) if word]
    unknown = [word for word, passages in zip(typed, count(typed), strict=True) if not passages]
    if not unknown:
        return question
    better = {
        word: _likeliest(word, count, measure)
        for word, tokens in zip(unknown, measure(unknown), strict=True)
        if tokens > 1
    }
    return WORD.sub(lambda match: better.get(match[0], match[0]), question)


def _likeliest(word: str, count: Count, measure: Measure) -> str:
    slips = one_letter_away(word.lower())
    found = [(near, n) for near, n in zip(slips, count(list(slips)), strict=True) if n]
    if not found:
        return word
    # The articles' words are counted in all their forms, so that some that look like one do not exist.
    sizes = measure([near for near, _ in found])
    weighed = [
        (n * slips[near] * (1.0 if size == 1 else MADE_UP), near)
        for (near, n), size in zip(found, sizes, strict=True)
    ]
    weight, best = max(weighed)
    if weight < LEAST:
        return word
    return best.capitalize() if word[0].isupper() else best


def one_letter_away(word: str) -> dict[str, float]:
    """Give the words that a slip after the first letter may have made this one from, and how likely each is.

    Two letters swapped, one left out and one typed twice are the likely slips.
    """
    places, letters = range(1, len(word)), string.ascii_lowercase
    near = {word[:at] + c + word[at + 1 :]: ANY_LETTER for at in places for c in letters}
    near |= {word[:at] + word[at + 1 :]: 1.0 if word[at] == word[at - 1] else ANY_LETTER for at in places}
    near |= {word[:at] + word[at + 1] + word[at] + word[at + 2 :]: 1.0 for at in places[:-1]}
    near |= {word[:at] + c + word[at:]: 1.0 for at in range(1, len(word) + 1) for c in letters}
    near.pop(word, None)
    return near
