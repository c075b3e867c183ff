"""Who may come in: users (S3 owners) and their access keys."""

from dataclasses import dataclass, field


@dataclass(frozen=True, slots=True)
class User:
    """An S3 owner. `root` users may do everything; there is one made by the first start."""

    id: str  # canonical id: 64 lower-case hexadecimal digits
    name: str  # unique, for people and the command line
    display_name: str
    email: str = ""
    root: bool = False


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A credential of a user. The secret is sealed before it reaches the index and is never part of `repr`.

    `buckets` None means whatever the user may do; otherwise the key reaches these buckets and nothing else.
    """

    access_key: str
    user_id: str
    sealed_secret: bytes = field(repr=False)
    created_ms: int
    buckets: frozenset[str] | None = None


@dataclass(frozen=True, slots=True)
class Credential:
    """An access key with its secret opened, for the length of one request. Never stored, never shown."""

    access_key: str
    user: User
    secret_key: str = field(repr=False)
    buckets: frozenset[str] | None = None
