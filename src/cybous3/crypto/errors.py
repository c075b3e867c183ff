"""What can go wrong when something sealed is opened: one class per failure, each with its word and its exit code.

The word (`failure`) is the one the vectors use (format-v1 §10). A failed unwrap is always `CannotOpen`: a wrong key, a
wrong path, another vault and a tampered wrap are told apart nowhere, neither by type nor by message, because a reader
that tells them apart answers questions for whoever serves the bytes.
"""

from typing import ClassVar

from cybous3.core.errors import CybousError


class CryptoError(CybousError):
    """The family of everything this room refuses."""

    exit_code: ClassVar[int] = 11
    failure: ClassVar[str] = "error"


class CannotOpen(CryptoError):
    """An object's key cannot be unwrapped: wrong key, path or vault, or a tampered wrap. Never more precise."""

    failure: ClassVar[str] = "cannot-open"

    def __init__(self, message: str = "cannot open this object with these keys under this name") -> None:
        hint = "it was written for another vault or another name, or its wrapped key was altered"
        super().__init__(message, hint=hint)


class CannotUnlock(CryptoError):
    """No slot of the vault opens with the secret given. Never more precise."""

    exit_code: ClassVar[int] = 10
    failure: ClassVar[str] = "cannot-unlock"

    def __init__(self, message: str = "cannot unlock the vault with this secret") -> None:
        super().__init__(message, hint="check the words or the passphrase, and that this is the vault they belong to")


class BadMnemonic(CryptoError):
    """The words are not a BIP39 mnemonic. The message never repeats a word: words are secrets."""

    exit_code: ClassVar[int] = 10
    failure: ClassVar[str] = "bad-mnemonic"


class Damaged(CryptoError):
    """Something that was opened with the right key does not verify: header, metadata, segment, footer, name, vault."""

    failure: ClassVar[str] = "damaged"


class Truncated(CryptoError):
    """Bytes are missing from the end."""

    failure: ClassVar[str] = "truncated"


class Malformed(CryptoError):
    """The bytes break the format before any key is involved; or this is no CybS3 object at all."""

    failure: ClassVar[str] = "malformed"


class UnsafeParameters(Malformed):
    """Key derivation parameters outside the floors and ceilings, refused before any work is done with them."""

    failure: ClassVar[str] = "unsafe-parameters"


class UnsupportedFormat(CryptoError):
    """A version, suite, flag or vault format that this reader does not know."""

    exit_code: ClassVar[int] = 13
    failure: ClassVar[str] = "unsupported"

    def __init__(self, message: str) -> None:
        super().__init__(message, hint="a newer cybs3 may be able to read it")


class InvalidName(CryptoError):
    """A name or path that cannot be stored: empty component, `..`, NUL, not Unicode, or too long."""

    exit_code: ClassVar[int] = 2
    failure: ClassVar[str] = "invalid-name"


class NameNeeded(CryptoError):
    """The key holds a shortened component: the full name lies in the object's metadata entry `cybs3name`."""

    exit_code: ClassVar[int] = 11
    failure: ClassVar[str] = "name-needed"


class Misuse(CryptoError):
    """The caller broke a rule that protects keys, such as encrypting one segment twice. A defect, not an attack."""

    exit_code: ClassVar[int] = 1
    failure: ClassVar[str] = "misuse"
