"""A key pair, and what a signature was made for."""

from dataclasses import dataclass, field
from typing import Final

TERMINATOR: Final = "aws4_request"


@dataclass(frozen=True, slots=True)
class Credentials:
    """Access key and secret, with the session token of temporary ones. Neither secret nor token shows in a repr."""

    access_key: str
    secret_key: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Scope:
    """Day (`20261105`), region and service for which a signing key is good."""

    date: str
    region: str
    service: str

    def __str__(self) -> str:
        return f"{self.date}/{self.region}/{self.service}/{TERMINATOR}"
