"""Mend typos in a question by the words of the articles.

Comes before retrieve -> read -> aggregate -> answer, and before a follow-up is made to stand alone.
Holds: a word that any article has, that the reader knows whole, or that stands in double quotes stays as
typed; of another at most one letter changes, never its first, and only where a passage has the mended
word beside another word of the question, or the word is as common as "about". English; deterministic.
"""

import re
import string
from collections.abc import Sequence
from typing import Protocol

from index.types import Measure, Passage
from qa.terms import STOP_WORDS, content_words, words

# Shorter words are one letter away from too many others, and first letters are hardly ever mistyped
# (Kukich 1992, "Techniques for automatically correcting words in text"); longer ones are no words.
WORD = re.compile(r'["“”„][^"“”„]*["“”„]|\b([^\W\d_]{5,24})\b')
# The rest is from tests/bench_spelling.py, whose figures are in the CHANGELOG.
UNKNOWN = 3  # a question with more unknown words is about something else, or in another language
NEAREST = 3  # words one letter away whose passages are looked at
BESIDE = 3  # other words of the question, the rarest, of which one has to be in the passage
LOOKED_AT = 10  # passages for each
ANY_LETTER = 0.1  # how much likelier a swap, a double or a gap is than any other slip
LEAST = 0.3  # passages, so weighed: one for the likelier slips, three for another


class Corpus(Protocol):
    """What is needed of the index: which words its passages have."""

    def count(self, phrases: Sequence[str]) -> list[int]: ...

    def passages_with(self, word: str, others: Sequence[str], k: int) -> list[Passage]: ...


def mended(question: str, corpus: Corpus, measure: Measure) -> str:
    """Replace each unknown word by the likeliest word of the articles that is one letter away.

    :param measure: counts the reader's tokens of each of some texts; a word that it knows is one

    Source: Norvig 2007, "How to write a spelling corrector"; the question's other words stand in for
    his language model.
    """
    unknown = [word for word in _unknown(question, corpus) if min(measure([word, f" {word}"])) > 1]
    if not unknown or len(unknown) > UNKNOWN:
        return question
    rest = [word for word in content_words(question) if word not in {w.lower() for w in unknown}]
    known = [(n, word) for word, n in zip(rest, corpus.count(rest), strict=True) if n]
    rarest = [word for _, word in sorted(known)[:BESIDE]]
    better = {word: _likeliest(word, rarest, corpus) for word in unknown}
    return WORD.sub(lambda match: better.get(match[0], match[0]), question)


def as_typed(question: str, typed: str) -> str:
    """Give what was typed with the words that were mended in quotes, so that they stay.

    >>> as_typed("Who is Davidson?", "Who is Davison?")
    'Who is "Davison"?'
    """
    kept = set(WORD.findall(question))
    return WORD.sub(lambda match: match[0] if not match[1] or match[1] in kept else f'"{match[0]}"', typed)


def _unknown(question: str, corpus: Corpus) -> list[str]:
    """Give the words that no article has, also not as two ("didnt"); not those in odd capitals."""
    typed = [w for w in dict.fromkeys(WORD.findall(question)) if w and (w.islower() or w.istitle())]
    unknown = [word for word, n in zip(typed, corpus.count(typed), strict=True) if not n]
    return [w for w in unknown if not any(corpus.count([f"{w[:-1]} {w[-1:]}", f"{w[:-2]} {w[-2:]}"]))]


def _likeliest(word: str, rarest: Sequence[str], corpus: Corpus) -> str:
    slips = one_letter_away(word.lower())
    counted = zip(corpus.count(list(slips)), slips, strict=True)
    nearest = sorted(((n * slips[near], near) for n, near in counted if n), reverse=True)[:NEAREST]
    best, most = word, 0.0
    for _, near in nearest:
        # Counting takes all forms of a word for one, and so counts some that do not exist.
        beside = corpus.passages_with(near, rarest, LOOKED_AT) if rarest else []
        found = sum(near in words(f"{p.title} {p.text}") for p in beside)
        weight = slips[near] * (1 if near in STOP_WORDS else found)  # "about" is beside anything
        if weight >= LEAST and weight > most:
            best, most = near, weight
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
