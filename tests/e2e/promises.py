"""What every S3 client must get from our server: one set of promises, one class per client that inherits it.

A client is a small adapter (`Client`) around a library or program nobody here wrote. What it stores is looked at by
another pair of eyes (`Witness`), so that a client cannot agree with itself about something wrong.
A client that lacks a feature says so with a reason, which pytest prints as a skip.
"""

import hashlib
import http.client
import os
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import urlsplit

import pytest
from obstore.store import S3Store

from tests.support.server import Key, Server

MIB = 1024 * 1024
LARGE = 24 * MIB
MANY = 1_050
OPEN_CLIENTS: list[Any] = []  # closed when the session ends
ODD_KEY = "ä ö/emoji 🎉/plus+percent%41 & = ;,~.txt"


class Lacking(Exception):
    """The client has no such feature; the message says what it does instead."""


class Client(Protocol):
    """What the promises ask of a client. Keys are plain text; content passes through files, as people do it."""

    def put(self, key: str, source: Path) -> None: ...
    def get(self, key: str, target: Path) -> None: ...
    def get_range(self, key: str, first: int, last: int, scratch: Path) -> bytes: ...
    def put_large(self, key: str, source: Path) -> None: ...
    def list(self, prefix: str) -> list[str]: ...
    def copy(self, source: str, target: str) -> None: ...
    def delete(self, key: str) -> None: ...
    def presigned_get(self, key: str) -> str: ...
    def presigned_put(self, key: str) -> str: ...


@contextmanager
def unless_lacking() -> Iterator[None]:
    """Skip the test, with the reason, when the client says that it lacks the feature."""
    try:
        yield
    except Lacking as lacking:
        pytest.skip(str(lacking))


class Witness:
    """What is really stored, as botocore with its plainest settings sees it."""

    def __init__(self, endpoint: str, key: Key, bucket: str) -> None:
        self.s3 = boto3_client(endpoint, key)
        self.bucket = bucket

    def body(self, key: str) -> bytes:
        """Return an object's bytes."""
        content: bytes = self.s3.get_object(Bucket=self.bucket, Key=key)["Body"].read()
        return content

    def etag(self, key: str) -> str:
        """Return an object's ETag without its quotes."""
        etag: str = self.s3.head_object(Bucket=self.bucket, Key=key)["ETag"]
        return etag.strip('"')

    def keys(self, prefix: str = "") -> list[str]:
        """Return all keys below a prefix, in the order of the listing."""
        pages = self.s3.get_paginator("list_objects_v2").paginate(Bucket=self.bucket, Prefix=prefix)
        return [item["Key"] for page in pages for item in page.get("Contents", [])]

    def put(self, key: str, content: bytes) -> None:
        """Store an object."""
        self.s3.put_object(Bucket=self.bucket, Key=key, Body=content)


@cache
def boto3_client(endpoint: str, key: Key) -> Any:  # boto3 makes its classes at run time
    """Return a boto3 S3 client with the library's own defaults, but path-style: buckets have no names in the DNS here.

    So its links are signed with version 2, as botocore does in us-east-1 unless told otherwise.
    """
    import boto3  # noqa: PLC0415  # half a second, and only here
    from botocore.config import Config  # noqa: PLC0415  # likewise

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name="us-east-1",
        aws_access_key_id=key.access_key,
        aws_secret_access_key=key.secret_key,
        config=Config(s3={"addressing_style": "path"}, retries={"max_attempts": 1}),
    )
    OPEN_CLIENTS.append(client)
    return client


def obstore_client(endpoint: str, key: Key, bucket: str) -> S3Store:
    """Return an obstore store over one bucket."""
    return S3Store(
        bucket,
        endpoint=endpoint,
        region="us-east-1",
        access_key_id=key.access_key,
        secret_access_key=key.secret_key,
        virtual_hosted_style_request=False,
        client_options={"allow_http": True},
        retry_config={"max_retries": 0},
    )


def script(name: str) -> list[str]:
    """Return the command of a Python script installed beside this interpreter, whatever its path may hold."""
    return [sys.executable, str(Path(sys.executable).with_name(name))]


def program(name: str) -> list[str]:
    """Return the command of a binary installed beside this interpreter."""
    return [str(Path(sys.executable).with_name(name))]


def run(command: Sequence[str], environment: Mapping[str, str], *, ok: bool = True) -> bytes:
    """Run a client's command and return its standard output; `ok` demands that it succeeded."""
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)
    assert not ok or done.returncode == 0, f"{command}: {done.returncode}\n{done.stdout!r}\n{done.stderr.decode()}"
    return done.stdout


def plain_request(method: str, url: str, body: bytes | None = None) -> tuple[int, bytes]:
    """Send a request with nothing but the URL's own authority, as a browser would."""
    parts = urlsplit(url)
    connection = http.client.HTTPConnection(parts.netloc, timeout=30)
    try:
        connection.request(method, f"{parts.path}?{parts.query}", body)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


@pytest.mark.e2e
class Promises:
    """The promises. A client's class sets `make`, which builds the adapter for a bucket that exists."""

    make: Callable[[Server, str, Path], Client]

    @pytest.fixture(scope="class")
    @classmethod
    def bucket(cls, server: Server) -> str:
        name = f"e2e-{cls.__name__.lower()}"
        boto3_client(server.endpoint, server.root).create_bucket(Bucket=name)
        return name

    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, server: Server, bucket: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
        return cls.make(server, bucket, tmp_path_factory.mktemp("client"))

    @pytest.fixture
    def witness(self, server: Server, bucket: str) -> Witness:
        return Witness(server.endpoint, server.root, bucket)

    @pytest.fixture
    def small(self, tmp_path: Path) -> Path:
        path = tmp_path / "small.bin"
        path.write_bytes(os.urandom(100_000))
        return path

    def test_what_is_put_is_stored_as_it_is(self, client: Client, witness: Witness, small: Path) -> None:
        client.put("put/small.bin", small)
        assert witness.body("put/small.bin") == small.read_bytes()
        assert witness.etag("put/small.bin") == hashlib.md5(small.read_bytes(), usedforsecurity=False).hexdigest()

    def test_an_empty_object_is_an_object(self, client: Client, witness: Witness, tmp_path: Path) -> None:
        (tmp_path / "empty").touch()
        client.put("put/empty", tmp_path / "empty")
        client.get("put/empty", tmp_path / "back")
        assert witness.body("put/empty") == (tmp_path / "back").read_bytes() == b""

    def test_a_second_put_replaces_the_first(self, client: Client, witness: Witness, small: Path) -> None:
        witness.put("put/twice", b"old content, longer or shorter, no matter")
        client.put("put/twice", small)
        assert witness.body("put/twice") == small.read_bytes()

    def test_what_is_stored_is_got(self, client: Client, witness: Witness, tmp_path: Path) -> None:
        content = os.urandom(300_001)
        witness.put("get/it", content)
        client.get("get/it", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == content

    def test_a_key_may_hold_any_character(self, client: Client, witness: Witness, small: Path, tmp_path: Path) -> None:
        client.put(ODD_KEY, small)
        assert witness.keys("ä ö/") == [ODD_KEY]
        client.get(ODD_KEY, tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == small.read_bytes()
        assert client.list("ä ö/") == [ODD_KEY]

    def test_a_range_is_a_slice(self, client: Client, witness: Witness, tmp_path: Path) -> None:
        content = os.urandom(3 * MIB)
        witness.put("range/it", content)
        with unless_lacking():
            assert client.get_range("range/it", MIB + 7, 2 * MIB + 11, tmp_path) == content[MIB + 7 : 2 * MIB + 12]

    def test_a_large_file_goes_in_parts_and_comes_back(self, client: Client, witness: Witness, tmp_path: Path) -> None:
        source = tmp_path / "large"
        source.write_bytes(os.urandom(LARGE + 12_345))
        client.put_large("large/it", source)
        assert "-" in witness.etag("large/it"), "stored in one piece: the client was not asked for parts"
        client.get("large/it", tmp_path / "back")
        assert (tmp_path / "back").read_bytes() == source.read_bytes()

    def test_a_listing_goes_past_the_page(self, server: Server, many: str, tmp_path: Path) -> None:
        client = type(self).make(server, many, tmp_path)
        assert sorted(client.list("many/")) == [f"many/{n:05}" for n in range(MANY)]

    def test_a_copy_is_the_same_and_its_own(self, client: Client, witness: Witness, tmp_path: Path) -> None:
        content = os.urandom(200_000)
        witness.put("copy/from", content)
        client.copy("copy/from", "copy/to")
        witness.put("copy/from", b"changed afterwards")
        assert witness.body("copy/to") == content

    def test_what_is_deleted_is_gone(self, client: Client, witness: Witness) -> None:
        witness.put("delete/this", b"x")
        witness.put("delete/that", b"x")
        client.delete("delete/this")
        assert witness.keys("delete/") == ["delete/that"]

    def test_a_presigned_get_needs_nothing_but_its_url(self, client: Client, witness: Witness) -> None:
        witness.put("presigned/get it", b"for whoever holds the link")
        with unless_lacking():
            url = client.presigned_get("presigned/get it")
            assert plain_request("GET", url) == (200, b"for whoever holds the link")
            assert plain_request("DELETE", url)[0] == 403, "a link to read must not delete"
            assert plain_request("GET", url.split("?")[0])[0] == 403, "without the signature it is nobody's request"

    def test_a_presigned_put_needs_nothing_but_its_url(self, client: Client, witness: Witness) -> None:
        with unless_lacking():
            url = client.presigned_put("presigned/put it")
            assert plain_request("PUT", url, b"left by a stranger")[0] == 200
            assert witness.body("presigned/put it") == b"left by a stranger"
            assert plain_request("GET", url)[0] == 403, "a link to write must not read"
