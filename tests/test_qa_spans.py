"""Span decoding against a triple loop that cannot be wrong."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray

from qa.spans import decode_spans

Spans = list[tuple[int, int, float]]
LOGIT = st.floats(-20, 20, width=32)
# Halves, so that sums are exact and ties are frequent.
COARSE = st.integers(-6, 6).map(lambda n: n / 2)


def brute_force(
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    is_context: NDArray[np.bool_],
    cls: int,
    *,
    max_tokens: int,
    n_best: int,
) -> Spans:
    spans: Spans = []
    for first in range(len(start)):
        for last in range(len(end)):
            for length in range(1, max_tokens + 1):
                if last - first + 1 == length and is_context[first] and is_context[last]:
                    margin = float(start[first]) + float(end[last]) - (float(start[cls]) + float(end[cls]))
                    spans.append((first, last, margin))
    return sorted(spans, key=lambda span: (-span[2], span[0], span[1]))[:n_best]


def check(
    start: NDArray[np.float32],
    end: NDArray[np.float32],
    is_context: NDArray[np.bool_],
    cls: int = 0,
    *,
    max_tokens: int = 30,
    n_best: int = 5,
) -> Spans:
    found = decode_spans(start, end, is_context, cls, max_tokens=max_tokens, n_best=n_best)
    expected = brute_force(start, end, is_context, cls, max_tokens=max_tokens, n_best=n_best)
    assert [span[:2] for span in found] == [span[:2] for span in expected]
    assert [span[2] for span in found] == pytest.approx([span[2] for span in expected])
    return found


def logits(length: int, seed: int) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    random = np.random.default_rng(seed)
    start, end = random.normal(0, 4, (2, length)).astype(np.float32)
    return start, end


@pytest.mark.parametrize("seed", range(10))
@pytest.mark.parametrize(
    ("max_tokens", "n_best"), [(1, 1), (1, 50), (2, 3), (7, 5), (30, 5), (39, 2), (40, 2000), (1000, 1)]
)
def test_spans_are_those_of_a_brute_force_search(seed: int, max_tokens: int, n_best: int) -> None:
    start, end = logits(40, seed)
    is_context = np.arange(40) >= 9
    check(start, end, is_context, max_tokens=max_tokens, n_best=n_best)


@given(st.data())
def test_any_logits_give_the_spans_of_a_brute_force_search(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 12))
    values = data.draw(st.sampled_from([LOGIT, COARSE]))
    array = hnp.arrays(np.float32, size, elements=values)
    check(
        data.draw(array),
        data.draw(array),
        data.draw(hnp.arrays(np.bool_, size)),
        cls=data.draw(st.integers(0, size - 1)),
        max_tokens=data.draw(st.integers(1, size + 2)),
        n_best=data.draw(st.integers(1, 9)),
    )


def test_of_equal_margins_the_earlier_and_then_the_shorter_comes_first() -> None:
    flat = np.zeros(5, dtype=np.float32)
    is_context = np.array([False, True, True, True, False])
    spans = decode_spans(flat, flat, is_context, max_tokens=3, n_best=9)
    assert [span[:2] for span in spans] == [(1, 1), (1, 2), (1, 3), (2, 2), (2, 3), (3, 3)]


def test_margins_are_measured_against_cls_wherever_it_stands() -> None:
    start = np.array([1, 2, 0, 5], dtype=np.float32)
    end = np.array([0, 3, 1, 7], dtype=np.float32)
    spans = check(start, end, np.array([True, True, True, False]), cls=3, n_best=1)
    assert spans == [(1, 1, 2 + 3 - (5 + 7))]


def test_a_window_without_context_has_no_span() -> None:
    start, end = logits(6, 0)
    assert decode_spans(start, end, np.zeros(6, dtype=bool)) == []


def test_a_span_may_cross_a_hole_in_the_context_but_not_start_or_end_in_it() -> None:
    start = np.array([0, 3, 9, 0, 0], dtype=np.float32)
    end = np.array([0, 0, 9, 3, 0], dtype=np.float32)
    spans = check(start, end, np.array([False, True, False, True, True]), n_best=9)
    assert spans[0] == (1, 3, 6.0)


def test_the_same_logits_always_give_the_same_spans() -> None:
    start, end = (np.round(array) for array in logits(60, 3))
    is_context = np.arange(60) > 5
    once = decode_spans(start, end, is_context, n_best=20)
    assert all(decode_spans(start, end, is_context, n_best=20) == once for _ in range(5))
    assert all(np.isfinite(margin) for _, _, margin in once)


@pytest.mark.parametrize("shapes", [(4, 5, 4), (4, 4, 5), (5, 4, 4), ((2, 2), (2, 2), (2, 2))])
def test_unequal_or_two_dimensional_shapes_are_an_error(shapes: tuple[int, int, int]) -> None:
    start, end, is_context = (np.zeros(shape, dtype=np.float32) for shape in shapes)
    with pytest.raises(ValueError, match="expected three equal 1-d shapes, got"):
        decode_spans(start, end, is_context.astype(bool))


@pytest.mark.parametrize(("max_tokens", "n_best"), [(0, 5), (5, 0), (-1, 5)])
def test_a_limit_below_one_is_an_error(max_tokens: int, n_best: int) -> None:
    start, end = logits(4, 0)
    with pytest.raises(ValueError, match="at least 1"):
        decode_spans(start, end, np.ones(4, dtype=bool), max_tokens=max_tokens, n_best=n_best)
