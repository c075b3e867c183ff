"""What lies around a place where a vault is to be made: vaults never lie inside one another.

A vault rules everything under its prefix: `sync --delete` or a purge of an outer one would take an inner one along,
its document included.
"""

from dataclasses import dataclass

from cybous3.client.stores.errors import Denied
from cybous3.client.stores.port import Objects
from cybous3.crypto.vault import document_folder, document_generation

_PAGES = 5


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The prefixes of the nearest vaults, None for none found; "" is the bucket's root."""

    above: str | None
    below: str | None
    occupied: bool  # there are objects under the prefix, whatever they are


def look_around(store: Objects, prefix: str) -> Surroundings:
    """Look for vaults around `prefix`: at each folder it lies in, and below it.

    Above, the answer is certain, unless the credentials may not look there. Below, only the first 5 pages of the
    listing (5,000 objects) are read, since a bucket may hold millions: a vault deep inside a full place can be missed,
    which `occupied` then gives a reason to mention.
    """
    above = next((place for place in _ancestors(prefix) if _has_vault(store, place)), None)
    base = f"{prefix}/" if prefix else ""
    below, occupied, token = None, False, None
    for _ in range(_PAGES):
        page = store.list(base, token=token)
        occupied = occupied or bool(page.entries)
        below = next((place for entry in page.entries if (place := _place_of(entry.key, base)) is not None), None)
        token = page.next_token
        if below is not None or token is None:
            break
    return Surroundings(above, below, occupied)


def _ancestors(prefix: str) -> list[str]:
    """Return the places `prefix` lies in, nearest first, the bucket's root last; none for the root itself."""
    parts = prefix.split("/") if prefix else []
    return ["/".join(parts[:count]) for count in range(len(parts) - 1, -1, -1)]


def _has_vault(store: Objects, place: str) -> bool:
    try:
        entries = store.list(document_folder(place)).entries
    except Denied:  # credentials for the place alone are good credentials
        return False
    return any(document_generation(place, entry.key) is not None for entry in entries)


def _place_of(key: str, base: str) -> str | None:
    """Return the prefix, longer than `base`, of the vault that `key` is a document of; None if it is none."""
    place, found, _ = key.rpartition(f"/{document_folder('')}")
    return place if found and len(place) >= len(base) and document_generation(place, key) is not None else None
