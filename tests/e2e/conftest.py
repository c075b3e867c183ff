"""Shared by all clients: a bucket with more keys than one page holds."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

pytest.register_assert_rewrite("tests.e2e.promises")

from tests.e2e.promises import MANY, OPEN_CLIENTS, boto3_client  # noqa: E402  # after the rewrite is registered
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
    s3 = boto3_client(server.endpoint, server.root)
    s3.create_bucket(Bucket=bucket)
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(lambda n: s3.put_object(Bucket=bucket, Key=f"many/{n:05}", Body=b"x"), range(MANY)))
    return bucket
