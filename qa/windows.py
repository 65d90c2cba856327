"""Encode questions with texts as the reader's windows; training and reading share it.

Holds: no window has more than WINDOW_TOKENS; windows of a long text overlap, and every token of it is
in one. Knows tokenizers and no model.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from index.errors import ModelError

if TYPE_CHECKING:
    from tokenizers import Encoding, Tokenizer

QUESTION_TOKENS = 64  # Devlin et al. 2019's max_query_length; what is longer is cut at its end
WINDOW_TOKENS = 384  # of one forward pass, question included: Devlin et al.'s max_seq_length for SQuAD
STRIDE_TOKENS = 128  # by which windows of an overlong passage overlap


class Windows:
    """A fast tokenizer, taken over and set up for reading: its own padding and truncation do not matter."""

    def __init__(self, tokenizer: "Tokenizer") -> None:
        tokenizer.no_padding()
        tokenizer.no_truncation()
        self._plain = tokenizer
        self._cutting = type(tokenizer).from_str(tokenizer.to_str())
        self._cutting.enable_truncation(WINDOW_TOKENS, stride=STRIDE_TOKENS, strategy="only_second")

    @classmethod
    def read(cls, path: Path) -> "Windows":
        """Read a ``tokenizer.json``.

        :raises ModelError: it is missing or damaged
        """
        from tokenizers import Tokenizer

        try:
            return cls(Tokenizer.from_file(str(path)))
        except Exception as error:  # the library raises nothing narrower
            raise ModelError(f"cannot read the tokenizer {path}: {error}") from error

    def measure(self, texts: Sequence[str]) -> list[int]:
        """Count the tokens of each text, without special tokens."""
        return [len(e.ids) for e in self._plain.encode_batch(list(texts), add_special_tokens=False)]

    def encode(self, pairs: Sequence[tuple[str, str]]) -> list[list["Encoding"]]:
        """Encode (question, text) pairs; for each give its windows in order."""
        if not pairs:
            return []
        questions = {question: self._capped(question) for question, _ in pairs}
        encodings = self._cutting.encode_batch([(questions[question], text) for question, text in pairs])
        return [[encoding, *encoding.overflowing] for encoding in encodings]

    def token_id(self, *tokens: str) -> int | None:
        """Give the number of the first of some tokens that the vocabulary has."""
        numbers = (self._plain.token_to_id(token) for token in tokens)
        return next((number for number in numbers if number is not None), None)

    def _capped(self, question: str) -> str:
        encoding = self._plain.encode(question, add_special_tokens=False)
        if len(encoding.ids) <= QUESTION_TOKENS:
            return question
        return question[: encoding.offsets[QUESTION_TOKENS - 1][1]]
