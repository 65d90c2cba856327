"""Ask a gold question and keep all that its scores need.

Holds: an Outcome is plain data; "shown" is what a person saw (nothing, if Citewire abstained), "best" is
the first candidate whether shown or not.
Computes no average and writes no file.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol

from eval.metrics import exact_match, first_rank, token_f1
from eval.questions import Question, article_id
from index.types import Hit
from qa.types import Answer, Evidence

# An answer counts as right from here on: half the words shared means the gold span with a word or two
# more or less ("43 people" for "43"), where exact match would call a right answer wrong.
RIGHT_F1 = 0.5
FAULTS = ("retrieval", "reader", "ranking", "abstention", "false answer")
# They load the models and fill the caches, and are not gold, so that no gold answer comes from a cache.
WARM_UP = ("Who was there?", "When did it happen?", "How many people came?")


class Chat(Protocol):
    """A conversation; ``tell`` puts an earlier turn into its history without asking.

    ``understood`` gives the question that ``ask`` would ask of the articles.
    """

    def ask(self, text: str, /) -> Answer: ...

    def understood(self, text: str, /) -> str: ...

    def tell(self, question: str, answer_text: str, /) -> None: ...


class Asker(Protocol):
    """The part of ``qa.QA`` that is scored."""

    @property
    def signature(self) -> str: ...

    def ask(self, question: str, /) -> Answer: ...

    def search(self, question: str, /, *, k: int) -> Sequence[Hit]: ...

    def chat(self) -> Chat: ...


@dataclass(frozen=True, slots=True)
class Outcome:
    """What came of one gold question.

    ``shown`` is None where Citewire abstained. ``rank`` is that of the first right article among the k
    passages, None if there is none; ``source_hit`` is None where nothing was shown or the gold names no
    source. ``f1_of`` and ``evidence_of`` are of the candidates, best first. ``asked`` is the question that
    was searched (a follow-up is rewritten). ``standalone_f1`` and ``standalone_best_f1`` are those of a
    follow-up's question written out. ``carried`` says of a new topic whether it was asked in another way
    than without the turns before it; None for the others.
    """

    question: Question
    asked: str
    shown: str | None
    best: str
    confidence: float
    f1_of: tuple[float, ...]
    evidence_of: tuple[Evidence, ...]
    source_hit: bool | None
    rank: int | None
    latency_ms: float
    standalone_f1: float | None = None
    standalone_best_f1: float | None = None
    carried: bool | None = None

    @property
    def em(self) -> float:
        return exact_match(self.shown or "", self.question.answers)

    @property
    def f1(self) -> float:
        return token_f1(self.shown or "", self.question.answers)

    @property
    def best_em(self) -> float:
        return exact_match(self.best, self.question.answers)

    @property
    def best_f1(self) -> float:
        return token_f1(self.best, self.question.answers)

    @property
    def right(self) -> bool:
        """Whether the best candidate is right, shown or not; never for an unanswerable question."""
        return self.question.answerable and self.best_f1 >= RIGHT_F1

    @property
    def heeded(self) -> bool:
        """Whether a rejected answer is not given again; if the rejected was none, whether one is given."""
        if not self.question.wrong:
            return self.shown is not None
        return self.shown is None or token_f1(self.shown, self.question.wrong) < RIGHT_F1

    @property
    def fault(self) -> str | None:
        """One of ``FAULTS``: the step that lost the answer; None if what was shown is right, or rejected."""
        if self.question.rejected:
            return None
        if not self.question.answerable:
            return "false answer" if self.shown is not None else None
        if self.right:
            return "abstention" if self.shown is None else None
        if any(f1 >= RIGHT_F1 for f1 in self.f1_of):
            return "ranking"
        return "retrieval" if self.question.sources and self.rank is None else "reader"

    def to_dict(self) -> dict[str, Any]:
        """One line of outcomes.jsonl."""
        return {
            "id": self.question.id,
            "type": self.question.kind,
            "conflict": self.question.conflict,
            "question": self.question.question,
            "asked": self.asked,
            "gold": list(self.question.answers),
            "prediction": self.shown,
            "best_candidate": self.best,
            "confidence": round(self.confidence, 4),
            "features": asdict(self.evidence_of[0]) if self.evidence_of else None,
            "em": self.em,
            "f1": round(self.f1, 4),
            "best_em": self.best_em,
            "best_f1": round(self.best_f1, 4),
            "standalone_f1": _rounded(self.standalone_f1),
            "standalone_best_f1": _rounded(self.standalone_best_f1),
            "carried": self.carried,
            "sources": list(self.question.sources),
            "evidence": self.question.evidence,
            "source_hit": self.source_hit,
            "rank": self.rank,
            "latency_ms": round(self.latency_ms, 1),
            "fault": self.fault,
            **({"wrong": list(self.question.wrong), "heeded": self.heeded} if self.question.rejected else {}),
        }


def warm_up(qa: Asker) -> None:
    """Load what loads on first use, so that no gold question pays for it."""
    for question in WARM_UP:
        qa.ask(question)


def ask(qa: Asker, question: Question, articles: Path, k: int) -> Outcome:
    """Ask one question as its type wants it: alone, or in a chat that holds its history.

    :param articles: the folder or file that the gold's sources are relative to
    :param k: passages among which a right article is looked for
    """
    begin = perf_counter()
    if question.history:
        chat = qa.chat()
        for turn in question.history:
            chat.tell(*turn)
        answer = chat.ask(question.question)
    else:
        answer = qa.ask(question.question)
    latency_ms = (perf_counter() - begin) * 1000
    right = {article_id(articles, source) for source in question.sources}
    hits = qa.search(answer.question, k=k)
    alone = qa.ask(question.standalone) if question.standalone else None
    return Outcome(
        question=question,
        asked=answer.question,
        shown=answer.text,
        best=_best(answer),
        confidence=answer.confidence,
        f1_of=tuple(token_f1(candidate.text, question.answers) for candidate in answer.candidates),
        evidence_of=tuple(candidate.evidence for candidate in answer.candidates),
        source_hit=any(c.article_id in right for c in answer.citations)
        if right and answer.answered
        else None,
        rank=first_rank([_articles(hit) for hit in hits], right),
        latency_ms=latency_ms,
        standalone_f1=token_f1(alone.text or "", question.answers) if alone else None,
        standalone_best_f1=token_f1(_best(alone), question.answers) if alone else None,
        carried=answer.question != qa.chat().understood(question.question)
        if question.kind == "newtopic"
        else None,
    )


def _articles(hit: Hit) -> list[str]:
    return [hit.passage.article_id, *(copy.article_id for copy in hit.copies)]


def _best(answer: Answer) -> str:
    return answer.candidates[0].text if answer.candidates else ""


def _rounded(value: float | None) -> float | None:
    return None if value is None else round(value, 4)
