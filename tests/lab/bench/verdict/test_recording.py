"""Recordings: written compactly, read back the same, refused when they are something else."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from cybous3.lab.bench.verdict import recording
from cybous3.lab.bench.verdict.compare import Pair, series
from cybous3.lab.bench.verdict.recording import NotARecording, Recording, append, load
from tests.support.blocks import MACHINE, noisy_pairs


def made(pairs: int = 20) -> Recording:
    return Recording(
        label="get",
        equal=True,
        load="closed loop, 1 clients",
        durability="strict",
        block_s=0.25,
        command="cybs3 performance compare own own",
        fingerprint=MACHINE,
        pairs=tuple(noisy_pairs(0)[:pairs]),
    )


def test_what_is_written_is_read_back(tmp_path: Path) -> None:
    """To the microsecond, the tenth of an operation a second, and the hundredth of a second of the start."""
    path = append([made()], tmp_path / "deep" / "x.pairs.jsonl")
    append([replace(made(3), equal=False)], path)
    first, second = load(path)
    assert replace(first, pairs=()) == replace(made(), pairs=())
    assert not second.equal
    assert len(second.pairs) == 3
    for metric, row in series(made().pairs).items():
        assert series(first.pairs)[metric] == pytest.approx(row, abs=0.002)
    assert first.pairs[7].a.started == pytest.approx(made().pairs[7].a.started, abs=0.01)


def test_only_operations_of_every_block_are_kept() -> None:
    lone = noisy_pairs(0)[0]
    both = replace(lone.a, medians_us={"get": 1.0, "put": 2.0})
    mixed = replace(made(), pairs=(Pair(both, both), Pair(lone.a, both)))
    assert mixed.ops == ("get",)
    assert replace(made(), pairs=()).ops == ()


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("[]", "line 1"),
        ("no json", "line 1"),
        ('{"version": "cybous3.bench/1"}', "not a recording of version"),
        (json.dumps(made().to_json() | {"pairs": [[1, 2]]}), "a row of 2 figures, not 10"),
        (json.dumps({"version": recording.VERSION}), "damaged"),
    ],
)
def test_something_else_is_refused_with_its_line(tmp_path: Path, text: str, said: str) -> None:
    path = tmp_path / "x.jsonl"
    path.write_text(text + "\n", encoding="utf-8")
    with pytest.raises(NotARecording, match=said):
        load(path)


def test_the_shipped_recording_says_how_it_was_made() -> None:
    shipped = load()
    assert {one.label.split()[0] for one in shipped} == {"get", "put"}
    for one in shipped:
        assert one.equal
        assert "cybs3 performance compare " in one.command
        assert len(one.pairs) >= 200
        assert sum(pair.a.failed + pair.b.failed for pair in one.pairs) == 0
