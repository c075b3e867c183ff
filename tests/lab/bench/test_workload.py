import random

import pytest

from cybous3.lab.bench.workload import (
    KINDS,
    BadWorkload,
    Workload,
    default_sizes,
    parse_size,
    parse_sizes,
    workload_from_json,
)


def seeded(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  # sizes, not secrets


@pytest.mark.parametrize(
    ("text", "size"), [("0", 0), ("4096", 4096), ("4KiB", 4096), ("4k", 4096), ("1 MiB", 1 << 20), ("5GiB", 5 << 30)]
)
def test_sizes_are_read_as_people_write_them(text: str, size: int) -> None:
    assert parse_size(text) == size


@pytest.mark.parametrize(
    "text",
    ["", "x", "4 parsecs", "-1", "6GiB", "4KiB:", "4KiB:0", "4KiB:x", "log2:5", "log2:5-6", "log2:1MiB-1KiB", ","],
)
def test_what_is_no_size_is_refused(text: str) -> None:
    with pytest.raises(BadWorkload):
        parse_sizes(text)


def test_powers_of_two_are_equally_likely() -> None:
    sizes = parse_sizes("log2:1KiB-8KiB")
    assert [size for size, _ in sizes.choices] == [1024, 2048, 4096, 8192]
    assert (sizes.largest, sizes.mean) == (8192, 3840)


def test_weights_are_kept_and_the_seed_decides() -> None:
    sizes = parse_sizes("1KiB:90,1MiB:10")
    drawn = sizes.samples(seeded(1), 2000)
    assert 1700 < drawn.count(1024) < 1900
    assert drawn == sizes.samples(seeded(1), 2000)
    assert {sizes.sample(seeded(seed)) for seed in range(50)} == {1024, 1 << 20}
    assert parse_sizes("7").sample(seeded(1)) == 7


@pytest.mark.parametrize("kind", KINDS)
def test_a_workload_comes_back_from_what_was_stored(kind: str) -> None:
    made = Workload(kind, default_sizes(kind), seed=5, mix={"get": 1})  # type: ignore[arg-type]  # from the table
    assert workload_from_json(made.to_json()) == made


@pytest.mark.parametrize(
    "wrong",
    [{"kind": "sing"}, {"objects": 0}, {"mix": {"sing": 1}}, {"mix": {"get": 0}}, {"mix": {"get": 2, "put": -1}}],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(BadWorkload):
        Workload(**{"kind": "get", **wrong})  # type: ignore[arg-type]  # wrong on purpose
