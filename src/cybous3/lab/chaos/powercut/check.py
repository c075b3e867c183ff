"""What is found on an image, held against what was promised.

Every key is read and compared: bytes, ETag and its own metadata. The listing must name what can be read and nothing
else. Uploads in progress must be listed with their parts, and can be aborted. When everything has been deleted and the
reaper ran, no blob and no name in `incoming` is left.
"""

import hashlib
import html
import re
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from cybous3.lab.chaos.powercut.history import Allowed, Expected, UploadState, Value
from cybous3.lab.chaos.powercut.load import BUCKET, content_md5
from cybous3.lab.chaos.powercut.session import Answer, CutShort, Session, key_of

LOST: Final = "lost"
TORN: Final = "torn"
RESURRECTED: Final = "resurrected"
LEAKED: Final = "leaked"
UNREADABLE: Final = "unreadable"
LISTING: Final = "listing"
UPLOADS: Final = "uploads"
NO_START: Final = "no start"
CHECKS: Final = (LOST, TORN, RESURRECTED, LEAKED, UNREADABLE, LISTING, UPLOADS, NO_START)

_META: Final = "x-amz-meta-"
_NOT_FOUND: Final = 404
_OK: Final = 200


@dataclass(frozen=True, slots=True)
class Finding:
    """One broken promise: which check found it, on what, and how."""

    check: str
    subject: str
    detail: str


@dataclass(frozen=True, slots=True)
class Damaged:
    """What answered with an error instead of an object."""

    why: str


Found = Value | Damaged | None


async def look(
    session: Session, must: Expected, leftovers: Callable[[], Awaitable[Sequence[str]]] | None, *, full: bool
) -> list[Finding]:
    """Read everything back through S3 and return what is wrong. Lost."""
    found = {key: await _read(session, key) for key in must.objects}
    problems = [*judge(must, found, bytes_only=not full), *await _buckets(session, must), *await _keys(session, must)]
    if full:
        problems += await _listing(session, found)
        problems += await _uploads(session, must.uploads)
        if leftovers is not None:
            problems += await _leaks(session, leftovers)
    return problems


def look_at_files(data: Path, must: Expected) -> list[Finding]:
    """Compare the files of a server that keeps objects as plain files."""
    found: dict[str, Found] = {}
    for key in must.objects:
        path = data / key
        found[key] = Value.of(path.read_bytes()) if path.is_file() else None
    return judge(must, found, bytes_only=True)


def judge(must: Expected, found: Mapping[str, Found], *, bytes_only: bool = False) -> list[Finding]:
    """Return what is wrong with what was found under the keys. Pure."""
    verdicts = ((key, _verdict(allowed, found[key], bytes_only)) for key, allowed in must.objects.items())
    if must.lossy:
        excused = {key for key, allowed in must.objects.items() if len(allowed.values) > 1}
        verdicts = ((key, verdict) for key, verdict in verdicts if not (_unreadable(verdict) and key in excused))
    return [Finding(verdict[0], key, verdict[1]) for key, verdict in verdicts if verdict]


def _verdict(allowed: Allowed, found: Found, bytes_only: bool) -> tuple[str, str] | None:  # noqa: FBT001  # handed through
    after = f"after an acknowledged {allowed.last}"
    if isinstance(found, Damaged):
        return (UNREADABLE, f"{found.why}, {after}")
    if found is None:
        return None if None in allowed.values else (LOST, f"absent {after}")
    if any(value is not None and value.agrees(found, bytes_only=bytes_only) for value in allowed.values):
        return None
    if any(value is not None and value.agrees(found, bytes_only=bytes_only) for value in allowed.earlier):
        kind = RESURRECTED if allowed.values[0] is None else LOST
        return (kind, f"an older object is there {after}")
    return (TORN, f"{found.size} bytes that nobody sent like this: {found.etag} {dict(found.metadata)}, {after}")


def _unreadable(verdict: tuple[str, str] | None) -> bool:
    return verdict is not None and verdict[0] == UNREADABLE


async def _read(session: Session, key: str) -> Found:
    try:
        answer = await session.ask("GET", f"/{key}")
    except CutShort as error:
        return Damaged(error.message)
    if answer.status == _NOT_FOUND:
        return None
    if answer.status != _OK:
        return Damaged(f"{answer.status} {answer.code}")
    digest = hashlib.sha256(answer.body).hexdigest()
    metadata = sorted((name.removeprefix(_META), text) for name, text in answer.headers.items() if _META in name)
    return Value(digest, len(answer.body), answer.headers.get("etag", "").strip('"'), tuple(metadata))


async def _buckets(session: Session, must: Expected) -> list[Finding]:
    problems = []
    for name, allowed in must.buckets.items():
        answer = await session.ask("HEAD", f"/{name}")
        if (answer.status == _OK) not in {value is not None for value in allowed.values}:
            kind = LOST if answer.status != _OK else RESURRECTED
            problems.append(Finding(kind, f"bucket {name}", f"{answer.status} after an acknowledged {allowed.last}"))
    return problems


async def _keys(session: Session, must: Expected) -> list[Finding]:
    """Look whether access keys open the door or not; their secret is the one of `key_of`."""
    problems = []
    for name, allowed in must.keys.items():
        other = Session(session.port, key_of(name))
        answer = await other.ask("GET", "/")
        await other.aclose()
        if answer.ok not in {value is not None for value in allowed.values}:
            kind = RESURRECTED if answer.ok else LOST
            told = f"{answer.status} {answer.code} after an acknowledged {allowed.last}"
            problems.append(Finding(kind, f"access key {name}", told))
    return problems


async def _listing(session: Session, found: Mapping[str, Found]) -> list[Finding]:
    listed = set(_texts(await session.ask("GET", f"/{BUCKET}", "list-type=2&max-keys=1000"), "Key"))
    read = {key.removeprefix(f"{BUCKET}/") for key, value in found.items() if value is not None}
    return [
        *(Finding(LISTING, key, "it is listed and cannot be read") for key in sorted(listed - read)),
        *(Finding(LISTING, key, "it can be read and is not listed") for key in sorted(read - listed)),
    ]


async def _uploads(session: Session, must: Mapping[str, UploadState]) -> list[Finding]:
    answer = await session.ask("GET", f"/{BUCKET}", "uploads=")
    blocks = re.findall(r"<Upload>.*?</Upload>", answer.body.decode(), re.DOTALL)
    pairs = [(re.search(r"<Key>([^<]*)", block), re.search(r"<UploadId>([^<]*)", block)) for block in blocks]
    listed = {f"{BUCKET}/{html.unescape(key[1])}?{upload[1]}" for key, upload in pairs if key and upload}
    problems = [
        Finding(UPLOADS, name, "it is not listed after it was acknowledged")
        for name, state in must.items()
        if state.required and name not in listed
    ]
    for name in sorted(listed):
        problems += await _upload(session, name, must.get(name, UploadState()))
    return problems


async def _upload(session: Session, name: str, state: UploadState) -> list[Finding]:
    path, _, upload = name.partition("?")
    problems = [Finding(UPLOADS, name, "it is listed after its end was acknowledged")] if state.ended else []
    listed = await session.ask("GET", f"/{path}", f"uploadId={upload}")
    numbers, etags = map(int, _texts(listed, "PartNumber")), (etag.strip('"') for etag in _texts(listed, "ETag"))
    parts = dict(zip(numbers, etags, strict=False))
    for number, etag in state.parts.items():
        if parts.get(number) != etag:
            problems.append(Finding(UPLOADS, name, f"part {number} was acknowledged as {etag}, is {parts.get(number)}"))
    answer = await session.ask("DELETE", f"/{path}", f"uploadId={upload}")
    if not answer.ok:
        problems.append(Finding(UPLOADS, name, f"it cannot be aborted: {answer.status} {answer.code}"))
    return problems


async def _leaks(session: Session, leftovers: Callable[[], Awaitable[Sequence[str]]]) -> list[Finding]:
    listed = _texts(await session.ask("GET", f"/{BUCKET}", "list-type=2&max-keys=1000"), "Key")
    if listed:
        keys = "".join(f"<Object><Key>{key}</Key></Object>" for key in listed)
        body = f"<Delete><Quiet>true</Quiet>{keys}</Delete>".encode()
        answer = await session.ask("POST", f"/{BUCKET}", "delete=", [content_md5(body)], body)
        if not answer.ok or b"<Code>" in answer.body:
            return [Finding(UNREADABLE, BUCKET, f"objects cannot be deleted: {answer.status} {answer.code}")]
    return [Finding(LEAKED, name, "it is left when nothing is stored any more") for name in await leftovers()]


def _texts(answer: Answer, tag: str) -> list[str]:
    return [html.unescape(text) for text in re.findall(rf"<{tag}>([^<]*)</{tag}>", answer.body.decode())]
