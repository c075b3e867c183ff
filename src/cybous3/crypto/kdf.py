"""Argon2id for passphrases, with floors and ceilings that are checked before any work is done (key-hierarchy.md §3).

The parameters of a slot come from the server: too low would be a downgrade, too high an attack on this machine.
A profile is chosen by an argument, never by input.
"""

import unicodedata
from typing import NamedTuple

from cybous3.crypto.errors import CannotUnlock, UnsafeParameters

SALT_LEN = 16
ARGON2_VERSION = 0x13
MEMORY_KIB_FLOOR, MEMORY_KIB_CEILING = 64 * 1024, 2 * 1024 * 1024
PASSES_FLOOR, PASSES_CEILING = 3, 16
LANES_FLOOR, LANES_CEILING = 1, 16
_OUTPUT_LEN = 64


class Argon2Profile(NamedTuple):
    """Cost of one guess: memory in KiB, passes over it, lanes (threads)."""

    memory_kib: int
    passes: int
    lanes: int

    def check(self) -> "Argon2Profile":
        """Return this profile if it is within the floors and ceilings; else `UnsafeParameters`."""
        within = (
            MEMORY_KIB_FLOOR <= self.memory_kib <= MEMORY_KIB_CEILING
            and PASSES_FLOOR <= self.passes <= PASSES_CEILING
            and LANES_FLOOR <= self.lanes <= LANES_CEILING
        )
        if not within:
            raise UnsafeParameters(
                f"Argon2id with {self.memory_kib} KiB, {self.passes} passes and {self.lanes} lanes is out of bounds",
                hint="nothing was derived: the parameters come from the store and may have been altered",
            )
        return self


DEFAULT = Argon2Profile(memory_kib=256 * 1024, passes=3, lanes=4)
"""About one second on a machine with two cores (RFC 9106 §4 asks for 64 MiB in its second recommended choice)."""

FOR_TESTS_ONLY = Argon2Profile(memory_kib=MEMORY_KIB_FLOOR, passes=PASSES_FLOOR, lanes=4)
"""The floor: what a reader still accepts. For tests, which open many vaults."""


def argon2id(passphrase: str, salt: bytes, profile: Argon2Profile) -> bytes:
    """64 bytes from a passphrase (NFKD, UTF-8) and a salt of 16 bytes; raises `UnsafeParameters` before any work."""
    profile.check()
    if len(salt) != SALT_LEN:
        raise UnsafeParameters(f"an Argon2id salt has {SALT_LEN} bytes, not {len(salt)}")
    from cryptography.hazmat.primitives.kdf.argon2 import Argon2id  # noqa: PLC0415  # only where a passphrase is used

    kdf = Argon2id(
        salt=salt,
        length=_OUTPUT_LEN,
        iterations=profile.passes,
        lanes=profile.lanes,
        memory_cost=profile.memory_kib,
    )
    return kdf.derive(normalized(passphrase))


def normalized(passphrase: str) -> bytes:
    """Return a passphrase in NFKD and UTF-8, so that every keyboard gives the same bytes; `CannotUnlock` if no text."""
    try:
        return unicodedata.normalize("NFKD", passphrase).encode()
    except UnicodeEncodeError as error:
        raise CannotUnlock("the passphrase is not Unicode text") from error
