"""The operating system's keyring (Keychain, Credential Manager, Secret Service, KWallet) as the device key's home.

The `keyring` package costs 140 ms to import, so it is imported when a home says that its key lies there, or at login
to find out. A backend that would store in the clear, or fail at the first call, is not used.
"""

import base64
import binascii
import importlib
from typing import NamedTuple, Protocol, cast

from cybous3.client.keys.errors import CannotUnlock

_SERVICE = "cybs3"
# keyring rates its backends; below 1 are those it advises against, such as the failing and the null one.
_PRIORITY_MIN = 1.0


class Backend(Protocol):
    """What we need of a keyring backend; `keyring.backend.KeyringBackend` has it."""

    priority: float

    def get_password(self, service: str, username: str) -> str | None:
        """Return what is kept, None if nothing is."""
        ...

    def set_password(self, service: str, username: str, password: str) -> None:
        """Keep it."""
        ...

    def delete_password(self, service: str, username: str) -> None:
        """Forget it; raises when there is nothing."""
        ...


def system_backend() -> Backend | None:
    """Return this session's keyring if it can be used, else None."""
    try:
        # Imported by name: keyring picks its backend at import and may fail there in ways of its own.
        backend = importlib.import_module("keyring").get_keyring()
        usable = float(backend.priority) >= _PRIORITY_MIN and not _stores_in_clear(backend)
    except Exception:  # noqa: BLE001  # backends fail with errors of their own libraries; any of them means "none here"
        return None
    return cast("Backend", backend) if usable else None


def _stores_in_clear(backend: object) -> bool:
    return type(backend).__module__.startswith("keyrings.alt")


class OsKeyring(NamedTuple):
    """The device key of one home in a keyring backend."""

    label: str
    backend: Backend

    def load(self) -> bytes | None:
        """Return the key, None if there is none. Raises CannotUnlock when the keyring is locked or broken."""
        try:
            text = self.backend.get_password(_SERVICE, self.label)
        except Exception as error:
            raise CannotUnlock(
                f"the system keyring does not answer: {error}",
                hint="unlock the keyring, or give the recovery words with --mnemonic-file",
            ) from error
        if text is None:
            return None
        try:
            return base64.b64decode(text, validate=True)
        except binascii.Error as error:
            raise CannotUnlock("the system keyring holds something else under our name") from error

    def save(self, key: bytes) -> bool:
        """Keep the key; tell whether it can be read back."""
        try:
            self.backend.set_password(_SERVICE, self.label, base64.b64encode(key).decode())
            return self.load() == key
        except Exception:  # noqa: BLE001  # any failure means that another place must be found
            return False

    def forget(self) -> None:
        """Remove the key, if it is there. Raises CannotUnlock when the keyring does not let us."""
        if self.load() is None:
            return
        try:
            self.backend.delete_password(_SERVICE, self.label)
        except Exception as error:
            raise CannotUnlock(f"the system keyring keeps its entry: {error}", hint="remove it by hand") from error
