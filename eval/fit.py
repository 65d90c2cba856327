"""Fit the probability of being right to questions that were asked, and say how it does on others.

Holds: cross-validated figures are of questions that neither ranking, probability nor threshold was
fitted to. Asks nothing; the model itself is ``qa.confidence``.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from eval.ask import RIGHT_F1, Outcome
from eval.metrics import auroc, chance_calibration_error, expected_calibration_error, mean
from index.errors import CitewireError
from qa.confidence import Calibration, choose_threshold, fit, scale
from qa.types import Evidence

FOLDS = 5


@dataclass(frozen=True, slots=True)
class Judged:
    """What a calibration makes of a question: its best candidate, how sure, and whether it is shown.

    ``evidence`` is None where nothing was found.
    """

    outcome: Outcome
    evidence: Evidence | None
    f1: float
    confidence: float
    shown: bool

    @property
    def right(self) -> bool:
        return self.outcome.question.answerable and self.f1 >= RIGHT_F1


def fit_to(outcomes: Sequence[Outcome], reader: str, encoder: str) -> Calibration:
    """Fit ranking, confidence and threshold to questions.

    Follow-ups are left out: their mistakes are often the rewriting's.

    :param reader: its fingerprint; ``encoder`` the same
    :raises CitewireError: the questions were all answered right, or all wrong
    """
    known = _known(outcomes)
    evidence = [evidence for outcome in known for evidence in outcome.evidence_of]
    right = [outcome.question.answerable and f1 >= RIGHT_F1 for outcome in known for f1 in outcome.f1_of]
    try:
        weights, bias = fit(evidence, right)
        ranking = Calibration(tuple(weights), bias, 0.0, reader, encoder)
        ranked = [(found.evidence, found.right) for found in judge(known, ranking) if found.evidence]
        calibration = scale(ranking, [evidence for evidence, _ in ranked], [right for _, right in ranked])
        judged = judge(known, calibration)
        threshold = choose_threshold(
            [found.confidence for found in judged], [found.outcome.question.answerable for found in judged]
        )
    except ValueError as error:
        raise CitewireError(str(error)) from error
    return replace(calibration, threshold=threshold)


def judge(outcomes: Sequence[Outcome], calibration: Calibration) -> list[Judged]:
    """Rank each question's candidates by a calibration, as answering does."""
    found = []
    for outcome in outcomes:
        sure = [calibration.probability(evidence) for evidence in outcome.evidence_of]
        if not sure:  # nothing was found, and so nothing is shown
            found.append(Judged(outcome, None, 0.0, 0.0, False))
            continue
        best = int(np.argmax(sure))
        shown = sure[best] >= calibration.threshold
        found.append(Judged(outcome, outcome.evidence_of[best], outcome.f1_of[best], sure[best], shown))
    return found


def cross_validate(outcomes: Sequence[Outcome]) -> list[Judged]:
    """Judge each question by a calibration that was fitted to the other folds."""
    known = _known(outcomes)
    judged = []
    for fold in range(FOLDS):
        others = [outcome for at, outcome in enumerate(known) if at % FOLDS != fold]
        judged += judge(known[fold::FOLDS], fit_to(others, "", ""))
    return judged


def summary(judged: Sequence[Judged]) -> str:
    """A line for each gold file, and one for all, of cross-validated figures."""
    heads = ("answered", "declined", "shown right")
    head = f"{FOLDS}-fold: {'questions':<24}{'n':>5}{'F1':>7}{'AUROC':>7}{'ECE':>7}{'chance':>8}"
    lines = [head + "".join(f"{name:>13}" for name in heads)]
    files = dict.fromkeys(found.outcome.question.file for found in judged)
    for name in [*files, "all"]:
        own = [found for found in judged if name in {found.outcome.question.file, "all"}]
        can = [found for found in own if found.outcome.question.answerable]
        cannot = [found for found in own if not found.outcome.question.answerable]
        shown = [found for found in own if found.shown]
        sure, right = np.array([found.confidence for found in own]), np.array([found.right for found in own])
        lines.append(
            f"        {name:<24}{len(own):>5}{100 * mean([found.f1 for found in can]):>7.1f}"
            f"{auroc(sure, right):>7.3f}{expected_calibration_error(sure, right):>7.3f}"
            f"{chance_calibration_error(sure):>8.3f}"
            f"{mean([found.shown for found in can]):>13.2f}"
            f"{mean([not found.shown for found in cannot]):>13.2f}"
            f"{mean([found.right for found in shown]):>13.2f}"
        )
    lines.append("F1 is of answerable questions, never abstaining; answered of these, declined of others.")
    lines.append("chance: the ECE that as many answers would show if every probability were exactly right.")
    return "\n".join(lines)


def _known(outcomes: Sequence[Outcome]) -> list[Outcome]:
    return [o for o in outcomes if not o.question.history and not o.question.rejected]
