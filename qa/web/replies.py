"""What programs send to the chat and get from it, field by field: the source of its OpenAPI description.

Holds: ``AnswerReply`` is exactly ``Answer.to_dict()``, which ``citewire ask --json`` prints; offsets are
half-open code points; a request that is not understood is a pydantic ``ValidationError``.
Knows no HTTP and no Gradio, finds and answers nothing.
"""

from datetime import date, datetime
from typing import Annotated, Any

from pydantic import AfterValidator, BaseModel, BeforeValidator, ConfigDict, Field, model_validator

from index.types import Filters
from qa.api import Config
from qa.conversation import Turn

# A conversation's last turns say what a follow-up means; one that is longer than this is no conversation.
TURNS = 50
CHARS = Config().question_chars  # longest text of a turn and name of an outlet, as a question's
ID_CHARS = 4_096  # longest id of an article: the longest path that Linux takes


def _day(given: Any) -> Any:
    """Take a day as the command line does; nothing else, since pydantic would take seconds since 1970."""
    if given is None or given == "" or (isinstance(given, date) and not isinstance(given, datetime)):
        return given or None
    try:
        return datetime.strptime(given, "%Y-%m-%d").date()
    except (TypeError, ValueError):
        raise ValueError(f"expected a day such as 2026-01-31, got {str(given)[:40]!r}") from None


def _whole(text: str) -> str:
    r"""Refuse half a surrogate pair, which JSON can hold as ``\ud800`` and no file or database can."""
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueError("expected Unicode text, got half of a surrogate pair") from None
    return text


Day = Annotated[date | None, BeforeValidator(_day)]
Words = Annotated[str, AfterValidator(_whole)]
Text = Annotated[str, Field(max_length=CHARS)]  # pydantic refuses half a pair where it counts characters


class Asked(BaseModel):
    """A question and the articles to keep to."""

    model_config = ConfigDict(extra="forbid")

    question: Words = Field(description="What to ask, in words; at most 1,000 characters.")
    source: list[Text] | None = Field(
        None, max_length=100, description="Only these outlets, by name without regard to case; none for all."
    )
    since: Day = Field(None, description="Only articles published on this day (YYYY-MM-DD) or later.")
    until: Day = Field(None, description="Only articles published on this day (YYYY-MM-DD) or before.")

    @model_validator(mode="after")
    def _checked(self) -> "Asked":
        _ = self.filters  # raises ValueError where until is before since
        return self

    @property
    def filters(self) -> Filters:
        return Filters(tuple(self.source or ()), self.since, self.until)


class AskedInTurn(Asked):
    """A question that may refer to earlier ones."""

    turns: list[tuple[Text, Text | None]] | None = Field(
        None,
        max_length=TURNS,
        description="Earlier [question, answer] pairs of the conversation, the oldest first; the question as"
        " the answer's `question` gave it, the answer's `text`, null where there was none.",
    )

    @property
    def history(self) -> list[Turn]:
        return [Turn(question, answer or "") for question, answer in self.turns or ()]


class Sought(Asked):
    """A question whose passages are wanted."""

    k: int = Field(10, ge=1, le=100, description="Most passages to give.")


class Named(BaseModel):
    """The article that is wanted."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(min_length=1, max_length=ID_CHARS, description="An `article_id` of a citation.")


class _Reply(BaseModel):
    # A value that the description lacks is a fault of ours: it should be seen, not dropped.
    model_config = ConfigDict(extra="forbid")


class CitationReply(_Reply):
    """One place that gives the answer; offsets are half-open code points."""

    article_id: str = Field(description="The article; `/api/article?id=` gives it whole.")
    title: str = Field(description="The article's headline.")
    source: str = Field(description='The outlet, "" if it is not known.')
    url: str = Field(description='The article\'s http(s) address, "" if it has none.')
    link: str = Field(description='The address with a text fragment that scrolls to the sentence, or "".')
    published: date | None = Field(description="The day of publication, null if it is not known.")
    start: int = Field(description="Where the quote begins in the article's `text`.")
    end: int = Field(description="Where the quote ends in the article's `text`.")
    quote: str = Field(description="The words themselves: the article's `text` from `start` to `end`.")
    sentence: str = Field(description="The sentence around the quote.")
    context: str = Field(description="The passage around the sentence, with its neighbours.")
    original_start: int = Field(description="Where the quote begins in the text before it was cleaned.")
    original_end: int = Field(description="Where the quote ends in the text before it was cleaned.")
    # `copy` is a method of pydantic's models, so the field goes by another name here.
    copied: bool = Field(
        alias="copy", description="Whether this is a near-identical copy of an article cited before it."
    )


class CandidateReply(_Reply):
    """Another possible answer, with the articles that give it."""

    text: str = Field(description="The words, quoted from the first citation.")
    confidence: float = Field(description="The probability that it is right, from 0 to 1.")
    citations: list[CitationReply] = Field(description="Each place that gives it, the best first.")


class AnswerReply(_Reply):
    """What Citewire answers: the JSON of `citewire ask --json`."""

    question: str = Field(description="What was asked of the articles: typos mended, follow-ups in full.")
    asked: str = Field(description="What was typed.")
    text: str | None = Field(description='The answer, quoted; null means "not in these articles".')
    confidence: float = Field(description="The probability that the best words are right, from 0 to 1.")
    citations: list[CitationReply] = Field(description="Each place that gives the answer, the best first.")
    alternatives: list[CandidateReply] = Field(description="Other answers, where sources disagree.")
    nearest: list[CitationReply] = Field(description="If there is no answer, the closest passages.")
    rejected: str | None = Field(description="If there is no answer, the best words, too unsure for one.")
    missing: list[str] = Field(description="If there is no answer, the question's words that no article has.")
    signature: str = Field(description="The models and settings that gave this answer.")


class PassageReply(_Reply):
    """A passage that a search found."""

    article_id: str = Field(description="The article; `/api/article?id=` gives it whole.")
    title: str = Field(description="The article's headline.")
    source: str = Field(description='The outlet, "" if it is not known.')
    url: str = Field(description='The article\'s http(s) address, "" if it has none.')
    published: date | None = Field(description="The day of publication, null if it is not known.")
    start: int = Field(description="Where the passage begins in the article's `text`.")
    end: int = Field(description="Where the passage ends in the article's `text`.")
    text: str = Field(description="The article's `text` from `start` to `end`.")
    score: float = Field(description="What the passages are ordered by, higher is better; no probability.")
    scores: dict[str, float] = Field(description="Each search's own score: `cosine`, `bm25`.")
    copies: list[str] = Field(description="Ids of other articles that have the same words.")


class SearchReply(_Reply):
    """The passages that the reader would be given."""

    question: str = Field(description="What was searched for: typos mended.")
    asked: str = Field(description="What was typed.")
    passages: list[PassageReply] = Field(description="The passages, the best first.")


class RangeReply(_Reply):
    """A range of an article's text, in half-open code points."""

    start: int = Field(description="Where it begins.")
    end: int = Field(description="Where it ends.")


class ArticleReply(_Reply):
    """One article as it is searched and quoted."""

    id: str = Field(description="Where it was loaded from: a path or an address.")
    title: str = Field(description="The headline.")
    source: str = Field(description='The outlet, "" if it is not known.')
    url: str = Field(description='The http(s) address, "" if it has none.')
    published: date | None = Field(description="The day of publication, null if it is not known.")
    author: str = Field(description='The author, "" if not known.')
    text: str = Field(description="The text that citations and passages are ranges of.")
    passages: list[RangeReply] = Field(description="The ranges that are searched and read, in order.")


class Problem(_Reply):
    """Why there is no reply."""

    detail: str = Field(description="One line for a person.")
