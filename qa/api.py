"""The straight line of a question: retrieve -> read -> aggregate -> answer.

Holds: each question is answered from one committed state of the index; every citation of an answer
is exactly its range of the article.
Only this module puts the steps in order. Loads no model before the first question.
"""

import hashlib
import os
import re
import shutil
import unicodedata
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import platformdirs

from index.build import Report, Summary, build
from index.chunk import Chunking
from index.database import Manifest
from index.embed import Encoder, SentenceTransformerEncoder
from index.errors import LoadError, QuestionError
from index.schema import FORMAT
from index.snapshot import Snapshot
from index.store import Index
from index.types import Filters, Hit
from qa.aggregate import candidates, claim, clusters, grouped, nearest, reader_text, spans_of
from qa.confidence import DEFAULT, Calibration
from qa.conversation import Turn, stand_alone
from qa.read import Reader, TransformersReader
from qa.retrieve import Fusion, retrieve, speak_of
from qa.spelling import mended
from qa.terms import STOP_WORDS, content_words
from qa.types import Answer, Query, Span

# Questions answered in one pass of the reader: bounds memory, and more are not faster.
BATCH = 16
# Articles that a conversation is about where none of those found has the answer.
NEAREST = 3


@dataclass(frozen=True, slots=True)
class Config:
    """How questions are answered.

    ``passages``: read for each question; from the table in the CHANGELOG.
    ``threshold``: least probability of an answer that is shown; None for the fitted one.
    ``calibration``: the model behind the probabilities; None for the one of the default reader.
    ``question_chars``: longest question; a pasted article is a mistake, not a question.
    ``spelling``: whether typos are mended (``qa.spelling``); a word in double quotes never is.
    """

    passages: int = 8
    fusion: Fusion = field(default_factory=Fusion)
    chunking: Chunking = field(default_factory=Chunking)
    threshold: float | None = None
    calibration: Calibration | None = None
    question_chars: int = 1_000
    spelling: bool = True

    def __post_init__(self) -> None:
        if self.passages < 1:
            raise ValueError(f"expected at least 1 passage, got {self.passages}")
        if self.threshold is not None and not 0 <= self.threshold <= 1:
            raise ValueError(f"expected a threshold from 0 to 1, got {self.threshold}")


class QA:
    """Ask a collection of articles. Made by ``QA.open`` or ``QA.from_articles``; safe across threads."""

    def __init__(self, store: Index, encoder: Encoder, reader: Reader, config: Config) -> None:
        self.store = store
        self.config = config
        self.built: Summary | None = None  # what `from_articles` did
        self._encoder = encoder
        self._reader = reader

    @classmethod
    def open(
        cls,
        path: str | os.PathLike[str] | None = None,
        *,
        config: Config = Config(),
        encoder: Encoder | None = None,
        reader: Reader | None = None,
    ) -> "QA":
        """Open an index to ask it.

        :param path: the index's folder; None for ``default_index_path()``
        :raises IndexMissing: there is none
        :raises IndexMismatch: it was made with another encoder or format
        """
        encoder = encoder or SentenceTransformerEncoder()
        store = Index.open(Path(path or default_index_path()), encoder=encoder.fingerprint)
        return cls(store, encoder, reader or TransformersReader(), config)

    @classmethod
    def from_articles(
        cls,
        sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
        index: str | os.PathLike[str] | None = None,
        *,
        config: Config = Config(),
        encoder: Encoder | None = None,
        reader: Reader | None = None,
        report: Report | None = None,
        prune: bool = False,
        wait: float = 0.0,
    ) -> "QA":
        """Index articles, or bring their index up to date, and open it.

        :param sources: a file, folder, http(s) page or feed, or several
        :param index: the index's folder, made if missing; None for ``default_index_path()``
        :param report: called with the progress
        :param prune: also take out articles whose files are gone
        :param wait: seconds to wait for another process that is writing
        :raises LoadError: there is no article in the sources and none in the index
        :raises IndexMismatch: the index was made with other settings
        :raises IndexBusy: another process is writing to it
        """
        encoder, reader = encoder or SentenceTransformerEncoder(), reader or TransformersReader()
        places = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
        path = Path(index or default_index_path())
        new = not path.exists()
        store = Index.create(path, manifest_for(encoder, config.chunking))
        summary = build(store, encoder, reader.measure, places, report=report, prune=prune, wait=wait)
        with store.snapshot() as snapshot:
            found = snapshot.stats().articles
        if not found:
            store.close()
            if new:  # an empty index would answer "not in these articles" to everything
                shutil.rmtree(path)
            raise LoadError(_nothing_found(places, summary))
        qa = cls(store, encoder, reader, config)
        qa.built = summary
        return qa

    def add(
        self,
        sources: Iterable[str | os.PathLike[str]],
        *,
        report: Report | None = None,
        wait: float = 0.0,
        public_only: bool = False,
    ) -> Summary:
        """Index more articles, or new versions of some; takes none out. Questions can be asked meanwhile.

        :param public_only: skip addresses that lead into a private network
        :raises IndexBusy: another process is writing, and still is after ``wait`` seconds
        """
        measure = self._reader.measure
        return build(
            self.store, self._encoder, measure, sources, report=report, wait=wait, public_only=public_only
        )

    def ask(self, question: str, *, filters: Filters = Filters()) -> Answer:
        """Answer a question.

        :param filters: outlets and days to keep to
        :raises QuestionError: it is empty or too long
        """
        return self.ask_many([question], filters=filters)[0]

    def ask_many(self, questions: Sequence[str], *, filters: Filters = Filters()) -> list[Answer]:
        """Answer questions, reading their passages together.

        :raises QuestionError: one is empty or too long; then none is answered
        """
        return self.answer([self.query(question, filters=filters) for question in questions])

    def search(self, question: str, k: int = 10, *, filters: Filters = Filters()) -> list[Hit]:
        """Find the passages that the reader would be given, best first, without reading them.

        :raises QuestionError: the question is empty or too long
        """
        return self.hits(self.query(question, filters=filters), k)

    def hits(self, query: Query, k: int) -> list[Hit]:
        """Find the passages for what ``query`` gave, best first."""
        with self.store.snapshot() as snapshot:
            return self._retrieve(snapshot, [query], k)[0]

    def query(self, text: str, turns: Sequence[Turn] = (), *, filters: Filters = Filters()) -> Query:
        """Give what is asked of the articles: typos mended, and a follow-up made to stand alone.

        :param turns: the conversation before it, the oldest first
        :raises QuestionError: the text is empty or too long
        """
        typed = self.checked(text)
        spelled = self._mended(typed)
        question = stand_alone(spelled, turns, on_topic=lambda text: self._on_topic(text, turns[-1], filters))
        if question == spelled or len(question) > self.config.question_chars:
            return Query(spelled, typed, filters)
        return Query(question, typed, filters, turns[-1].articles)

    def articles_with(self, query: Query, answer: str) -> tuple[str, ...]:
        """Give those of the articles found that have an answer, else the nearest; ids, best first."""
        hits = self.hits(query, self.config.passages)
        having = [hit for hit in hits if answer and answer.casefold() in hit.passage.text.casefold()]
        return tuple(dict.fromkeys(hit.passage.article_id for hit in having or hits[:NEAREST]))

    def _on_topic(self, question: str, turn: Turn, filters: Filters) -> bool:
        """Tell whether the articles of a turn speak of a question."""
        (vector,) = self._encoder.encode([question])
        with self.store.snapshot() as snapshot:
            return speak_of(snapshot, turn.articles, vector, filters)

    def answer(
        self, queries: Sequence[Query], *, found: Callable[[int, list[Hit]], None] | None = None
    ) -> list[Answer]:
        """Answer what ``query`` gave, reading the passages of all together.

        :param found: called with the number of a query and its passages before they are read
        """
        answers = []
        for at in range(0, len(queries), BATCH):
            with self.store.snapshot() as snapshot:
                hits = self._retrieve(snapshot, queries[at : at + BATCH], self.config.passages)
                for number, own in enumerate(hits, start=at):
                    if found:
                        found(number, own)
                answers += self._answer(snapshot, queries[at : at + BATCH], hits)
        return answers

    def chat(self, *, filters: Filters = Filters()) -> "Chat":
        """Begin a conversation, in which a question may refer to earlier ones."""
        return Chat(self, filters)

    def close(self) -> None:
        """Close the index."""
        self.store.close()

    def __enter__(self) -> "QA":
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    @cached_property
    def calibration(self) -> Calibration:
        """The model behind ``Answer.confidence``.

        :raises ModelError: there is none for this reader and encoder
        """
        reader, encoder = self._reader.fingerprint, self._encoder.fingerprint
        if self.config.calibration is None:
            return Calibration.read(DEFAULT, reader=reader, encoder=encoder)
        return self.config.calibration

    @property
    def threshold(self) -> float:
        """The least probability of an answer that is shown."""
        return self.calibration.threshold if self.config.threshold is None else self.config.threshold

    @property
    def signature(self) -> str:
        """The models and settings behind an answer, on one line."""
        config = self.config
        return (
            f"encoder {self._encoder.fingerprint} | reader {self._reader.fingerprint}"
            f" | passages {config.passages} of {self.store.manifest.max_tokens} tokens"
            f" | dense {config.fusion.dense:g} + words {config.fusion.words:g}, depth {config.fusion.depth}"
            f" | threshold {self.threshold:.2f} | spelling {'on' if config.spelling else 'off'}"
        )

    def _answer(
        self, snapshot: Snapshot, queries: Sequence[Query], hits: Sequence[list[Hit]]
    ) -> list[Answer]:
        questions = [query.question for query in queries]
        pairs = [
            (question, reader_text(hit.passage))
            for question, found in zip(questions, hits, strict=True)
            for hit in found
        ]
        readings = iter(self._reader.read(pairs))
        groups = [grouped([s for hit in found for s in spans_of(hit, next(readings))]) for found in hits]
        answers = []
        for query, found, own, closeness in zip(
            queries, hits, groups, self._closeness(questions, groups), strict=True
        ):
            weighed = clusters(own, closeness, snapshot)
            options = candidates(weighed, snapshot, self.calibration.probability)
            answered = bool(options) and options[0].confidence >= self.threshold
            answers.append(
                Answer(
                    question=query.question,
                    candidates=options,
                    answered=answered,
                    nearest=() if answered else nearest(found, options, snapshot),
                    signature=self.signature,
                    asked=query.asked,
                    missing=() if answered else _missing(query.question, snapshot),
                )
            )
        return answers

    def _closeness(
        self, questions: Sequence[str], groups: Sequence[Sequence[tuple[Span, ...]]]
    ) -> list[list[float]]:
        """Give the cosine of each question and the claim of each of its groups."""
        claims = [claim(group) for own in groups for group in own]
        rows = iter(self._encoder.encode([*questions, *claims]))
        queries = [next(rows) for _ in questions]
        return [[float(query @ next(rows)) for _ in own] for query, own in zip(queries, groups, strict=True)]

    def _mended(self, question: str) -> str:
        if not self.config.spelling:
            return question
        with self.store.snapshot() as snapshot:
            return mended(question, snapshot, self._reader.measure)

    def _retrieve(self, snapshot: Snapshot, queries: Sequence[Query], k: int) -> list[list[Hit]]:
        return retrieve(snapshot, self._encoder, queries, k, fusion=self.config.fusion)

    def checked(self, question: str) -> str:
        """Give a question with plain spaces, and letters with their accents as one character.

        :raises QuestionError: it is empty or too long
        """
        question = " ".join(unicodedata.normalize("NFC", question).split())
        if not any(character.isalnum() for character in question):
            raise QuestionError("the question is empty; type some words")
        if len(question) > self.config.question_chars:
            raise QuestionError(
                f"the question has {len(question):,} characters, the limit is {self.config.question_chars:,};"
                " ask for one thing at a time"
            )
        return question


class Chat:
    """A conversation: each turn's question is made to stand alone with the turns before it."""

    def __init__(self, qa: QA, filters: Filters = Filters()) -> None:
        self._qa = qa
        self.filters = filters
        self.turns: list[Turn] = []

    def ask(self, text: str) -> Answer:
        """Answer the next turn; ``Answer.question`` is what was asked, ``Answer.asked`` what was typed.

        :raises QuestionError: it is empty or too long
        """
        (answer,) = self._qa.answer([self._qa.query(text, self.turns, filters=self.filters)])
        self.turns.append(turn_of(answer))
        return answer

    def understood(self, text: str) -> str:
        """Give the question that ``ask`` would ask: typos mended, and a follow-up made to stand alone.

        :raises QuestionError: the text is empty or too long
        """
        return self._qa.query(text, self.turns).question

    def tell(self, question: str, answer: str) -> None:
        """Put a turn into the history without asking; its articles are those found that have the answer.

        :raises QuestionError: the question is empty or too long
        """
        query = self._qa.query(question, self.turns, filters=self.filters)
        self.turns.append(Turn(query.question, answer, self._qa.articles_with(query, answer)))


def turn_of(answer: Answer) -> Turn:
    """Give what a conversation remembers of an answer; the nearest articles stand in for those of none."""
    articles = dict.fromkeys(citation.article_id for citation in answer.citations or answer.nearest)
    return Turn(answer.question, answer.text or "", tuple(articles))


def _missing(question: str, snapshot: Snapshot) -> tuple[str, ...]:
    """Give the words of a question that no article has in any form."""
    terms = [word for word in content_words(question) if word not in STOP_WORDS]
    absent = [term for term, n in zip(terms, snapshot.count(terms, most=1), strict=True) if not n]
    typed = (re.search(re.escape(term), question, re.IGNORECASE) for term in dict.fromkeys(absent))
    return tuple(match[0] for match in typed if match)


def manifest_for(encoder: Encoder, chunking: Chunking = Chunking()) -> Manifest:
    """Say what an index is made with."""
    return Manifest(encoder.fingerprint, encoder.dim, chunking.max_tokens, chunking.overlap)


def default_index_path() -> Path:
    """Give the index used when none is named: $CITEWIRE_INDEX, else a folder for this user's data."""
    named = os.environ.get("CITEWIRE_INDEX")
    return Path(named) if named else Path(platformdirs.user_data_dir("citewire")) / "index"


def sample_index_path() -> Path:
    """Give the place of the index over this installation's sample articles.

    The chat makes it on its first run; each installation has its own, since articles go by their path,
    and each format of the index.
    """
    install = hashlib.sha256(f"{Path(__file__).resolve()} {FORMAT}".encode()).hexdigest()[:12]
    return Path(platformdirs.user_cache_dir("citewire")) / f"sample-{install}.citewire"


def _nothing_found(places: Sequence[str | os.PathLike[str]], summary: Summary) -> str:
    named = ", ".join(str(place) for place in places)
    if not summary.skipped:
        return f"no articles in {named}; put .txt, .md, .html, .pdf, .docx, .epub, .jsonl or .csv files there"
    first = summary.skipped[0]
    more = f", and {len(summary.skipped) - 1} more" if len(summary.skipped) > 1 else ""
    return f"no articles in {named}: {first.location} ({first.reason}){more}"
