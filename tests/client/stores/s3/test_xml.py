"""XML from a server is read strictly: whatever is unclear raises, nothing becomes a default."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.client.stores.errors import ServerFailed
from cybous3.client.stores.port import Part
from cybous3.client.stores.s3 import xml

ENTRY = "<Contents><Key>{}</Key><Size>{}</Size><ETag>&quot;e&quot;</ETag><LastModified>{}</LastModified></Contents>"
TIME = "2026-01-01T00:00:00.000Z"


def page(content: str) -> bytes:
    return f"<ListBucketResult>{content}</ListBucketResult>".encode()


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"<unclosed>",
        b"not xml",
        b'<!DOCTYPE x [<!ENTITY a "b">]><ListBucketResult>&a;</ListBucketResult>',
        b"<ListBucketResult>&undefined;</ListBucketResult>",
        b"<SomethingElse/>",
        b"<ListBucketResult/>trailing",
        b"<ListBucketResult>\xff</ListBucketResult>",
        '<?xml version="1.0" encoding="utf-16"?><!DOCTYPE x><ListBucketResult/>'.encode("utf-16"),
        b"<ListBucketResult>" + b" " * xml.DOCUMENT_BYTES_MAX + b"</ListBucketResult>",
    ],
)
def test_documents_no_s3_server_sends(data: bytes) -> None:
    with pytest.raises(ServerFailed):
        xml.parse(data, "ListBucketResult")


@pytest.mark.parametrize(
    "content",
    [
        "<Contents><Size>1</Size></Contents>",
        ENTRY.format("k", "-1", TIME),
        ENTRY.format("k", "", TIME),
        ENTRY.format("k", "٣", TIME),
        ENTRY.format("k", "1", "yesterday"),
        "<EncodingType>url</EncodingType>" + ENTRY.format("%FF", "1", TIME),
        "<IsTruncated>true</IsTruncated>" + ENTRY.format("k", "1", TIME),
    ],
)
def test_pages_that_cannot_be_understood(content: str) -> None:
    with pytest.raises(ServerFailed):
        xml.list_page(xml.parse(page(content), "ListBucketResult"), version=2)


def test_depth_hurts_nobody() -> None:
    deep = page("<a>" * 100_000 + "</a>" * 100_000)
    assert xml.list_page(xml.parse(deep), version=2).entries == []


def test_a_page_of_the_first_version_that_leads_nowhere() -> None:
    with pytest.raises(ServerFailed):
        xml.list_page(xml.parse(page("<IsTruncated>true</IsTruncated>")), version=1)


def test_the_first_version_goes_on_after_its_marker_or_its_last_name() -> None:
    more = "<IsTruncated>true</IsTruncated><EncodingType>url</EncodingType>"
    marked = xml.parse(page(more + "<NextMarker>a%2B</NextMarker>" + ENTRY.format("a", "1", TIME)))
    assert xml.list_page(marked, version=1).next_token == "a+"
    rolled = page(more + ENTRY.format("a", "1", TIME) + "<CommonPrefixes><Prefix>b/</Prefix></CommonPrefixes>")
    assert xml.list_page(xml.parse(rolled), version=1).next_token == "b/"


def test_keys_are_decoded_only_where_the_server_encoded_them() -> None:
    entry = ENTRY.format("a%20b+c", "1", TIME)
    plain = xml.list_page(xml.parse(page(entry)), version=2)
    encoded = xml.list_page(xml.parse(page("<EncodingType>url</EncodingType>" + entry)), version=2)
    assert [plain.entries[0].key, encoded.entries[0].key] == ["a%20b+c", "a b c"]


def test_namespaces_do_not_matter() -> None:
    data = b'<n:ListBucketResult xmlns:n="urn:x"><n:IsTruncated>false</n:IsTruncated></n:ListBucketResult>'
    assert xml.list_page(xml.parse(data, "ListBucketResult"), version=2).entries == []


@given(st.lists(st.text(min_size=1), min_size=1, max_size=5))
def test_delete_documents_hold_any_key_xml_can_hold(keys: list[str]) -> None:
    keys = [key for key in keys if xml.writable(key) and "\r" not in key]
    root = xml.parse(xml.delete_document(keys), "Delete")
    assert [item.findtext("Key") for item in root.iterfind("Object")] == keys


@pytest.mark.parametrize("key", ["a\x00", "\x1f", "\r", "\ufffe", "\ud800"])
def test_some_keys_xml_cannot_hold(key: str) -> None:
    assert not xml.writable(key)


def test_complete_documents_carry_checksums_that_are_known() -> None:
    root = xml.parse(xml.complete_document([Part(1, 'e"<', 5, "AAAA"), Part(2, "f", 5)]), "CompleteMultipartUpload")
    first, second = root.iterfind("Part")
    assert [first.findtext(name) for name in ("PartNumber", "ETag", "ChecksumCRC32")] == ["1", '"e"<"', "AAAA"]
    assert second.find("ChecksumCRC32") is None


def test_a_location_is_escaped() -> None:
    assert b"&lt;x&gt;" in xml.location_document("<x>")
