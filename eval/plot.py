"""Draw a report: risk and coverage, reliability, scores by type, kinds of misses.

Holds: matplotlib (the extra ``plot``) is imported here only, and needs no display.
Computes no score.
"""

import math
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from eval.report import Report, Score

SERIES = (("em", "EM", "#9db7d5"), ("f1", "F1", "#2f6690"), ("best_f1", "F1, never abstaining", "#f2a541"))
FAULT_COLOURS = ("#2f6690", "#9db7d5", "#f2a541", "#b8b8b8", "#c8553d")
FORMATS = ("svg", "png")


def draw(report: Report, out: Path) -> None:
    """Write report.svg and report.png into the folder ``out``."""
    # A bare Figure saves without pyplot, so that no window system is asked for and no state is global.
    figure = Figure(figsize=(12, 9), layout="constrained")
    (risk, reliability), (scores, faults) = figure.subplots(2, 2)
    _draw_risk(risk, report)
    _draw_reliability(reliability, report)
    _draw_scores(scores, report)
    _draw_faults(faults, report)
    for axes in (risk, reliability, scores, faults):
        axes.spines[["top", "right"]].set_visible(False)
    for name in FORMATS:
        figure.savefig(out / f"report.{name}", dpi=120)


def _draw_risk(axes: Axes, report: Report) -> None:
    coverage, risk = zip(*report.risk_coverage or [(0.0, 0.0)], strict=True)
    axes.plot(coverage, risk, color="#2f6690", drawstyle="steps-post")
    overall = report.scores["all"]
    if overall["shown_right"].n:
        now = (1 - overall["declined"].value, 1 - overall["shown_right"].value)
        axes.plot(
            *now, "o", color="#c8553d", label=f"as shown: answers {now[0]:.0%}, {now[1]:.0%} of them wrong"
        )
        axes.legend(frameon=False)
    axes.set(
        title="Risk and coverage",
        xlabel="share of questions answered",
        ylabel="share of the answers that are wrong",
        xlim=(0, 1.02),
        ylim=(0, max(0.05, *risk) * 1.1),
    )


def _draw_reliability(axes: Axes, report: Report) -> None:
    axes.plot((0, 1), (0, 1), "--", color="#888888", zorder=3)
    for found in report.calibration:
        axes.bar(
            found.low,
            found.accuracy,
            found.high - found.low,
            align="edge",
            color="#9db7d5",
            edgecolor="white",
        )
        middle = (found.low + found.high) / 2
        axes.text(middle, found.accuracy + 0.01, str(found.count), ha="center", fontsize=8)
    confidences = [found.confidence for found in report.calibration]
    axes.plot(
        confidences, [found.accuracy for found in report.calibration], "o", color="#2f6690", markersize=4
    )
    axes.set(
        title=f"Reliability (calibration error {report.scores['all']['ece'].value:.3f}; figures are counts)",
        xlabel="confidence",
        ylabel="share right",
        xlim=(0, 1),
        ylim=(0, 1.08),
    )


def _draw_scores(axes: Axes, report: Report) -> None:
    width = 0.8 / len(SERIES)
    for i, (name, label, colour) in enumerate(SERIES):
        own = [scores[name] for scores in report.scores.values()]
        places = [group + (i - 1) * width for group in range(len(own))]
        errors = [[_gap(s, s.low) for s in own], [_gap(s, s.high) for s in own]]
        axes.bar(places, [s.value for s in own], width, color=colour, label=label)
        axes.errorbar(places, [s.value for s in own], errors, fmt="none", ecolor="#444444", elinewidth=0.8)
    axes.set_xticks(
        range(len(report.scores)), [f"{g}\nn={s['em'].n}" for g, s in report.scores.items()], fontsize=8
    )
    axes.set(title="Scores by type, 95% intervals", ylim=(0, 1.2))
    axes.legend(frameon=False, ncols=len(SERIES), loc="upper center", fontsize=8)


def _gap(score: Score, end: float) -> float:
    return 0.0 if math.isnan(end) else abs(score.value - end)


def _draw_faults(axes: Axes, report: Report) -> None:
    left = 0
    for (fault, count), colour in zip(report.faults.items(), FAULT_COLOURS, strict=True):
        axes.barh(0, count, left=left, height=0.5, color=colour, label=f"{fault} ({count})")
        left += count
    axes.set(
        title=f"Kinds of misses: {left} of {report.scores['all']['em'].n} questions",
        xlabel="questions",
        xlim=(0, max(left, 1)),
        ylim=(-1, 1),
    )
    axes.set_yticks([])
    axes.legend(frameon=False, ncols=3, loc="upper center", fontsize=8)
