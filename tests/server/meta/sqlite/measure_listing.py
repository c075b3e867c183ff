"""What a page costs at a thousand keys and at a million: the figures of docs/adr/0006. Run it; it is no test.

    python -m tests.server.meta.sqlite.measure_listing [COUNT] [DIRECTORY]

A page of 1,000 (and one point read) from an index of 1,000 keys and from one of COUNT, in turns, block by block; CPU
time, which a busy machine disturbs less, as medians in microseconds. XML is made of every page, as for the wire.
"""

import asyncio
import shutil
import statistics
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from pathlib import Path
from random import Random
from typing import Final

from cybous3.server.meta.port import ListQuery
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.wire.generated.bucket_inputs import ListObjectsV2Input
from cybous3.server.wire.xml.listings import list_objects_v2
from tests.contracts.values import BUCKET
from tests.support.fill import SHAPES, fill

SMALL: Final = 1000
BLOCKS: Final = 40
PAGE: Final = 1000
_RANDOM: Final = Random(6)  # noqa: S311  # the same keys each time

_INPUT: Final = ListObjectsV2Input._make([BUCKET.name, *[None] * (len(ListObjectsV2Input._fields) - 1)])

Work = Callable[[SqliteIndex, int], Awaitable[object]]


async def _page(
    index: SqliteIndex, *, prefix: str = "", delimiter: str = "", after: str = "", limit: int = PAGE
) -> None:
    query = ListQuery(BUCKET.name, prefix, delimiter, after, limit)
    page = await index.objects.list(query)
    list_objects_v2(_INPUT, page.objects, page.prefixes, max_keys=limit)


def _key(shape: str, count: int) -> str:
    return SHAPES[shape](_RANDOM.randrange(count // 2))


CASES: Final[dict[str, tuple[str, Work]]] = {
    "flat, first page": ("flat", lambda index, _: _page(index)),
    "flat, from the middle": ("flat", lambda index, count: _page(index, after=SHAPES["flat"](count // 2 - SMALL // 2))),
    "flat, anywhere, 100": ("flat", lambda index, count: _page(index, after=_key("flat", count), limit=100)),
    "flat, delimiter": ("flat", lambda index, _: _page(index, delimiter="/")),
    "one prefix, delimiter": ("one", lambda index, _: _page(index, delimiter="/")),
    "one prefix, inside": ("one", lambda index, _: _page(index, prefix="all/", delimiter="/", limit=900)),
    "many, one prefix": ("many", lambda index, _: _page(index, prefix="p000000/", delimiter="/")),
    "point read": ("flat", lambda index, count: index.objects.get(BUCKET.name, _key("flat", count))),
}


async def _opened(directory: Path, shape: str, count: int) -> SqliteIndex:
    path = directory / f"{shape}-{count}"
    index = await open_sqlite(path)
    await index.buckets.create(BUCKET)
    await index.aclose()
    fill(path, BUCKET.name, count, shape)
    return await open_sqlite(path)


async def _cost_us(work: Work, index: SqliteIndex, count: int, repeat: int) -> float:
    begin = time.process_time_ns()
    for _ in range(repeat):
        await work(index, count)
    return (time.process_time_ns() - begin) / repeat / 1000


async def measure(directory: Path, count: int) -> None:
    """Print the table."""
    indexes = {(shape, n): await _opened(directory, shape, n) for shape in SHAPES for n in (SMALL, count)}
    print(f"{'CPU us, median':28}{SMALL:>12,}{count:>12,}{'ratio':>8}")  # noqa: T201  # what it is for
    for name, (shape, work) in CASES.items():
        costs: dict[int, list[float]] = {SMALL: [], count: []}
        for _ in range(BLOCKS):
            for n, found in costs.items():
                found.append(await _cost_us(work, indexes[shape, n], n, 200 if name == "point read" else 4))
        small, large = (statistics.median(costs[n]) for n in (SMALL, count))
        print(f"{name:28}{small:12.1f}{large:12.1f}{large / small:8.2f}")  # noqa: T201
    for index in indexes.values():
        await index.aclose()


if __name__ == "__main__":
    scratch = Path(tempfile.mkdtemp(dir=sys.argv[2] if len(sys.argv) > 2 else None))
    try:
        asyncio.run(measure(scratch, int(sys.argv[1]) if len(sys.argv) > 1 else 1_000_000))
    finally:
        shutil.rmtree(scratch)
