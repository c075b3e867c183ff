import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.server.wire.errors import S3Error
from cybous3.server.wire.ranges import ByteRange, parse_copy_range, parse_range


@pytest.mark.parametrize(
    ("value", "size", "found"),
    [
        ("bytes=0-0", 10, ByteRange(0, 1)),
        ("bytes=0-9", 10, ByteRange(0, 10)),
        ("bytes=0-", 10, ByteRange(0, 10)),
        ("bytes=9-", 10, ByteRange(9, 1)),
        ("bytes=5-100", 10, ByteRange(5, 5)),
        ("bytes=-3", 10, ByteRange(7, 3)),
        ("bytes=-100", 10, ByteRange(0, 10)),
        ("BYTES = 1 - 2 ", 10, ByteRange(1, 2)),
        ("bytes=0-9999999999999999999", 10, ByteRange(0, 10)),
    ],
)
def test_one_range_is_cut_at_the_end(value: str, size: int, found: ByteRange) -> None:
    assert parse_range(value, size) == found


@pytest.mark.parametrize(
    "value",
    [
        None,
        "",
        "bytes=",
        "bytes=-",
        "bytes=a-b",
        "bytes=5-2",
        "bytes=99-98",
        "bytes=0-1,3-4",
        "items=0-1",
        "bytes 0-1",
        "bytes=1-2-3",
        "bytes=-1-2",
        "bytes=\u0660-\u0661",
        "bytes=" + "9" * 20 + "-",
    ],
)
def test_what_is_not_one_range_is_ignored(value: str | None) -> None:
    assert parse_range(value, 10) is None


@pytest.mark.parametrize(
    ("value", "size"), [("bytes=10-", 10), ("bytes=10-20", 10), ("bytes=-0", 10), ("bytes=0-", 0), ("bytes=-5", 0)]
)
def test_bytes_that_do_not_exist_are_refused(value: str, size: int) -> None:
    with pytest.raises(S3Error) as caught:
        parse_range(value, size)
    assert (caught.value.code, caught.value.status) == ("InvalidRange", 416)
    assert caught.value.detail == {"RangeRequested": value, "ActualObjectSize": str(size)}


@given(data=st.data(), size=st.integers(1, 1000))
def test_a_range_selects_what_slicing_selects(data: st.DataObject, size: int) -> None:
    first = data.draw(st.integers(0, size - 1))
    last = data.draw(st.integers(first, 2 * size))
    content = bytes(index % 256 for index in range(size))
    found = parse_range(f"bytes={first}-{last}", size)
    assert found is not None
    assert content[found.offset : found.offset + found.length] == content[first : last + 1]
    assert found.content_range(size) == f"bytes {first}-{min(last, size - 1)}/{size}"


def test_a_copy_takes_all_or_exactly_what_it_names() -> None:
    assert parse_copy_range(None, 10) == ByteRange(0, 10)
    assert parse_copy_range(None, 0) == ByteRange(0, 0)
    assert parse_copy_range("bytes=2-9", 10) == ByteRange(2, 8)


@pytest.mark.parametrize(
    "value", ["bytes=2-", "bytes=-2", "bytes=3-2", "0-1", "bytes=0-1,2-3", "bytes=0-10", "", "bytes=0 -1"]
)
def test_a_copy_range_that_is_not_inside_the_source_is_refused(value: str) -> None:
    with pytest.raises(S3Error) as caught:
        parse_copy_range(value, 10)
    assert caught.value.detail == {"ArgumentName": "x-amz-copy-source-range", "ArgumentValue": value}
