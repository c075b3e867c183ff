"""Why a secret, or something sealed on this machine, could not be used."""

from cybous3.core.errors import CybousError


class CannotUnlock(CybousError):
    """The words, the passphrase or the login at hand do not open what should be opened."""

    exit_code = 10


class NoSecret(CannotUnlock):
    """A secret is needed and no source gives it: not logged in, no file, no command, no terminal."""


class BadSource(CybousError):
    """A source of a secret was named and cannot be used: empty, too long, named twice."""

    exit_code = 2


class DamagedFile(CybousError):
    """A file of ours is cut short or was changed. It is left as it is."""

    exit_code = 11


class Rollback(CybousError):
    """What the store shows is older than, or different from, what this machine has already seen."""

    exit_code = 12


class ForeignFile(CybousError):
    """A file in our place is not ours, or of a version we do not know. It is left as it is."""

    exit_code = 13


class LocalProblem(CybousError):
    """The local file system refused: full, not permitted, not a directory."""

    exit_code = 30


class Locked(CybousError):
    """Another process works on the same thing."""

    exit_code = 31
