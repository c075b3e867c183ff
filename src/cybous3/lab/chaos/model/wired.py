"""A real S3 in the model's words: each step is one request, its answer is reduced to what a model can know.

`ask` carries the request, over a socket or straight into a service. Buckets get a name of their own (`unique` before
what the steps call them), so that many runs share one server and never meet.
"""

import base64
import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from xml.etree.ElementTree import Element

from cybous3.core.uri import Pairs, uri_encode
from cybous3.lab.chaos.caller import Answer
from cybous3.lab.chaos.model.outcome import Condition, Item, Metadata, Outcome, Place

Ask = Callable[[str, str, Pairs, list[tuple[str, str]], bytes], Answer]
_META = "x-amz-meta-"


def _text(element: Element, name: str) -> str:
    return element.findtext(name) or ""


def _etag(text: str) -> str:
    return text.strip('"')


def _conditions(condition: Condition) -> list[tuple[str, str]]:
    found = [] if condition.match is None else [("if-match", f'"{condition.match}"')]
    return [*found, ("if-none-match", "*")] if condition.absent else found


def _metadata(metadata: Metadata) -> list[tuple[str, str]]:
    return [(_META + name, value) for name, value in metadata]


@dataclass
class Wired:
    """`S3` of the port over `ask`. `ids` are the upload ids behind the handles."""

    ask: Ask
    unique: str
    ids: dict[str, str] = field(default_factory=dict)
    places: dict[str, Place] = field(default_factory=dict)

    # buckets

    def create_bucket(self, bucket: str) -> Outcome:
        """See the port."""
        return _plain(self.ask("PUT", self._bucket(bucket), (), [], b""))

    def delete_bucket(self, bucket: str) -> Outcome:
        """See the port."""
        return _plain(self.ask("DELETE", self._bucket(bucket), (), [], b""))

    def list_buckets(self) -> Outcome:
        """See the port. Only buckets of this run."""
        answer = self.ask("GET", "", (), [], b"")
        names = [_text(item, "Name") for item in answer.document("ListAllMyBucketsResult").iter("Bucket")]
        mine = sorted(name.removeprefix(self.unique) for name in names if name.startswith(self.unique))
        return Outcome(answer.status, pages=(tuple(("bucket", name) for name in mine),))

    # objects

    def put(self, place: Place, body: bytes, metadata: Metadata, condition: Condition) -> Outcome:
        """See the port."""
        headers = [*_metadata(metadata), *_conditions(condition)]
        return _plain(self.ask("PUT", self._target(place), (), headers, body))

    def get(self, place: Place, span: str | None, match: str | None, none_match: str | None) -> Outcome:
        """See the port."""
        headers = [] if span is None else [("range", span)]
        headers += [] if match is None else [("if-match", f'"{match}"')]
        headers += [] if none_match is None else [("if-none-match", f'"{none_match}"')]
        return _read(self.ask("GET", self._target(place), (), headers, b""))

    def head(self, place: Place) -> Outcome:
        """See the port."""
        return _read(self.ask("HEAD", self._target(place), (), [], b""))

    def delete(self, place: Place, match: str | None) -> Outcome:
        """See the port."""
        return _plain(self.ask("DELETE", self._target(place), (), _conditions(Condition(match)), b""))

    def delete_many(self, bucket: str, keys: Sequence[str]) -> Outcome:
        """See the port."""
        objects = "".join(f"<Object><Key>{key}</Key></Object>" for key in keys)
        body = f"<Delete>{objects}</Delete>".encode()
        answer = self.ask("POST", self._bucket(bucket), (("delete", None),), [("content-md5", _md5_base64(body))], body)
        if not answer.ok:
            return _plain(answer)
        gone = sorted(_text(item, "Key") for item in answer.document("DeleteResult").iter("Deleted"))
        return Outcome(answer.status, pages=(tuple(("deleted", key) for key in gone),))

    def copy(
        self, source: Place, place: Place, metadata: Metadata | None, condition: Condition, source_match: str | None
    ) -> Outcome:
        """See the port."""
        headers = [("x-amz-copy-source", self._source(source)), *_conditions(condition)]
        if metadata is not None:
            headers += [("x-amz-metadata-directive", "REPLACE"), *_metadata(metadata)]
        if source_match is not None:
            headers.append(("x-amz-copy-source-if-match", f'"{source_match}"'))
        return _inside(self.ask("PUT", self._target(place), (), headers, b""), "CopyObjectResult")

    def list(self, bucket: str, prefix: str, delimiter: str, after: str, limit: int) -> Outcome:
        """See the port. Goes through all pages by their tokens."""
        fixed: Pairs = (("list-type", "2"), ("prefix", prefix), ("delimiter", delimiter), ("max-keys", str(limit)))
        more: Pairs = (("start-after", after),) if after else ()
        pages: list[tuple[Item, ...]] = []
        while True:
            answer = self.ask("GET", self._bucket(bucket), (*fixed, *more), [], b"")
            if not answer.ok:
                return _plain(answer)
            root = answer.document("ListBucketResult")
            pages.append(_items(root))
            if _text(root, "IsTruncated") != "true":
                return Outcome(answer.status, pages=tuple(pages))
            more = (("continuation-token", _text(root, "NextContinuationToken")),)

    # uploads

    def create_upload(self, handle: str, place: Place, metadata: Metadata) -> Outcome:
        """See the port."""
        answer = self.ask("POST", self._target(place), (("uploads", None),), _metadata(metadata), b"")
        self.places[handle] = place
        if answer.ok:
            self.ids[handle] = _text(answer.document("InitiateMultipartUploadResult"), "UploadId")
        return _plain(answer)

    def put_part(self, handle: str, number: int, body: bytes) -> Outcome:
        """See the port."""
        return _plain(self.ask("PUT", self._target(self.places[handle]), self._part(handle, number), [], body))

    def copy_part(self, handle: str, number: int, source: Place, span: tuple[int, int] | None) -> Outcome:
        """See the port."""
        headers = [("x-amz-copy-source", self._source(source))]
        if span is not None:
            headers.append(("x-amz-copy-source-range", f"bytes={span[0]}-{span[1]}"))
        target = self._target(self.places[handle])
        return _inside(self.ask("PUT", target, self._part(handle, number), headers, b""), "CopyPartResult")

    def list_parts(self, handle: str) -> Outcome:
        """See the port."""
        answer = self.ask("GET", self._target(self.places[handle]), self._upload(handle), [], b"")
        if not answer.ok:
            return _plain(answer)
        parts = tuple(
            ("part", _text(part, "PartNumber"), _etag(_text(part, "ETag")), _text(part, "Size"))
            for part in answer.document("ListPartsResult").iter("Part")
        )
        return Outcome(answer.status, pages=(parts,))

    def complete(self, handle: str, parts: Sequence[tuple[int, str]], condition: Condition) -> Outcome:
        """See the port."""
        inside = "".join(f"<Part><PartNumber>{n}</PartNumber><ETag>{etag}</ETag></Part>" for n, etag in parts)
        body = f"<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>".encode()
        target = self._target(self.places[handle])
        answer = self.ask("POST", target, self._upload(handle), _conditions(condition), body)
        return _inside(answer, "CompleteMultipartUploadResult")

    def abort(self, handle: str) -> Outcome:
        """See the port."""
        return _plain(self.ask("DELETE", self._target(self.places[handle]), self._upload(handle), [], b""))

    def list_uploads(self, bucket: str, prefix: str) -> Outcome:
        """See the port."""
        answer = self.ask("GET", self._bucket(bucket), (("uploads", None), ("prefix", prefix)), [], b"")
        if not answer.ok:
            return _plain(answer)
        handles = {upload_id: handle for handle, upload_id in self.ids.items()}
        found = tuple(
            ("upload", _text(item, "Key"), handles.get(_text(item, "UploadId"), "<somebody's>"))
            for item in answer.document("ListMultipartUploadsResult").iter("Upload")
        )
        return Outcome(answer.status, pages=(found,))

    # inside

    def _bucket(self, bucket: str) -> str:
        return self.unique + bucket

    def _target(self, place: Place) -> str:
        return f"{self._bucket(place.bucket)}/{place.key}"

    def _source(self, place: Place) -> str:
        return uri_encode(self._target(place), safe_slash=True)

    def _upload(self, handle: str) -> Pairs:
        # An upload that could not be begun has an id of the right form that nobody gave.
        return (("uploadId", self.ids.get(handle, "0" * 32)),)

    def _part(self, handle: str, number: int) -> Pairs:
        return (("partNumber", str(number)), *self._upload(handle))


def _plain(answer: Answer) -> Outcome:
    return Outcome(answer.status, answer.code, answer.etag if answer.ok else "")


def _inside(answer: Answer, root: str) -> Outcome:
    """Read an answer whose ETag, or whose error even beside status 200, stands in its body."""
    if not answer.ok or answer.code:
        return _plain(answer)
    return Outcome(answer.status, etag=_etag(_text(answer.document(root), "ETag")))


def _read(answer: Answer) -> Outcome:
    if not answer.ok:
        return Outcome(answer.status, answer.code, answer.etag)
    metadata = tuple(sorted((n.removeprefix(_META), v) for n, v in answer.headers.items() if n.startswith(_META)))
    size = int(answer.headers["content-length"])
    return Outcome(answer.status, "", answer.etag, answer.body, metadata, size)


def _items(root: Element) -> tuple[Item, ...]:
    """Return one page's keys and common prefixes in one order."""
    keys = [
        ("key", _text(item, "Key"), _etag(_text(item, "ETag")), _text(item, "Size")) for item in root.iter("Contents")
    ]
    prefixes = [("prefix", _text(item, "Prefix")) for item in root.iter("CommonPrefixes")]
    return tuple(sorted([*keys, *prefixes], key=lambda item: item[1].encode()))


def _md5_base64(body: bytes) -> str:
    return base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
