"""What a browser sends with a question: the conversation so far and the filters.

Holds: what comes from a browser is checked here, once, before anything uses it; the server keeps no
conversation of its own.
"""

import re
from datetime import date
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from index.errors import QuestionError
from index.types import Filters
from qa.conversation import Turn
from qa.web.body import first_error

TURNS = 20  # of a conversation that are looked at: names further back are not what "she" means
TURN_ID = r"^[A-Za-z0-9-]{1,64}$"
Short = Annotated[str, Field(max_length=4_000)]


class Told(BaseModel):
    """An earlier turn: the question as it was asked of the articles, the answer, and their ids."""

    question: Short
    answer: Short
    articles: list[Short] = Field(default=[], max_length=20)


class Context(BaseModel):
    """What a question comes with; ``id`` is the browser's own name for the turn."""

    model_config = ConfigDict(extra="forbid")

    id: str = Field(pattern=TURN_ID)
    turns: list[Told] = Field(default=[], max_length=TURNS)
    sources: list[Short] = Field(default=[], max_length=500)
    since: date | None = None
    until: date | None = None

    @property
    def history(self) -> list[Turn]:
        return [Turn(turn.question, turn.answer, tuple(turn.articles)) for turn in self.turns]

    @property
    def filters(self) -> Filters:
        """Outlets and days to keep to.

        :raises QuestionError: the last day is before the first
        """
        try:
            return Filters(tuple(self.sources), self.since, self.until)
        except ValueError as error:
            raise QuestionError("the last day of the filter is before the first; change one") from error


def turn_id(sent: Any) -> str | None:
    """Give the browser's name for a turn, whatever else it sent; None if it is none that the page makes."""
    name = sent.get("id") if isinstance(sent, dict) else None
    return name if isinstance(name, str) and re.fullmatch(TURN_ID, name) else None


def context_of(sent: Any) -> Context:
    """Check what a browser sent.

    :raises QuestionError: it is not what the page sends
    """
    try:
        return Context.model_validate(sent)
    except ValidationError as error:
        found = first_error(error.errors())
        raise QuestionError(f"cannot read what came with the question ({found})") from error
