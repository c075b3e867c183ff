import json
from pathlib import Path

from cybous3.lab.bench.recorder import Recording, block_of, raw_lines, write_raw


def recording() -> Recording:
    made = Recording(began=10.0, epoch_s=1000.0)
    made.add("get", 10.0, 10.0, 10.5, 7, None)  # before everybody was warm
    made.add("put", 10.1, 10.1, 10.2, 0, "SlowDown")  # likewise, but it failed
    made.add("get", 10.6, 10.7, 10.8, 7, None)
    made.add("put", 10.9, 10.9, 11.5, 9, None)
    made.warm_at, made.cpu_s, made.late = 10.5, 0.25, 1
    return made


def test_successes_of_the_warm_up_are_cut_and_failures_are_not() -> None:
    block = block_of([recording()])
    get, put = block.ops
    assert (get.count, get.bytes, get.errors) == (1, 7, {})
    assert (put.count, put.bytes, put.errors) == (2, 9, {"SlowDown": 1})
    assert (round(block.warmup_s, 6), round(block.seconds, 6), block.started) == (0.5, 1.0, 1010.5)
    assert (round(get.response.p50_us / 1000), round(get.service.p50_us / 1000)) == (200, 100)


def test_several_processes_make_one_block() -> None:
    """It begins when the last of them was warm and ends with the last operation; everything else adds up."""
    other = Recording(began=10.2, epoch_s=1000.0, cpu_s=1.0, interrupted=True, warm_at=10.7)
    other.add("get", 10.8, 10.8, 12.7, 1, None)
    other.add("stat", 10.8, 10.8, 10.9, 1, None)
    block = block_of([recording(), other], 0.5)
    assert [(op.name, op.count) for op in block.ops] == [("get", 2), ("put", 2), ("stat", 1)]
    assert (block.interrupted, block.generator_cpu_s, block.server_cpu_s, block.late) == (True, 1.25, 0.5, 1)
    assert (round(block.warmup_s, 6), round(block.seconds, 6)) == (0.7, 2.0)


def test_without_a_warm_up_nothing_is_cut() -> None:
    made = recording()
    made.warm_at = None
    block = block_of([made])
    assert (block.count, block.warmup_s, block.seconds, block.started) == (4, 0.0, 1.5, 1010.0)


def test_a_block_of_nothing_is_empty() -> None:
    block = block_of([Recording(began=1.0, epoch_s=0.0)])
    assert (block.count, block.seconds, block.ops) == (0, 0.0, ())


def test_every_single_operation_can_be_told(tmp_path: Path) -> None:
    told = [json.loads(line) for line in raw_lines([recording()])]
    assert [(one["op"], one["error"], one["warmup"]) for one in told] == [
        ("get", None, True),
        ("put", "SlowDown", False),
        ("get", None, False),
        ("put", None, False),
    ]
    assert told[2] == {
        "op": "get",
        "intended": 1010.6,
        "started": 1010.7,
        "ended": 1010.8,
        "bytes": 7,
        "error": None,
        "warmup": False,
    }
    path = write_raw([recording()], tmp_path / "n" / "raw.jsonl")
    assert len(write_raw([recording()], path).read_text().splitlines()) == 8
