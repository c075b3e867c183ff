"""The S3 adapter keeps the port's promises against a real server."""

import secrets
from collections.abc import Iterator

import pytest

from cybous3.client.stores.connect import Access
from cybous3.client.stores.s3.buckets import S3Buckets
from cybous3.client.stores.s3.store import S3Store
from cybous3.core.sigv4.credentials import Credentials
from tests.contracts.store_contract import StoreContract
from tests.support.server import Server

pytestmark = pytest.mark.e2e


def access(server: Server) -> Access:
    return Access(server.endpoint, Credentials(server.root.access_key, server.root.secret_key))


class TestServer(StoreContract):
    @pytest.fixture
    def store(self, server: Server) -> Iterator[S3Store]:
        client = access(server).client()
        bucket = f"contract-{secrets.token_hex(6)}"
        S3Buckets(client).create_bucket(bucket)
        store = S3Store(client, bucket)
        yield store
        store.close()
