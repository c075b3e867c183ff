"""What salvage keeps on disk instead of in memory: rows by key, the one modified last first."""

from cybous3.server.meta.sqlite.leaves import Place
from cybous3.server.meta.sqlite.spill import Places, Standing


def test_rows_come_by_bucket_and_key_the_latest_first() -> None:
    places = Places()
    for bucket, key, modified_ms, page in ((2, b"a", 1, 9), (1, b"b", 5, 8), (1, b"b", 7, 7), (1, b"a\0", 1, 6)):
        places.add_object(bucket, key, modified_ms, Place(page, 0))
    assert [(one.bucket, one.key, one.place.page) for one in places.objects()] == [
        (1, b"a\0", 6),
        (1, b"b", 7),
        (1, b"b", 8),
        (2, b"a", 9),
    ]


def test_contents_and_layouts_are_found_by_number() -> None:
    places = Places()
    places.add_body("contents", 1, Place(3, 4))
    places.add_body("contents", 1, Place(2, 9))
    places.add_body("layouts", 1, Place(5, 0))
    assert places.bodies("contents", 1) == [Place(2, 9), Place(3, 4)]
    assert places.bodies("layouts", 1) == [Place(5, 0)]
    assert places.bodies("layouts", 2) == []


def test_what_is_whole_is_counted_and_comes_by_key() -> None:
    places = Places()
    standing = [Standing(1, key, Place(page, 0)) for page, key in enumerate((b"z", b"a"))]
    for one in (*standing, Standing(3, b"m", Place(9, 9))):
        places.add_whole(one)
    assert places.whole_buckets() == [1, 3]
    assert [places.count(bucket) for bucket in (1, 2, 3)] == [2, 0, 1]
    assert list(places.whole(1)) == standing[::-1]
