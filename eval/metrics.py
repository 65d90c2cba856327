"""Scores on plain values: strings, ranks, confidences.

Holds: each is the published definition named in its docstring; a score that nothing defines (the mean
of no values, AUROC with one class) is NaN.
Knows no question file, no index and no reader.
"""

import math
import re
import string
from collections import Counter
from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

BINS = 15  # Guo et al. 2017 (arXiv:1706.04599), section 2
RESAMPLES = 1000  # Efron and Tibshirani 1993, section 14.2: 1000 or more for a 95% percentile interval
SEED = 0

_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = str.maketrans("", "", string.punctuation)


def normalize_answer(text: str) -> str:
    """Lower case, then without ASCII punctuation, articles and extra white space.

    ``normalize_answer("The  U.S.!") == "us"``. Source: the official SQuAD v1.1 and v2.0 scripts.
    """
    return " ".join(_ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split())


def exact_match(prediction: str, golds: Sequence[str]) -> float:
    """1.0 if the normalised prediction equals a normalised gold, else 0.0.

    :param golds: none means that the question has no answer, which "" then matches

    Source: the official SQuAD v2.0 script, ``compute_exact``.
    """
    return float(normalize_answer(prediction) in _usable(golds))


def token_f1(prediction: str, golds: Sequence[str]) -> float:
    """The best harmonic mean of token precision and recall over the golds, 0 to 1.

    Tokens are bags: a word counts as often as both have it. Without tokens on a side it is 1.0 if
    both have none, else 0.0.

    Source: the official SQuAD v2.0 script, ``compute_f1``.
    """
    predicted = normalize_answer(prediction).split()
    return max(_f1(predicted, gold.split()) for gold in _usable(golds))


def _usable(golds: Sequence[str]) -> list[str]:
    """The golds normalised; [""] if there are none."""
    # As the official script does: a gold such as "the" has no words left and is not a gold.
    return [normalised for gold in golds if (normalised := normalize_answer(gold))] or [""]


def _f1(predicted: list[str], gold: list[str]) -> float:
    if not predicted or not gold:
        return float(predicted == gold)
    common = (Counter(predicted) & Counter(gold)).total()
    return 2 * common / (len(predicted) + len(gold))


def mean(values: Sequence[float]) -> float:
    """The mean; NaN of no values."""
    return float(np.mean(values)) if values else math.nan


def first_rank(results: Sequence[Collection[str]], right: Collection[str]) -> int | None:
    """The rank, from 1, of the first result that holds a right id; None if none does.

    :param results: ids of each result, best first; several where near-identical copies were folded
    """
    ranks = (rank for rank, ids in enumerate(results, start=1) if any(i in right for i in ids))
    return next(ranks, None)


def auroc(scores: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """P(a right one scores above a wrong one), ties count half; NaN unless there are both.

    :param scores: shape (n,)
    :param right: shape (n,)

    Source: Hanley and McNeil 1982 (the Mann-Whitney statistic); equals sklearn's ``roc_auc_score``.
    """
    good, bad = scores[right], np.sort(scores[~right])
    if not len(good) or not len(bad):
        return math.nan
    wins = np.searchsorted(bad, good, "left") + np.searchsorted(bad, good, "right")
    return float(wins.mean() / (2 * len(bad)))


@dataclass(frozen=True, slots=True)
class Bin:
    """The answers whose confidence is in [low, high): how sure they were, and how many were right."""

    low: float
    high: float
    count: int
    confidence: float
    accuracy: float


def calibration_bins(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> list[Bin]:
    """The filled ones of ``BINS`` equal-width bins; a confidence of 1 is in the last.

    :param confidences: probabilities, shape (n,)
    :param right: shape (n,)
    """
    number = np.minimum((confidences * BINS).astype(int), BINS - 1)
    return [
        Bin(
            i / BINS, (i + 1) / BINS, int(own.sum()), float(confidences[own].mean()), float(right[own].mean())
        )
        for i in range(BINS)
        if (own := number == i).any()
    ]


def expected_calibration_error(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> float:
    """The mean gap between confidence and accuracy over the bins, weighted by count; 0 is best.

    Source: Guo et al. 2017 (arXiv:1706.04599), equation 3.
    """
    gaps = [b.count * abs(b.accuracy - b.confidence) for b in calibration_bins(confidences, right)]
    return sum(gaps) / len(confidences) if len(confidences) else math.nan


def chance_calibration_error(confidences: NDArray[np.float64]) -> float:
    """The mean calibration error that these confidences would show if each were exactly right.

    Few answers fill the bins unevenly, so the error of even perfect confidences is above 0: an error
    near this one is no sign of miscalibration.

    Source: the resampling of Broecker and Smith 2007, "Increasing the reliability of reliability diagrams".
    """
    random = np.random.default_rng(SEED)
    draws = random.random((RESAMPLES, len(confidences))) < confidences
    return mean([expected_calibration_error(confidences, right) for right in draws])


def risk_coverage(confidences: NDArray[np.float64], right: NDArray[np.bool_]) -> list[tuple[float, float]]:
    """(coverage, risk) at each threshold: the share answered, and the share of these that is wrong.

    Equal confidences make one point, since no threshold parts them.

    Source: Geifman and El-Yaniv 2017 (arXiv:1705.08500), equations 1 and 2.
    """
    order = np.argsort(-confidences, kind="stable")
    ordered = confidences[order]
    answered = np.arange(1, len(order) + 1)
    wrong = np.cumsum(~right[order])
    last_of_ties = np.append(ordered[1:] != ordered[:-1], True)[: len(order)]
    points = zip(answered[last_of_ties].tolist(), wrong[last_of_ties].tolist(), strict=True)
    return [(count / len(order), errors / count) for count, errors in points]


def bootstrap_interval(
    rows: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], float]
) -> tuple[float, float]:
    """The 95% percentile interval of a statistic over resampled questions.

    Resamples in which the statistic is NaN are left out; (NaN, NaN) if all are.

    :param rows: one row a question, shape (n,) or (n, columns)

    Source: Efron and Tibshirani 1993, section 13.3. Not BCa, which is NaN where all values are equal.
    """
    random = np.random.default_rng(SEED)
    n = len(rows)
    draws = [statistic(rows[random.integers(0, n, n)]) for _ in range(RESAMPLES)] if n else []
    defined = [draw for draw in draws if not math.isnan(draw)]
    if not defined:
        return math.nan, math.nan
    low, high = np.percentile(defined, [2.5, 97.5])
    return float(low), float(high)
