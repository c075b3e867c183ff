"""Where vault documents are kept: the port towards a bucket, and the copy on this machine."""

from pathlib import Path
from typing import NamedTuple, Protocol

from cybous3.client.keys.files import ensure_private_directory, read_private, remove, write_private
from cybous3.crypto.vault import DOCUMENT_BYTES_MAX
from cybous3.disk.files import SYSTEM, Files


class Documents(Protocol):
    """The numbered documents of one place. `client.stores.documents` keeps them in a bucket."""

    def newest(self) -> int | None:
        """Return the highest generation there, None if there is no document."""
        ...

    def read(self, generation: int) -> bytes | None:
        """Return a document, None if there is none of that generation."""
        ...

    def create(self, generation: int, document: bytes) -> bool:
        """Write a document where there is none of that generation; False when there is one. Never replaces.

        When the answer was lost, it is unknown whether it was written; the error says so, and `read` tells.
        """
        ...


class Cache(NamedTuple):
    """Sealed copies of the newest documents, one file a vault, so that opening one needs a single request."""

    folder: Path
    files: Files = SYSTEM

    def read(self, vault_id: bytes) -> bytes | None:
        """Return the copy, None if there is none."""
        return read_private(self._path(vault_id), DOCUMENT_BYTES_MAX, self.files)

    def write(self, vault_id: bytes, document: bytes) -> None:
        """Keep a copy, if it differs from the one kept."""
        if self.read(vault_id) != document:
            ensure_private_directory(self.folder, self.files)
            write_private(self._path(vault_id), document, files=self.files)

    def forget(self, vault_id: bytes) -> None:
        """Remove the copy."""
        remove(self._path(vault_id), self.files)

    def _path(self, vault_id: bytes) -> Path:
        return self.folder / f"{vault_id.hex()}.json"
