"""S3 in dictionaries: what each step must answer, from S3's documentation, in the fewest words.

Kept true: a refused step changes nothing, and a copy of the model is another model. Nothing is stored, nothing awaited.
Where S3 leaves the order of two refusals open, ours is: the bucket, the source, the source's condition, the request's
own sense, the upload, its parts, and last the condition on what is there, which is judged as the write commits.
"""

import re
from collections.abc import Callable, Sequence
from copy import deepcopy
from dataclasses import dataclass, field, replace
from functools import wraps
from itertools import pairwise
from typing import Concatenate, Final, ParamSpec

from cybous3.lab.chaos.model.outcome import Condition, Item, Metadata, Outcome, Place, joined_etag, md5

PART_BYTES_MIN: Final = 5 * 1024 * 1024
_RANGE: Final = re.compile(r"bytes=(\d*)-(\d*)")

P = ParamSpec("P")


class Refused(Exception):
    """A step that S3 refuses with this status and code."""

    def __init__(self, status: int, code: str) -> None:
        super().__init__(code)
        self.outcome = Outcome(status, code)


def _refusals(step: "Callable[Concatenate[Reference, P], Outcome]") -> "Callable[Concatenate[Reference, P], Outcome]":
    @wraps(step)
    def answered(self: "Reference", *args: P.args, **kwargs: P.kwargs) -> Outcome:
        try:
            return step(self, *args, **kwargs)
        except Refused as refused:
            return refused.outcome

    return answered  # type: ignore[return-value]  # a function with `self` is what a method is made of


@dataclass(frozen=True, slots=True)
class Thing:
    """One object."""

    body: bytes
    etag: str
    metadata: Metadata
    parts: int = 0  # 0: it was put whole


@dataclass(slots=True)
class Upload:
    """One multipart upload under way."""

    place: Place
    metadata: Metadata
    parts: dict[int, bytes] = field(default_factory=dict)


@dataclass
class Reference:
    """`S3` of the port. `places` keeps where an upload was begun after it has ended: requests still name both."""

    buckets: dict[str, dict[str, Thing]] = field(default_factory=dict)
    uploads: dict[str, Upload] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    def copied(self) -> "Reference":
        """Return another model in the same state."""
        return deepcopy(self)

    # buckets

    @_refusals
    def create_bucket(self, bucket: str) -> Outcome:
        """See the port. In us-east-1 making one's own bucket again succeeds; here it is refused, as elsewhere."""
        if bucket in self.buckets:
            raise Refused(409, "BucketAlreadyOwnedByYou")
        self.buckets[bucket] = {}
        return Outcome(200)

    @_refusals
    def delete_bucket(self, bucket: str) -> Outcome:
        """See the port. Uploads under way go with the bucket."""
        if self._objects(bucket):
            raise Refused(409, "BucketNotEmpty")
        del self.buckets[bucket]
        self.uploads = {handle: upload for handle, upload in self.uploads.items() if upload.place.bucket != bucket}
        return Outcome(204)

    def list_buckets(self) -> Outcome:
        """See the port."""
        return Outcome(200, pages=(tuple(("bucket", name) for name in sorted(self.buckets)),))

    # objects

    @_refusals
    def put(self, place: Place, body: bytes, metadata: Metadata, condition: Condition) -> Outcome:
        """See the port."""
        self._objects(place.bucket)
        return self._write(place, Thing(body, md5(body), metadata), condition)

    @_refusals
    def get(self, place: Place, span: str | None, match: str | None, none_match: str | None) -> Outcome:
        """See the port."""
        thing = self._thing(place)
        if match is not None and match != thing.etag:
            raise Refused(412, "PreconditionFailed")
        if none_match == thing.etag:
            return Outcome(304, etag=thing.etag)
        bounds = _bounds(span, len(thing.body))
        if bounds is None:
            return Outcome(200, "", thing.etag, thing.body, thing.metadata, len(thing.body))
        first, last = bounds
        return Outcome(206, "", thing.etag, thing.body[first : last + 1], thing.metadata, last + 1 - first)

    def head(self, place: Place) -> Outcome:
        """See the port. An answer without a body has no code."""
        found = self.get(place, None, None, None)
        return found._replace(body=b"", code="")

    @_refusals
    def delete(self, place: Place, match: str | None) -> Outcome:
        """See the port."""
        self._require(place, Condition(match))
        self._objects(place.bucket).pop(place.key, None)
        return Outcome(204)

    @_refusals
    def delete_many(self, bucket: str, keys: Sequence[str]) -> Outcome:
        """See the port. Keys that are missing are deleted too."""
        held = self._objects(bucket)
        for key in keys:
            held.pop(key, None)
        return Outcome(200, pages=(tuple(("deleted", key) for key in sorted(keys)),))

    @_refusals
    def copy(
        self, source: Place, place: Place, metadata: Metadata | None, condition: Condition, source_match: str | None
    ) -> Outcome:
        """See the port. `metadata` None: the source's, which onto itself would change nothing and is refused.

        Onto itself an object keeps its ETag and parts, also one of several (Amazon's would be put together anew).
        """
        self._objects(place.bucket)
        thing = self._thing(source)
        if source_match is not None and source_match != thing.etag:
            raise Refused(412, "PreconditionFailed")
        if metadata is None and source == place:
            raise Refused(400, "InvalidRequest")
        made = Thing(thing.body, md5(thing.body), thing.metadata if metadata is None else metadata)
        if source == place:
            made = replace(made, etag=thing.etag, parts=thing.parts)
        return self._write(place, made, condition)

    @_refusals
    def list(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Outcome:
        """See the port. Keys and common prefixes in one order, by their UTF-8.

        A common prefix shows if any of its keys lies behind `after`, unless `after` is this very prefix.
        """
        items: dict[str, Item] = {}
        for key, thing in sorted(self._objects(bucket).items(), key=lambda item: item[0].encode()):
            rolled = _rolled(key, prefix, delimiter)
            if not key.startswith(prefix) or key.encode() <= after.encode() or (rolled and rolled == after):
                continue
            if rolled:
                items[rolled] = ("prefix", rolled)
            else:
                items[key] = ("key", key, thing.etag, str(len(thing.body)))
        ordered = [items[name] for name in sorted(items, key=str.encode)]
        pages = tuple(tuple(ordered[at : at + limit]) for at in range(0, len(ordered), limit))
        return Outcome(200, pages=pages or ((),))

    # uploads

    @_refusals
    def create_upload(self, handle: str, place: Place, metadata: Metadata) -> Outcome:
        """See the port."""
        self._objects(place.bucket)
        self.uploads[handle] = Upload(place, metadata)
        self.places[handle] = place
        return Outcome(200)

    @_refusals
    def put_part(self, handle: str, number: int, body: bytes) -> Outcome:
        """See the port. A part that is there already is replaced."""
        self._upload(handle).parts[number] = body
        return Outcome(200, etag=md5(body))

    @_refusals
    def copy_part(self, handle: str, number: int, source: Place, span: tuple[int, int] | None) -> Outcome:
        """See the port. `span`: first and last byte, both inside the source."""
        self._objects(self.places[handle].bucket)
        body = self._thing(source).body
        if span is not None and span[1] >= len(body):
            raise Refused(400, "InvalidArgument")
        return self.put_part(handle, number, body if span is None else body[span[0] : span[1] + 1])

    @_refusals
    def list_parts(self, handle: str) -> Outcome:
        """See the port."""
        parts = sorted(self._upload(handle).parts.items())
        return Outcome(200, pages=(tuple(("part", str(n), md5(body), str(len(body))) for n, body in parts),))

    @_refusals
    def complete(self, handle: str, parts: Sequence[tuple[int, str]], condition: Condition) -> Outcome:
        """See the port. Completing again what is there already, in the same parts, succeeds."""
        place = self.places[handle]
        held = self._objects(place.bucket)
        if not parts:
            raise Refused(400, "MalformedXML")
        upload = self.uploads.get(handle)
        if upload is None:
            there = held.get(place.key)
            if there is None or not there.parts or there.etag != joined_etag([etag for _, etag in parts]):
                raise Refused(404, "NoSuchUpload")
            self._require(place, condition)
            return Outcome(200, etag=there.etag)
        bodies = _chosen(upload, parts)
        thing = Thing(b"".join(bodies), joined_etag([etag for _, etag in parts]), upload.metadata, len(parts))
        done = self._write(place, thing, condition)
        del self.uploads[handle]
        return done

    @_refusals
    def abort(self, handle: str) -> Outcome:
        """See the port."""
        self._upload(handle)
        del self.uploads[handle]
        return Outcome(204)

    @_refusals
    def list_uploads(self, bucket: str, prefix: str) -> Outcome:
        """See the port. By key, then by when they were begun, which is the order of the dictionary."""
        self._objects(bucket)
        mine = [
            (upload.place.key, handle)
            for handle, upload in self.uploads.items()
            if upload.place.bucket == bucket and upload.place.key.startswith(prefix)
        ]
        return Outcome(
            200, pages=(tuple(("upload", *pair) for pair in sorted(mine, key=lambda pair: pair[0].encode())),)
        )

    # inside

    def _objects(self, bucket: str) -> dict[str, Thing]:
        if bucket not in self.buckets:
            raise Refused(404, "NoSuchBucket")
        return self.buckets[bucket]

    def _thing(self, place: Place) -> Thing:
        thing = self._objects(place.bucket).get(place.key)
        if thing is None:
            raise Refused(404, "NoSuchKey")
        return thing

    def _upload(self, handle: str) -> Upload:
        self._objects(self.places[handle].bucket)
        if handle not in self.uploads:
            raise Refused(404, "NoSuchUpload")
        return self.uploads[handle]

    def _require(self, place: Place, condition: Condition) -> None:
        thing = self._objects(place.bucket).get(place.key)
        if condition.match is not None and thing is None:
            raise Refused(404, "NoSuchKey")
        if thing is not None and (condition.absent or condition.match not in {None, thing.etag}):
            raise Refused(412, "PreconditionFailed")

    def _write(self, place: Place, thing: Thing, condition: Condition) -> Outcome:
        self._require(place, condition)
        self._objects(place.bucket)[place.key] = thing
        return Outcome(200, etag=thing.etag)


def _chosen(upload: Upload, parts: Sequence[tuple[int, str]]) -> list[bytes]:
    """Return the bodies of the parts that a completing request names. Refused."""
    if any(later <= earlier for (earlier, _), (later, _) in pairwise(parts)):
        raise Refused(400, "InvalidPartOrder")
    bodies = []
    for number, etag in parts:
        body = upload.parts.get(number)
        if body is None or md5(body) != etag:
            raise Refused(400, "InvalidPart")
        bodies.append(body)
    if any(len(body) < PART_BYTES_MIN for body in bodies[:-1]):
        raise Refused(400, "EntityTooSmall")
    return bodies


def _rolled(key: str, prefix: str, delimiter: str) -> str:
    """Return the common prefix that a key is listed as, "" if it is listed as itself."""
    cut = key.find(delimiter, len(prefix)) if delimiter else -1
    return "" if cut < 0 else key[: cut + len(delimiter)]


def _bounds(span: str | None, size: int) -> tuple[int, int] | None:
    """Return the first and last byte of a range inside an object; None: all of it. Refused."""
    match = None if span is None else _RANGE.fullmatch(span)
    if match is None or match.groups() == ("", ""):
        return None
    first, last = match.groups()
    if not first:
        length = min(int(last), size)
        if length == 0:
            raise Refused(416, "InvalidRange")
        return size - length, size - 1
    if last and int(last) < int(first):
        return None
    if int(first) >= size:
        raise Refused(416, "InvalidRange")
    return int(first), min(int(last), size - 1) if last else size - 1
