"""From outcomes to the report: scores by type with 95% intervals, a table, and files.

Holds: each score carries the number of questions behind it; what nothing defines is null in JSON and a
dash in the table. "Shown" scores count an abstention as an empty answer; "best" scores never abstain.
Asks nothing and draws nothing.
"""

import json
import math
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from eval.ask import FAULTS, RIGHT_F1, Outcome
from eval.metrics import (
    BINS,
    RESAMPLES,
    SEED,
    Bin,
    auroc,
    bootstrap_interval,
    calibration_bins,
    expected_calibration_error,
    risk_coverage,
)
from eval.questions import KINDS


@dataclass(frozen=True, slots=True)
class Score:
    """A score over ``n`` questions with its 95% bootstrap interval; NaN where nothing defines it."""

    value: float
    low: float
    high: float
    n: int

    def __str__(self) -> str:
        return "–" if math.isnan(self.value) else f"{self.value:.2f} ({self.low:.2f}–{self.high:.2f})"


@dataclass(frozen=True, slots=True)
class Report:
    """All figures of a run. ``scores`` is group -> score name -> Score; groups are those present of
    "all", "answerable" and the question types. ``risk_coverage`` is (coverage, risk) points. Rejected
    answers are in none of these but the latency: ``heeded`` is the share that is not given again.
    """

    signature: str
    k: int
    scores: Mapping[str, Mapping[str, Score]]
    faults: Mapping[str, int]
    latency_ms: Mapping[str, float]
    calibration: Sequence[Bin]
    risk_coverage: Sequence[tuple[float, float]]
    heeded: Score | None = None

    def to_dict(self) -> dict[str, Any]:
        """The report as JSON-ready data, NaN as None."""
        data = asdict(self)
        scores = [score for group in data["scores"].values() for score in group.values()]
        for score in [*scores, *filter(None, [data["heeded"]])]:
            score.update({key: None for key, value in score.items() if math.isnan(value)})
        return data


def build_report(outcomes: Sequence[Outcome], signature: str, k: int) -> Report:
    """Compute every score.

    :param outcomes: at least one
    :param signature: that of the QA; the settings of the scores are appended to it
    :param k: passages that ``Outcome.rank`` looked at
    """
    judged = [o for o in outcomes if not o.question.rejected]
    groups = {"all": judged, "answerable": [o for o in judged if o.question.answerable]}
    groups |= {kind: [o for o in judged if o.question.kind == kind] for kind in KINDS}
    confidences, right = _confidence_columns(judged)
    latencies = [o.latency_ms for o in outcomes]
    faults = Counter(o.fault for o in outcomes)
    return Report(
        signature=f"{signature}|k:{k}|right:f1>={RIGHT_F1}|bins:{BINS}|bootstrap:{RESAMPLES}|seed:{SEED}",
        k=k,
        scores={name: _scores(group) for name, group in groups.items() if group or name == "all"},
        faults={fault: faults[fault] for fault in FAULTS},
        latency_ms={f"p{p}": round(float(np.percentile(latencies, p)), 1) for p in (50, 95)},
        calibration=calibration_bins(confidences, right),
        risk_coverage=risk_coverage(confidences, right),
        heeded=_mean(o.heeded for o in outcomes if o.question.rejected)
        if len(judged) < len(outcomes)
        else None,
    )


def _confidence_columns(outcomes: Sequence[Outcome]) -> tuple[NDArray[np.float64], NDArray[np.bool_]]:
    return (
        np.array([o.confidence for o in outcomes], dtype=np.float64),
        np.array([o.right for o in outcomes], dtype=np.bool_),
    )


def _scores(group: Sequence[Outcome]) -> dict[str, Score]:
    shown = [o for o in group if o.shown is not None]
    sourced = [o for o in group if o.question.sources]
    scores = {
        "em": _mean(o.em for o in group),
        "f1": _mean(o.f1 for o in group),
        "best_em": _mean(o.best_em for o in group),
        "best_f1": _mean(o.best_f1 for o in group),
        "declined": _mean(o.shown is None for o in group),
        "shown_right": _mean(o.right for o in shown),
        "source_hit": _mean(o.source_hit for o in group if o.source_hit is not None),
        "recall": _mean(o.rank is not None for o in sourced),
        "mrr": _mean(1 / o.rank if o.rank else 0.0 for o in sourced),
    }
    confidences, right = _confidence_columns(group)
    labelled = np.column_stack([confidences, right])
    scores["auroc"] = _score(labelled, lambda rows: auroc(rows[:, 0], rows[:, 1] > 0))
    scores["ece"] = _score(labelled, lambda rows: expected_calibration_error(rows[:, 0], rows[:, 1] > 0))
    for way in ("", "best_"):
        pairs = [
            (getattr(o, f"{way}f1"), getattr(o, f"standalone_{way}f1"))
            for o in group
            if o.standalone_f1 is not None
        ]
        if pairs and len(pairs) == len(group):
            scores[f"standalone_{way}f1"] = _mean(standalone for _, standalone in pairs)
            scores[f"{way}share_of_standalone"] = _score(np.array(pairs), _ratio)
    carried = [o.carried for o in group if o.carried is not None]
    if carried and len(carried) == len(group):
        scores["carried"] = _mean(carried)
    return scores


def _mean(values: Iterable[float]) -> Score:
    return _score(
        np.array(list(values), dtype=np.float64), lambda rows: float(rows.mean()) if len(rows) else math.nan
    )


def _ratio(rows: NDArray[np.float64]) -> float:
    total, standalone = rows.sum(axis=0)
    return float(total / standalone) if standalone else math.nan


def _score(rows: NDArray[np.float64], statistic: Callable[[NDArray[np.float64]], float]) -> Score:
    return Score(statistic(rows), *bootstrap_interval(rows, statistic), n=len(rows))


def table(report: Report) -> str:
    """The report for a terminal."""
    columns = {
        "EM": "em",
        "F1": "f1",
        "EM, never abst.": "best_em",
        "F1, never abst.": "best_f1",
        "source hit": "source_hit",
        f"recall@{report.k}": "recall",
        "MRR": "mrr",
        "declined": "declined",
    }
    lines = [f"{'type':<13}{'n':>6}  " + "".join(f"{title:<18}" for title in columns)]
    for group, scores in report.scores.items():
        cells = "".join(f"{scores[name]!s:<18}" for name in columns.values())
        lines.append(f"{group:<13}{scores['em'].n:>6}  {cells}")
    return "\n".join(line.rstrip() for line in [*lines, "", *_sentences(report)])


def _sentences(report: Report) -> list[str]:
    overall = report.scores["all"]
    declined = [
        f"{report.scores[group]['declined']} of the {group} ({verdict})"
        for group, verdict in (("unanswerable", "rightly"), ("answerable", "wrongly"))
        if group in report.scores
    ]
    lines = [
        "In brackets: 95% bootstrap intervals. Abstaining counts as an empty answer, save in “never abst.”.",
        f"Declined: {', '.join(declined) or '–'}.",
        f"Shown: {overall['shown_right'].n} answers, of which right: {overall['shown_right']};"
        f" an F1 of {RIGHT_F1} or more counts as right.",
        f"Confidence: AUROC {overall['auroc']}, calibration error {overall['ece']} in {BINS} bins.",
    ]
    if followup := report.scores.get("followup"):
        lines.append(
            f"Follow-ups: F1 {followup['f1']} in the chat, {followup['standalone_f1']} written out;"
            f" share kept {followup['share_of_standalone']},"
            f" never abstaining {followup['best_share_of_standalone']}."
        )
    if report.heeded:
        lines.append(f"Rejected by people: {report.heeded.n}, of which not given again: {report.heeded}.")
    if newtopic := report.scores.get("newtopic"):
        count = round(newtopic["carried"].value * newtopic["carried"].n)
        lines.append(f"New topics: something carried over in {count} of {newtopic['carried'].n}.")
    return [
        *lines,
        f"Latency: p50 {report.latency_ms['p50']:.0f} ms, p95 {report.latency_ms['p95']:.0f} ms a question.",
        "Misses: " + ", ".join(f"{fault} {count}" for fault, count in report.faults.items()) + ".",
        f"Signature: {report.signature}",
    ]


def write(
    report: Report,
    outcomes: Sequence[Outcome],
    out: Path,
    *,
    settings: Mapping[str, object],
    versions: Mapping[str, str],
) -> None:
    """Write report.json and outcomes.jsonl into the folder ``out``, which exists."""
    data = {**report.to_dict(), "settings": dict(settings), "versions": dict(versions)}
    text = json.dumps(data, ensure_ascii=False, indent=2, allow_nan=False)
    (out / "report.json").write_text(text + "\n", encoding="utf-8")
    lines = [json.dumps(outcome.to_dict(), ensure_ascii=False) for outcome in outcomes]
    (out / "outcomes.jsonl").write_text("\n".join(lines) + "\n", encoding="utf-8")
