"""A verdict as a document, as a page and on a terminal: the same figures, and nothing that needs anything else."""

import json
import re
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from cybous3.lab.chaos import plan
from cybous3.lab.chaos.checks import Check
from cybous3.lab.chaos.faults.registry import CATALOGUE
from cybous3.lab.chaos.injecting import Happened
from cybous3.lab.chaos.load import Record
from cybous3.lab.chaos.page import page
from cybous3.lab.chaos.scenario import read
from cybous3.lab.chaos.verdict import Phase, Verdict, timeline

TEXT = """title = "<b>bold</b> & more"
[[faults]]
name = "process.kill"
at = "1s"
times = 2
every = "8s"
"""


def verdict(*, passed: bool = True, extra: dict[str, Any] | None = None) -> Verdict:
    scenario = read(TEXT, CATALOGUE)
    first, second = plan.faults(scenario)
    happened = (
        Happened(first, "worker <7>: killed", "", 1.0, 2.0, 12, "its time was over"),
        Happened(second, "", "the load was over"),
    )
    records = [
        Record(n, 0, "put", n * 0.1, 0.01 * (n % 7), "ConnectionLost" if 10 <= n < 20 else "", 1) for n in range(90)
    ]
    checks = (
        Check("old-or-new", "all", passed, "found", "none", 3),
        Check("p99", "after", passed=True, found="0.1 s", bound="1 s"),
    )
    phases = (
        Phase("before", 0.0, 0.5),
        Phase("during", 0.5, 9.0),
        Phase("recovery", 9.0, 9.01),
        Phase("after", 9.01, 10),
    )
    counts = {"acknowledged": 80, "unknown": 10, "objects": 5, "retired_keys": 1, "races": 0}
    return Verdict(scenario, "abc", 1.7e9, 10.0, checks, phases, happened, records, counts, extra)


def test_the_document_is_json_and_says_everything() -> None:
    document = json.loads(json.dumps(verdict(passed=False).document()))
    assert (document["format"], document["verdict"], document["seed"]) == (1, "failed", 1)
    assert document["errors"] == {"ConnectionLost": 10}
    assert document["operations"]["put"]["count"] == 90
    assert document["faults"][0]["did"] == "worker <7>: killed"
    assert sum(one["operations"] for one in document["timeline"]) == 90
    assert document["scenario"]["faults"][0]["name"] == "process.kill"
    assert verdict().document()["verdict"] == "passed"


def test_a_gap_in_the_load_is_a_gap_in_the_timeline() -> None:
    record = Record(0, 0, "put", 9.99, 0.5, "", 1)
    slices = timeline([record], 10.0, columns=5)
    assert [one["operations"] for one in slices] == [0, 0, 0, 0, 1]
    assert slices[-1]["p99_s"] == 0.5
    assert timeline([], 0.0, columns=2)[1]["operations"] == 0


@pytest.mark.parametrize("passed", [True, False])
def test_the_page_is_whole_escaped_and_needs_nothing(passed: bool) -> None:
    trends = [
        {
            "process": "worker 7",
            "what": "memory",
            "first": 1,
            "last": 2,
            "slope_per_hour": 3,
            "gained": 4,
            "allowed": 5,
            "flat": True,
        }
    ]
    text = page(verdict(passed=passed, extra={"trends": trends}).document())
    assert "<b>" not in text
    assert "&lt;b&gt;bold" in text
    assert "worker &lt;7&gt;: killed" in text
    assert "Processes over time" in text
    assert not re.search(r"<script|https?://|url\(", text)
    for drawing in re.findall(r"<svg.*?</svg>", text, re.DOTALL):
        ET.fromstring(drawing)  # noqa: S314  # our own text
    assert ("FAILED" in text) is not passed


def test_a_page_of_a_run_without_anything_is_still_a_page() -> None:
    document = verdict().document() | {"faults": [], "errors": {}, "timeline": [], "operations": {}}
    assert page(document).endswith("</html>\n")


def test_a_terminal_is_told_the_verdict_and_every_check() -> None:
    failed = verdict(passed=False)
    assert failed.lines()[0].startswith("FAILED")
    assert verdict().lines()[0].startswith("PASSED")
    assert [row[:2] for row in failed.rows()] == [("FAIL", "old-or-new (all)"), ("ok", "p99 (after)")]
