"""How a page of a listing follows from a sorted sequence of keys: for the adapters that hold their keys themselves."""

from collections.abc import Iterable

from cybous3.client.stores.port import Entry, Page


def page_of(
    entries: Iterable[Entry], *, prefix: str, delimiter: str, token: str | None, after: str, limit: int
) -> Page:
    """Return one page of `entries`, which come in byte order. The token is the last key or common prefix given out."""
    found: list[Entry] = []
    prefixes: list[str] = []
    start = token if token is not None else after
    last = ""
    for entry in entries:
        name, rolled = _shown(entry.key, prefix, delimiter)
        if not entry.key.startswith(prefix) or _passed(name, entry.key, start, token):
            continue
        if rolled and prefixes[-1:] == [name]:
            continue
        if len(found) + len(prefixes) == limit:
            return Page(found, prefixes, last)
        last = name
        if rolled:
            prefixes.append(name)
        else:
            found.append(entry)
    return Page(found, prefixes, None)


def _shown(key: str, prefix: str, delimiter: str) -> tuple[str, bool]:
    """Return what a listing shows for `key`, and whether that is a common prefix."""
    if delimiter and (cut := key.find(delimiter, len(prefix))) >= 0:
        return key[: cut + len(delimiter)], True
    return key, False


def _passed(name: str, key: str, start: str, token: str | None) -> bool:
    """Tell whether an earlier page gave this out. A token may be a common prefix; `after` is always a key."""
    return name <= start if token is not None else bool(start) and key <= start
