import pytest

from cybous3.server.wire.address import CopySource, check_key, parse_copy_source, valid_bucket_name
from cybous3.server.wire.errors import S3Error

SOURCE = "x-amz-copy-source"


@pytest.mark.parametrize("name", ["abc", "a-b", "a.b", "1.2.3", "a" * 63, "123", "bucket-with-1.dots.4", "a--b"])
def test_names_that_a_bucket_may_have(name: str) -> None:
    assert valid_bucket_name(name)


@pytest.mark.parametrize(
    "name",
    [
        "ab",
        "a" * 64,
        "Abc",
        "a_b",
        "-ab",
        "ab-",
        ".ab",
        "ab.",
        "a..b",
        "a.-b",
        "a-.b",
        "192.168.5.4",
        "999.999.999.999",
        "xn--abc",
        "sthree-abc",
        "sthree-configurator",
        "amzn-s3-demo-bucket",
        "abc-s3alias",
        "abc--ol-s3",
        "abc.mrap",
        "abc--x-s3",
        "abc--table-s3",
        "",
        "..",
        "a b",
        "abc\n",
        "ünïcode",
        "a/b",
        "a\0b",
    ],
)
def test_names_that_a_bucket_may_not_have(name: str) -> None:
    assert not valid_bucket_name(name)


def test_a_key_is_never_empty_nor_half_a_character() -> None:
    for key in ("", "\ud800"):
        with pytest.raises(S3Error, match="key"):
            check_key(key)


@pytest.mark.parametrize(
    ("text", "source"),
    [
        ("bucket/key", CopySource("bucket", "key")),
        ("/bucket/key", CopySource("bucket", "key")),
        ("bucket/a/b%2Fc", CopySource("bucket", "a/b/c")),
        ("bucket%2Fa%2Fb", CopySource("bucket", "a/b")),
        ("%2Fbucket%2fa%2525?versionId=v", CopySource("bucket", "a%25", "v")),
        ("bucket//a", CopySource("bucket", "/a")),
        ("bucket/../other/key", CopySource("bucket", "../other/key")),
        ("bucket/a?versionId=null", CopySource("bucket", "a", "null")),
        ("bucket/a%3FversionId=x", CopySource("bucket", "a?versionId=x")),
        ("bucket/a%253F", CopySource("bucket", "a%3F")),
        ("bucket/a?b", CopySource("bucket", "a?b")),
        ("bucket/a+b%2Bc", CopySource("bucket", "a b+c")),
        ("bucket/%C3%BC", CopySource("bucket", "ü")),
    ],
)
def test_a_copy_source_is_decoded_once_after_its_version_is_split_off(text: str, source: CopySource) -> None:
    assert parse_copy_source(SOURCE, text) == source


def test_a_copy_source_keeps_the_rules_of_names_and_keys() -> None:
    for text, code in (("..//key", "InvalidBucketName"), (f"bucket/{'k' * 1025}", "KeyTooLongError")):
        with pytest.raises(S3Error) as caught:
            parse_copy_source(SOURCE, text)
        assert caught.value.code == code
