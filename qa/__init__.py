"""Ask articles, get quoted answers: retrieve -> read -> aggregate -> answer."""

from functools import cache

from index.errors import CitewireError, IndexMissing, LoadError, ModelError, QuestionError
from index.types import Filters
from qa.api import QA, Chat, Config
from qa.confidence import Calibration
from qa.types import Answer, Candidate, Citation

__all__ = [
    "QA",
    "Answer",
    "Calibration",
    "Candidate",
    "Chat",
    "Citation",
    "CitewireError",
    "Config",
    "Filters",
    "IndexMissing",
    "LoadError",
    "ModelError",
    "QuestionError",
    "ask",
]


@cache
def _default() -> QA:
    return QA.open()


def ask(question: str) -> Answer:
    """Answer a question from the default index, which ``citewire index FOLDER`` makes.

    :raises IndexMissing: nothing has been indexed yet
    :raises QuestionError: the question is empty or too long
    """
    return _default().ask(question)
