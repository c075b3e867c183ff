"""Salvage: whatever happens to the files, every row whose pages are whole comes back, and none that is not whole."""

import random
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from cybous3.server.meta.sqlite import leaves
from cybous3.server.meta.sqlite.leaves import Pages, Place
from cybous3.server.meta.sqlite.log import FRAME_BYTES, HEADER_BYTES, PAGE_BYTES
from cybous3.server.meta.sqlite.salvage import Salvaged, salvage
from cybous3.server.model.objects import ObjectRecord
from tests.contracts.values import BUCKET
from tests.support.indexes import Filled, fill_index

COUNT = 240
REUSED = settings(deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=15)


@pytest.fixture(scope="module")
def closed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, Filled]:
    path = tmp_path_factory.mktemp("closed") / "index.db"
    filled = fill_index(path, COUNT)
    return path.read_bytes(), filled


@pytest.fixture(scope="module")
def crashed(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, bytes, Filled]:
    """File and log as a kill leaves them: most of it is in the log."""
    folder = tmp_path_factory.mktemp("crashed")
    filled = fill_index(folder / "index.db", COUNT, keep_log=folder / "left.db")
    log = (folder / "left.db-wal").read_bytes().rstrip(b"\0")
    log += bytes(-(len(log) - HEADER_BYTES) % FRAME_BYTES)
    return (folder / "left.db").read_bytes(), log, filled


def by_key(salvaged: Salvaged) -> dict[str, ObjectRecord]:
    return {one.key: one for one in salvaged.objects} | {one.key: one for _, one in salvaged.strays}


def whole_again(salvaged: Salvaged, filled: Filled) -> bool:
    """Return whether all is there that was; what is there must be what was in any case."""
    found = by_key(salvaged)
    for key, record in found.items():
        assert record == filled.objects[key]
    parts = {one.part.number: one.part for one in salvaged.parts}
    assert parts.items() <= filled.parts.items()
    return (
        found.keys() == filled.objects.keys()
        and parts == filled.parts
        and salvaged.uploads == [filled.upload]
        and salvaged.users == [filled.user]
        and salvaged.keys == [filled.key]
        and salvaged.buckets == [BUCKET]
    )


def pages_of(path: Path) -> dict[str, set[int]]:
    """Return the pages that each object needs: its rows' and those they go on in."""
    pages = Pages(path)
    touched: set[int] = set()
    read = pages.read

    def noting(number: int) -> bytes:
        touched.add(number)
        return read(number)

    found: dict[str, set[int]] = {}
    contents: dict[int, Place] = {}
    layouts: dict[int, Place] = {}
    objects: list[tuple[Place, tuple[object, ...]]] = []
    for number in pages.numbers():
        for place, kind, rowid, values in leaves.rows_of(pages, number):
            if values is not None and len(values) == 20 and isinstance(values[1], bytes):
                objects.append((place, values))
            elif values is not None and kind == leaves.TABLE_LEAF and len(values) == 2:
                contents[rowid] = place
            elif values is not None and kind == leaves.TABLE_LEAF and len(values) == 3:
                layouts[rowid] = place
    pages.read = noting  # type: ignore[method-assign]  # notes what is read
    for place, values in objects:
        touched.clear()
        leaves.row_at(pages, place)
        for table, column in ((contents, values[11]), (layouts, values[13])):
            if isinstance(column, int):
                leaves.row_at(pages, table[column])
        assert isinstance(values[1], bytes)
        found[values[1].decode()] = set(touched)
    pages.close()
    return found


def test_what_is_whole_comes_back_whole(tmp_path: Path, closed: tuple[bytes, Filled]) -> None:
    content, filled = closed
    (tmp_path / "index.db").write_bytes(content)
    salvaged = salvage(tmp_path / "index.db")
    assert whole_again(salvaged, filled)
    assert salvaged.lost == []
    assert len(list(salvaged.objects)) == COUNT, "objects can be read more than once"


@REUSED
@given(seed=st.integers(0, 2**32), count=st.integers(1, 30), how=st.sampled_from(["zero", "noise", "flip"]))
def test_every_object_whose_pages_are_whole_comes_back(
    tmp_path: Path, closed: tuple[bytes, Filled], seed: int, count: int, how: str
) -> None:
    content, filled = closed
    chance = random.Random(seed)  # noqa: S311  # where the damage is
    path = tmp_path / "index.db"
    path.write_bytes(content)
    needed = pages_of(path)
    damaged = set(chance.sample(range(1, len(content) // PAGE_BYTES + 1), count))
    broken = bytearray(content)
    for page in damaged:
        begin = (page - 1) * PAGE_BYTES
        if how == "flip":
            broken[begin + chance.randrange(PAGE_BYTES)] ^= 1 << chance.randrange(8)
        else:
            broken[begin : begin + PAGE_BYTES] = bytes(PAGE_BYTES) if how == "zero" else chance.randbytes(PAGE_BYTES)
    path.write_bytes(broken)
    salvaged = salvage(path)
    whole_again(_without_strays(salvaged), filled)
    expected = {key for key, pages in needed.items() if pages.isdisjoint(damaged)}
    assert expected <= by_key(salvaged).keys()


def _without_strays(salvaged: Salvaged) -> Salvaged:
    """Leave out what has neither the name nor the owner of its bucket."""
    return Salvaged(salvaged.buckets, salvaged.users, salvaged.keys, salvaged.objects, salvaged.uploads, salvaged.parts)


@settings(REUSED, max_examples=12)
@given(cut=st.floats(0, 1), log_cut=st.floats(0, 1))
def test_files_that_are_cut_give_what_they_have(
    tmp_path: Path, crashed: tuple[bytes, bytes, Filled], cut: float, log_cut: float
) -> None:
    content, log, filled = crashed
    path = tmp_path / "index.db"
    path.write_bytes(content[: int(len(content) * cut)])
    path.with_name("index.db-wal").write_bytes(log[: int(len(log) * log_cut)])
    whole_again(_without_strays(salvage(path)), filled)


def test_a_log_alone_is_enough(tmp_path: Path, crashed: tuple[bytes, bytes, Filled]) -> None:
    _, log, filled = crashed
    (tmp_path / "index.db-wal").write_bytes(log)
    assert whole_again(salvage(tmp_path / "index.db"), filled)


def test_a_log_whose_head_is_gone_is_read_all_the_same(tmp_path: Path, crashed: tuple[bytes, bytes, Filled]) -> None:
    content, log, filled = crashed
    (tmp_path / "index.db").write_bytes(content)
    (tmp_path / "index.db-wal").write_bytes(bytes(HEADER_BYTES) + log[HEADER_BYTES:])
    assert whole_again(salvage(tmp_path / "index.db"), filled)


@settings(REUSED, max_examples=6)
@given(frame=st.floats(0, 0.999), offset=st.integers(0, FRAME_BYTES - 1))
def test_a_broken_frame_does_not_end_the_log(
    tmp_path: Path, crashed: tuple[bytes, bytes, Filled], frame: float, offset: int
) -> None:
    """SQLite would lose all that follows."""
    content, log, filled = crashed
    broken = bytearray(log)
    count = (len(log) - HEADER_BYTES) // FRAME_BYTES
    broken[HEADER_BYTES + int(count * frame) * FRAME_BYTES + offset] ^= 0x10
    (tmp_path / "index.db").write_bytes(content)
    (tmp_path / "index.db-wal").write_bytes(broken)
    salvaged = salvage(tmp_path / "index.db")
    whole_again(_without_strays(salvaged), filled)
    assert len(by_key(salvaged)) >= COUNT - 40
    assert salvaged.lost


@pytest.mark.parametrize("frame", [0, 130, -1])
def test_a_frame_whose_salts_are_broken_still_counts(
    tmp_path: Path, crashed: tuple[bytes, bytes, Filled], frame: int
) -> None:
    """The sums do not cover the salts, and only by them does SQLite know a frame of an older log."""
    content, log, filled = crashed
    broken = bytearray(log)
    count = (len(log) - HEADER_BYTES) // FRAME_BYTES
    broken[HEADER_BYTES + frame % count * FRAME_BYTES + 9] ^= 0x10
    (tmp_path / "index.db").write_bytes(content)
    (tmp_path / "index.db-wal").write_bytes(broken)
    salvaged = salvage(tmp_path / "index.db")
    assert whole_again(salvaged, filled)
    assert [one.kind for one in salvaged.lost] == ["log"]


def test_without_its_log_the_file_gives_what_it_has(tmp_path: Path, crashed: tuple[bytes, bytes, Filled]) -> None:
    content, _, filled = crashed
    (tmp_path / "index.db").write_bytes(content)
    assert not whole_again(salvage(tmp_path / "index.db"), filled)


def test_without_its_head_the_file_is_read_all_the_same(tmp_path: Path, closed: tuple[bytes, Filled]) -> None:
    content, filled = closed
    (tmp_path / "index.db").write_bytes(bytes(100) + content[100:])
    assert whole_again(salvage(tmp_path / "index.db"), filled)
    (tmp_path / "index.db").write_bytes(bytes(PAGE_BYTES) + content[PAGE_BYTES:])
    assert whole_again(salvage(tmp_path / "index.db"), filled)


@given(content=st.binary(max_size=3 * PAGE_BYTES), log=st.binary(max_size=600))
@REUSED
def test_no_content_makes_it_raise(tmp_path: Path, content: bytes, log: bytes) -> None:
    (tmp_path / "index.db").write_bytes(content)
    (tmp_path / "index.db-wal").write_bytes(log)
    salvaged = salvage(tmp_path / "index.db")
    assert (salvaged.buckets, salvaged.users, list(salvaged.objects)) == ([], [], [])


def test_nothing_at_all_is_told(tmp_path: Path) -> None:
    assert [one.kind for one in salvage(tmp_path / "index.db").lost] == ["file"]


def test_a_row_of_one_bucket_lost_in_both_places_leaves_strays(tmp_path: Path, closed: tuple[bytes, Filled]) -> None:
    content, filled = closed
    (tmp_path / "index.db").write_bytes(
        content.replace(b"bucket" + BUCKET.owner.encode(), b"Bucket" + BUCKET.owner.encode())
    )
    salvaged = salvage(tmp_path / "index.db")
    assert (list(salvaged.buckets), list(salvaged.objects)) == ([], [])
    assert {one.key for _, one in salvaged.strays} == filled.objects.keys()
    assert {number for number, _ in salvaged.strays} == {1}
    assert {one.kind for one in salvaged.lost} >= {"upload", "part"}
