"""Fitting the confidence: ranking, threshold, and figures of questions that nothing was fitted to."""

import numpy as np
import pytest

from eval.ask import Outcome
from eval.fit import cross_validate, fit_to, judge, summary
from eval.questions import Question
from index.errors import CitewireError
from qa.confidence import KEEP
from qa.types import Evidence


def outcome(number: int, margins: list[float], f1_of: list[float], kind: str = "single") -> Outcome:
    answers = () if kind == "unanswerable" else ("right",)
    history = (("before", "then"),) if kind == "followup" else ()
    question = Question(f"q{number}", "Who?", answers, kind, history=history, file="gold.jsonl")
    evidence = [Evidence(margin, margin - max(margins), 0.5, 0.0, 1) for margin in margins]
    return Outcome(
        question, "Who?", "right", "right", 0.5, tuple(f1_of), tuple(evidence), None, None, latency_ms=1.0
    )


def outcomes(count: int = 200) -> list[Outcome]:
    """Right candidates have larger margins, mostly; a fifth of the questions have no right one."""
    random = np.random.default_rng(4)
    found = []
    for number in range(count):
        kind = "unanswerable" if number % 5 == 4 else "single"
        right, wrong = random.normal(6, 2), random.normal(1, 2)
        margins, f1_of = [right, wrong], [1.0, 0.0]
        if kind == "unanswerable":
            margins, f1_of = [wrong, wrong - 1], [0.0, 0.0]
        if right < wrong:
            margins, f1_of = margins[::-1], f1_of[::-1]
        found.append(outcome(number, margins, f1_of, kind))
    return found


def test_the_threshold_keeps_the_stated_share_of_answerable_questions() -> None:
    judged = judge(outcomes(), fit_to(outcomes(), "reader@1", "encoder@1"))

    kept = [found.shown for found in judged if found.outcome.question.answerable]
    assert KEEP <= np.mean(kept) <= KEEP + 0.02


def test_ranking_takes_the_most_probable_candidate() -> None:
    calibration = fit_to(outcomes(), "reader@1", "encoder@1")

    (found,) = judge([outcome(0, [1.0, 7.0], [0.0, 1.0])], calibration)

    assert (found.f1, found.right) == (1.0, True)


def test_probabilities_are_right_for_the_best_of_several_candidates() -> None:
    """Of candidates that look good no more than 60% are right, which a fit to all of them makes too little of."""
    random = np.random.default_rng(7)
    asked = []
    for number in range(600):
        margins = np.sort(random.normal(0, 3, 5))[::-1]
        right = random.random(5) < np.minimum(0.6, 1 / (1 + np.exp(1 - margins)))
        asked.append(outcome(number, margins.tolist(), right.astype(float).tolist()))
    judged = judge(asked, fit_to(asked, "", ""))

    sure, right = [found.confidence for found in judged], [found.right for found in judged]
    assert np.mean(sure) == pytest.approx(np.mean(right), abs=0.005)


def test_cross_validation_judges_each_question_once() -> None:
    judged = cross_validate(outcomes())

    assert sorted(found.outcome.question.id for found in judged) == sorted(f"q{n}" for n in range(200))
    assert {found.outcome.question.id: found.right for found in judged}["q4"] is False  # unanswerable
    line = next(line for line in summary(judged).splitlines()[1:])
    assert line.split()[:2] == ["gold.jsonl", "200"]


def test_followups_are_left_out() -> None:
    judged = cross_validate([*outcomes(), outcome(900, [1.0], [1.0], "followup")])

    assert len(judged) == 200


def test_questions_that_are_all_wrong_cannot_be_fitted_to() -> None:
    with pytest.raises(CitewireError, match="right and wrong"):
        fit_to([outcome(n, [1.0], [0.0]) for n in range(9)], "", "")
