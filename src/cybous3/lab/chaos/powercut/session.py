"""One HTTP connection that signs: what a load and a check need of S3, on `core.sigv4` alone.

It trusts nothing that it tests: no client of ours, no retry. An answer is whole or there is none (`Lost`).
"""

import asyncio
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

from cybous3.core.errors import CybousError
from cybous3.core.sigv4.credentials import Credentials
from cybous3.core.sigv4.sign import sign

REGION: Final = "us-east-1"
ANSWER_S_MAX: Final = 30.0
_OK: Final = range(200, 300)
_HEAD_BYTES: Final = 256 * 1024


class Lost(CybousError):
    """No whole answer came: the server ended, the connection broke, or it took too long."""

    exit_code = 20


class CutShort(Lost):
    """An answer began and its body broke off: the server found that it could not go on."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer. Header names are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes = field(repr=False)

    @property
    def ok(self) -> bool:
        """Whether the server says that it did it; an error in a 200 of a completed upload is none."""
        return self.status in _OK and b"<Error>" not in self.body[:512]

    @property
    def code(self) -> str:
        """S3's code of a refusal."""
        found = re.search(rb"<Code>([A-Za-z0-9.]+)</Code>", self.body)
        return found[1].decode() if found else ""


def key_of(access_key: str) -> Credentials:
    """Return the key pair that a script makes under this name; its secret is no secret."""
    return Credentials(access_key, "not-a-secret-of-anyone-0123456789abcdef")


class Session:
    """A connection to one endpoint, opened when it is needed and again after it was lost."""

    def __init__(self, port: int, credentials: Credentials) -> None:
        self.port = port
        self._credentials = credentials
        self._streams: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def ask(
        self,
        method: str,
        path: str,
        query: str = "",
        headers: Sequence[tuple[str, str]] = (),
        body: bytes = b"",
    ) -> Answer:
        """Send one request and return its answer. Lost, CutShort."""
        sent = [("host", f"127.0.0.1:{self.port}"), ("content-length", str(len(body))), *headers]
        digest = hashlib.sha256(body).hexdigest()
        signed = sign(method, path, query, sent, digest, self._credentials, REGION, time.time()).headers
        lines = "".join(f"{name}: {value}\r\n" for name, value in [*sent, *signed])
        target = f"{path}?{query}" if query else path
        head = f"{method} {target} HTTP/1.1\r\n{lines}\r\n".encode("latin-1")
        try:
            async with asyncio.timeout(ANSWER_S_MAX):
                return await self._exchange(head + body, bodiless=method == "HEAD")
        except (OSError, EOFError, TimeoutError, ValueError) as error:
            await self.aclose()
            raise Lost(f"no answer to {method} {path}: {type(error).__name__} ({error})") from error

    async def aclose(self) -> None:
        """Close the connection. May be called twice."""
        streams, self._streams = self._streams, None
        if streams is not None:
            streams[1].close()

    async def _exchange(self, request: bytes, *, bodiless: bool) -> Answer:
        if self._streams is None:
            self._streams = await asyncio.open_connection("127.0.0.1", self.port, limit=_HEAD_BYTES)
        reader, writer = self._streams
        writer.write(request)
        await writer.drain()
        head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in head[1:] if line)}
        status = int(head[0].split()[1])
        try:
            body = b"" if bodiless else await _body(reader, headers)
        except EOFError as error:
            await self.aclose()
            raise CutShort(f"an answer of status {status} breaks off: {error}") from error
        if headers.get("connection", "").lower() == "close":
            await self.aclose()
        return Answer(status, headers, body)


async def _body(reader: asyncio.StreamReader, headers: Mapping[str, str]) -> bytes:
    if headers.get("transfer-encoding", "").lower() != "chunked":
        return await reader.readexactly(int(headers.get("content-length", "0")))
    pieces: list[bytes] = []
    while size := int((await reader.readline()).split(b";")[0], 16):
        pieces.append(await reader.readexactly(size))
        await reader.readline()
    while (await reader.readline()).strip():
        pass  # trailers
    return b"".join(pieces)
