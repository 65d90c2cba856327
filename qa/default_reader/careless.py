"""Type a question as people in a hurry do, for training and for measuring what it costs.

Holds: the same random numbers give the same typing; at most one letter of the words is changed.
"""

import random
import string


def hurried(question: str, rng: random.Random) -> str:
    """Type a question in small letters, without its question mark, and with one typo."""
    return with_typo(question.lower().rstrip("? "), rng)


def careless(question: str, rng: random.Random) -> str:
    """Type a question as people in a hurry do: small letters, no question mark, perhaps one typo."""
    typed = question.lower().rstrip("? ") if rng.random() < 0.8 else question.rstrip("? ")
    return with_typo(typed, rng) if rng.random() < 0.6 else typed


def with_typo(text: str, rng: random.Random) -> str:
    """Change one letter inside a word of four letters or more: left out, doubled, swapped or another."""
    places = [at for at in range(1, len(text) - 2) if text[at - 1].isalpha() and text[at : at + 3].isalpha()]
    if not places:
        return text
    at, kind = rng.choice(places), rng.randrange(4)
    middle = ("", text[at] * 2, text[at + 1] + text[at], rng.choice(string.ascii_lowercase))[kind]
    return text[:at] + middle + text[at + (2 if kind == 2 else 1) :]
