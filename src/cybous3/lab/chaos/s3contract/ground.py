"""What every check stands on: an endpoint, a place in it that is ours, and words for what must be answered."""

import secrets
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from cybous3.core.uri import Pairs
from cybous3.lab.chaos.caller import Answer, Caller, Site
from cybous3.lab.integration.run import Broken

Headers = Sequence[tuple[str, str]]
_INITIATED: Final = ("InitiateMultipartUploadResult", "InitiateMultipartUpload")
MIB: Final = 1024 * 1024
PART: Final = 5 * MIB
"""The smallest part that S3 takes before the last."""


class Untestable(Exception):
    """This cannot be told from where we stand; the message says why."""


@dataclass
class Ground:
    """See the module. `restart` takes the server down as hard as it can and brings it back; None: nobody can.

    `rounds(n)` is how often something is tried: n, or several times n where thoroughness was asked for.
    """

    site: Site
    bucket: str
    prefix: str
    thorough: bool = False
    restart: Callable[[], None] | None = None
    restart_kind: str = ""
    me: Caller = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self.me = Caller(self.site)

    def rounds(self, count: int) -> int:
        """Return how often to try."""
        return count * 5 if self.thorough else count

    def other(self) -> Caller:
        """Return a client with a connection of its own, closed by its context."""
        return Caller(self.site)

    def at(self, name: str) -> str:
        """Return the target of a key of ours."""
        return f"{self.bucket}/{self.prefix}{name}"

    # requests on the first connection, answered as they must be

    def put(self, name: str, body: bytes, *headers: tuple[str, str]) -> str:
        """Put an object that must be taken, and return its ETag."""
        return must(self.me.call("PUT", self.at(name), (), headers, body), "PUT").etag

    def get(self, name: str, *headers: tuple[str, str]) -> Answer:
        """Get an object, whatever the answer."""
        return self.me.call("GET", self.at(name), (), headers)

    def holds(self, name: str, body: bytes, why: str) -> None:
        """Fail unless the object is there with exactly these bytes."""
        found = must(self.get(name), "GET")
        expect_same(found.body, body, why)

    def absent(self, name: str, why: str) -> None:
        """Fail unless there is no such object."""
        found = self.get(name)
        if found.status != 404:  # noqa: PLR2004  # not found
            raise Broken(f"{why}: GET is answered {found}")

    def begin_upload(self, name: str, caller: Caller | None = None) -> str:
        """Begin a multipart upload and return its id."""
        answer = (caller or self.me).call("POST", self.at(name), (("uploads", None),))
        # One widespread server leaves "Result" out of the root's name; clients do not look at it.
        root = must(answer, "CreateMultipartUpload").document(*_INITIATED)
        return root.findtext("UploadId") or ""

    def put_part(self, name: str, upload: str, number: int, body: bytes, caller: Caller | None = None) -> str:
        """Upload a part that must be taken, and return its ETag."""
        answer = (caller or self.me).call("PUT", self.at(name), part_of(number, upload), (), body)
        return must(answer, "UploadPart").etag

    def complete(
        self, name: str, upload: str, parts: Sequence[tuple[int, str]], caller: Caller | None = None
    ) -> Answer:
        """Complete an upload, whatever the answer."""
        inside = "".join(f'<Part><PartNumber>{n}</PartNumber><ETag>"{etag}"</ETag></Part>' for n, etag in parts)
        body = f"<CompleteMultipartUpload>{inside}</CompleteMultipartUpload>".encode()
        return (caller or self.me).call("POST", self.at(name), (("uploadId", upload),), (), body)

    def uploads(self, name: str, caller: Caller | None = None) -> list[str]:
        """Return the ids of the uploads under way on keys that begin so, as ListMultipartUploads has them."""
        query: Pairs = (("uploads", None), ("prefix", self.prefix + name))
        answer = must((caller or self.me).call("GET", self.bucket, query), "ListMultipartUploads")
        root = answer.document("ListMultipartUploadsResult")
        return [item.findtext("UploadId") or "" for item in root.iter("Upload")]

    def keys(self, name: str, caller: Caller | None = None) -> list[str]:
        """Return all keys below a name, without our prefix, going through all pages."""
        found: list[str] = []
        more: Pairs = ()
        while True:
            query: Pairs = (("list-type", "2"), ("prefix", self.prefix + name), *more)
            root = must((caller or self.me).call("GET", self.bucket, query), "ListObjectsV2").document(
                "ListBucketResult"
            )
            found += [(item.findtext("Key") or "").removeprefix(self.prefix) for item in root.iter("Contents")]
            if root.findtext("IsTruncated") != "true":
                return found
            more = (("continuation-token", root.findtext("NextContinuationToken") or ""),)


def part_of(number: int, upload: str) -> Pairs:
    """Return the query of a part."""
    return (("partNumber", str(number)), ("uploadId", upload))


def must(answer: Answer, what: str, *statuses: int) -> Answer:
    """Return the answer if it is a success, or has one of these statuses. Broken."""
    if answer.status in statuses if statuses else answer.ok and not answer.code:
        return answer
    wanted = " or ".join(map(str, statuses)) or "success"
    raise Broken(f"{what} is answered {answer}, not {wanted}")


def expect_same(found: bytes, wanted: bytes, why: str) -> None:
    """Fail unless the bytes are the same, telling where they part."""
    if found == wanted:
        return
    at = next((i for i, (a, b) in enumerate(zip(found, wanted, strict=False)) if a != b), min(len(found), len(wanted)))
    raise Broken(f"{why}: {len(found)} bytes instead of {len(wanted)}, different from byte {at}")


def noise(size: int) -> bytes:
    """Return bytes that nobody has seen before."""
    return secrets.token_bytes(size)
