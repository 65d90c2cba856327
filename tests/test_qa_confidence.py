"""The probability of being right: its shape, its file, its fit and its threshold."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from index.errors import ModelError
from qa.confidence import FIT, NAMES, Calibration, choose_threshold, features, fit, scale
from qa.types import Evidence

FITTED = Calibration((1.5, 1.0, 2.0, 0.5, 0.25), -1.0, 0.4, "reader@1", "encoder@1")
FLOAT = st.floats(-40, 40)
EVIDENCE = st.builds(Evidence, FLOAT, FLOAT, st.floats(-1, 1), st.floats(-1, 1), st.integers(1, 20))


def samples(count: int, *, seed: int = 0, turned: bool = False) -> tuple[list[Evidence], list[bool]]:
    """Give evidence that speaks for the right answers, or against them if ``turned``."""
    random = np.random.default_rng(seed)
    right = random.random(count) < 0.6
    evidence = []
    for good in right:
        sign = 1 if bool(good) != turned else -1
        margin, gap, cosine, lead = random.normal(0.3 * sign, 0.3, 4)
        stories = int(random.integers(2, 5)) if sign > 0 else int(random.integers(1, 3))
        evidence.append(Evidence(margin * 10, gap * 10, cosine, lead, stories))
    return evidence, [bool(good) for good in right]


@given(EVIDENCE, st.floats(0, 20))
def test_a_larger_margin_never_makes_an_answer_less_likely(evidence: Evidence, more: float) -> None:
    for calibration in (FITTED, Calibration.by_margin()):
        better = calibration.probability(replace(evidence, margin=evidence.margin + more))
        assert 0 < calibration.probability(evidence) <= better < 1


@given(EVIDENCE)
def test_the_probability_is_the_logistic_function_of_the_weighted_features(evidence: Evidence) -> None:
    gap = min(10.0, max(-10.0, evidence.gap))
    inputs = (evidence.margin / 10, gap / 10, evidence.cosine, evidence.lead, np.log(evidence.stories))
    assert features(evidence) == pytest.approx(inputs)
    logit = -1.0 + sum(weight * value for weight, value in zip(FITTED.weights, inputs, strict=True))
    assert FITTED.probability(evidence) == pytest.approx(1 / (1 + np.exp(-logit)))


def test_a_saved_calibration_is_read_back_whole(tmp_path: Path) -> None:
    path = tmp_path / "confidence.json"
    FITTED.save(path)
    assert Calibration.read(path, reader="reader@1", encoder="encoder@1") == FITTED
    assert json.loads(path.read_text())["features"] == list(NAMES)


@pytest.mark.parametrize(
    ("reader", "encoder", "said"),
    [
        ("reader@2", "encoder@1", "the reader reader@1, not reader@2"),
        ("reader@1", "encoder@2", "the encoder encoder@1, not encoder@2"),
    ],
)
def test_a_calibration_of_another_model_is_refused(
    tmp_path: Path, reader: str, encoder: str, said: str
) -> None:
    path = tmp_path / "confidence.json"
    FITTED.save(path)
    with pytest.raises(ModelError) as caught:
        Calibration.read(path, reader=reader, encoder=encoder)
    assert said in str(caught.value)
    assert str(caught.value).endswith(f"fit one with: {FIT}")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        None,
        "",
        "[]",
        "{}",
        '{"features": null}',
        "\x00",
        json.dumps({"features": [*NAMES, "new"], "weights": [1] * 6, "bias": 0, "threshold": 0}),
    ],
)
def test_a_missing_or_damaged_calibration_is_refused(tmp_path: Path, text: str | None) -> None:
    path = tmp_path / "confidence.json"
    if text is not None:
        path.write_text(text)
    with pytest.raises(ModelError, match="cannot read the calibration") as caught:
        Calibration.read(path, reader="reader@1", encoder="encoder@1")
    assert "fit one with: python -m eval" in str(caught.value)


@pytest.mark.parametrize(
    "changed", [{"features": ["margin"]}, {"weights": [1.0]}, {"features": list(reversed(NAMES))}]
)
def test_a_calibration_of_another_version_is_refused(tmp_path: Path, changed: dict[str, object]) -> None:
    path = tmp_path / "confidence.json"
    FITTED.save(path)
    path.write_text(json.dumps({**json.loads(path.read_text()), **changed}))
    with pytest.raises(ModelError, match="is of another version; fit one with: python -m eval"):
        Calibration.read(path, reader="reader@1", encoder="encoder@1")


def test_scaling_keeps_the_order_and_makes_the_best_ones_probabilities_right() -> None:
    evidence, right = samples(300)
    sure = replace(FITTED, weights=tuple(9 * weight for weight in FITTED.weights))
    scaled = scale(sure, evidence, right)

    before, after = (np.array([c.probability(item) for item in evidence]) for c in (sure, scaled))
    assert np.array_equal(np.argsort([sure.logit(item) for item in evidence]), np.argsort(after))
    assert abs(np.mean(after) - np.mean(right)) < 0.005 < abs(np.mean(before) - np.mean(right))
    assert (scaled.threshold, scaled.reader, scaled.encoder) == (sure.threshold, sure.reader, sure.encoder)


def test_nothing_is_scaled_by_answers_that_are_all_right_or_of_which_the_surer_are_wrong() -> None:
    evidence, right = samples(300)
    assert scale(FITTED, evidence, [True] * 300) == FITTED
    assert scale(FITTED, evidence, [not good for good in right]) == FITTED


def test_a_fit_is_that_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    evidence, right = samples(300)
    weights, bias = fit(evidence, right)

    reference = LogisticRegression(C=10.0).fit([features(item) for item in evidence], right)
    expected = reference.predict_proba([features(item) for item in evidence])[:, 1]
    fitted = replace(FITTED, weights=tuple(weights), bias=bias)
    assert min(weights) > 0
    assert [fitted.probability(item) for item in evidence] == pytest.approx(expected)


def test_a_feature_that_speaks_against_the_right_answers_is_left_out() -> None:
    from sklearn.linear_model import LogisticRegression

    evidence, right = samples(200)
    evidence = [replace(item, lead=float(not good)) for item, good in zip(evidence, right, strict=True)]
    weights, bias = fit(evidence, right)

    assert weights[NAMES.index("lead")] == 0.0
    used = [number for number, name in enumerate(NAMES) if weights[number] > 0]
    inputs = np.array([features(item) for item in evidence])[:, used]
    expected = LogisticRegression(C=10.0).fit(inputs, right).predict_proba(inputs)[:, 1]
    fitted = replace(FITTED, weights=tuple(weights), bias=bias)
    assert [fitted.probability(item) for item in evidence] == pytest.approx(expected)


def test_where_all_evidence_misleads_the_probability_is_the_share_of_right_answers() -> None:
    evidence, right = samples(200, turned=True)
    weights, bias = fit(evidence, right)
    fitted = replace(FITTED, weights=tuple(weights), bias=bias)
    assert weights == [0.0] * len(NAMES)
    assert fitted.probability(evidence[0]) == pytest.approx(sum(right) / len(right))


@pytest.mark.parametrize("all_right", [True, False])
def test_a_fit_needs_right_and_wrong_answers(all_right: bool) -> None:
    evidence, _ = samples(5)
    with pytest.raises(ValueError, match="right and wrong"):
        fit(evidence, [all_right] * 5)


@given(
    st.lists(st.tuples(st.floats(0.001, 0.999), st.booleans()), min_size=1, max_size=60),
    st.floats(0.05, 1.0),
)
def test_the_threshold_is_the_highest_that_keeps_the_share(
    questions: list[tuple[float, bool]], keep: float
) -> None:
    confidences = [confidence for confidence, _ in questions]
    answerable = [good for _, good in questions]
    good = [confidence for confidence, good in questions if good]
    if not good:
        with pytest.raises(ValueError, match="needs answerable questions"):
            choose_threshold(confidences, answerable, keep)
        return
    threshold = choose_threshold(confidences, answerable, keep)

    def kept(at: float) -> int:
        return sum(confidence >= at for confidence in good)

    assert kept(threshold) >= keep * len(good)
    assert all(kept(higher) < keep * len(good) or higher <= threshold for higher in good)


def test_the_default_share_of_twenty_different_answers_is_kept_exactly() -> None:
    confidences = [number / 100 for number in range(40)]
    threshold = choose_threshold(confidences, [True, False] * 20)
    assert sum(c >= threshold for c in confidences[::2]) == 17  # 85% of 20


def test_the_shipped_calibration_is_for_the_shipped_models() -> None:
    from index.embed import SentenceTransformerEncoder
    from qa.confidence import DEFAULT
    from qa.read import TransformersReader

    reader, encoder = TransformersReader().fingerprint, SentenceTransformerEncoder().fingerprint
    calibration = Calibration.read(DEFAULT, reader=reader, encoder=encoder)
    assert min(calibration.weights) >= 0
    assert 0 < calibration.threshold < 1
