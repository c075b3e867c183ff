"""A damaged object as every operation that reads it answers, and how it heals."""

from typing import Any

import pytest

from cybous3.server.blobs.memory.store import MemoryBlobs
from cybous3.server.store.damage import SENTENCE
from tests.support.site import Site

BIG = bytes(range(256)) * 400


@pytest.fixture
def damaged(site: Site) -> Site:
    """Give a site whose bucket holds an object with one wrong byte."""
    client = site.client()
    client.create_bucket(Bucket="bucket")
    client.put_object(Bucket="bucket", Key="key", Body=BIG)
    record = site.run(site.store.head("bucket", "key"))
    blobs = site.store._blobs
    assert isinstance(blobs, MemoryBlobs)
    blobs.flip(record.extents[0].blob, 70_000)
    return site


def upload(site: Site) -> str:
    found: Any = site.client().create_multipart_upload(Bucket="bucket", Key="target")
    return str(found["UploadId"])


def test_every_reader_is_told(damaged: Site) -> None:
    first = damaged.ask("GET", "/bucket/key")
    assert (first.status, SENTENCE.encode() in first.body) == (500, True)
    whole = {"range": "bytes=0-9"}
    source = {"x-amz-copy-source": "/bucket/key"}
    for method, path, query, headers in (
        ("GET", "/bucket/key", "", {}),
        ("GET", "/bucket/key", "", whole),
        ("HEAD", "/bucket/key", "", {}),
        ("GET", "/bucket/key", "attributes=", {"x-amz-object-attributes": "ObjectSize"}),
        ("PUT", "/bucket/target", "", source),
        ("PUT", "/bucket/key", "", {**source, "x-amz-metadata-directive": "REPLACE"}),
        ("PUT", "/bucket/target", f"partNumber=1&uploadId={upload(damaged)}", source),
    ):
        answer = damaged.ask(method, path, query, headers=headers)
        assert answer.status == 500, (method, path, query)
        assert method == "HEAD" or SENTENCE.encode() in answer.body
    assert damaged.ask("HEAD", "/bucket/target").status == 404
    listed = damaged.client().list_objects_v2(Bucket="bucket")["Contents"]
    assert [entry["Key"] for entry in listed] == ["key"]


def test_overwriting_and_deleting_heal(damaged: Site) -> None:
    client = damaged.client()
    assert damaged.ask("GET", "/bucket/key").status == 500
    client.put_object(Bucket="bucket", Key="key", Body=b"new")
    assert damaged.ask("GET", "/bucket/key").body == b"new"
    client.delete_object(Bucket="bucket", Key="key")
    assert damaged.ask("GET", "/bucket/key").status == 404
