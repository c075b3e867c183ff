"""One row per S3 operation: how a request selects it, what it needs, how it answers.

The rows stand in `generated.operations`, compiled from the pinned botocore model and tools/operations_overlay.toml.
Routing, authorisation, audit names, metric labels and the documentation read them, so they cannot disagree. Whether
an operation is built is not said here: the handlers' own table decides.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

Level = Literal["service", "bucket", "object"]
Place = Literal["service", "bucket", "object", "source"]
BodyKind = Literal["none", "bytes", "document", "form"]


@dataclass(frozen=True, slots=True)
class Need:
    """One permission: the right to do `action` on `on`.

    `on` "source" is what the copy or rename header names. `versioned` replaces `action` when the request (for a
    source: the header) names a version id. `when` non-empty: needed only if the request carries one of these headers.
    """

    action: str
    on: Place
    versioned: str | None = None
    when: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True, eq=False)
class Operation:
    """A row; each is one of a kind, so it equals and hashes as itself.

    `query` and `header` select it among the rows of one method and level, see `route.select`. `query` maps keys that
    must be present to the value they must have, None for any. `x_id` rows are also chosen by the query parameter
    `x-id` naming them. `path` is a literal path that no bucket can have.
    """

    name: str
    method: str
    level: Level
    permissions: tuple[Need, ...]
    query: Mapping[str, str | None]
    header: str | None = None
    path: str | None = None
    x_id: bool = False
    status: int = 200  # of a success that has no reason to differ (206, 304)
    body: BodyKind = "none"
    body_max: int = 0  # bytes, of a document; other bodies have the store's limit
    root: str | None = None  # the XML root element of a document
    checksum_required: bool = False  # Content-MD5 or a checksum header must come with the body
    conditions: frozenset[str] = frozenset()  # standard conditional headers it honours; others are refused on a write
    parameters: frozenset[str] = frozenset()  # query parameters it reads
    refused: frozenset[str] = frozenset()  # query parameters that it must not overlook


class Required(NamedTuple):
    """A `Need` as one request raises it: one action, on one place."""

    action: str
    on: Place
