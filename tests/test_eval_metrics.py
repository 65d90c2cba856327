"""Scores against the official SQuAD definitions, sklearn, scipy and cases worked out by hand."""

import importlib
import math
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from eval.metrics import (
    auroc,
    bootstrap_interval,
    calibration_bins,
    chance_calibration_error,
    exact_match,
    expected_calibration_error,
    first_rank,
    normalize_answer,
    risk_coverage,
    token_f1,
)

# label, prediction, golds, exact match, F1
SQUAD_CASES = [
    ("same words", "Denver Broncos", ["Denver Broncos"], 1, 1),
    ("case", "denver BRONCOS", ["Denver Broncos"], 1, 1),
    ("leading article", "the Denver Broncos", ["Denver Broncos"], 1, 1),
    ("article inside", "Bank of the West", ["Bank of West"], 1, 1),
    ("article is a whole word only", "theatre", ["atre"], 0, 0),
    ("punctuation goes without a gap", "U.S.", ["US"], 1, 1),
    ("hyphen joins, so the words differ", "twenty-one", ["twenty one"], 0, 0),
    ("white space", " Santa \n Clara\t", ["Santa Clara"], 1, 1),
    ("punctuation laid bare an article", "a. Clara", ["Clara"], 1, 1),
    ("typographic quotes are not ASCII punctuation", "“Clara”", ["Clara"], 0, 0),
    ("dollar sign goes", "$5", ["5"], 1, 1),
    ("pound sign stays", "£5", ["5"], 0, 0),
    ("accents are kept", "Beyoncé", ["Beyonce"], 0, 0),
    ("accents match themselves", "BEYONCÉ", ["beyoncé"], 1, 1),
    ("one word too many", "Denver Broncos team", ["Denver Broncos"], 0, 4 / 5),
    ("one word of three", "Santa", ["Santa Clara California"], 0, 1 / 2),
    ("order counts for EM only", "Clara Santa", ["Santa Clara"], 0, 1),
    ("a doubled token overlaps once", "very very good", ["very good"], 0, 4 / 5),
    ("a token doubled on both sides overlaps twice", "very very good", ["very very bad"], 0, 2 / 3),
    ("nothing shared", "Carolina", ["Denver"], 0, 0),
    ("best of several golds", "Santa Clara", ["California", "Santa Clara, California", "Santa Clara"], 1, 1),
    ("best F1 of several golds, none exact", "a b c d", ["b", "b c"], 0, 4 / 5),
    ("empty prediction, answerable", "", ["Denver"], 0, 0),
    ("only an article predicted, answerable", "The", ["Denver"], 0, 0),
    ("no answer, none given", "", [], 1, 1),
    ("no answer, something given", "Denver", [], 0, 0),
    ("no answer, only punctuation given", "...", [], 1, 1),
    ("a gold without words is dropped", "", ["The", "Denver"], 0, 0),
    ("golds without words only: no answer", "", ["The"], 1, 1),
]


@pytest.mark.parametrize(
    ("prediction", "golds", "em", "f1"),
    [case[1:] for case in SQUAD_CASES],
    ids=[case[0] for case in SQUAD_CASES],
)
def test_em_and_f1_follow_the_squad_definition(
    prediction: str, golds: list[str], em: float, f1: float
) -> None:
    assert exact_match(prediction, golds) == em
    assert token_f1(prediction, golds) == pytest.approx(f1)


WORDS = st.lists(st.sampled_from(["Rio", "rio", "the", "a", "5", "né", "U.S.", "-"]), max_size=6).map(
    " ".join
)


@given(WORDS, WORDS)
def test_f1_is_symmetric_between_0_and_1_and_1_only_for_equal_bags(one: str, other: str) -> None:
    f1 = token_f1(one, [other])
    assert f1 == token_f1(other, [one])
    assert 0 <= f1 <= 1
    bags = [Counter(normalize_answer(text).split()) for text in (one, other)]
    assert (f1 == 1) == (bags[0] == bags[1])


@given(st.text())
def test_an_answer_always_matches_itself(text: str) -> None:
    assert exact_match(text, [text]) == token_f1(text, [text]) == 1


def test_first_rank_counts_from_1_and_sees_folded_copies() -> None:
    results = [["a"], ["b", "copy"], ["c"]]
    assert first_rank(results, {"a", "c"}) == 1
    assert first_rank(results, {"copy"}) == 2
    assert first_rank(results, {"x"}) is None
    assert first_rank(results, set()) is None


LABELLED = st.lists(st.tuples(st.sampled_from([0.0, 0.1, 0.3, 0.5, 0.9, 1.0]), st.booleans()), min_size=2)


@settings(deadline=None)  # sklearn is imported in the first example
@given(LABELLED)
def test_auroc_equals_sklearns(rows: list[tuple[float, bool]]) -> None:
    scores, right = (np.array(column) for column in zip(*rows, strict=True))
    ours = auroc(scores, right)
    if right.all() or not right.any():
        assert math.isnan(ours)
    else:
        assert ours == pytest.approx(importlib.import_module("sklearn.metrics").roc_auc_score(right, scores))


def test_chance_leaves_a_calibration_error_that_more_answers_shrink() -> None:
    # One answer of confidence 0.5 is off by 0.5 whether right or wrong; 0 and 1 can't be off.
    assert chance_calibration_error(np.array([0.5])) == pytest.approx(0.5)
    assert chance_calibration_error(np.array([0.0, 1.0])) == 0
    # n answers of 0.5 share a bin: the mean gap is that of a binomial, about sqrt(1 / (2 pi n)).
    assert chance_calibration_error(np.full(400, 0.5)) == pytest.approx((2 * math.pi * 400) ** -0.5, rel=0.1)
    assert math.isnan(chance_calibration_error(np.array([])))


def test_calibration_error_is_the_weighted_gap_of_the_bins() -> None:
    confidences = np.array([0.01, 0.05, 0.5, 0.95, 1.0])
    right = np.array([False, True, True, True, False])
    bins = calibration_bins(confidences, right)
    assert [found.count for found in bins] == [2, 1, 2]
    assert [found.accuracy for found in bins] == [0.5, 1.0, 0.5]
    gap = (2 * abs(0.5 - 0.03) + abs(1 - 0.5) + 2 * abs(0.5 - 0.975)) / 5
    assert expected_calibration_error(confidences, right) == pytest.approx(gap)


@given(LABELLED)
def test_every_answer_is_in_one_calibration_bin(rows: list[tuple[float, bool]]) -> None:
    confidences, right = (np.array(column) for column in zip(*rows, strict=True))
    bins = calibration_bins(confidences, right)
    assert sum(found.count for found in bins) == len(rows)
    assert all(found.low - 1e-9 <= found.confidence <= found.high + 1e-9 for found in bins)


def test_risk_coverage_makes_one_point_of_equal_confidences() -> None:
    confidences = np.array([0.9, 0.2, 0.5, 0.5])
    right = np.array([True, False, True, False])
    assert risk_coverage(confidences, right) == [(1 / 4, 0), (3 / 4, 1 / 3), (1, 1 / 2)]


def test_bootstrap_interval_agrees_with_scipys_percentile_method() -> None:
    values = np.random.default_rng(1).random(80)
    low, high = bootstrap_interval(values, lambda rows: float(rows.mean()))
    scipys = importlib.import_module("scipy.stats").bootstrap(
        (values,), np.mean, method="percentile", n_resamples=20_000, rng=2
    )
    assert (low, high) == pytest.approx(scipys.confidence_interval, abs=0.01)


def test_bootstrap_interval_is_a_point_for_equal_values_and_nan_for_none() -> None:
    def mean(rows: NDArray[np.float64]) -> float:
        return float(rows.mean())

    assert bootstrap_interval(np.ones(5), mean) == (1, 1)
    assert all(math.isnan(end) for end in bootstrap_interval(np.empty(0), mean))


def test_bootstrap_interval_leaves_out_resamples_with_one_class_only() -> None:
    rows = np.array([[0.9, 1], [0.1, 0]])
    assert bootstrap_interval(rows, lambda r: auroc(r[:, 0], r[:, 1] > 0)) == (1, 1)
