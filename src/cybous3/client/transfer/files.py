"""The files of a vault: list, look at, delete, copy. What is below a folder is what its path is a prefix of."""

from collections.abc import Iterator, Sequence
from functools import partial
from typing import NamedTuple

from cybous3.client.stores.errors import NotFound, PreconditionFailed
from cybous3.client.stores.port import Entry, Store
from cybous3.client.transfer.errors import Conflict, NotFoundHere
from cybous3.client.transfer.opening import Opened, Opener
from cybous3.client.transfer.port import Stored, Surroundings
from cybous3.client.transfer.unsettled import Unsettled
from cybous3.crypto.errors import CryptoError, Damaged
from cybous3.crypto.layout import IMMUTABLE_LEN


class Listed(NamedTuple):
    """One line of a listing, before anything was opened. `size` counts stored bytes; `path` of a folder ends in "/"."""

    path: str
    key: str
    stored_size: int
    etag: str
    modified_s: float
    folder: bool = False


class Unreadable(NamedTuple):
    """A key below the folder whose name does not verify: not ours, or tampered with. Shown, never hidden."""

    key: str
    reason: str


class Files:
    """The files of one vault."""

    def __init__(self, store: Store, around: Surroundings) -> None:
        self._store = store
        self._around = around
        self._vault = around.vault
        self._opener = Opener(store, around)
        self._unsettled = Unsettled(store, around)

    def list(self, folder: str = "", *, recursive: bool = False) -> Iterator[Listed | Unreadable]:
        """Yield what is in `folder`, in the store's order. Folders appear as such unless `recursive`."""
        prefix = self._vault.folder_prefix(folder)
        token: str | None = None
        while True:
            page = self._store.list(prefix, delimiter="" if recursive else "/", token=token)
            yield from (self._folder(found) for found in page.prefixes if not self._vault.is_system(found))
            yield from (self._file(entry) for entry in page.entries if not self._vault.is_system(entry.key))
            token = page.next_token
            if token is None:
                return

    def one(self, path: str) -> Listed | None:
        """Return the line of the file `path` itself, None if there is none."""
        key = self._vault.object_key(path)
        try:
            info = self._store.head(key)
        except NotFound as error:
            if type(error) is not NotFound:
                raise
            return None
        return Listed(path, key, info.size, info.etag, info.modified_s)

    def stat(self, path: str, *, key: str | None = None, expect: int = 0) -> Stored:
        """Open the file `path` and return what it says of itself, all authenticated."""
        opened: Opened = self._opener.open(path, key=key, expect=expect)
        self._opener.note(opened)
        return opened.stored

    def delete(self, path: str) -> None:
        """Remove the file. NotFoundHere when there is none, unless an earlier run of ours removed it unanswered."""
        listed = self.one(path)
        if listed is None:
            if self._unsettled.deleted(self._vault.object_key(path)):
                return
            raise NotFoundHere(f"the vault holds no file {path!r}", hint="cybs3 files list shows what is there")
        self._unsettled.about_to_delete([listed.key])
        self._store.delete(listed.key)
        self._around.memory.forget_objects(self._vault.vault_id, [listed.key])

    def delete_keys(self, keys: Sequence[str]) -> dict[str, str]:
        """Remove many objects; return those that could not be removed, with the reason."""
        failed: dict[str, str] = {}
        step = self._store.capabilities.delete_many_max
        for start in range(0, len(keys), step):
            batch = keys[start : start + step]
            self._unsettled.about_to_delete(list(batch))
            failures = {failure.key: failure.message for failure in self._store.delete_many(batch)}
            failed |= failures
            self._around.memory.forget_objects(self._vault.vault_id, [key for key in batch if key not in failures])
        return failed

    def check_place(self, path: str) -> None:
        """Raise Conflict if a file at `path` could not be restored: below another file, or in the place of a folder."""
        names = path.split("/")
        for depth in range(1, len(names)):
            above = "/".join(names[:depth])
            if self.one(above) is not None and not self.stat(above).folder:
                raise Conflict(f"{above!r} is a file, so nothing can lie below it", hint="choose another name")
        if self._store.list(self._vault.folder_prefix(path), limit=1).entries:
            raise Conflict(f"{path!r} is a folder of the vault", hint="name the file in it: " + path + "/NAME")

    def copy(self, source: str, target: str) -> Stored:
        """Copy inside the store: the bytes stay, the data key is wrapped anew for the path `target`.

        Only onto nothing, else Conflict: the copy keeps the sealed header of its source, whose generation may be lower
        than that of the object it would replace, and would look like a rollback. `copying.Copier` re-encrypts then.
        """
        if self.one(target) is not None:
            raise Conflict(f"{target!r} exists already", hint="delete it first")
        opened = self._opener.open(source)
        immutable = bytes(opened.front[:IMMUTABLE_LEN])
        dek = self._vault.data_key(source, immutable, self._store.head(opened.stored.key).metadata)
        entries = self._vault.entries(target, immutable, dek)
        key = self._vault.object_key(target)
        try:
            self._store.copy(opened.stored.key, key, metadata=entries, if_match=opened.stored.etag)
        except PreconditionFailed as error:
            raise Conflict(f"{source!r} changed while it was being copied", hint="run the command again") from error
        return self.stat(target)

    def _file(self, entry: Entry) -> Listed | Unreadable:
        try:
            path = self._vault.path_of(entry.key, partial(self._metadata, entry.key))
        except CryptoError as error:
            return Unreadable(entry.key, error.message)
        return Listed(path, entry.key, entry.size, entry.etag, entry.modified_s)

    def _folder(self, prefix: str) -> Listed | Unreadable:
        try:
            path = self._vault.folder_of(prefix, partial(self._first_below, prefix))
        except CryptoError as error:
            return Unreadable(prefix, error.message)
        return Listed(path + "/", prefix, 0, "", 0.0, folder=True)

    def _metadata(self, key: str) -> dict[str, str]:
        return dict(self._store.head(key).metadata)

    def _first_below(self, prefix: str) -> tuple[str, dict[str, str]]:
        """Return some object below a folder: its entries hold the full names of its shortened components."""
        page = self._store.list(prefix, limit=1)
        if not page.entries:
            raise Damaged("the folder is gone")
        return page.entries[0].key, self._metadata(page.entries[0].key)
