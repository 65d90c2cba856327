"""What the page sends with a vote, and the gold record that it becomes.

Holds: the answer's words and their sentence are the article's at the offsets, whatever the browser sent.
Writes no file.
"""

from datetime import UTC, datetime
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints, model_validator

from index.sentences import sentence_spans
from index.snapshot import Snapshot
from index.types import Article
from qa.snap import snap, word_spans
from qa.web.body import Refused

WORDS = 300  # characters of a selected answer: the reader's longest have 30 tokens
MARGIN = 100  # characters around a selection in which its outer words end

Text = Annotated[str, StringConstraints(strip_whitespace=True, max_length=1_000)]
SAID = {
    "up": "Thank you; kept as a question with this answer",
    "up, none": "Thank you; kept as a question that these articles don't answer",
    "down": "Thank you; kept as a wrong answer. If you know the right one, select it in an article",
    "down, none": "Thank you; kept as a question that these articles answer. If you know where, select it",
    "right": "Thank you; kept with your answer",
    "none": "Your vote is taken back",
}


class Vote(BaseModel):
    """What the page sends.

    ``turn``: an id that the page made for the turn; another vote on it replaces this one, "none" removes it.
    ``question``: as it was asked of the articles (``Answer.question``); ``typed``: by the person.
    ``history``: the turns before it, (``Answer.question``, its answer or ""), where it was a follow-up.
    ``article_id``, ``start``, ``end``: code points of ``Article.text``: of the answer's first citation, or
    what was selected as "right"; none for a vote on "not in these articles".
    ``quote``: what the page shows there; nothing is kept of it, but the vote is refused if it is not there.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    turn: Annotated[str, StringConstraints(pattern=r"\A[A-Za-z0-9-]{1,64}\z")]
    verdict: Literal["up", "down", "right", "none"]
    question: Text = ""
    typed: Text = ""
    history: Annotated[tuple[tuple[Text, Text], ...], Field(max_length=20)] = ()
    article_id: Annotated[str, StringConstraints(max_length=5_000)] = ""
    start: Annotated[int, Field(ge=0)] = 0
    end: Annotated[int, Field(ge=0)] = 0
    quote: str = ""

    @model_validator(mode="after")
    def _complete(self) -> "Vote":
        if self.verdict != "none" and not self.question:
            raise ValueError("expected a question")
        if self.verdict == "right" and not self.article_id:
            raise ValueError("expected the article in which the answer was selected")
        if self.article_id and self.start >= self.end:
            raise ValueError("expected start < end; select the answer's words")
        return self

    @property
    def record_id(self) -> str:
        return f"vote-{self.turn}"

    @property
    def is_follow_up(self) -> bool:
        return bool(self.history and self.typed) and self.typed.split() != self.question.split()

    @property
    def said(self) -> str:
        """One line for the person."""
        with_answer = self.article_id or self.verdict == "none"
        return SAID[self.verdict if with_answer else f"{self.verdict}, none"]


def gold_of(vote: Vote, snapshot: Snapshot) -> dict[str, Any]:
    """Make a gold record of a vote; see ``eval.questions`` for its fields.

    :raises Refused: the article or the quote is not there, or the selection is too long or has no word
    """
    gold: dict[str, Any] = {"id": vote.record_id, "question": vote.question, "answers": [], "sources": []}
    if vote.is_follow_up:
        gold |= {"question": vote.typed, "history": vote.history, "standalone": vote.question}
    words, evidence = _quoted(vote, snapshot) if vote.article_id else ("", "")
    if vote.verdict == "down":
        gold |= {"type": "rejected", "wrong": [words] if words else [], "evidence": ""}
    elif words:
        kind = "followup" if vote.is_follow_up else "single"
        gold |= {"type": kind, "answers": [words], "sources": [vote.article_id], "evidence": evidence}
    else:
        gold |= {"type": "unanswerable", "evidence": ""}
    return {
        **gold,
        "typed": vote.typed or vote.question,
        "voted": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _quoted(vote: Vote, snapshot: Snapshot) -> tuple[str, str]:
    """Give the words that a vote is about, and their sentence, as they stand in the article."""
    article = snapshot.article(vote.article_id)
    if article is None:
        raise Refused(409, "that article is not in the index any more; ask again")
    start, end = vote.start, vote.end
    if end > len(article.text) or (vote.quote and vote.quote != article.text[start:end]):
        raise Refused(409, "that article has changed since; ask again")
    if end - start > 2 * WORDS:
        raise Refused(422, f"the selection has {end - start:,} characters; select at most {WORDS}")
    if not any(map(str.isalnum, article.text[start:end])):
        raise Refused(422, "there is no word in the selection; select the answer's words")
    if vote.verdict == "right":
        start, end = _snapped(article, start, end)
    first, last = start, end
    for passage in snapshot.passages(article.id):
        if passage.start < end and start < passage.end:  # passages begin and end with sentences
            first, last = min(first, passage.start), max(last, passage.end)
    spans = [(first + low, first + high) for low, high in sentence_spans(article.text[first:last])]
    around = [span for span in spans if span[0] < end and start < span[1]] or [(start, end)]
    return article.text[start:end], article.text[around[0][0] : around[-1][1]]


def _snapped(article: Article, start: int, end: int) -> tuple[int, int]:
    """Widen a selection to whole words, without outer spaces and punctuation."""
    low = max(0, start - MARGIN)
    near = article.text[low : end + MARGIN]
    found = snap(near, start - low, end - low, word_spans(near))
    if found is None:
        raise Refused(422, "there is no word in the selection; select the answer's words")
    start, end = low + found[0], low + found[1]
    if end - start > WORDS:
        raise Refused(422, f"the selection has {end - start:,} characters; select at most {WORDS}")
    return start, end
