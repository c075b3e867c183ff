"""Verdicts, changes and the detector's own test as rows for a person and as JSON for a program."""

from collections.abc import Sequence
from typing import Any, Final

from cybous3.lab.bench.verdict.bootstrap import Interval
from cybous3.lab.bench.verdict.compare import ALARMS, Finding, Outcome, Word
from cybous3.lab.bench.verdict.history import History, iso
from cybous3.lab.bench.verdict.selftest import Row

FINDINGS: Final = ("metric", "B against A", "95 % interval", "pairs", "verdict")
STEPS: Final = ("since", "commit", "series", "metric", "change", "for", "p")
POWER: Final = ("recording", "slow-down", "REGRESSION", "PASS", "IMPROVEMENT", "INCONCLUSIVE", "interval > 0", "pairs")


def change(found: Interval) -> str:
    """Return an estimate as a person reads it: positive is worse."""
    estimate = found.percent[0]
    return (
        "no difference" if round(estimate, 1) == 0 else f"{abs(estimate):.1f} % {'worse' if estimate > 0 else 'better'}"
    )


def findings(found: Sequence[Finding]) -> list[tuple[str, ...]]:
    """Return rows under FINDINGS."""
    return [
        (
            one.metric,
            change(one.interval),
            "{1:+.1f} .. {2:+.1f} %".format(*one.interval.percent),
            str(one.pairs),
            str(one.word),
        )
        for one in found
    ]


def outcome_json(found: Outcome) -> dict[str, Any]:
    """Return a verdict and what it stands on; ratios are logarithms, positive is worse."""
    return {
        "verdict": str(found.word),
        "reason": found.reason,
        "pairs": len(found.pairs),
        "interrupted": found.interrupted,
        "metrics": [
            {
                "metric": one.metric,
                "verdict": str(one.word),
                "log_ratio": one.interval.estimate,
                "low": one.interval.low,
                "high": one.interval.high,
                "pairs": one.pairs,
            }
            for one in found.findings
        ],
    }


def steps(found: History) -> list[tuple[str, ...]]:
    """Return rows under STEPS, oldest first."""
    rows = [
        (
            iso(step.time),
            step.commit,
            str(track.subject),
            track.metric,
            f"{100 * step.change:+.1f} %",
            "worse" if step.worse else "better",
            f"{step.p_value:.1g}",
        )
        for track in found.tracks
        for step in track.steps
    ]
    return sorted(rows)


def power(rows: Sequence[Row]) -> list[tuple[str, ...]]:
    """Return rows under POWER: shares of the comparisons, and the median of the pairs they needed."""
    words = (Word.REGRESSION, Word.PASS, Word.IMPROVEMENT, Word.INCONCLUSIVE)
    return [
        (
            row.recording,
            "none (A/A)" if row.slowdown == 0 else f"{row.slowdown:.0%}",
            *(f"{row.share(word):.1%}" for word in words),
            f"{row.differs:.1%}",
            str(row.pairs),
        )
        for row in rows
    ]


def power_json(rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Return the same as numbers."""
    return [
        {
            "recording": row.recording,
            "slowdown": row.slowdown,
            "comparisons": row.comparisons,
            "alarms": row.share(*ALARMS),
            "verdicts": {str(word): row.words[word] for word in Word},
            "interval_above_0": row.differs,
            "pairs": row.pairs,
        }
        for row in rows
    ]
