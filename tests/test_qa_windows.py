"""Windows of a long text overlap, cover it and fit; short pairs have one."""

from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tokenizers import Tokenizer

from index.errors import ModelError
from qa.read import DEFAULT_FOLDER, TransformersReader
from qa.windows import QUESTION_TOKENS, STRIDE_TOKENS, WINDOW_TOKENS, Windows


@pytest.fixture(scope="module")
def windows() -> Windows:
    tokenizer = Tokenizer.from_file(str(DEFAULT_FOLDER / "tokenizer.json"))
    tokenizer.enable_truncation(8)  # what its file says does not matter
    tokenizer.enable_padding(length=16)
    return Windows(tokenizer)


def test_nothing_gives_nothing(windows: Windows) -> None:
    assert windows.encode([]) == []
    assert windows.measure([]) == []
    assert windows.measure(["", "one two three"]) == [0, 3]


def test_a_short_pair_is_one_window_without_padding(windows: Windows) -> None:
    ((window,),) = windows.encode([("Who?", "Ann did it.")])
    assert window.tokens == ["[CLS]", "who", "?", "[SEP]", "ann", "did", "it", ".", "[SEP]"]


def test_a_long_text_is_covered_by_windows_that_overlap(windows: Windows) -> None:
    text = " ".join(f"w{n}" for n in range(600))
    (found,) = windows.encode([("Who was it?", text)])
    assert len(found) > 2
    ranges = []
    for window in found:
        assert len(window.ids) <= WINDOW_TOKENS
        places = [at for at, sequence in enumerate(window.sequence_ids) if sequence == 1]
        ranges.append((window.offsets[places[0]][0], window.offsets[places[-1]][1]))
    assert ranges[0][0] == 0
    assert ranges[-1][1] == len(text)
    for (_, end), (start, _) in pairwise(ranges):
        assert len(windows.encode([("", text[start:end])])[0][0].ids) - 3 == STRIDE_TOKENS


@given(st.text(max_size=40), st.integers(1, 40))
def test_any_question_leaves_room_for_the_text(question: str, times: int) -> None:
    windows = Windows(Tokenizer.from_file(str(DEFAULT_FOLDER / "tokenizer.json")))
    for window in windows.encode([(question * times, "Ann did it.")])[0]:
        assert window.sequence_ids.count(0) <= QUESTION_TOKENS
        assert len(window.ids) <= WINDOW_TOKENS


def test_the_first_known_token_is_found(windows: Windows) -> None:
    assert windows.token_id("<s>", "[CLS]") == 101
    assert windows.token_id("<s>") is None
    assert windows.token_id("[PAD]") == 0


def test_a_damaged_tokenizer_is_one_line(tmp_path: Path) -> None:
    (tmp_path / "tokenizer.json").write_text("{")
    with pytest.raises(ModelError, match="cannot read the tokenizer"):
        TransformersReader(tmp_path).measure(["a"])
