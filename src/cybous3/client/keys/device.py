"""The device key: 256 random bits that seal everything this client keeps here, and the three places that open it.

| place | opened by | lasts until |
|---|---|---|
| `device-words.sealed` | the recovery words | the home is removed |
| the system's keyring | this person's session there | logout |
| else `device-passphrase.sealed` | a passphrase | another is set |
| the kernel's keyring | nothing: it is open | logout, restart, a day |

The words always open it, so nobody loses their vault profiles with a passphrase or a reinstalled keyring.
No file here opens anything without one of these secrets. The words themselves are never stored.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from cybous3.client.keys.errors import CannotUnlock, DamagedFile
from cybous3.client.keys.files import remove
from cybous3.client.keys.home import Home
from cybous3.client.keys.kernel import KernelSession, system_calls
from cybous3.client.keys.oskeyring import Backend, OsKeyring, system_backend
from cybous3.client.keys.sealed import (
    Purpose,
    open_file,
    open_file_with_passphrase,
    seal_file,
    seal_file_with_passphrase,
)
from cybous3.crypto.kdf import Argon2Profile
from cybous3.crypto.primitives import Entropy, hkdf_expand

KEY_BYTES = 32
ENV_KEYRING = "CYBS3_KEYRING"  # "off": neither the system's nor the kernel's keyring is used


@dataclass(frozen=True, slots=True)
class Places:
    """Where the device key of one home may lie."""

    home: Home
    session: KernelSession
    entropy: Entropy = field(default=os.urandom, repr=False)
    backend: Backend | None = None  # None: look for the system's own when it is needed
    keyring_allowed: bool = True

    def keyring(self) -> OsKeyring | None:
        """Return the system's keyring, None where it is not wanted or not there."""
        if not self.keyring_allowed:
            return None
        backend = self.backend or system_backend()
        return OsKeyring(self.home.label, backend) if backend else None

    # words

    def exists(self) -> bool:
        """Tell whether this home has a device key at all."""
        return self.home.files.exists(self.home.device_by_words)

    def create(self, seed: bytes) -> bytes:
        """Make the device key of a new home, sealed under the seed of the words. A home that has one is refused."""
        key = self.entropy(KEY_BYTES)
        self.home.ensure()
        path = self.home.device_by_words
        seal_file(path, _seed_key(seed), Purpose.DEVICE, key, self.entropy, new=True, files=self.home.files)
        return key

    def open_with_words(self, seed: bytes) -> bytes:
        """Return the device key. Raises CannotUnlock when the home belongs to other words, or to none yet."""
        path = self.home.device_by_words
        try:
            key = open_file(path, _seed_key(seed), Purpose.DEVICE, self.home.files)
        except CannotUnlock as error:
            raise CannotUnlock(
                f"{self.home.root} belongs to other recovery words",
                hint="check the words; CYBS3_HOME=DIR keeps several sets apart, cybs3 logout --forget starts anew",
            ) from error
        if key is None:
            raise CannotUnlock("this machine is not set up yet", hint="run cybs3 login")
        return _checked(key, path)

    # passphrase

    def has_passphrase(self) -> bool:
        """Tell whether a passphrase opens this home."""
        return self.home.files.exists(self.home.device_by_passphrase)

    def seal_with_passphrase(self, key: bytes, passphrase: str, profile: Argon2Profile) -> None:
        """Let `passphrase` open the device key; the one before it no longer does."""
        path = self.home.device_by_passphrase
        seal_file_with_passphrase(path, passphrase, Purpose.DEVICE, key, self.entropy, profile, files=self.home.files)

    def open_with_passphrase(self, passphrase: str) -> bytes:
        """Return the device key. Raises CannotUnlock for a wrong passphrase, or when there is none."""
        path = self.home.device_by_passphrase
        key = open_file_with_passphrase(path, passphrase, Purpose.DEVICE, self.home.files)
        if key is None:
            raise CannotUnlock("no passphrase was set on this machine", hint="run cybs3 login with the recovery words")
        return _checked(key, path)

    # without a secret

    def open_silently(self) -> bytes | None:
        """Return the device key if this session is unlocked: the kernel's keyring first, which costs nothing."""
        key = self.session.load()
        if key is None and self.exists() and not self.has_passphrase() and (keyring := self.keyring()):
            key = keyring.load()
        return key if key is not None and len(key) == KEY_BYTES else None

    def forget_session(self) -> None:
        """Forget what opens without a secret."""
        self.session.forget()
        if self.exists() and not self.has_passphrase() and (keyring := self.keyring()):
            keyring.forget()

    def forget_everything(self) -> None:
        """Remove the device key in all its places: what it sealed cannot be opened again."""
        self.forget_session()
        for path in (self.home.device_by_passphrase, self.home.device_by_words):
            remove(path, self.home.files)


def system_places(home: Home, environ: Mapping[str, str] = os.environ) -> Places:
    """Return the places of this machine; CYBS3_KEYRING=off leaves only the files."""
    allowed = environ.get(ENV_KEYRING, "").lower() not in {"off", "0", "no"}
    return Places(home, KernelSession(home.label, system_calls() if allowed else None), keyring_allowed=allowed)


def _seed_key(seed: bytes) -> bytes:
    # key-hierarchy.md §8 wants a key of 32 bytes; the seed has 64 and opens the vaults themselves.
    return hkdf_expand(seed, b"cybs3/local/1/device", KEY_BYTES)


def _checked(key: bytes, path: Path) -> bytes:
    if len(key) != KEY_BYTES:
        raise DamagedFile(f"{path}: holds no device key")
    return key
