"""A soak is drawn from its seed, broken and watched; a short one passes against our server."""

from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.lab.chaos.engine import Around
from cybous3.lab.chaos.faults.registry import CATALOGUE
from cybous3.lab.chaos.scenario import from_document
from cybous3.lab.chaos.soak import MENU, Watch, drawn, flatness, soak, soak_scenario


def test_a_seed_draws_the_same_faults_and_only_possible_ones() -> None:
    assert drawn(60, 3) == drawn(60, 3)
    assert drawn(60, 3) != drawn(60, 4)
    few = drawn(120, 1, lacking=[name for name in MENU if name != "process.pause"])
    assert {fault["name"] for fault in few["faults"]} == {"process.pause"}


@pytest.mark.parametrize("seed", range(5))
def test_every_draw_is_a_scenario_with_peace_at_both_ends(seed: int) -> None:
    scenario = from_document(drawn(300, seed), CATALOGUE)
    moments = [one.at.seconds or 0.0 for one in scenario.faults]
    assert len(moments) == 60
    assert min(moments) >= 30
    assert max(moments) <= 270


def watch_of(**levels: list[float]) -> Watch:
    watch = Watch(1.0)
    for name, values in levels.items():
        series = [(float(at), value) for at, value in enumerate(values)]
        watch.memory[name] = list(series)
        watch.descriptors[name] = [(at, 40.0) for at, _ in series]
    return watch


def test_a_process_that_grows_is_named() -> None:
    mib = 1024.0 * 1024
    checks, rows = flatness(watch_of(calm=[100 * mib] * 30, leaky=[(100 + 3 * at) * mib for at in range(30)]))
    assert [(check.name, check.passed) for check in checks] == [("flat-memory", False), ("flat-descriptors", True)]
    assert "leaky gained" in checks[0].found
    assert len(rows) == 4


def test_a_soak_in_which_nobody_lived_says_so() -> None:
    checks, _ = flatness(watch_of(brief=[1.0] * 3))
    assert not any(check.passed for check in checks)
    assert "lived long enough" in checks[0].found


@pytest.mark.e2e
@pytest.mark.slow
def test_a_few_seconds_of_soak_pass(tmp_path: Path) -> None:
    """A worker is killed and a disk fails, and every process that stays is watched.

    Slower than usual: what was deleted is reaped a batch at a time, and each takes as long as a whole one.
    """
    usual = soak_scenario(6, 28)
    verdict = soak(replace(usual, load=replace(usual.load, rate=60.0)), Around(tmp_path / "run"), 6)
    assert [check for check in verdict.checks if not check.passed] == []
    assert {row["process"].partition(" ")[0] for row in verdict.document()["trends"]} >= {"supervisor", "worker"}
