"""A request and an answer as neutral values, so that the edge can be exchanged and handlers can be tested without it.

The edge has already refused what is not one unambiguous HTTP/1.1 message: names are lower case, values are
stripped, nothing holds CR, LF or NUL, and a body has exactly one length.
"""

from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol


class Headers:
    """An ordered multimap of header fields. Names are lower case; values are text decoded as latin-1.

    latin-1 keeps every byte; who expects UTF-8 (user metadata, RFC 2047 aside) encodes back and decodes.
    `first` maps each name to its first value. It is there for decoders, which look up dozens of names a request.
    """

    __slots__ = ("first", "items_in_order")

    def __init__(self, items: Sequence[tuple[str, str]] = ()) -> None:
        self.items_in_order: tuple[tuple[str, str], ...] = tuple(items)
        self.first: Mapping[str, str] = dict(reversed(self.items_in_order))

    def get(self, name: str) -> str | None:
        """Return the first value of `name`, or None."""
        return self.first.get(name)

    def all(self, name: str) -> list[str]:
        """Return every value of `name`, in the order received."""
        return [value for other, value in self.items_in_order if other == name]

    def __contains__(self, name: object) -> bool:
        return name in self.first

    def __iter__(self) -> Iterator[tuple[str, str]]:
        return iter(self.items_in_order)

    def __len__(self) -> int:
        return len(self.items_in_order)


class Body(Protocol):
    """The bytes of a request, pulled by whoever wants them.

    The first `read` is what makes the edge answer `100 Continue`, so nobody reads before the request is
    authorised. A reader that stops early leaves the rest to the edge, which drains or closes.
    """

    async def read(self) -> bytes:
        """Return the next piece, at most 1 MiB and never empty before the end; b"" at the end, and ever after.

        Raises ConnectionError when the peer is gone before the announced end.
        """
        ...


class EmptyBody:
    """A body of no bytes."""

    async def read(self) -> bytes:
        """Return b"": there is nothing."""
        return b""


@dataclass(slots=True)
class Request:
    """One request as received, nothing decoded that a signature covers."""

    method: str
    path: str  # percent-encoded as on the wire, without the query; starts with "/"
    query: str  # as on the wire, without "?"; "" when absent
    headers: Headers
    body: Body = field(default_factory=EmptyBody)
    content_length: int | None = None  # None: chunked transfer coding
    peer: str = ""  # the connected address, never a header's claim
    secure: bool = False  # arrived over TLS


SPAN_BUFFER_MIN: Final = 64 * 1024
"""The smallest buffer that `FileSpan.take` is content with."""


class FileSpan(Protocol):
    """A range of a stored file whose bytes are proved before they are given away; what a thread sends from.

    It may be asked on any thread, by one at a time, until the payload it came from is closed.
    """

    @property
    def length(self) -> int:
        """Number of bytes."""
        ...

    def at_hand(self) -> memoryview | None:
        """Return all bytes of the range, verified, if that needs no waiting for a disk; else None. OSError as `take`.

        For ranges that are small enough to be held in memory.
        """
        ...

    def take(self, position: int, buffer: memoryview, *, wait: bool) -> memoryview:
        """Return verified bytes of the range from `position` (below its length) on: at least one, as many as fit.

        What is returned is good until `buffer` is used again; `buffer` is writable and has at least SPAN_BUFFER_MIN
        bytes. Waits for the disk; unless it may `wait`, nothing is returned where it would. OSError when the bytes
        cannot be had or are not those that were stored: none of them is returned then, and the connection must be cut.
        """
        ...


class Payload(Protocol):
    """The bytes of an answer that are not at hand as one `bytes`. Whoever sends it closes it, sent or not."""

    @property
    def length(self) -> int:
        """Number of bytes that will come."""
        ...

    def spans(self) -> Sequence[FileSpan] | None:
        """Return the same bytes as file spans, valid until `aclose`, or None if they are not file content."""
        ...

    def chunks(self) -> AsyncIterator[bytes]:
        """Yield the bytes in pieces of at most 1 MiB."""
        ...

    async def aclose(self) -> None:
        """Release files and locks. May be called twice."""
        ...


@dataclass(frozen=True, slots=True)
class Again:
    """How an answer may be given again to a request that is, byte for byte, the same.

    `renew` returns what the field `name` says the next time, or None when the answer may not be given any more: it is
    asked each time, so it must be quick, and it stands for the whole way that made the answer, counting included.
    """

    fields: list[tuple[str, str]]  # of the answer, but for `name`
    name: bytes
    renew: Callable[[], bytes | None]


@dataclass(slots=True)
class Response:
    """One answer. The edge adds Date, Server, Connection and, unless given, Content-Length."""

    status: int
    headers: list[tuple[str, str]] = field(default_factory=list)
    body: bytes | Payload = b""
    close: bool = False  # the connection cannot be used for another request
    again: Again | None = None  # None: only for the request that it was made for
