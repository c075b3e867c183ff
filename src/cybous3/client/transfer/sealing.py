"""A vault's keys and names, as moving files needs them: paths to keys, data keys to metadata entries, and back."""

from collections.abc import Callable, Mapping

from cybous3.crypto.errors import CannotOpen, Damaged, Malformed
from cybous3.crypto.keyset import Keyset
from cybous3.crypto.names import SYSTEM, NameCodec, NamesMode
from cybous3.crypto.wrap import METADATA_ENTRY, unwrap_dek, wrap_dek

NAME_ENTRY = "cybs3name"
"""The metadata entry of a name that was shortened (names.md §5)."""

Entries = Mapping[str, str]


class VaultKeys:
    """`port.Vault` over a keyset and a name codec."""

    def __init__(self, vault_id: bytes, keyset: Keyset, names: NameCodec) -> None:
        self._vault_id = vault_id
        self._keyset = keyset
        self._names = names

    @property
    def vault_id(self) -> bytes:
        """16 bytes that every object is bound to."""
        return self._vault_id

    def object_key(self, path: str) -> str:
        """Return where the file `path` is stored. InvalidName."""
        return self._names.object_key(path)

    def folder_prefix(self, folder: str) -> str:
        """Return what the keys of everything below `folder` begin with; "" is the whole vault."""
        return self._names.folder_prefix(folder)

    def is_system(self, key: str) -> bool:
        """Whether the key is no file: outside the vault, or a document of this vault or of one that lies below."""
        return self._names.strip(key.rstrip("/")) is None or SYSTEM in key.split("/")

    @property
    def knows_its_own(self) -> bool:
        """Whether a readable name proves that the object is this vault's; plain names prove nothing."""
        return self._names.mode is NamesMode.ENCRYPTED

    def path_of(self, key: str, metadata: Callable[[], Entries]) -> str:
        """Return the path stored at `key`; `metadata` fetches the object's entries, only for shortened names."""
        relative = self._relative(key)
        full = metadata().get(NAME_ENTRY) if self._names.needs_full_name(relative) else None
        return self._names.path_of(relative, full)

    def folder_of(self, prefix: str, below: Callable[[], tuple[str, Entries]]) -> str:
        """Return the path of the folder with this key prefix; `below` fetches key and entries of an object inside."""
        relative = self._relative(prefix.rstrip("/"))
        if not self._names.needs_full_name(relative):
            return self._names.path_of(relative)
        key, entries = below()
        path = self._names.path_of(self._relative(key), entries.get(NAME_ENTRY))
        return "/".join(path.split("/")[: relative.count("/") + 1])

    def entries(self, path: str, immutable: bytes, dek: bytes) -> dict[str, str]:
        """Return the metadata entries an object needs under `path`."""
        entries = {METADATA_ENTRY: wrap_dek(self._keyset, immutable, path, dek)}
        full = self._names.seal_full_name(path)
        if full is not None:
            entries[NAME_ENTRY] = full
        return entries

    def data_key(self, path: str, immutable: bytes, metadata: Entries) -> bytes:
        """Unwrap an object's data key. CannotOpen, also when `path` is not the one it was wrapped for."""
        entry = metadata.get(METADATA_ENTRY)
        if entry is None:
            raise CannotOpen
        try:
            return unwrap_dek(self._keyset, entry, immutable, path)
        except Malformed as error:
            raise CannotOpen from error

    def _relative(self, key: str) -> str:
        relative = self._names.strip(key)
        if relative is None:
            raise Damaged("the key lies outside the vault")
        return relative
