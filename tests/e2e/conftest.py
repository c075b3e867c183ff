"""Shared by all clients: a bucket with more keys than one page holds."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import obstore
import pytest

pytest.register_assert_rewrite("tests.e2e.promises")

from tests.e2e.promises import MANY, OPEN_CLIENTS, boto3_client, obstore_client  # noqa: E402  # after the rewrite is registered
from tests.support.server import Server  # noqa: E402  # likewise


@pytest.fixture(scope="session", autouse=True)
def _close_clients() -> Iterator[None]:
    yield
    for client in OPEN_CLIENTS:
        client.close()


@pytest.fixture(scope="session")
def many(server: Server) -> str:
    """Fill a bucket with more keys than one page of a listing holds, once for all clients."""
    bucket = "many-keys"
    boto3_client(server.endpoint, server.root).create_bucket(Bucket=bucket)
    store = obstore_client(server.endpoint, server.root, bucket)  # a tenth of boto3's work for each small object
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda n: obstore.put(store, f"many/{n:05}", b"x", use_multipart=False), range(MANY)))
    return bucket
