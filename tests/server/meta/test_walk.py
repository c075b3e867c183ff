"""A page costs the page: how often the walk fetches, whatever lies below the prefixes."""

from bisect import bisect_left

import pytest

from cybous3.server.meta.walk import BEYOND, Source, Walked, is_common_prefix, walk

Row = tuple[str]


class Counting:
    """Sorted keys that count what is fetched."""

    def __init__(self, keys: list[str]) -> None:
        self._keys = sorted(key.encode() for key in keys)
        self.fetches = 0
        self.rows = 0

    def page(self, limit: int, prefix: str = "") -> Walked[Row]:
        source: Source[bytes, Row] = Source(
            self._fetch, lambda row: row[0].encode() + b"\0", lambda common: common.encode() + BEYOND
        )
        return walk(source, prefix.encode(), prefix, "/", limit)

    def _fetch(self, position: bytes, count: int) -> list[Row]:
        begin = bisect_left(self._keys, position)
        rows = [(key.decode(),) for key in self._keys[begin : begin + count]]
        self.fetches += 1
        self.rows += len(rows)
        return rows


@pytest.mark.parametrize("below", [10, 1_000, 10_000])
def test_one_prefix_that_holds_nearly_everything_costs_nothing(below: int) -> None:
    keys = Counting([*(f"all/{number}" for number in range(below)), "last"])
    page = keys.page(1000)
    assert (page.prefixes, page.rows, page.more) == (["all/"], [("last",)], False)
    assert keys.fetches <= 3
    assert keys.rows <= 20


@pytest.mark.parametrize("below", [3, 30, 300])
def test_many_prefixes_cost_a_few_rows_each(below: int) -> None:
    keys = Counting([f"{prefix:03}/{number}" for prefix in range(100) for number in range(below)])
    page = keys.page(50)
    assert len(page.prefixes) == 50
    assert page.more
    assert keys.rows <= 50 * 6


def test_plain_keys_are_fetched_in_large_portions() -> None:
    keys = Counting([f"{number:05}" for number in range(5_000)])
    assert len(keys.page(1000).rows) == 1000
    assert keys.fetches <= 8


@pytest.mark.parametrize(
    ("key", "prefix", "delimiter", "answer"),
    [
        ("a/", "", "/", True),
        ("a/b/", "", "/", False),
        ("a/b/", "a/", "/", True),
        ("a/", "a/", "/", False),
        ("a/", "b", "/", False),
        ("a", "", "/", False),
        ("a/", "", "", False),
        ("xaaa", "x", "aa", False),
        ("xaa", "x", "aa", True),
    ],
)
def test_a_common_prefix_is_what_grouping_makes(key: str, prefix: str, delimiter: str, answer: object) -> None:
    assert is_common_prefix(key, prefix, delimiter) is answer
