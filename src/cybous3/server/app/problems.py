"""Why a server cannot start: each with its exit code, as docs/reference/exit-codes.md has them."""

from typing import ClassVar

from cybous3.core.errors import CybousError


class StartError(CybousError):
    """The server could not start."""


class AddressInUseError(StartError):
    """Another program listens on the address."""


class DataInUseError(StartError):
    """Another server works on the data directory: it holds the lock."""

    exit_code: ClassVar[int] = 31


class LocalError(StartError):
    """The file system refused."""

    exit_code: ClassVar[int] = 30


def local(what: str, error: OSError) -> LocalError:
    """Return the error for a file system that refused `what`."""
    return LocalError(f"{what}: {(error.strerror or str(error)).lower()}")


class UnfinishedError(StartError):
    """A restore or a rebuild of this data directory was interrupted: what is there is not the whole."""

    exit_code: ClassVar[int] = 31


class IndexLostError(StartError):
    """The data directory holds bytes and no index that says what they are: a new one would forget them all."""

    exit_code: ClassVar[int] = 11
