"""What can go wrong while files move, beyond what stores and sealed objects say of themselves."""

from cybous3.core.errors import CybousError


class SourceChanged(CybousError):
    """The local file changed while it was being stored. Nothing became visible."""

    exit_code = 22


class Conflict(CybousError):
    """Somebody else wrote the object since this machine saw it last. Nothing was overwritten."""

    exit_code = 22


class NotFoundHere(CybousError):
    """The vault holds no such file."""

    exit_code = 3


class Unusable(CybousError):
    """The local side cannot be used as asked: a folder where a file is needed, or the reverse."""

    exit_code = 30


class Foreign(CybousError):
    """The object was not written by this vault: it has no sealed key of ours."""

    exit_code = 11


class TooLarge(CybousError):
    """More bytes came than the chosen parts can hold."""

    exit_code = 2


class Busy(CybousError):
    """Another process is moving the same file."""

    exit_code = 31
