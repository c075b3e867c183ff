"""Which operation a request asks for, and of what. One answer for each request, or one refusal.

A sub-resource decides before anything else: `?policy` with a method that has no such operation is MethodNotAllowed,
never the plain operation on the bucket. Query keys that no operation knows are ignored, as AWS does, with one
exception: a bare key (`?newthing`) looks like a sub-resource that came after us. On anything but reading an object it
is NotImplemented, because ignoring it could create, list, overwrite or delete what was not asked for.
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Final, Literal, NamedTuple

from cybous3.core.uri import UriError, parse_query
from cybous3.server.wire.address import CopySource, parse_copy_source, split_path, virtual_bucket
from cybous3.server.wire.conditions import STANDARD, refuse_unknown
from cybous3.server.wire.errors import S3Error, invalid_argument
from cybous3.server.wire.generated.decoders import DECODERS
from cybous3.server.wire.generated.operations import OPERATIONS, PARAMETERS, SUBRESOURCES
from cybous3.server.wire.message import Headers, Request
from cybous3.server.wire.operations import Level, Operation, Required

OPERATIONS_BY_NAME: Final = {operation.name: operation for operation in OPERATIONS}

# The header in which an operation that reads a source names it.
_SOURCE_HEADERS: Final = {
    row.name: row.header or "x-amz-rename-source"
    for row in OPERATIONS
    if any(need.on == "source" for need in row.permissions)
}
_READING: Final = frozenset({"GET", "HEAD"})
_KNOWN: Final = PARAMETERS | SUBRESOURCES
# Headers of which a request has one. Two that differ would mean one thing to the signature and another to a handler.
_SINGLE: Final = frozenset({"authorization", "content-length", "content-md5", "content-type", "date", "host", "range"})
_LISTS: Final = frozenset({"x-amz-object-attributes", "x-amz-optional-object-attributes"})


class Target(NamedTuple):
    """The operation a request asks for and what it addresses; bucket and key are None where the level has none.

    `query` holds each key once, decoded; a key without a value has the empty one.
    """

    operation: Operation
    bucket: str | None
    key: str | None
    query: Mapping[str, str]
    headers: Headers
    style: Literal["path", "virtual-hosted"] = "path"
    source: CopySource | None = None  # what the copy or rename header names

    def decode(self) -> object:
        """Return the operation's input, a `generated.<level>_inputs.<Name>Input`; None if it reads nothing."""
        decoder = DECODERS.get(self.operation.name)
        return None if decoder is None else decoder(self.bucket or "", self.key or "", self.query, self.headers)

    def needs(self) -> tuple[Required, ...]:
        """Return the permissions that this very request needs, versions and optional headers considered."""
        plain = _PLAIN_NEEDS.get(self.operation.name)
        if plain is not None and not self.query.get("versionId"):
            return plain
        first = self.headers.first
        versions = {"source": self.source is not None and self.source.version_id is not None}
        own = bool(self.query.get("versionId"))
        return tuple(
            Required(need.versioned if need.versioned and versions.get(need.on, own) else need.action, need.on)
            for need in self.operation.permissions
            if not need.when or not need.when.isdisjoint(first)
        )


def route(request: Request, base_hosts: Sequence[str] = ()) -> Target:
    """Return what `request` asks for.

    `base_hosts` are the names under which buckets are subdomains, as configured. Raises S3Error: InvalidURI,
    InvalidBucketName, KeyTooLongError, MethodNotAllowed, NotImplemented, InvalidArgument, InvalidRequest.
    """
    headers = request.headers
    _refuse_ambiguous(headers)
    hosted = virtual_bucket(headers.get("host"), base_hosts) if base_hosts else None
    query = _read_query(request.query)
    operation = _literal(request) if hosted is None else None
    bucket, key = (None, None) if operation else split_path(request.path, hosted)
    if operation is None:
        operation = select(request.method, _level(bucket, key), query, headers)
    if request.method not in _READING and not STANDARD.isdisjoint(headers.first):
        refuse_unknown(operation.conditions, headers.first)
    source_header = _SOURCE_HEADERS.get(operation.name)
    source = parse_copy_source(source_header, headers.get(source_header) or "") if source_header else None
    return Target(operation, bucket, key, query, headers, "virtual-hosted" if hosted else "path", source)


def _level(bucket: str | None, key: str | None) -> Level:
    return "service" if bucket is None else "bucket" if key is None else "object"


def _literal(request: Request) -> Operation | None:
    return _LITERALS.get((request.method, request.path))


def _refuse_ambiguous(headers: Headers) -> None:
    """Refuse two headers of one name and different values where S3 knows one (attacks A5b)."""
    if len(headers.first) == len(headers):
        return
    for name in {name for name, _ in headers}:
        single = name in _SINGLE or name in STANDARD
        single = single or (name.startswith("x-amz-") and not name.startswith("x-amz-meta-") and name not in _LISTS)
        if single and len(set(headers.all(name))) > 1:
            raise S3Error("InvalidRequest", f"The header {name} is given twice, with different values.", Header=name)


def _read_query(raw: str) -> Mapping[str, str]:
    if not raw:
        return {}
    try:
        pairs = parse_query(raw)
    except UriError as error:
        raise S3Error("InvalidURI", URI=raw) from error
    query: dict[str, str] = {}
    for key, value in pairs:
        if key in query and key in _KNOWN:
            raise invalid_argument(key, value or "", f"The query parameter {key} is given twice.")
        query.setdefault(key, value or "")
    return query


def select(method: str, level: Level, query: Mapping[str, str], headers: Headers) -> Operation:
    """Return the row for a request of this shape; MethodNotAllowed, NotImplemented or InvalidArgument if none fits."""
    if method == "OPTIONS" and level != "service":  # a preflight repeats the query of the request it asks about
        return OPERATIONS_BY_NAME[f"Options{level.title()}"]
    table = _ROWS.get((method, level))
    if table is None:
        raise _not_allowed(method, level)
    resource = _subresource(query)
    rows = table.get(resource)
    if rows is None:
        raise _not_allowed(method, resource)
    if not resource and query and (level != "object" or method not in _READING):
        _refuse_bare(query)
    chosen = next((row for row in rows if _fits(row, query, headers)), None)
    if chosen is None:
        raise _not_allowed(method, resource or level)
    for key in chosen.refused & query.keys():
        raise invalid_argument(key, query[key], f"This operation does not accept {key}.")
    return chosen


def _subresource(query: Mapping[str, str]) -> str:
    if not query:
        return ""
    found = sorted(SUBRESOURCES.intersection(query))
    if len(found) > 1:
        raise S3Error(
            "InvalidArgument",
            f"Conflicting query string parameters: {', '.join(found)}",
            ArgumentName="ResourceType",
            ArgumentValue=found[0],
        )
    return found[0] if found else ""


def _refuse_bare(query: Mapping[str, str]) -> None:
    for key, value in query.items():
        if not value and key not in _KNOWN and not key.lower().startswith("x-"):
            raise S3Error("NotImplemented", f"No operation of this server knows the sub-resource {key}.", Query=key)


def _fits(row: Operation, query: Mapping[str, str], headers: Headers) -> bool:
    if row.header is not None and row.header not in headers:
        return False
    if row.x_id and query.get("x-id") == row.name:
        return True
    for key, wanted in row.query.items():
        value = query.get(key)
        if value is None:
            return False
        if wanted is not None and value != wanted:
            raise invalid_argument(key, value, f"The value of {key} must be {wanted}.")
    return True


def _not_allowed(method: str, resource: str) -> S3Error:
    return S3Error("MethodNotAllowed", Method=method, ResourceType=resource.upper())


def _table() -> dict[tuple[str, Level], dict[str, tuple[Operation, ...]]]:
    """Return the rows by method and level, then by sub-resource; the more a row demands, the earlier it stands."""
    table: dict[tuple[str, Level], dict[str, list[Operation]]] = defaultdict(lambda: defaultdict(list))
    for row in OPERATIONS:
        if row.path is None and row.method != "OPTIONS":
            resource = next(iter(SUBRESOURCES.intersection(row.query)), "")
            table[row.method, row.level][resource].append(row)
    return {
        place: {resource: tuple(sorted(rows, key=_demands, reverse=True)) for resource, rows in below.items()}
        for place, below in table.items()
    }


def _demands(row: Operation) -> tuple[bool, int]:
    return row.header is not None, len(row.query)


_ROWS: Final = _table()
_LITERALS: Final = {(row.method, row.path): row for row in OPERATIONS if row.path is not None}
# Of operations whose needs hang on nothing but, perhaps, a version in the query.
_PLAIN_NEEDS: Final = {
    row.name: tuple(Required(need.action, need.on) for need in row.permissions)
    for row in OPERATIONS
    if not any(need.when or need.on == "source" for need in row.permissions)
}
