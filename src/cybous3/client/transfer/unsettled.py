"""Changes of this machine whose end it did not see: a process was killed, or an answer never came.

Keeps true: only an object that this machine noted before it wrote it, that opens under its own name and is newer than
what was seen, is taken for its own; everything else stays somebody else's, and a conflict. Costs a request only where
such a change is open.
"""

from cybous3.client.keys.errors import Rollback
from cybous3.client.keys.intents import GONE, Intent
from cybous3.client.keys.state import Seen
from cybous3.client.stores.port import Store
from cybous3.client.transfer.errors import Conflict, Foreign, NotFoundHere
from cybous3.client.transfer.opening import Opener
from cybous3.client.transfer.port import Surroundings
from cybous3.crypto.errors import CryptoError


class Unsettled:
    """The open changes of one vault."""

    def __init__(self, store: Store, around: Surroundings) -> None:
        self._opener = Opener(store, around)
        self._memory = around.memory
        self._vault_id = around.vault.vault_id

    def caught_up(self, path: str, key: str, seen: Seen) -> Seen | None:
        """Return what this machine has to know of the object: `seen`, or its own later change; None: it deleted it.

        StoreError when the store cannot be asked.
        """
        open_ids = self._open(key, seen)
        if not open_ids:
            return seen
        try:
            opened = self._opener.open(path, key=key)
        except NotFoundHere:
            return None if self._settle(key, open_ids) else seen
        except (Conflict, CryptoError, Foreign, Rollback):
            return seen  # not ours, or not now: the condition of the write says so
        if opened.stored.object_id not in open_ids or opened.stored.generation <= seen.generation:
            return seen
        return self._opener.note(opened)

    def deleted(self, key: str) -> bool:
        """Whether an object that is not there was deleted by this machine, which had no answer; forget it then."""
        seen = self._memory.object_seen(self._vault_id, key)
        return seen is not None and self._settle(key, self._open(key, seen))

    def about_to_delete(self, keys: list[str]) -> None:
        """Leave word of deletions; what was never seen needs none."""
        sights = [(key, self._memory.object_seen(self._vault_id, key)) for key in keys]
        intents = [(key, Intent(GONE, seen.generation + 1)) for key, seen in sights if seen is not None]
        if intents:
            self._memory.intend(self._vault_id, intents)

    def _open(self, key: str, seen: Seen) -> set[bytes]:
        intents = self._memory.intended(self._vault_id, key)
        return {intent.object_id for intent in intents if intent.generation > seen.generation}

    def _settle(self, key: str, open_ids: set[bytes]) -> bool:
        """Forget an object that is not there, if its deletion was ours; tell whether it was."""
        if GONE in open_ids:
            self._memory.forget_objects(self._vault_id, [key])
        return GONE in open_ids
