"""Questions that a person may begin with: those of the sample articles, or some made from other articles.

Holds: a made question is shown only when the articles answered it with the words it was made from.
"""

import re
from collections import Counter
from dataclasses import dataclass
from itertools import chain, islice, zip_longest
from pathlib import Path

from index.snapshot import Snapshot

LOOKED_AT = 2_000  # articles that questions are made from: half a second's work, however large the index

# Questions on the sample articles, each with an article that answers it.
SAMPLE_QUESTIONS = (
    ("How many people were at Castle Meadow for the cup final?", "thornley-cup-harbour-ledger.md"),
    ("By how many votes did the tidal lagoon win before the recount in Pendrawle?",
     "skerrow-lagoon-harbour-ledger.md"),
    ("What was the stolen Ferrywoman wrapped in when police found it in Saltby?",
     "lathbury-painting-harbour-ledger.md"),
    ("How many tonnes of fuel leaked at Port Elswick?",
     "elswick-grounding-channel-six-news.txt"),
    ("Who is the chief executive of Transvale Rail?", "rail-signalling-northgate-post.md"),
    ("Where was the soil that gave us velorimicin picked up?", "velorimicin-trial-fieldnotes.md"),
)  # fmt: skip
NAME = r"(?!(?:Mr|Mrs|Ms|Miss|Dr|Sir|Lord|Lady) )[A-Z][\w’'-]+(?: [A-Z][\w’'-]+){1,2}"
SPEAKER = re.compile(rf"\b({NAME}) (?:said|says|told)\b")
ROLES = """executive chairman chairwoman chair president director minister secretary spokesman spokeswoman
leader head captain coach manager editor author founder mayor governor commissioner owner""".split()
# "Ada Brandt, chief executive of Transvale Rail," answers "Who is the chief executive of Transvale Rail?"
OFFICE = re.compile(
    rf"\b({NAME}), (?:the |an? )?((?:[a-z-]+ ){{0,2}}(?:{'|'.join(ROLES)})) of"
    r" ((?:the )?[A-Z][\w’'-]+(?: [A-Z][\w’'-]+){0,3})(?=[,.;])"
)


@dataclass(frozen=True, slots=True)
class Example:
    """A question, and the words that its answer has to hold, "" for any."""

    question: str
    answer: str


def sample_examples(snapshot: Snapshot) -> tuple[str, ...]:
    """Give the questions made for the sample articles, if those are the articles."""
    names = {Path(article_id).name for article_id in snapshot.ids()}
    return tuple(question for question, source in SAMPLE_QUESTIONS if source in names)


def made_examples(snapshot: Snapshot, most: int = 12) -> list[Example]:
    """Make questions about people's offices and about people who speak, those of most articles first."""
    offices: Counter[Example] = Counter()
    speakers: Counter[Example] = Counter()
    for article in islice(snapshot.articles(), LOOKED_AT):
        offices.update(
            {Example(f"Who is the {m[2]} of {m[3]}?", m[1]) for m in OFFICE.finditer(article.text)}
        )
        speakers.update({Example(f"Who is {name}?", "") for name in SPEAKER.findall(article.text)})
    pairs = zip_longest(
        *([example for example, _ in found.most_common(most)] for found in (offices, speakers))
    )
    return [example for example in chain.from_iterable(pairs) if example][:most]
