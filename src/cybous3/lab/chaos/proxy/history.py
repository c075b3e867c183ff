"""What a lying server remembers: every state of every object that went through it, in the order of the writes. Pure.

It learns from requests and their answers alone, as a server would: bodies of PutObject, parts and how they were put
together, copies, deletions.
"""

import re
from dataclasses import dataclass, replace
from email.utils import formatdate
from typing import Final
from urllib.parse import unquote

from cybous3.lab.chaos.proxy.messages import Answered, Asked, Fields, header, with_header

_SAID: Final = ("content-type", "cache-control", "content-encoding", "content-disposition", "content-language")
_ETAG: Final = re.compile(rb"<ETag>(?:&quot;|\")?([0-9A-Za-z-]+)")
_UPLOAD: Final = re.compile(rb"<UploadId>([^<]+)")
_PART: Final = re.compile(rb"<PartNumber>\s*(\d+)")
_DELETED: Final = re.compile(rb"<Key>([^<]+)</Key>")
_RANGE: Final = re.compile(r"bytes=(\d+)-(\d*)")
_SUCCESS: Final = range(200, 300)
Name = tuple[str, str]


@dataclass(frozen=True, slots=True)
class State:
    """An object as it was from a write on. `body` None: it was deleted."""

    order: int
    body: bytes | None
    etag: str = ""
    fields: Fields = ()


def _kept(fields: Fields) -> Fields:
    return tuple((name, value) for name, value in fields if name in _SAID or name.startswith("x-amz-meta-"))


class History:
    """States by bucket and key. Bounded by what a test moves; not for a production load."""

    def __init__(self) -> None:
        self.order = 0
        self._states: dict[Name, list[State]] = {}
        self._uploads: dict[str, tuple[Fields, dict[int, bytes]]] = {}

    def names(self) -> list[Name]:
        """Return every name ever written, sorted."""
        return sorted(self._states)

    def newest(self, name: Name) -> State | None:
        """Return the state of now, None if nothing was ever seen."""
        states = self._states.get(name)
        return states[-1] if states else None

    def before(self, name: Name, mark: int) -> State | None:
        """Return the state at the `mark`, None if there was none yet."""
        return next((state for state in reversed(self._states.get(name, [])) if state.order <= mark), None)

    def previous(self, name: Name) -> State | None:
        """Return the last whole state before the newest, None if there is none."""
        older = self._states.get(name, [])[:-1]
        return next((state for state in reversed(older) if state.body is not None), None)

    def learn(self, asked: Asked, answered: Answered) -> None:
        """Take note of a request that the server answered."""
        if (header(asked.fields, "x-amz-content-sha256") or "").startswith("STREAMING-"):
            return  # framed for the way; what the object holds is not these bytes
        learn = self._LEARN.get(asked.operation)
        if learn is not None and answered.status in _SUCCESS and b"<Error>" not in answered.body[:200]:
            learn(self, asked, answered)

    def _write(self, asked: Asked, body: bytes | None, etag: str = "", fields: Fields = ()) -> None:
        self._note((asked.bucket, asked.key), State(0, body, etag.strip('"'), fields))

    def _note(self, name: Name, state: State) -> None:
        self.order += 1
        self._states.setdefault(name, []).append(replace(state, order=self.order))

    def _put(self, asked: Asked, answered: Answered) -> None:
        self._write(asked, asked.body, header(answered.fields, "etag") or "", _kept(asked.fields))

    def _delete(self, asked: Asked, _answered: Answered) -> None:
        self._write(asked, None)

    def _delete_many(self, asked: Asked, _answered: Answered) -> None:
        for key in _DELETED.findall(asked.body):
            self._note((asked.bucket, key.decode()), State(0, None))

    def _begin(self, asked: Asked, answered: Answered) -> None:
        found = _UPLOAD.search(answered.body)
        if found:
            self._uploads[found[1].decode()] = (_kept(asked.fields), {})

    def _part(self, asked: Asked, _answered: Answered) -> None:
        upload = self._uploads.get(asked.query["uploadId"])
        if upload is not None:
            upload[1][int(asked.query["partNumber"])] = asked.body

    def _complete(self, asked: Asked, answered: Answered) -> None:
        upload, etag = self._uploads.pop(asked.query["uploadId"], None), _ETAG.search(answered.body)
        if upload is not None and etag is not None:
            fields, parts = upload
            body = b"".join(parts.get(int(number), b"") for number in _PART.findall(asked.body))
            self._write(asked, body, etag[1].decode(), fields)

    def _copy(self, asked: Asked, answered: Answered) -> None:
        bucket, _, key = unquote(header(asked.fields, "x-amz-copy-source") or "").lstrip("/").partition("/")
        source, etag = self.newest((bucket, key)), _ETAG.search(answered.body)
        if source is not None and etag is not None:
            anew = header(asked.fields, "x-amz-metadata-directive") == "REPLACE"
            self._write(asked, source.body, etag[1].decode(), _kept(asked.fields) if anew else source.fields)

    _LEARN: Final = {
        "PutObject": _put,
        "DeleteObject": _delete,
        "DeleteObjects": _delete_many,
        "CreateMultipartUpload": _begin,
        "UploadPart": _part,
        "CompleteMultipartUpload": _complete,
        "CopyObject": _copy,
    }


def absent(asked: Asked) -> Answered:
    """Say that there is no such key."""
    body = b"" if asked.method == "HEAD" else b"<Error><Code>NoSuchKey</Code><Message>not there</Message></Error>"
    fields = (("content-type", "application/xml"), ("content-length", str(len(body))))
    return Answered(404, fields, body, bodiless=asked.method == "HEAD")


def told(asked: Asked, state: State) -> Answered:
    """Answer a GET or HEAD of an object with this state, ranges and conditions included."""
    body = state.body
    if body is None:
        return absent(asked)
    condition = (header(asked.fields, "if-match") or "").strip('"')
    if condition not in {"", "*", state.etag}:
        said = b"<Error><Code>PreconditionFailed</Code></Error>"
        return Answered(412, (("content-type", "application/xml"),), said)
    fields: dict[str, str] = {
        "etag": f'"{state.etag}"',
        "last-modified": formatdate(1_700_000_000, usegmt=True),
        "accept-ranges": "bytes",
        **dict(state.fields),
    }
    status, piece, extra = _piece(asked, body)
    whole = with_header(tuple((fields | extra).items()), "content-length", str(len(piece)))
    return Answered(status, whole, b"" if asked.method == "HEAD" else piece, bodiless=asked.method == "HEAD")


def _piece(asked: Asked, body: bytes) -> tuple[int, bytes, dict[str, str]]:
    """Return status, bytes and Content-Range for what was asked of the body."""
    found = _RANGE.fullmatch(header(asked.fields, "range") or "")
    if found is None or asked.method == "HEAD":
        return 200, body, {}
    start = int(found[1])
    stop = min(len(body), int(found[2]) + 1 if found[2] else len(body))
    if start >= len(body):
        return 416, b"<Error><Code>InvalidRange</Code></Error>", {}
    return 206, body[start:stop], {"content-range": f"bytes {start}-{stop - 1}/{len(body)}"}
