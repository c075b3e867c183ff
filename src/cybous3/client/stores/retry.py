"""A store that tries again: the same face, around any store.

| outcome | unconditional calls | conditional put, complete_upload |
|---|---|---|
| Unreachable: the server has seen nothing | again | again |
| Throttled, ServerFailed: the server said it did not act | again | again |
| ConnectionLost: nobody knows | again; after silence once | not again: the caller looks |
| Contended: somebody else was writing just then | again | again |
| everything else | not again | not again |

A download that breaks off goes on where it was, on the same state of the object (If-Match on its ETag).
Waiting: full jitter, that is a random time up to a limit that doubles, on top of what the server asked for. All
threads share one budget, so that a server in trouble is not asked ever more; successes refill it slowly.
"""

import random
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from types import TracebackType
from typing import NamedTuple, Self, TypeVar

from cybous3.client.stores.errors import ConnectionLost, PreconditionFailed, Silent, StoreError
from cybous3.client.stores.port import (
    NO_METADATA,
    Body,
    BucketInfo,
    Buckets,
    Capabilities,
    Download,
    Failure,
    ObjectInfo,
    Page,
    Part,
    Store,
    UploadInfo,
    Written,
)

R = TypeVar("R")


class Policy(NamedTuple):
    """How patient to be. Times in seconds."""

    attempts_max: int = 8
    silent_max: int = 2  # attempts when the connection stayed open and silent: each costs the whole idle time
    first_wait_s: float = 0.1
    wait_max_s: float = 10.0
    budget: float = 200.0  # retries that may be outstanding before giving up at once
    refill: float = 0.1  # of a retry, for each success


class Patience:
    """The policy at work; one for all threads of a store."""

    def __init__(
        self,
        policy: Policy,
        *,
        sleep: Callable[[float], None] = time.sleep,
        chance: Callable[[], float] = random.random,
    ) -> None:
        self._policy = policy
        self._sleep, self._chance = sleep, chance
        self._budget = policy.budget
        self._lock = threading.Lock()

    def run(self, call: Callable[[], R], *, repeatable: bool = True) -> R:
        """Call until it succeeds, fails for good, or patience ends; then the last error is raised."""
        attempt = 1
        while True:
            try:
                result = call()
            except StoreError as error:
                if not self.may_repeat(error, attempt, repeatable=repeatable):
                    raise
            else:
                self._succeeded()
                return result
            attempt += 1

    def may_repeat(self, error: StoreError, attempt: int, *, repeatable: bool) -> bool:
        """Decide, and wait, before attempt number `attempt` + 1."""
        policy = self._policy
        attempts_max = policy.silent_max if isinstance(error, Silent) else policy.attempts_max
        if not error.transient or attempt >= attempts_max:
            return False
        if isinstance(error, ConnectionLost) and not repeatable:
            return False
        with self._lock:
            if self._budget < 1:
                return False
            self._budget -= 1
        limit = min(policy.wait_max_s, policy.first_wait_s * 2 ** (attempt - 1))
        # The server's wish, and the dice on top of it: who was sent away together must not come back together.
        self._sleep((error.after_s or 0.0) + self._chance() * limit)
        return True

    def _succeeded(self) -> None:
        if self._budget < self._policy.budget:
            with self._lock:
                self._budget = min(self._policy.budget, self._budget + self._policy.refill)


class RetryingStore:
    """A bucket that tries again."""

    def __init__(self, inner: Store, patience: Patience | None = None) -> None:
        self._inner = inner
        self._patience = patience or Patience(Policy())

    @property
    def capabilities(self) -> Capabilities:
        """What the inner store can do."""
        return self._inner.capabilities

    def put(
        self,
        key: str,
        body: Body,
        *,
        metadata: Mapping[str, str] = NO_METADATA,
        content_type: str | None = None,
        absent: bool = False,
        if_match: str | None = None,
    ) -> Written:
        """Write the object."""

        def call() -> Written:
            return self._inner.put(
                key, body, metadata=metadata, content_type=content_type, absent=absent, if_match=if_match
            )

        return self._patience.run(call, repeatable=not absent and if_match is None)

    def get(self, key: str, *, start: int = 0, length: int | None = None, if_match: str | None = None) -> "Resuming":
        """Open the object; the download resumes by itself."""
        first = self._patience.run(lambda: self._inner.get(key, start=start, length=length, if_match=if_match))
        return Resuming(self._inner, self._patience, first, start)

    def head(self, key: str) -> ObjectInfo:
        """Return what is known."""
        return self._patience.run(lambda: self._inner.head(key))

    def list(
        self, prefix: str = "", *, delimiter: str = "", token: str | None = None, after: str = "", limit: int = 1000
    ) -> Page:
        """Return one page."""
        return self._patience.run(
            lambda: self._inner.list(prefix, delimiter=delimiter, token=token, after=after, limit=limit)
        )

    def delete(self, key: str) -> None:
        """Remove the object."""
        self._patience.run(lambda: self._inner.delete(key))

    def delete_many(self, keys: Sequence[str]) -> Sequence[Failure]:
        """Remove many objects."""
        return self._patience.run(lambda: self._inner.delete_many(keys))

    def copy(
        self, source: str, key: str, *, metadata: Mapping[str, str] | None = None, if_match: str | None = None
    ) -> Written:
        """Copy inside the bucket."""
        return self._patience.run(lambda: self._inner.copy(source, key, metadata=metadata, if_match=if_match))

    def create_upload(
        self, key: str, *, metadata: Mapping[str, str] = NO_METADATA, content_type: str | None = None
    ) -> str:
        """Begin an upload."""
        return self._patience.run(lambda: self._inner.create_upload(key, metadata=metadata, content_type=content_type))

    def upload_part(self, key: str, upload_id: str, number: int, body: Body) -> Part:
        """Store one part."""
        return self._patience.run(lambda: self._inner.upload_part(key, upload_id, number, body))

    def copy_part(
        self,
        key: str,
        upload_id: str,
        number: int,
        *,
        source: str,
        start: int,
        length: int,
        if_match: str | None = None,
    ) -> Part:
        """Store one part from another object."""
        return self._patience.run(
            lambda: self._inner.copy_part(
                key, upload_id, number, source=source, start=start, length=length, if_match=if_match
            )
        )

    def list_parts(self, key: str, upload_id: str) -> Sequence[Part]:
        """Return the parts so far."""
        return self._patience.run(lambda: self._inner.list_parts(key, upload_id))

    def list_uploads(self, prefix: str = "") -> Iterator[UploadInfo]:
        """Yield the unfinished uploads; the listing begins anew when it breaks off."""
        return iter(self._patience.run(lambda: [*self._inner.list_uploads(prefix)]))

    def complete_upload(
        self,
        key: str,
        upload_id: str,
        parts: Sequence[Part],
        *,
        absent: bool = False,
        if_match: str | None = None,
    ) -> Written:
        """Make the object visible."""
        return self._patience.run(
            lambda: self._inner.complete_upload(key, upload_id, parts, absent=absent, if_match=if_match),
            repeatable=False,
        )

    def abort_upload(self, key: str, upload_id: str) -> None:
        """Forget the upload."""
        self._patience.run(lambda: self._inner.abort_upload(key, upload_id))

    def close(self) -> None:
        """Close idle connections."""
        self._inner.close()


class Resuming:
    """A download that opens the rest of the same state again when it breaks off."""

    def __init__(self, store: Store, patience: Patience, download: Download, start: int) -> None:
        self._store, self._patience = store, patience
        self._download = download
        self._info, self._length = download.info, download.length
        self._start, self._done = start, 0

    @property
    def info(self) -> ObjectInfo:
        """The object these bytes are of."""
        return self._info

    @property
    def length(self) -> int:
        """How many bytes come in all."""
        return self._length

    def readinto(self, buffer: bytearray | memoryview) -> int:
        """Fill the buffer; less only at the end."""
        view = memoryview(buffer).cast("B")[: self._length - self._done]
        attempt = 1
        while view.nbytes:
            try:
                count = self._download.readinto(view)
            except ConnectionLost as error:
                # What the broken read put into the buffer does not count: the whole of it is fetched again.
                if not self._patience.may_repeat(error, attempt, repeatable=True):
                    raise
                attempt += 1
                self._reopen(error)
                continue
            self._done += count
            return count
        return 0

    def read(self) -> bytes:
        """Return what is left."""
        buffer = bytearray(self._length - self._done)
        self.readinto(buffer)
        return bytes(buffer)

    def close(self) -> None:
        """Give the connection back."""
        self._download.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _reopen(self, cause: ConnectionLost) -> None:
        self._download.close()
        start, length = self._start + self._done, self._length - self._done
        try:
            self._download = self._patience.run(
                lambda: self._store.get(self._info.key, start=start, length=length, if_match=self._info.etag)
            )
        except PreconditionFailed as error:
            raise ConnectionLost(f"{self._info.key!r} changed while it was being read") from error
        if self._download.length != length:
            raise cause


class RetryingBuckets:
    """The buckets of an endpoint, tried again. Creating and deleting are asked once: the second answer would lie."""

    def __init__(self, inner: Buckets, patience: Patience | None = None) -> None:
        self._inner = inner
        self._patience = patience or Patience(Policy())

    def list_buckets(self) -> Sequence[BucketInfo]:
        """Return every bucket."""
        return self._patience.run(self._inner.list_buckets)

    def has_bucket(self, name: str) -> bool:
        """Tell whether the bucket exists."""
        return self._patience.run(lambda: self._inner.has_bucket(name))

    def create_bucket(self, name: str) -> None:
        """Create the bucket."""
        self._patience.run(lambda: self._inner.create_bucket(name), repeatable=False)

    def delete_bucket(self, name: str) -> None:
        """Delete the empty bucket."""
        self._patience.run(lambda: self._inner.delete_bucket(name), repeatable=False)

    def close(self) -> None:
        """Close idle connections."""
        self._inner.close()
