"""Where things lie.

    ROOT/blobs/<first two digits>/<id>     published blobs; the 256 directories are made once, at the beginning
    ROOT/incoming/<slot>/<id>              what a writer is at; after publishing a second name of the same file
    ROOT/incoming/<slot>/<id>.mark         where files can have but one name: the intent to publish
    ROOT/incoming/<slot>.lock              held by the process that writes in the slot

A key never becomes part of a path, and an id is refused unless it is 32 hexadecimal digits.
"""

from pathlib import Path
from typing import Final

from cybous3.core.ids import is_hex_id

MARK: Final = ".mark"
LOCK: Final = ".lock"
FAN_OUT: Final = tuple(f"{number:02x}" for number in range(256))


class Layout:
    """The paths of one store and slot."""

    def __init__(self, root: Path, slot: str) -> None:
        self.blobs: Final = root / "blobs"
        self.incoming: Final = root / "incoming"
        self.slot: Final = slot

    def directory(self, blob: str) -> Path:
        """Return the directory a published blob lies in."""
        return self.blobs / checked(blob)[:2]

    def published(self, blob: str) -> Path:
        """Return the path of a published blob."""
        return self.directory(blob) / blob

    def writing(self, blob: str, slot: str | None = None) -> Path:
        """Return the path of a blob in the making."""
        return self.incoming / (slot or self.slot) / checked(blob)

    def mark(self, blob: str, slot: str | None = None) -> Path:
        """Return the path of the intent to publish."""
        return self.incoming / (slot or self.slot) / (checked(blob) + MARK)

    def lock(self, slot: str) -> Path:
        """Return the path of a slot's lock."""
        return self.incoming / (slot + LOCK)


def checked(blob: str) -> str:
    """Return `blob` if it has the form of an id; ValueError keeps anything else out of every path."""
    if not is_hex_id(blob):
        raise ValueError(f"not a blob id: {blob!r}")
    return blob
