import pytest

from cybous3.core.chunked.errors import ChunkError
from cybous3.core.chunked.trailers import announced


@pytest.mark.parametrize(
    ("field", "names"),
    [
        (None, ()),
        ("", ()),
        ("x-amz-checksum-crc32", ("x-amz-checksum-crc32",)),
        ("X-Amz-Checksum-SHA1 , x-amz-checksum-crc32c", ("x-amz-checksum-sha1", "x-amz-checksum-crc32c")),
    ],
)
def test_checksums_may_be_announced(field: str | None, names: tuple[str, ...]) -> None:
    assert announced(field) == names


@pytest.mark.parametrize(
    "field",
    [
        "x-amz-meta-a",
        "x-amz-trailer-signature",
        "x-amz-checksum-xxhash64",
        "content-length",
        "x-amz-checksum-crc32,x-amz-acl",
        "x-amz-checksum-crc32,X-Amz-Checksum-Crc32",
    ],
)
def test_anything_else_may_not(field: str) -> None:
    with pytest.raises(ChunkError) as refused:
        announced(field)
    assert refused.value.code == "InvalidRequest"
