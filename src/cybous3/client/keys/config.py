"""The sealed configuration: one JSON document, encrypted under the device key, changed as a whole.

A file that is damaged, foreign, or sealed with another key is an error, never a reason to start with an empty one:
only absence reads as empty. What the document means is its reader's business (vault/profiles.py).
"""

import json
from collections.abc import Callable
from typing import Any

from cybous3.client.keys.errors import CannotUnlock, DamagedFile, ForeignFile
from cybous3.client.keys.login import Unlocked
from cybous3.client.keys.sealed import Purpose, open_file, seal_file

DOCUMENT_VERSION = 1
Document = dict[str, Any]


class SealedConfig:
    """The configuration of an unlocked home."""

    def __init__(self, unlocked: Unlocked) -> None:
        self.unlocked = unlocked

    def read(self) -> Document:
        """Return the document; a new one when there is no file yet."""
        home = self.unlocked.places.home
        path = home.config
        try:
            content = open_file(path, self.unlocked.device_key, Purpose.CONFIG, home.files)
        except CannotUnlock as error:
            raise CannotUnlock(
                f"{path}: sealed by another set-up of this home",
                hint="it is left untouched; move it away to start anew",
            ) from error
        return {"version": DOCUMENT_VERSION} if content is None else _parsed(content, str(path))

    def change(self, edit: Callable[[Document], None]) -> Document:
        """Read, let `edit` change the document, write it back; one process at a time. What `edit` raises stops it."""
        places = self.unlocked.places
        with places.home.locked():
            document = self.read()
            edit(document)
            content = json.dumps(document, ensure_ascii=False, sort_keys=True).encode()
            key, home = self.unlocked.device_key, places.home
            seal_file(home.config, key, Purpose.CONFIG, content, places.entropy, files=home.files)
        return document


def _parsed(content: bytes, where: str) -> Document:
    try:
        document = json.loads(content)
    except ValueError as error:
        raise DamagedFile(f"{where}: holds no configuration") from error
    if not isinstance(document, dict) or not isinstance(document.get("version"), int):
        raise DamagedFile(f"{where}: holds no configuration")
    if document["version"] != DOCUMENT_VERSION:
        raise ForeignFile(
            f"{where}: written by another version of cybs3 (document {document['version']})", hint="use a newer cybs3"
        )
    return document
