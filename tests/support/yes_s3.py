"""A server that has a bucket, keeps nothing, and says yes; single answers may be exchanged."""

from collections.abc import Callable

from tests.support.tiny_http import Answer, ok

_EMPTY = (
    b'<?xml version="1.0"?><ListBucketResult><IsTruncated>false</IsTruncated><KeyCount>0</KeyCount></ListBucketResult>'
)
_NO_UPLOADS = b"<ListMultipartUploadsResult><IsTruncated>false</IsTruncated></ListMultipartUploadsResult>"


def accepts(**other: Callable[[bytes], bytes | None]) -> Answer:
    """Return an answer to everything: `put=...` answers every PUT instead."""

    def answer(head: bytes, _body: bytes) -> bytes | None:
        method = head.split(b" ", 1)[0].decode().lower()
        if method in other:
            return other[method](head)
        if method == "get":
            return ok(_NO_UPLOADS if b"uploads" in head.split(b"\r\n")[0] else _EMPTY)
        return ok(status="204 No Content" if method == "delete" else "200 OK")

    return answer
