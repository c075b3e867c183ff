"""Where this person's client keeps what it must remember: one private directory.

Its place is CYBS3_HOME, else the system's configuration directory for the person. Everything in it is sealed, except
the numbers in `state.sqlite`, which name objects as the bucket names them.
"""

import hashlib
import os
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import NamedTuple

from cybous3.client.keys.errors import LocalProblem, Locked
from cybous3.client.keys.files import ensure_private_directory
from cybous3.disk.files import SYSTEM, Files
from cybous3.disk.locks import locked

ENV_HOME = "CYBS3_HOME"
_LOCK_WAIT_S = 20.0


class Home(NamedTuple):
    """The directory and the names in it, and the files they are names of."""

    root: Path
    files: Files = SYSTEM

    @property
    def config(self) -> Path:
        """The sealed configuration: the vaults' profiles."""
        return self.root / "config.sealed"

    @property
    def identity(self) -> Path:
        """The sealed seed of the recovery words."""
        return self.root / "identity.sealed"

    @property
    def device_by_words(self) -> Path:
        """The device key, sealed under the seed of the recovery words."""
        return self.root / "device-words.sealed"

    @property
    def device_by_passphrase(self) -> Path:
        """The device key, sealed under a passphrase; only where no keyring keeps it."""
        return self.root / "device-passphrase.sealed"

    @property
    def state(self) -> Path:
        """What this machine has seen: generations and object ids, for detecting a rollback."""
        return self.root / "state.sqlite"

    @property
    def vaults(self) -> Path:
        """Copies of the newest vault documents, as sealed as in the bucket."""
        return self.root / "vaults"

    @property
    def journal(self) -> Path:
        """Where unfinished transfers are remembered."""
        return self.root / "journal"

    @property
    def label(self) -> str:
        """A name for this home in keyrings that several homes share; it says nothing about the path."""
        return hashlib.sha256(str(self.root).encode("utf-8", "surrogateescape")).hexdigest()[:16]

    def ensure(self) -> None:
        """Make the directory, private."""
        ensure_private_directory(self.root, self.files)

    @contextmanager
    def locked(self, wait_s: float = _LOCK_WAIT_S) -> Iterator[None]:
        """Hold the home against other processes while something in it is read, changed and written back."""
        self.ensure()
        lock = self.root / "lock"
        with ExitStack() as stack:
            try:
                stack.enter_context(locked(self.files, lock, wait_s))
            except TimeoutError as error:
                raise Locked(
                    f"another cybs3 is writing in {self.root}", hint="wait for it to end and run the command again"
                ) from error
            except OSError as error:
                raise LocalProblem(f"{lock}: {(error.strerror or str(error)).lower()}") from error
            yield


def find_home(environ: Mapping[str, str] = os.environ) -> Home:
    """Return the home the environment names, else the system's place for it. Creates nothing."""
    named = environ.get(ENV_HOME)
    if named:
        return Home(Path(named).expanduser().absolute())
    from platformdirs import user_config_path  # noqa: PLC0415  # not needed when CYBS3_HOME is set

    return Home(user_config_path("cybs3", appauthor=False))
