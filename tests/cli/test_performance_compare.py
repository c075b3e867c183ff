"""`cybs3 performance compare`: the verdict is the exit code, and no failure looks like a verdict."""

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from cybous3.lab.bench.result import save
from cybous3.lab.bench.verdict import recording, selftest
from cybous3.lab.bench.verdict.compare import compare
from tests.support.blocks import MACHINE, block, noisy_pairs, run
from tests.support.shell import Shell

QUICK = ("--pairs", "5", "--budget", "0", "--block", "0.05", "--objects", "5", "--concurrency", "2")


def stored(path: Path, slower: float, *, blocks: int = 40) -> str:
    medians = [pair.b.medians_us["get"] for pair in noisy_pairs(slower, spread=0.02, seed=round(100 * slower))]
    save(run(*(block(median, count=round(1e5 / median)) for median in medians[:blocks])), path)
    return str(path)


@pytest.mark.parametrize(
    ("slower", "code", "word"), [(0.0, 0, "PASS"), (0.3, 1, "REGRESSION"), (-0.3, 0, "IMPROVEMENT")]
)
def test_stored_results_end_with_the_code_of_their_verdict(
    shell: Shell, tmp_path: Path, slower: float, code: int, word: str
) -> None:
    a, b = stored(tmp_path / "a.jsonl", 0.0), stored(tmp_path / "b.jsonl", slower)
    done = shell("performance", "compare", a, b)
    assert (done.code, done.out.splitlines()[-1].partition(":")[0]) == (code, word)
    assert "odd blocks against its even ones: PASS" in done.out
    assert "were not taken in turns" in done.err
    body = json.loads(shell("performance", "compare", a, b, "--json").out)
    assert body["verdict"] == word
    assert {metric["metric"] for metric in body["comparison"]["metrics"]} == {"median get", "throughput"}


def test_a_flickering_run_takes_the_verdict_back(shell: Shell, tmp_path: Path) -> None:
    blocks = (block(1000 if number % 2 else 1300, count=100) for number in range(40))
    save(run(*blocks), tmp_path / "a.jsonl")
    done = shell("performance", "compare", str(tmp_path / "a.jsonl"), stored(tmp_path / "b.jsonl", 0.3))
    assert done.code == 3
    assert "INCONCLUSIVE: A against itself gave IMPROVEMENT" in done.out


def test_few_blocks_are_inconclusive_and_damaged_files_are_no_regression(shell: Shell, tmp_path: Path) -> None:
    few = stored(tmp_path / "few.jsonl", 0.0, blocks=3)
    assert "--blocks" in shell.fails(3, "performance", "compare", few, few)
    (tmp_path / "x.jsonl").write_text("no result\n", encoding="utf-8")
    assert "line 1" in shell.fails(3, "performance", "compare", few, str(tmp_path / "x.jsonl"))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "two sides"),
        (("own",), "two sides"),
        (("--calibrate",), "name A"),
        (("own", "own", "--a-option", "workers"), "NAME=VALUE"),
        (("own", "own", "--self-test"), "takes no sides"),
        (("own", "no such thing"), "neither an endpoint"),
        (("http://127.0.0.1:1", "own"), "no credentials"),
        (("own", "own", "--kind", "encrypt"), "encrypt"),
    ],
)
def test_wrong_command_lines_end_with_2(shell: Shell, arguments: tuple[str, ...], said: str) -> None:
    assert said in shell.fails(2, "performance", "compare", *arguments)


def test_stored_and_live_do_not_mix(shell: Shell, tmp_path: Path) -> None:
    one = stored(tmp_path / "a.jsonl", 0.0)
    assert "stored results only" in shell.fails(2, "performance", "compare", one, "own")


@pytest.mark.e2e
def test_two_settings_of_our_server_are_compared_and_the_pairs_kept(shell: Shell, tmp_path: Path) -> None:
    """A short run is rarely conclusive; whatever it says, the calibration comes first and every pair is kept."""
    kept = tmp_path / "kept.pairs.jsonl"
    options = ("--a-option", "inline_max=0", "--save", str(kept), *QUICK)
    done = shell("performance", "compare", "own", sys.executable, *options)
    assert done.code in {0, 1, 3}
    titles = [line.partition(":")[0] for line in done.out.splitlines() if " pairs" not in line and ": " in line]
    assert titles[:2] == ["A against itself", "B against A"]
    calibration, comparison = recording.load(kept)
    assert (calibration.equal, comparison.equal) == (True, False)
    assert len(calibration.pairs) == len(comparison.pairs) == 5
    assert not list((tmp_path / "home" / "cybs3" / "performance").iterdir())


@pytest.mark.e2e
def test_calibration_alone_and_interruption(shell: Shell, monkeypatch: pytest.MonkeyPatch) -> None:
    done = shell("performance", "compare", "own", "--calibrate", *QUICK)
    assert done.code in {0, 3}
    assert "B against A" not in done.err

    def interrupted(*_args: Any, **_kwargs: Any) -> Any:
        broken = iter([block(1000, interrupted=True)])
        return compare(lambda _seconds: next(broken), lambda _seconds: next(broken), *_args[2:], **_kwargs)

    monkeypatch.setattr("cybous3.cli.performance_compare.compare", interrupted)
    done = shell("performance", "compare", "own", "own", *QUICK)
    assert done.code == 130
    assert "interrupted after 0 pairs" in done.out


def recorded(tmp_path: Path, spread: float, *, equal: bool = True) -> str:
    made = recording.Recording(
        label="made up",
        equal=equal,
        load="closed loop",
        durability="strict",
        block_s=0.25,
        command="cybs3 performance compare own --calibrate",
        fingerprint=MACHINE,
        pairs=tuple(noisy_pairs(0.0, spread=spread, count=100)),
    )
    return str(recording.append([made], tmp_path / "made.pairs.jsonl"))


def test_the_self_test_prints_power_and_ends_with_its_promise(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(selftest, "SLOWDOWNS", (0.0, 0.1))
    out = shell.ok("performance", "compare", "--self-test", "--recording", recorded(tmp_path, 0.02))
    assert "none (A/A)" in out
    assert out.splitlines()[-1].startswith("kept: at most 1% false alarms")
    rows = shell.json("performance", "compare", "--self-test", "--recording", str(tmp_path / "made.pairs.jsonl"))[
        "rows"
    ]
    assert [(row["slowdown"], row["comparisons"]) for row in rows] == [(0.0, 200), (0.1, 200)]


def test_the_self_test_fails_where_the_promise_breaks(
    shell: Shell, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Pairs too noisy for the budget: a tenth is not found, and the command says so and ends with 1."""
    monkeypatch.setattr(selftest, "SLOWDOWNS", (0.1,))
    done = shell("performance", "compare", "--self-test", "--recording", recorded(tmp_path, 1.5))
    assert done.code == 1
    assert "found in" in done.out


def test_the_self_test_needs_equal_sides(shell: Shell, tmp_path: Path) -> None:
    path = recorded(tmp_path, 0.02, equal=False)
    assert "no pairs of two equal sides" in shell.fails(3, "performance", "compare", "--self-test", "--recording", path)
