"""Which operation comes next: a workload turned into a stream of prepared requests, the same for the same seed.

`setup` gives what must lie there before the clock starts, `refill` what earlier blocks used up; `draw` the next
operation, or None when there is nothing left to do it to (only `delete` runs out). Several processes share the
objects: each puts, and deletes, its own share of them, and reads all.
"""

import random
import re
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Final

from cybous3.lab.bench.generator.contents import Contents
from cybous3.lab.bench.generator.presign import Presigner, query_value
from cybous3.lab.bench.generator.request import Answer, Check, Request
from cybous3.lab.bench.workload import Workload

LIST_PAGE: Final = 1000
PREBUILT_MAX: Final = 20_000
"""So many requests are made before the clock starts; beyond that each is signed when it is sent: some microseconds."""

_UPLOAD_ID: Final = re.compile(rb"<UploadId>([^<]+)</UploadId>")


class NoUploadId(Exception):
    """The answer that should begin a multipart upload names none."""


@dataclass(frozen=True, slots=True)
class Share:
    """Which of how many processes this is."""

    index: int = 0
    of: int = 1


class Plan:
    """The operations of one process."""

    def __init__(self, workload: Workload, sign: Presigner, prefix: str, share: Share = Share()) -> None:
        self._workload, self._sign, self._prefix, self._share = workload, sign, prefix, share
        self.contents = Contents(workload.seed)
        self._sizes = workload.sizes.samples(random.Random(workload.seed), workload.objects)  # noqa: S311  # not secret
        self._rng = random.Random(f"{workload.seed}/{share.index}")  # noqa: S311  # likewise
        self._made = 0
        self._spare: list[tuple[str, int]] = []  # written by `mixed`, for its own deletes
        self._present = list(range(share.index, workload.objects, share.of))  # what `delete` may delete
        self._gone: list[int] = []
        self._ready: dict[tuple[str, int], Request] = {}
        self._pool: deque[Request] = deque()
        self._draw = self._kinds()[workload.kind]
        self._mix = [*workload.mix], [*workload.mix.values()]

    def _kinds(self) -> Mapping[str, Callable[[], Request | None]]:
        return {
            "put": self._put_new,
            "get": partial(self._of_any, self.get),
            "stat": partial(self._of_any, self.stat),
            "list": partial(self._of_any, self.list),
            "range": lambda: self.range(self._any()),
            "delete": self._delete_one,
            "mixed": self._mixed,
            "multipart": self._multipart,
        }

    @property
    def has_objects(self) -> bool:
        """Whether something must lie there before the clock starts."""
        return self._workload.kind not in {"put", "multipart"}

    def setup(self) -> Iterator[Request]:
        """Yield the writes of this process's share of the objects."""
        if self.has_objects:
            yield from map(self._put_at, range(self._share.index, self._workload.objects, self._share.of))

    def refill(self) -> Iterator[Request]:
        """Yield the writes that bring back what was deleted."""
        gone, self._gone = self._gone, []
        for index in gone:
            self._present.append(index)
            yield self._put_at(index)

    def stock(self, operations: int) -> None:
        """Make ready, before the clock starts, what can be: requests to the objects, and so many writes of new ones."""
        kind = self._workload.kind
        if kind == "put":
            wanted = min(operations, PREBUILT_MAX) - len(self._pool)
            self._pool.extend(self.put(*self._new()) for _ in range(wanted))
        made_for = {"get": [self.get], "stat": [self.stat], "list": [self.list], "mixed": [self.get, self.stat]}
        for make in made_for.get(kind, []):
            for index in range(self._workload.objects if self._workload.objects <= PREBUILT_MAX else 0):
                self._kept(make, index)

    def draw(self) -> Request | None:
        """Return the next operation, None when there is nothing left to do it to."""
        return self._draw()

    def _any(self) -> int:
        return int(self._rng.random() * self._workload.objects)

    def _of_any(self, make: Callable[[int], Request]) -> Request:
        index = self._any()
        return self._kept(make, index) if self._workload.objects <= PREBUILT_MAX else make(index)

    def _kept(self, make: Callable[[int], Request], index: int) -> Request:
        request = self._ready.get((make.__name__, index))
        if request is None:
            request = self._ready[make.__name__, index] = make(index)
        return request

    def _key(self, index: int) -> str:
        return f"{self._prefix}{index:08d}"

    def _put_at(self, index: int) -> Request:
        return self.put(self._key(index), self._sizes[index])

    def put(self, key: str, size: int, settled: Callable[[bool], None] | None = None) -> Request:
        """Write an object."""
        body = self.contents.pieces(self.contents.start(key, size), 0, size)
        return Request("put", self._sign.head("PUT", key, length=size), body, payload=size, settled=settled)

    def get(self, index: int) -> Request:
        """Read an object whole."""
        key, size = self._key(index), self._sizes[index]
        start = self.contents.start(key, size)
        return Request("get", self._sign.head("GET", key), (), 200, Check.BYTES, start, 0, size, payload=size)

    def stat(self, index: int) -> Request:
        """Ask what an object is."""
        head = self._sign.head("HEAD", self._key(index))
        return Request("stat", head, check=Check.LENGTH, size=self._sizes[index], bodiless=True)

    def list(self, index: int) -> Request:
        """List the page that begins behind an object."""
        after, prefix = query_value(self._key(index)), query_value(self._prefix)
        query = f"list-type=2&max-keys={LIST_PAGE}&prefix={prefix}&start-after={after}"
        expected = min(LIST_PAGE, self._workload.objects - index - 1)
        return Request("list", self._sign.head("GET", query=query), check=Check.KEYS, size=expected)

    def range(self, index: int) -> Request:
        """Read a stretch from anywhere in an object, the whole of it where it is shorter."""
        key, size = self._key(index), self._sizes[index]
        length = self._workload.range_size
        if length >= size:  # the whole of it: some servers answer a range that leaves nothing out with 200
            return self.get(index)._replace(op="range")
        offset = self._rng.randrange(size - length + 1)
        fields = f"Range: bytes={offset}-{offset + length - 1}\r\n"
        head, start = self._sign.head("GET", key, fields=fields), self.contents.start(key, size)
        return Request("range", head, (), 206, Check.BYTES, start, offset, length, payload=length)

    def delete(self, key: str, settled: Callable[[bool], None] | None = None) -> Request:
        """Delete an object."""
        return Request("delete", self._sign.head("DELETE", key), status=204, settled=settled)

    def _new(self) -> tuple[str, int]:
        self._made += 1
        return f"{self._prefix}n{self._share.index}-{self._made:08d}", self._workload.sizes.sample(self._rng)

    def _put_new(self) -> Request:
        return self._pool.popleft() if self._pool else self.put(*self._new())

    def _delete_one(self) -> Request | None:
        if not self._present:
            return None
        index = self._present.pop()
        self._gone.append(index)
        return self.delete(self._key(index))

    def _mixed(self) -> Request:
        op = self._rng.choices(*self._mix)[0]
        if op == "delete" and self._spare:
            return self.delete(self._spare.pop()[0])
        if op in {"put", "delete"}:  # what nobody has written yet cannot be deleted
            return self._put_spare()
        return self._of_any(self.get if op == "get" else self.stat)

    def _put_spare(self) -> Request:
        key, size = self._new()
        return self.put(key, size, lambda written: self._spare.append((key, size)) if written else None)

    def _multipart(self) -> Request:
        key, size = self._new()
        return _Upload(self, self._sign, key, size, self._workload.part_size).create()


class _Upload:
    """One multipart upload: create, every part in order, complete. One operation."""

    def __init__(self, plan: Plan, sign: Presigner, key: str, size: int, part_size: int) -> None:
        self._sign, self._key, self._size, self._part_size = sign, key, size, part_size
        self._contents = plan.contents
        self._start = plan.contents.start(key, size)
        self._parts = max(1, -(-size // part_size))
        self._etags: list[str] = []
        self._id = ""

    def create(self) -> Request:
        """Begin."""
        head = self._sign.head("POST", self._key, "uploads=", length=0)
        return Request("multipart", head, check=Check.DOCUMENT, after=self._created)

    def _created(self, answer: Answer) -> Request:
        found = _UPLOAD_ID.search(answer.body)
        if found is None:
            raise NoUploadId
        self._id = query_value(found[1].decode())
        return self._part()

    def _part(self) -> Request:
        number = len(self._etags) + 1
        offset = (number - 1) * self._part_size
        length = min(self._part_size, self._size - offset)
        head = self._sign.head("PUT", self._key, f"partNumber={number}&uploadId={self._id}", length=length)
        body = self._contents.pieces(self._start, offset, length)
        return Request("multipart", head, body, check=Check.DOCUMENT, after=self._stored)

    def _stored(self, answer: Answer) -> Request:
        self._etags.append(answer.headers.get(b"etag", b"").decode("latin-1"))
        return self._part() if len(self._etags) < self._parts else self._complete()

    def _complete(self) -> Request:
        parts = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>"
            for number, etag in enumerate(self._etags, 1)
        )
        body = f"<CompleteMultipartUpload>{parts}</CompleteMultipartUpload>".encode()
        head = self._sign.head("POST", self._key, f"uploadId={self._id}", length=len(body))
        return Request("multipart", head, [body], check=Check.DOCUMENT, payload=self._size)
