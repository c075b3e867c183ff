"""obstore: Rust's object_store, the engine under most data tools."""

from datetime import timedelta
from pathlib import Path

import obstore

from tests.e2e.promises import MIB, Promises, obstore_client
from tests.support.server import Server


class Obstore:
    """A store over one bucket."""

    def __init__(self, server: Server, bucket: str, scratch: Path) -> None:
        del scratch
        self.store = obstore_client(server.endpoint, server.root, bucket)

    def put(self, key: str, source: Path) -> None:
        obstore.put(self.store, key, source, use_multipart=False)

    def put_large(self, key: str, source: Path) -> None:
        obstore.put(self.store, key, source, use_multipart=True, chunk_size=5 * MIB)

    def get(self, key: str, target: Path) -> None:
        target.write_bytes(bytes(obstore.get(self.store, key).bytes()))

    def get_range(self, key: str, first: int, last: int, scratch: Path) -> bytes:
        del scratch
        return bytes(obstore.get_range(self.store, key, start=first, end=last + 1))

    def list(self, prefix: str) -> list[str]:
        return [item["path"] for page in obstore.list(self.store, prefix) for item in page]

    def copy(self, source: str, target: str) -> None:
        obstore.copy(self.store, source, target)

    def delete(self, key: str) -> None:
        obstore.delete(self.store, key)

    def presigned_get(self, key: str) -> str:
        return str(obstore.sign(self.store, "GET", key, timedelta(minutes=1)))

    def presigned_put(self, key: str) -> str:
        return str(obstore.sign(self.store, "PUT", key, timedelta(minutes=1)))


class TestObstore(Promises):
    make = Obstore
