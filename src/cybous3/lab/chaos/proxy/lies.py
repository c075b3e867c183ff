"""Lies of a server, as values over its history. Pure: a request, and perhaps the true answer, in; a false answer out.

Each lie answers three questions about a name: what state it shows instead (`state`), which entries of a listing it
shows (`listing`), and whether a write is only pretended (`pretends`). None, or the entries as they were: the truth.
"""

import fnmatch
import random
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace
from hashlib import md5
from typing import Final
from urllib.parse import unquote

from cybous3.lab.chaos.proxy.history import History, Name, State
from cybous3.lab.chaos.proxy.messages import Answered, Asked

_ENTRY: Final = re.compile(rb"<Contents>.*?</Contents>", re.DOTALL)
_KEY: Final = re.compile(rb"<Key>(.*?)</Key>", re.DOTALL)
_SIZE: Final = re.compile(rb"<Size>\d+</Size>")
_ETAG: Final = re.compile(rb"<ETag>.*?</ETag>", re.DOTALL)
_MORE: Final = re.compile(rb"<NextContinuationToken>.*?</NextContinuationToken>", re.DOTALL)
_OK: Final = 200
GONE: Final = State(0, None)


@dataclass(frozen=True, slots=True)
class Lie:
    """What all lies share: a name, and whom it is about (a pattern of keys with * and ?)."""

    name: str
    key: str = "*"

    def about(self, name: Name) -> bool:
        """Tell whether the lie is about this object."""
        return fnmatch.fnmatchcase(name[1], self.key)

    def state(self, name: Name, history: History) -> State | None:  # noqa: ARG002  # for those that override it
        """Return what is shown instead of the object; None for the truth."""
        return None

    def listing(self, entries: list[bytes], bucket: str, history: History) -> list[bytes]:
        """Return the entries of a page that are shown. By default: without what `state` says is gone."""
        shown: list[bytes] = []
        for entry in entries:
            name = (bucket, key_of(entry))
            state = self.state(name, history) if self.about(name) else None
            if state is None:
                shown.append(entry)
            elif state.body is not None:
                shown.append(_dressed(entry, state))
        return shown

    def pretends(self, asked: Asked) -> bool:  # noqa: ARG002  # for those that override it
        """Tell whether the write is acknowledged and not done."""
        return False


@dataclass(frozen=True, slots=True)
class Rollback(Lie):
    """Older states: those of the `mark` (`History.order` then); without one, each object's previous state."""

    mark: int | None = None

    def state(self, name: Name, history: History) -> State | None:
        """Return the older state. What did not exist at the mark is gone; what nobody saw written is the truth."""
        if self.mark is None:
            return history.previous(name)
        older, newest = history.before(name, self.mark), history.newest(name)
        return None if newest is None or older is newest else older or GONE


@dataclass(frozen=True, slots=True)
class Swap(Lie):
    """Two objects in each other's place: neighbours among those that match, in the order of their names."""

    def state(self, name: Name, history: History) -> State | None:
        """Return the state of the neighbour."""
        other = _neighbour(name, self, history)
        return None if other is None else history.newest(other)

    def listing(self, entries: list[bytes], bucket: str, history: History) -> list[bytes]:  # noqa: ARG002  # as they were
        """Show the truth: names are the same."""
        return entries


@dataclass(frozen=True, slots=True)
class Metadata(Lie):
    """The object's own bytes with its neighbour's metadata."""

    def state(self, name: Name, history: History) -> State | None:
        """Return the state with the neighbour's fields."""
        other, own = _neighbour(name, self, history), history.newest(name)
        if other is None or own is None or own.body is None:
            return None
        return replace(own, fields=(history.newest(other) or own).fields)


@dataclass(frozen=True, slots=True)
class Truncate(Lie):
    """Whole objects that end early: at `at` bytes, or that many from the end when negative."""

    at: int = -1

    def state(self, name: Name, history: History) -> State | None:
        """Return the shorter state."""
        own = history.newest(name)
        return None if own is None or own.body is None else replace(own, body=own.body[: self.at])


@dataclass(frozen=True, slots=True)
class Hide(Lie):
    """Objects that are not there, neither when asked for nor in a listing."""

    def state(self, name: Name, history: History) -> State | None:  # noqa: ARG002  # whatever it was
        """Return that it is gone."""
        return GONE


@dataclass(frozen=True, slots=True)
class Shorten(Lie):
    """Listings that show the first `keep` of a page and say that this is all."""

    keep: int = 0

    def listing(self, entries: list[bytes], bucket: str, history: History) -> list[bytes]:  # noqa: ARG002  # whatever they are
        """Show the first of those it is about, and the others."""
        mine = [entry for entry in entries if self.about((bucket, key_of(entry)))]
        hidden = set(mine[self.keep :])
        return [entry for entry in entries if entry not in hidden]


@dataclass(frozen=True, slots=True)
class Reorder(Lie):
    """Listings in an order drawn from the seed."""

    seed: int = 0

    def listing(self, entries: list[bytes], bucket: str, history: History) -> list[bytes]:  # noqa: ARG002  # whatever they are
        """Show all of them."""
        shuffled = sorted(entries)
        random.Random(self.seed).shuffle(shuffled)  # noqa: S311  # a dice, not a key
        return shuffled


@dataclass(frozen=True, slots=True)
class DropPut(Lie):
    """A 200 to a PutObject that was not done."""

    def pretends(self, asked: Asked) -> bool:
        """Tell whether it is such a write."""
        return asked.operation == "PutObject"


def key_of(entry: bytes) -> str:
    """Return the key of an entry of a listing (encoding-type=url, or plain)."""
    found = _KEY.search(entry)
    return unquote(found[1].decode()) if found else ""


def _dressed(entry: bytes, state: State) -> bytes:
    """Return the entry with size and ETag of another state."""
    entry = _SIZE.sub(b"<Size>%d</Size>" % len(state.body or b""), entry)
    return _ETAG.sub(b"<ETag>&quot;" + state.etag.encode() + b"&quot;</ETag>", entry)


def _neighbour(name: Name, lie: Lie, history: History) -> Name | None:
    """Return the other of the pair that `name` belongs to."""
    alive = [
        other
        for other in history.names()
        if other[0] == name[0] and lie.about(other) and (history.newest(other) or GONE).body is not None
    ]
    if name not in alive:
        return None
    at = alive.index(name) ^ 1
    return alive[at] if at < len(alive) else None


def shown_instead(asked: Asked, lies: Sequence[Lie], history: History) -> tuple[Lie, State] | None:
    """Return the first lie about the object that is read, and what it shows."""
    if asked.operation not in {"GetObject", "HeadObject"}:
        return None
    name = (asked.bucket, asked.key)
    for lie in lies:
        state = lie.state(name, history) if lie.about(name) else None
        if state is not None:
            return lie, state
    return None


def pretended(asked: Asked, lies: Sequence[Lie]) -> tuple[Lie, Answered] | None:
    """Return the lie by which a write is not done, and what is said to it."""
    for lie in lies:
        if lie.about((asked.bucket, asked.key)) and lie.pretends(asked):
            etag = md5(asked.body, usedforsecurity=False).hexdigest()
            return lie, Answered(200, (("etag", f'"{etag}"'), ("content-length", "0")), b"")
    return None


def relisted(asked: Asked, answered: Answered, lies: Sequence[Lie], history: History) -> tuple[Lie, Answered] | None:
    """Return the lie that changes this page of a listing, and the page; None when all of it is true."""
    if asked.operation not in {"ListObjectsV2", "ListObjects"} or answered.status != _OK:
        return None
    entries = _ENTRY.findall(answered.body)
    for lie in lies:
        shown = lie.listing(entries, asked.bucket, history)
        if shown != entries:
            return lie, answered.saying(_page(answered.body, shown, final=isinstance(lie, Shorten)))
    return None


def _page(body: bytes, entries: list[bytes], *, final: bool) -> bytes:
    """Return the document with these entries in place of its own; `final`: and nothing after them."""
    first = _ENTRY.search(body)
    at = first.start() if first else 0
    rest = _ENTRY.sub(b"", body)
    page = rest[:at] + b"".join(entries) + rest[at:]
    page = re.sub(rb"<KeyCount>\d+</KeyCount>", b"<KeyCount>%d</KeyCount>" % len(entries), page)
    if final:
        page = _MORE.sub(b"", page).replace(b"<IsTruncated>true<", b"<IsTruncated>false<")
    return page
