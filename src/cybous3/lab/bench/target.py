"""What a benchmark works on: one S3 endpoint and what is known of how durable its answers are."""

from dataclasses import dataclass, field
from typing import Final

from cybous3.core.sigv4.credentials import Credentials

UNKNOWN_DURABILITY: Final = "unknown"


@dataclass(frozen=True, slots=True)
class Target:
    """One S3 endpoint under load.

    `bucket` None: a scratch bucket is made and removed. In a given bucket only keys below a prefix of our own are
    written, and they are removed again. `durability` is printed beside every figure: "strict", "relaxed",
    "none (no fsync)", "memory", ... `server_pid` is the server's process where it is ours, so that its CPU time can
    be told beside the generator's.
    """

    label: str
    endpoint: str
    credentials: Credentials = field(repr=False)
    region: str = "us-east-1"
    bucket: str | None = None
    durability: str = UNKNOWN_DURABILITY
    server_pid: int | None = None
