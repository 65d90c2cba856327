"""Turn evidence into a probability that an answer is right.

Holds: the same evidence always gives the same probability; it is a logistic function whose fitted
weights are not negative, so more evidence never makes an answer less likely. Fitted on questions
with known answers and kept as JSON beside the reader it was fitted for. Does not choose answers.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, fields, replace
from pathlib import Path

import numpy as np

from index.errors import ModelError
from qa.types import Evidence

DEFAULT = Path(__file__).with_name("default_reader") / "confidence.json"


NAMES = tuple(field.name for field in fields(Evidence))


def features(evidence: Evidence) -> list[float]:
    """Give the model's inputs: margins in tens of logits, support as its logarithm."""
    return [
        evidence.margin / 10,
        float(np.clip(evidence.gap, -10, 10)) / 10,
        evidence.cosine,
        evidence.lead,
        float(np.log(evidence.stories)),
    ]


@dataclass(frozen=True, slots=True)
class Calibration:
    """A fitted model of P(right | evidence).

    ``threshold``: below this probability the answer is withheld. ``reader`` and ``encoder`` are the
    fingerprints that it was fitted for.
    """

    weights: tuple[float, ...]
    bias: float
    threshold: float
    reader: str
    encoder: str

    @classmethod
    def by_margin(cls) -> "Calibration":
        """Give an unfitted model for trying a new reader: the larger the margin, the likelier."""
        return cls((1.0, *[0.0] * (len(NAMES) - 1)), 0.0, 0.0, "", "")

    def probability(self, evidence: Evidence) -> float:
        """Give P(the candidate is right), between 0 and 1."""
        return float(1 / (1 + np.exp(-np.clip(self.logit(evidence), -30, 30))))

    def logit(self, evidence: Evidence) -> float:
        """Give the log-odds that the candidate is right."""
        return self.bias + float(np.dot(self.weights, features(evidence)))

    def scaled(self, slope: float, shift: float) -> "Calibration":
        """Give the model whose log-odds are ``slope`` times these, and ``shift`` more."""
        weights = tuple(slope * weight for weight in self.weights)
        return replace(self, weights=weights, bias=slope * self.bias + shift)

    def save(self, path: Path) -> None:
        """Write the model as JSON, with the names of its inputs."""
        path.write_text(json.dumps({"features": NAMES, **asdict(self)}, indent=2) + "\n", encoding="utf-8")

    @classmethod
    def read(cls, path: Path, *, reader: str, encoder: str) -> "Calibration":
        """Read a fitted model.

        :raises ModelError: it is missing, damaged, or was fitted for another reader or encoder
        """
        try:
            values = json.loads(path.read_text(encoding="utf-8"))
            names = tuple(values.pop("features"))
            numbers = [float(values[name]) for name in ("bias", "threshold")]
            weights = tuple(float(weight) for weight in values["weights"])
            if not np.isfinite([*numbers, *weights]).all():
                raise ValueError("not a finite number")
            calibration = cls(**{**values, "weights": weights})
        except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
            raise ModelError(f"cannot read the calibration {path}; fit one with: {FIT}") from error
        if names != NAMES or len(calibration.weights) != len(NAMES):
            raise ModelError(f"the calibration {path} is of another version; fit one with: {FIT}")
        for kind, has, needs in (
            ("reader", calibration.reader, reader),
            ("encoder", calibration.encoder, encoder),
        ):
            if has != needs:
                raise ModelError(f"{path} was fitted for the {kind} {has}, not {needs}; fit one with: {FIT}")
        return calibration


KEEP = 0.85  # share of answerable questions that are still answered at the default threshold
FIT = "python -m eval --gold GOLD --articles FOLDER --fit-confidence FILE"


def fit(evidence: Sequence[Evidence], right: Sequence[bool]) -> tuple[list[float], float]:
    """Fit the logistic model.

    :param right: whether each candidate was right; both kinds must occur
    :return: weights, one for each of NAMES, and the bias
    :raises ValueError: only right or only wrong candidates were given

    Source: Platt 1999, with several inputs; scikit-learn's LogisticRegression.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(right)) < 2:
        raise ValueError("fitting needs right and wrong answers; give more questions")
    inputs = np.array([features(item) for item in evidence])
    used = list(range(len(NAMES)))
    while True:
        model = LogisticRegression(C=10.0).fit(inputs[:, used], list(right))
        # More evidence never makes an answer less likely: what a small sample says against it is noise.
        positive = [column for column, weight in zip(used, model.coef_[0], strict=True) if weight > 0]
        if not positive:
            return [0.0] * len(NAMES), float(np.log(sum(right) / (len(right) - sum(right))))
        if positive == used:
            break
        used = positive
    weights = dict(zip(used, model.coef_[0], strict=True))
    return [float(weights.get(column, 0.0)) for column in range(len(NAMES))], float(model.intercept_[0])


def scale(calibration: Calibration, best: Sequence[Evidence], right: Sequence[bool]) -> Calibration:
    """Scale a model that was fitted to all candidates so that its probabilities are right for the best ones.

    A fit to all candidates, most of them wrong, need not be right for the best of each question.
    The order of candidates does not change.

    :param best: evidence for the best candidate of each question
    :param right: whether it was right; if all were, or none, nothing is scaled

    Source: Platt 1999, with scikit-learn's LogisticRegression.
    """
    from sklearn.linear_model import LogisticRegression

    if len(set(right)) < 2:
        return calibration
    logits = np.array([[calibration.logit(evidence)] for evidence in best])
    model = LogisticRegression(C=100.0).fit(logits, list(right))
    slope, shift = float(model.coef_[0, 0]), float(model.intercept_[0])
    return calibration.scaled(slope, shift) if slope > 0 else calibration


def choose_threshold(confidences: Sequence[float], answerable: Sequence[bool], keep: float = KEEP) -> float:
    """Choose the highest threshold at which a share of the answerable questions is still answered.

    The higher it is, the fewer wrong answers are shown; the share says how much silence that may cost.

    :param answerable: whether the articles answer each question
    :raises ValueError: no question is answerable
    """
    kept = sorted((c for c, good in zip(confidences, answerable, strict=True) if good), reverse=True)
    if not kept:
        raise ValueError("choosing a threshold needs answerable questions")
    return kept[max(1, int(np.ceil(keep * len(kept)))) - 1]
