"""Questions that a person may begin with.

Holds: each can be answered from the articles, once ``Library`` has tried it.
"""

import re
from collections import Counter
from pathlib import Path

from index.snapshot import Snapshot

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
SPEAKER = re.compile(r"\b([A-Z][\w’'-]+(?: [A-Z][\w’'-]+){1,2}) (?:said|says|told)\b")


def sample_examples(snapshot: Snapshot) -> tuple[str, ...]:
    """Give the questions made for the sample articles, if those are the articles."""
    names = {Path(article_id).name for article_id in snapshot.ids()}
    return tuple(question for question, source in SAMPLE_QUESTIONS if source in names)


def speaker_examples(snapshot: Snapshot, most: int = 12) -> tuple[str, ...]:
    """Make questions about people who speak in the articles, those of most articles first."""
    found: Counter[str] = Counter()
    for article in snapshot.articles():
        found.update(set(SPEAKER.findall(article.text)))
    return tuple(f"Who is {name}?" for name, _ in found.most_common(most))
