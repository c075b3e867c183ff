"""A load whose every request is written down: several connections, each with keys of its own.

One key belongs to one connection, which waits for each answer: so at a cut at most one request on a key is open, and
what may be found is known exactly. Connections differ in speed, what each does follows from the seed alone.
"""

import asyncio
import base64
import hashlib
import random
import re
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cybous3.lab.chaos.powercut.history import Attempt, Value
from cybous3.lab.chaos.powercut.session import Answer, Lost, Session

BUCKET: Final = "cuts"
_SMALL: Final = (0, 12_000)  # bytes: kept in the index
_LARGE: Final = (20_000, 90_000)  # bytes: kept in files
_PART: Final = 5 * 1024 * 1024
_METADATA: Final = "x-amz-meta-"


@dataclass(frozen=True, slots=True)
class Plan:
    """How much of what: `kinds` are names of actions with their weights."""

    seed: int
    connections: int = 4
    requests: int = 60  # a connection
    keys: int = 5  # a connection
    kinds: dict[str, int] = field(default_factory=dict)
    pause_s: float = 0.0  # between the requests of a connection
    long_parts: bool = False  # one upload with a part of 5 MiB, the smallest that may have a successor


class Player:
    """One connection, its keys, and what it knows of them."""

    def __init__(self, number: int, plan: Plan, session: Session, history: list[Attempt]) -> None:
        self.chance = random.Random(f"{plan.seed}/{number}")  # noqa: S311  # a load that can be repeated, not a secret
        self._plan = plan
        self._session = session
        self._history = history
        self._keys = [f"c{number}/k{key}" for key in range(plan.keys)]
        self._known: dict[str, tuple[Value, bytes] | None] = dict.fromkeys(self._keys)
        self._number = number
        self.aim: str | None = None  # the key that the next requests are about; None: any

    async def play(self) -> None:
        """Send all requests. A server that ends takes the rest with it."""
        kinds = {name: weight for name, weight in (self._plan.kinds or FULL).items() if weight}
        if self._plan.long_parts and self._number == 0:
            await self.long_upload()
        for _ in range(self._plan.requests):
            kind = self.chance.choices(list(kinds), list(kinds.values()))[0]
            await ACTIONS[kind](self)
            if self._plan.pause_s:
                await asyncio.sleep(self._plan.pause_s)

    async def put(self, bounds: tuple[int, int] = _SMALL) -> None:
        """Store bytes under a key, whatever it was before."""
        key, data = self._key(), self._bytes(bounds)
        headers, metadata = self._metadata()
        value = Value.of(data, hashlib.md5(data, usedforsecurity=False).hexdigest(), metadata)
        answer = await self._attempt(f"object:{BUCKET}/{key}", "put", value, "PUT", key, headers=headers, body=data)
        self._known[key] = (value, data) if answer.ok else None

    async def put_file(self) -> None:
        """Store bytes that do not fit into the index."""
        await self.put(_LARGE)

    async def delete(self) -> None:
        """Remove a key."""
        key = self._key()
        await self._attempt(f"object:{BUCKET}/{key}", "delete", None, "DELETE", key)
        self._known[key] = None

    async def copy(self) -> None:
        """Copy one key to another; of the other's metadata nothing stays."""
        sources = [key for key in self._keys if self._known[key]]
        key = self._key()
        if not sources or (source := self.chance.choice(sources)) == key:
            await self.put_file()
            return
        known = self._known[source]
        assert known is not None  # noqa: S101  # chosen among those that are known
        value, data = known
        await self._copied(key, source, Value(value.sha256, value.size, None, value.metadata), data, [])

    async def relabel(self) -> None:
        """Give an object other metadata by copying it onto itself."""
        known = [key for key in self._keys if self._known[key]]
        if not known:
            await self.put()
            return
        await self.relabel_it(self.chance.choice(known))

    async def relabel_it(self, key: str | None = None) -> None:
        """Give this object other metadata (default: the one aimed at)."""
        key = key or self._key()
        value, data = self._known[key] or (Value.of(b""), b"")
        headers, metadata = self._metadata()
        after = Value(value.sha256, value.size, value.etag, metadata)
        await self._copied(key, key, after, data, [("x-amz-metadata-directive", "REPLACE"), *headers])

    async def upload(self) -> None:
        """Make an object of a part, or give the upload up, or leave it as it is."""
        await self.upload_ending(self.chance.choice(("complete", "complete", "abort", "leave")))

    async def upload_ending(self, ending: str) -> None:
        """Upload a part and end so: `complete`, `abort`, `leave`."""
        await self._upload([self._bytes(_LARGE)], ending)

    async def long_upload(self) -> None:
        """Make an object of two parts."""
        await self._upload([self.chance.randbytes(_PART), self._bytes(_LARGE)], "complete")

    # the parts of these

    async def _copied(
        self, key: str, source: str, value: Value, data: bytes, headers: Sequence[tuple[str, str]]
    ) -> None:
        sent = [("x-amz-copy-source", f"/{BUCKET}/{source}"), *headers]
        kind = "copy" if key != source else "relabel"
        attempt, answer = await self._send(f"object:{BUCKET}/{key}", kind, value, "PUT", key, headers=sent)
        if answer.ok:
            told = re.search(rb"<ETag>(?:&quot;|\"|&#34;)?([0-9a-f-]+)", answer.body)
            value = Value(value.sha256, value.size, told[1].decode() if told else None, value.metadata)
            attempt.after = value
        self._known[key] = (value, data) if answer.ok else None

    async def _upload(self, parts: Sequence[bytes], ending: str) -> None:
        key = self._key()
        begin = time.time()
        answer = await self._ask("POST", key, "uploads=")
        found = re.search(rb"<UploadId>([^<]+)</UploadId>", answer.body)
        if not answer.ok or found is None:
            return
        upload = found[1].decode()
        subject = f"upload:{BUCKET}/{key}?{upload}"
        self._history.append(Attempt(subject, "create upload", begin, None, time.time(), ok=True))
        etags: list[str] = []
        for number, data in enumerate(parts, 1):
            etag = hashlib.md5(data, usedforsecurity=False).hexdigest()
            query = f"partNumber={number}&uploadId={upload}"
            await self._attempt(subject, "put part", None, "PUT", key, query, body=data, part=(number, etag))
            etags.append(etag)
        if ending == "complete":
            await self._complete(key, upload, etags, b"".join(parts))
        elif ending == "abort":
            await self._attempt(subject, "abort", None, "DELETE", key, f"uploadId={upload}")

    async def _complete(self, key: str, upload: str, etags: Sequence[str], data: bytes) -> None:
        listed = "".join(
            f"<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>" for number, etag in enumerate(etags, 1)
        )
        body = f"<CompleteMultipartUpload>{listed}</CompleteMultipartUpload>".encode()
        together = hashlib.md5(b"".join(map(bytes.fromhex, etags)), usedforsecurity=False).hexdigest()
        value = Value.of(data, f"{together}-{len(etags)}")
        ending = Attempt(f"upload:{BUCKET}/{key}?{upload}", "complete", time.time(), None)
        self._history.append(ending)
        attempt, answer = await self._send(
            f"object:{BUCKET}/{key}", "complete", value, "POST", key, f"uploadId={upload}", body=body
        )
        ending.end, ending.ok = attempt.end, attempt.ok
        self._known[key] = (value, data) if answer.ok else None

    async def _attempt(  # noqa: PLR0913  # a request has that many parts
        self,
        subject: str,
        kind: str,
        after: Value | None,
        method: str,
        key: str,
        query: str = "",
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        part: tuple[int, str] | None = None,
    ) -> Answer:
        return (await self._send(subject, kind, after, method, key, query, headers=headers, body=body, part=part))[1]

    async def _send(  # noqa: PLR0913  # as above
        self,
        subject: str,
        kind: str,
        after: Value | None,
        method: str,
        key: str,
        query: str = "",
        *,
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
        part: tuple[int, str] | None = None,
    ) -> tuple[Attempt, Answer]:
        attempt = Attempt(subject, kind, time.time(), after, part=part)
        self._history.append(attempt)
        answer = await self._ask(method, key, query, headers, body)
        attempt.end, attempt.ok = time.time(), answer.ok
        return attempt, answer

    async def _ask(
        self, method: str, key: str, query: str = "", headers: Sequence[tuple[str, str]] = (), body: bytes = b""
    ) -> Answer:
        return await self._session.ask(method, f"/{BUCKET}/{key}", query, headers, body)

    def _key(self) -> str:
        return self.aim or self.chance.choice(self._keys)

    def _bytes(self, bounds: tuple[int, int]) -> bytes:
        return self.chance.randbytes(self.chance.randint(*bounds))

    def _metadata(self) -> tuple[list[tuple[str, str]], tuple[tuple[str, str], ...]]:
        text = f"{self.chance.getrandbits(64):016x}"
        return [(f"{_METADATA}mark", text)], (("mark", text),)


Action = Callable[[Player], Awaitable[None]]
ACTIONS: Final[dict[str, Action]] = {
    "put": Player.put,
    "put_file": Player.put_file,
    "delete": Player.delete,
    "copy": Player.copy,
    "relabel": Player.relabel,
    "upload": Player.upload,
}
FULL: Final = {"put": 4, "put_file": 5, "delete": 2, "copy": 2, "relabel": 2, "upload": 2}
PLAIN: Final = {"put": 4, "put_file": 4, "delete": 2}
"""What every server that calls itself S3 can do."""


async def make_bucket(session: Session, history: list[Attempt], name: str = BUCKET) -> None:
    """Make a bucket. Lost, when it is refused."""
    attempt = Attempt(f"bucket:{name}", "create bucket", time.time(), Value.of(b""))
    history.append(attempt)
    answer = await session.ask("PUT", f"/{name}")
    attempt.end, attempt.ok = time.time(), answer.ok
    if not answer.ok:
        raise Lost(f"the bucket was refused: {answer.status} {answer.code}")


async def delete_bucket(session: Session, history: list[Attempt], name: str) -> None:
    """Delete an empty bucket."""
    attempt = Attempt(f"bucket:{name}", "delete bucket", time.time(), None)
    history.append(attempt)
    attempt.ok = (await session.ask("DELETE", f"/{name}")).ok
    attempt.end = time.time()


async def play(plan: Plan, sessions: Sequence[Session], history: list[Attempt]) -> None:
    """Send the load of all connections. Lost."""
    await make_bucket(sessions[0], history)
    await asyncio.gather(*(Player(n, plan, session, history).play() for n, session in enumerate(sessions)))


def content_md5(body: bytes) -> tuple[str, str]:
    """Return the header that the bulk delete asks for."""
    return ("content-md5", base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode())
