"""What programs can ask of the chat, whichever door they come in by: an answer, passages, an article.

Holds: a refusal is one line and an HTTP status; nothing is asked before the models are loaded; an
article's link is http(s) or "". The work is done in threads of its own, so that many who wait for an
answer hold up nobody who wants a page.
Knows no HTTP and no Gradio: ``qa.web.routes`` are the doors.
"""

import logging
from collections.abc import Callable
from typing import TypeVar

import anyio.to_thread
from pydantic import ValidationError

from index.errors import CitewireError, ModelError, QuestionError, StoreError
from qa.api import BATCH, QA
from qa.batch import WAITING
from qa.types import Answer, Query, is_web_address
from qa.web.body import Refused, first_error, told
from qa.web.library import Library
from qa.web.replies import (
    AnswerReply,
    ArticleReply,
    AskedInTurn,
    Named,
    PassageReply,
    RangeReply,
    SearchReply,
    Sought,
)

log = logging.getLogger("citewire.chat")

# Questions that wait, those that are read, and as many more for searches, articles and who is turned away.
REQUESTS = WAITING + 2 * BATCH
RETRY = 5  # seconds after which to ask again: about what a batch of 16 questions takes on two cores

Made = TypeVar("Made")


class Doors:
    """Answers, searches and fetches for programs."""

    def __init__(self, library: Library, ask: Callable[[Query], Answer]) -> None:
        """Stand before a library that is, or will be, open.

        :param ask: answers a query, from any thread: ``Batcher.ask``
        """
        self._library, self._ask = library, ask
        self._threads = anyio.CapacityLimiter(REQUESTS)
        self._inside = 0  # requests that have a thread

    async def give(self, make: Callable[[], Made]) -> Made:
        """Do one request's work in a thread; to be called from the server's event loop only.

        :raises Refused: there is no reply
        """
        if self._inside >= REQUESTS:  # told before any work is done for it, so at once
            line = f"{REQUESTS} requests are being answered already; ask again in a few seconds"
            raise Refused(503, line, RETRY)
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(make, limiter=self._threads)
        except Exception as error:
            raise refusal(error) from error
        finally:
            self._inside -= 1

    def answer(self, asked: AskedInTurn) -> AnswerReply:
        query = self._ready().query(asked.question, asked.history, filters=asked.filters)
        return AnswerReply.model_validate(self._ask(query).to_dict())

    def search(self, sought: Sought) -> SearchReply:
        qa = self._ready()
        query = qa.query(sought.question, filters=sought.filters)
        hits = qa.hits(query, sought.k)
        with qa.store.snapshot() as snapshot:
            articles = {id_: snapshot.article(id_) for id_ in {hit.passage.article_id for hit in hits}}
        passages = []
        for hit in hits:
            article, passage = articles[hit.passage.article_id], hit.passage
            if article is None:  # taken out since it was found
                continue
            passages.append(
                PassageReply(
                    article_id=article.id,
                    title=article.title,
                    source=article.source,
                    url=article.url if is_web_address(article.url) else "",
                    published=article.published,
                    start=passage.start,
                    end=passage.end,
                    text=passage.text,
                    score=hit.score,
                    scores=dict(hit.scores),
                    copies=[copy.article_id for copy in hit.copies],
                )
            )
        return SearchReply(question=query.question, asked=query.asked, passages=passages)

    def article(self, named: Named) -> ArticleReply:
        with self._ready().store.snapshot() as snapshot:
            article, passages = snapshot.article(named.id), snapshot.passages(named.id)
        if article is None:
            raise Refused(404, "no article has this id; take an article_id of a citation or a passage")
        return ArticleReply(
            id=article.id,
            title=article.title,
            source=article.source,
            url=article.url if is_web_address(article.url) else "",
            published=article.published,
            author=article.author,
            text=article.text,
            passages=[RangeReply(start=passage.start, end=passage.end) for passage in passages],
        )

    def _ready(self) -> QA:
        """Give the articles, once the models are there too: two threads would load them twice."""
        if not self._library.ready.is_set():
            waiting = self._library.status or "Opening the articles"
            raise Refused(503, f"{waiting.lower()}; ask again in a moment", RETRY)
        return self._library.opened()


def refusal(error: Exception) -> Refused:
    """Say what a program is told about an error; one that nobody foresaw is logged."""
    if isinstance(error, Refused):
        return error
    if isinstance(error, ValidationError):
        return Refused(422, first_error(error.errors()))
    if isinstance(error, QuestionError):
        return Refused(422, str(error))
    if isinstance(error, StoreError | ModelError):
        return Refused(500, told(error))
    if isinstance(error, CitewireError):  # too many at once, not open, or stopping
        return Refused(503, str(error), RETRY)
    log.error("a request failed", exc_info=error)
    return Refused(500, "something broke inside; the terminal says what")
