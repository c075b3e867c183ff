"""One server under comparison while it runs: what lies in it, and how one row of the table is measured on it.

A row's figure is what succeeded; what failed is told beside it. The requests of small rows are signed beforehand.
"""

import secrets
import shutil
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final, Literal

from cybous3.client.stores.connect import Access, open_buckets, open_store
from cybous3.client.stores.s3.endpoint import parse_endpoint
from cybous3.lab.bench import wrk
from cybous3.lab.bench.generator.presign import Presigner
from cybous3.lab.bench.rivals.port import Program, Rival
from cybous3.lab.bench.rivals.process import Running
from cybous3.lab.bench.streams import Line, StreamFailed
from cybous3.lab.bench.workload import MIB

BUCKET: Final = "bench"
FRESH_KEYS: Final = 8192
"""Keys that a block of PUTs goes round: more than most servers get through in a block, so that most are new."""

_LARGE: Final = "large"
_FILLERS: Final = 8

Generator = Literal["wrk", "python", "stream"]
GENERATORS: Final[Mapping[Generator, str]] = {
    "wrk": "wrk, presigned URLs",
    "python": "Python threads, presigned URLs: fast servers are measured too low",
    "stream": "one Python socket, presigned URLs",
}


@dataclass(frozen=True, slots=True)
class Row:
    """One thing that is measured on every server."""

    name: str
    method: Literal["PUT", "GET"]
    large: bool
    clients: int = 1

    @property
    def unit(self) -> str:
        """What its figures count."""
        return "MiB/s" if self.large else "requests/s"

    @property
    def generator(self) -> Generator:
        """What makes its figures on this machine."""
        if self.large:
            return "stream"
        return "wrk" if wrk.available() else "python"


@dataclass(frozen=True, slots=True)
class Contents:
    """What lies in every server: many small objects of the same bytes, and a large one."""

    small: bytes
    large: bytes
    count: int

    def objects(self) -> Iterator[tuple[str, bytes]]:
        """Yield keys and bodies."""
        yield _LARGE, self.large
        for key in self.small_keys():
            yield key, self.small

    def small_keys(self) -> list[str]:
        """Return the keys of the small ones."""
        return [f"small/{number:05}" for number in range(self.count)]


@dataclass(frozen=True, slots=True)
class Measured:
    """What one block gave: a rate in the row's unit, and what failed in it."""

    rate: float
    problem: str = ""


@dataclass(frozen=True)
class Lane:
    """A rival that runs."""

    rival: Rival
    program: Program
    running: Running
    contents: Contents

    @cached_property
    def _signer(self) -> Presigner:
        target = self.running.target
        return Presigner(
            parse_endpoint(target.endpoint, "path"), BUCKET, target.credentials, target.region, time.time()
        )

    @property
    def base(self) -> str:
        """The server's address."""
        return self.running.target.endpoint

    def path(self, method: str, key: str) -> str:
        """Return a presigned path; of a server without signatures, the bare one."""
        if not self.rival.writes:
            return f"/{BUCKET}/{key}"
        return self._signer.head(method, key).split(b" ", 2)[1].decode("latin-1")

    def takes(self, row: Row) -> bool:
        """Whether the row can be asked of it at all."""
        return self.rival.writes or row.method == "GET"

    def fill(self) -> None:
        """Put the objects where the server has them. StoreError, OSError."""
        if self.rival.writes:
            self._put_all()
            return
        for key, data in self.contents.objects():
            place = self.running.data / BUCKET / key
            place.parent.mkdir(parents=True, exist_ok=True)
            place.write_bytes(data)

    def _put_all(self) -> None:
        target = self.running.target
        access = Access(target.endpoint, target.credentials, target.region)
        buckets, store = open_buckets(access), open_store(access, BUCKET)
        try:
            buckets.create_bucket(BUCKET)
            with ThreadPoolExecutor(_FILLERS) as pool:
                list(pool.map(lambda item: store.put(item[0], item[1]), self.contents.objects()))
        finally:
            buckets.close()
            store.close()

    def check(self) -> None:
        """Read every small object once and compare it: wrk looks at no body. StreamFailed."""
        line = Line(self.base)
        try:
            for key in self.contents.small_keys():
                line.get(self.path("GET", key), self.contents.small)
        finally:
            line.close()

    def measure(self, row: Row, seconds: int, number: int, scratch: Path) -> Measured:
        """Take one block of a row. StreamFailed, WrkFailed, OSError where it gives no figure at all."""
        if row.generator == "stream":
            return Measured(self._large(row) / MIB)
        if row.generator == "wrk":
            return self._by_wrk(row, seconds, number, scratch)
        return Measured(self._by_python(row, seconds, number))

    def _large(self, row: Row) -> float:
        line, body = Line(self.base), self.contents.large
        try:
            path = self.path(row.method, _LARGE)
            return len(body) / (line.put(path, body) if row.method == "PUT" else line.get(path, body))
        finally:
            line.close()

    def _paths(self, row: Row, number: int) -> list[str]:
        fresh = [f"put/{number}-{row.clients}/{key:05}" for key in range(FRESH_KEYS)]
        keys = self.contents.small_keys() if row.method == "GET" else fresh
        return [self.path(row.method, key) for key in keys]

    def _by_wrk(self, row: Row, seconds: int, number: int, scratch: Path) -> Measured:
        folder = scratch / f"wrk-{secrets.token_hex(4)}"
        folder.mkdir()
        body = self.contents.small if row.method == "PUT" else None
        paths = self._paths(row, number)
        try:
            sample = wrk.run(self.base, row.method, paths, folder, clients=row.clients, seconds=seconds, body=body)
        finally:
            shutil.rmtree(folder)
        return judged(sample, row, len(self.contents.small))

    def _by_python(self, row: Row, seconds: int, number: int) -> float:
        """Take a block with a connection a thread."""
        paths, body = self._paths(row, number), self.contents.small
        ends = time.perf_counter() + seconds

        def loop(start: int) -> int:
            line, count = Line(self.base), 0
            send = line.put if row.method == "PUT" else line.get
            try:
                while time.perf_counter() < ends:
                    send(paths[(start + count * row.clients) % len(paths)], body)
                    count += 1
            finally:
                line.close()
            return count

        with ThreadPoolExecutor(row.clients) as pool:
            return sum(pool.map(loop, range(row.clients))) / seconds


def judged(sample: wrk.Sample, row: Row, size: int) -> Measured:
    """Return what a sample of wrk says. StreamFailed if fewer bytes came than the objects hold."""
    if row.method == "GET" and sample.bytes_per_s < sample.rate * size:
        raise StreamFailed("fewer bytes came than the objects hold")
    told = ", ".join(f"{count} ({kind})" for kind, count in sample.errors.items())
    return Measured(sample.rate, f"of {sample.count} requests failed {told}" if told else "")
