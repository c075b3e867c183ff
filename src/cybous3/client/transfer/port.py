"""What moving files needs from its surroundings: a vault's keys, a memory, and somebody to tell about progress."""

from collections.abc import Callable, Mapping
from types import MappingProxyType
from typing import NamedTuple, Protocol

from cybous3.client.keys.intents import Intent
from cybous3.client.keys.state import Seen
from cybous3.crypto.objects import ObjectReader, ObjectWriter, refuse_plain
from cybous3.crypto.primitives import Entropy


class Vault(Protocol):
    """The keys and names of one opened vault."""

    @property
    def vault_id(self) -> bytes:
        """16 bytes that every object is bound to."""
        ...

    def object_key(self, path: str) -> str:
        """Return where the file `path` is stored. InvalidName."""
        ...

    def folder_prefix(self, folder: str) -> str:
        """Return what the keys of everything below `folder` begin with; "" is the whole vault."""
        ...

    def path_of(self, key: str, metadata: Callable[[], Mapping[str, str]]) -> str:
        """Return the path stored at `key`. `metadata` fetches the object's entries, asked for only by shortened names.

        Damaged when the name does not verify.
        """
        ...

    def folder_of(self, prefix: str, below: Callable[[], tuple[str, Mapping[str, str]]]) -> str:
        """Return the path of the folder with this key prefix; `below` fetches key and entries of an object inside."""
        ...

    def is_system(self, key: str) -> bool:
        """Whether the key is no file: outside the vault, or a document of this vault or of one that lies below."""
        ...

    @property
    def knows_its_own(self) -> bool:
        """Whether a readable name proves that the object is this vault's."""
        ...

    def entries(self, path: str, immutable: bytes, dek: bytes) -> dict[str, str]:
        """Return the metadata entries an object needs under `path`: its wrapped key, and a name that was shortened."""
        ...

    def data_key(self, path: str, immutable: bytes, metadata: Mapping[str, str]) -> bytes:
        """Unwrap an object's data key. CannotOpen, also when `path` is not the one it was wrapped for."""
        ...


class Memory(Protocol):
    """What this machine has seen of the vault (`client.keys.state.State`)."""

    def object_seen(self, vault_id: bytes, key: str) -> Seen | None:
        """Return what was noted, None if nothing was."""
        ...

    def check_object(
        self, vault_id: bytes, key: str, object_id: bytes, generation: int, *, accept_rollback: bool = False
    ) -> None:
        """Raise Rollback when an authenticated sight of the object is older than what was noted."""
        ...

    def note_objects(self, vault_id: bytes, sights: "list[tuple[str, Seen]]") -> None:
        """Note what was written or read."""
        ...

    def forget_objects(self, vault_id: bytes, keys: list[str]) -> None:
        """Forget what was deleted."""
        ...

    def intend(self, vault_id: bytes, intents: "list[tuple[str, Intent]]") -> None:
        """Leave word of what is about to be written over or deleted: there even if this process is killed."""
        ...

    def intended(self, vault_id: bytes, key: str) -> "list[Intent]":
        """Return what this machine was about to make of the object, whether or not it came to it."""
        ...


Progress = Callable[[int], None]
"""Told how many more plaintext bytes have safely arrived (negative: they have to be moved again). Any thread."""


def no_progress(_count: int) -> None:
    """Tell nobody."""


class Stored(NamedTuple):
    """A file in the vault, as authenticated: what a person may know of it."""

    path: str
    key: str
    size: int  # plaintext bytes
    etag: str
    object_id: bytes
    generation: int
    digest: bytes  # keyed; comparable only within this object
    content_type: str | None = None
    mtime_ns: int | None = None
    mode: int | None = None
    folder: bool = False
    user: Mapping[str, str] = MappingProxyType({})


class About(NamedTuple):
    """What a person says of a file beside its bytes."""

    content_type: str | None = None
    user: Mapping[str, str] | None = None
    mtime_ns: int | None = None  # of a stream; a file has its own
    mode: int | None = None
    force: bool = False  # overwrite even what somebody else wrote meanwhile
    absent: bool = False  # only if there is nothing yet


class Restore(NamedTuple):
    """How a file comes back."""

    overwrite: bool = True
    times: bool = True  # give it the time and the permission bits it had
    folders: bool = True  # a marker of an empty folder becomes a folder; else it is refused
    sync: bool = True  # wait for the disk before the name appears; a tree syncs once, at its end


NOTHING_ABOUT = About()
AS_IT_WAS = Restore()


class Limits(NamedTuple):
    """How much a transfer may use."""

    workers: int = 6  # parts under way at once
    single_max: int = 8 * 1024 * 1024  # larger objects go in parts; bytes stored
    window: int = 8 * 1024 * 1024  # stored bytes per ranged read
    memory: int = 72 * 1024 * 1024  # bytes of buffers, over all parts under way


class Sealing(NamedTuple):
    """How objects are made and opened: as the format says, or as a benchmark wants it (`passthrough`)."""

    create: Callable[..., ObjectWriter] = ObjectWriter.create
    resume: Callable[..., ObjectWriter] = ObjectWriter.resume
    open: Callable[..., ObjectReader] = ObjectReader.open
    front: Callable[[memoryview], memoryview] = refuse_plain


SEALED = Sealing()


class Surroundings(NamedTuple):
    """What every transfer of one command shares."""

    vault: Vault
    memory: Memory
    entropy: Entropy
    now_ms: Callable[[], int]
    limits: Limits = Limits()
    accept_rollback: bool = False
    sealing: Sealing = SEALED
