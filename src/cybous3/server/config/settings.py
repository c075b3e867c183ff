"""The server's settings as one table, and the frozen value that the rest of the server is given.

Units are in the names. The root key is not in the table: it is read from the environment alone, so that it never
stands in a file, a process list or the output of `config show`.
"""

import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from cybous3.core.config import Field, choice, host_port, integer, number, text, texts

ENV_PREFIX: Final = "SWIFTS3"
ROOT_ACCESS_KEY: Final = "SWIFTS3_ROOT_ACCESS_KEY"
ROOT_SECRET_KEY: Final = "SWIFTS3_ROOT_SECRET_KEY"  # noqa: S105 - a variable's name
STATE_DIR: Final = "SWIFTS3_STATE_DIR"

_REGION = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")
_HOST_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_MIB: Final = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RootKey:
    """The root credential as the environment gives it."""

    access_key: str
    secret_key: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class ServerConfig:
    """Everything a server process is told. Checked: whoever holds one need not check again."""

    data: Path
    listen: tuple[str, int] = ("127.0.0.1", 9000)
    admin_listen: tuple[str, int] = ("127.0.0.1", 9001)
    workers: int = 1
    region: str = "us-east-1"
    durability: Literal["strict", "relaxed", "none"] = "strict"
    tls_cert: Path | None = None
    tls_key: Path | None = None
    base_hosts: tuple[str, ...] = ()
    inline_max: int = 16 * 1024
    connections: int = 4096
    drain_timeout_s: float = 30.0
    log_level: str = "info"
    log_format: str = "text"
    log_file: Path | None = None
    root_key: RootKey | None = None


def _path(raw: object) -> Path:
    return Path(text(raw)).expanduser().absolute()


def _region(raw: object) -> str:
    name = text(raw)
    if not _REGION.fullmatch(name):
        msg = "is not a region name (lower-case letters, digits and hyphens)"
        raise ValueError(msg)
    return name


def _host_names(raw: object) -> tuple[str, ...]:
    names = tuple(name.lower().rstrip(".") for name in texts(raw))
    if not all(_HOST_NAME.fullmatch(name) for name in names):
        msg = "is not a list of host names without ports"
        raise ValueError(msg)
    return names


_DEFAULTS: Final = ServerConfig(Path())

FIELDS: Final[tuple[Field, ...]] = (
    Field("data", _path, help="Directory that holds everything the server stores."),
    Field("listen", host_port, _DEFAULTS.listen, "Address of the S3 port; port 0 takes a free one."),
    Field("admin_listen", host_port, _DEFAULTS.admin_listen, "Address of the admin port (health, metrics)."),
    Field("workers", integer(1, 256), _DEFAULTS.workers, "Number of worker processes."),
    Field("region", _region, _DEFAULTS.region, "Region that clients sign for."),
    Field("durability", choice("strict", "relaxed", "none"), _DEFAULTS.durability, "Durability of new buckets."),
    Field("tls_cert", _path, None, "Certificate chain (PEM) of the S3 port."),
    Field("tls_key", _path, None, "Private key (PEM) of the certificate."),
    Field("base_hosts", _host_names, (), "Host names under which BUCKET.HOST addresses a bucket."),
    Field("inline_max", integer(0, _MIB), _DEFAULTS.inline_max, "Largest object, in bytes, that is kept in the index."),
    Field("connections", integer(1, 1_000_000), _DEFAULTS.connections, "Most connections to a worker at once."),
    Field("drain_timeout_s", number(0, 86_400), _DEFAULTS.drain_timeout_s, "Time to finish requests before the end."),
    Field("log_level", choice("debug", "info", "warning", "error"), _DEFAULTS.log_level, "What is worth logging."),
    Field("log_format", choice("text", "json"), _DEFAULTS.log_format, "How log lines look."),
    Field("log_file", _path, None, "Log to this file, which is rotated, instead of standard error."),
)
