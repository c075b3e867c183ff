"""One bucket as a load client sees it: each request is sent once, and its outcome is told honestly.

The usual client repeats what may be repeated, which hides from the oracle that an earlier attempt may yet arrive. Here
every repetition is the caller's, counted, and a lost attempt is remembered.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from cybous3.client.stores.connect import Access
from cybous3.client.stores.errors import ConnectionLost, StoreError, Unreachable
from cybous3.client.stores.port import MIB, each_entry
from cybous3.client.stores.s3.client import Answer, Call, S3Client, Settings
from cybous3.client.stores.s3.endpoint import parse_endpoint
from cybous3.client.stores.s3.store import S3Store
from cybous3.lab.chaos.oracle import Outcome

R = TypeVar("R")
_PART_BYTES = 5 * MIB


class _OnceClient(S3Client):
    """Never repeats a request on its own, not even on a connection that had been closed meanwhile."""

    def send(self, call: Call) -> Answer:
        return super().send(call._replace(repeatable=False))


def open_once(access: Access, bucket: str) -> S3Store:
    """Return a bucket whose every call is exactly one request (a few for a multipart upload)."""
    settings = Settings(
        parse_endpoint(access.endpoint, access.addressing), access.credentials, access.region, timeouts=access.timeouts
    )
    return S3Store(_OnceClient(settings), bucket)


@dataclass(slots=True)
class Attempted:
    """How a call ended after as many tries as were allowed. `lost`: an attempt may still be under way somewhere."""

    error: StoreError | None = None
    tries: int = 0
    lost: bool = False

    @property
    def outcome(self) -> Outcome:
        """What is known of its effect.

        An answer with an error of the server's own (5xx) leaves open whether it acted, but the request is over.
        """
        if self.error is None:
            return "done"
        if self.lost:
            return "late"
        unsure = self.error.transient and not isinstance(self.error, Unreachable)
        return "unknown" if unsure else "refused"


def attempt(call: Callable[[], R], tries: int, wait: Callable[[int], None]) -> tuple[R | None, Attempted]:
    """Call up to `tries` times while errors are transient; `wait` is told how many tries there were."""
    ended = Attempted()
    while True:
        ended.tries += 1
        try:
            result = call()
        except StoreError as error:
            ended.error = error
            ended.lost |= isinstance(error, ConnectionLost)
            if not error.transient or ended.tries >= tries:
                return None, ended
            wait(ended.tries)
        else:
            ended.error = None
            return result, ended


def put_parts(store: S3Store, key: str, body: bytes) -> None:
    """Write an object in parts: of 5 MiB, and a last one of what is left."""
    upload = store.create_upload(key)
    pieces = [body[at : at + _PART_BYTES] for at in range(0, len(body), _PART_BYTES)] or [b""]
    parts = [store.upload_part(key, upload, number, piece) for number, piece in enumerate(pieces, 1)]
    store.complete_upload(key, upload, parts)


def fetch(store: S3Store, key: str) -> bytes:
    """Return a whole object."""
    with store.get(key) as download:
        return download.read()


def listing(store: S3Store, prefix: str) -> list[str]:
    """Return every key under a prefix."""
    return [entry.key for entry in each_entry(store, prefix)]
