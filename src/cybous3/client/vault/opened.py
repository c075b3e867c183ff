"""An opened vault as file transfer wants it: names in, keys and metadata entries out."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from cybous3.client.vault.profiles import Profile
from cybous3.crypto.errors import CannotOpen, NameNeeded
from cybous3.crypto.names import METADATA_ENTRY as NAME_ENTRY
from cybous3.crypto.names import NameCodec
from cybous3.crypto.vault import OpenVault
from cybous3.crypto.wrap import METADATA_ENTRY as WRAP_ENTRY
from cybous3.crypto.wrap import rewrap, unwrap_dek, wrap_dek


@dataclass(frozen=True, slots=True)
class Vault:
    """One opened vault at the place its profile names. Immutable, safe to use from many threads."""

    profile: Profile
    opened: OpenVault = field(repr=False)
    names: NameCodec = field(repr=False)

    @property
    def vault_id(self) -> bytes:
        """The 16 bytes every object is bound to."""
        return self.opened.vault_id

    @property
    def generation(self) -> int:
        """The generation of the vault document these keys come from."""
        return self.opened.generation

    def object_key(self, path: str) -> str:
        """Return where the file `path` is stored. Raises InvalidName."""
        return self.names.object_key(path)

    def folder_prefix(self, folder: str) -> str:
        """Return what all keys below `folder` begin with; "" is the whole vault."""
        return self.names.folder_prefix(folder)

    def path_of(self, key: str, metadata: Callable[[], Mapping[str, str]]) -> str:
        """Return the path stored at `key`; `metadata` is asked for a shortened name only.

        Raises CannotOpen for keys outside the vault, Damaged for names that do not verify.
        """
        relative = self.names.strip(key)
        if relative is None:
            raise CannotOpen(f"{key!r} is no file of this vault")
        try:
            return self.names.path_of(relative)
        except NameNeeded:
            return self.names.path_of(relative, metadata().get(NAME_ENTRY))

    def entries(self, path: str, immutable: bytes, dek: bytes) -> dict[str, str]:
        """Return the metadata entries of an object under `path`: the wrapped key, and a name that was shortened."""
        return self._with_name(path, wrap_dek(self.opened.keyset, immutable, path, dek))

    def data_key(self, path: str, immutable: bytes, metadata: Mapping[str, str]) -> bytes:
        """Unwrap an object's data key. Raises CannotOpen, also when there is no wrap."""
        entry = metadata.get(WRAP_ENTRY)
        if entry is None:
            raise CannotOpen
        return unwrap_dek(self.opened.keyset, entry, immutable, path)

    def moved_entries(self, old_path: str, path: str, immutable: bytes, metadata: Mapping[str, str]) -> dict[str, str]:
        """Return the entries with which a server-side copy gives the object another path, or the newest epoch."""
        entry = metadata.get(WRAP_ENTRY)
        if entry is None:
            raise CannotOpen
        return self._with_name(path, rewrap(self.opened.keyset, entry, immutable, old_path, path))

    def _with_name(self, path: str, wrap: str) -> dict[str, str]:
        name = self.names.seal_full_name(path)
        return {WRAP_ENTRY: wrap} if name is None else {WRAP_ENTRY: wrap, NAME_ENTRY: name}


def at_place(profile: Profile, opened: OpenVault) -> Vault:
    """Return the opened vault at the place of `profile`."""
    return Vault(profile, opened, opened.names(profile.prefix))
