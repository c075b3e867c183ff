"""What a power cut leaves: two layers of files and names, and every way in which the upper one may be lost.

Pure. The visible layer is what processes see; the durable one is what syncs have made safe, and not one thing more.
What lies between is kept as lists of versions: of each sector of 512 bytes, of each length, of each name. A power cut
takes, for each on its own, one version or the durable state: so writes are lost, torn and reordered, and names happen
or not in any order. The one bond is a rename's (`Files`: never neither name): its old name goes only where its new one
has come, or what came later in its place.

A failed sync leaves its versions in doubt: they may survive a cut, and no later sync makes them safe. That is what a
kernel does that marks pages clean when their write-back failed.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from random import Random
from typing import Final, TypeAlias, TypeVar

SECTOR: Final = 512
V = TypeVar("V")
Choose: TypeAlias = Callable[[Sequence[V]], V]


@dataclass(eq=False)
class File:
    """The bytes of one file, whatever names it has."""

    visible: bytearray = field(default_factory=bytearray)
    durable: bytearray = field(default_factory=bytearray)
    _sectors: dict[int, list[bytes]] = field(default_factory=dict)  # versions since the last sync, oldest first
    _lengths: list[int] = field(default_factory=list)
    _doubtful: dict[int, list[bytes]] = field(default_factory=dict)  # of syncs that failed
    _doubtful_lengths: list[int] = field(default_factory=list)

    def write(self, data: bytes) -> None:
        """Append, visibly."""
        if not data:
            return
        first = len(self.visible) // SECTOR
        self.visible += data
        for sector in range(first, (len(self.visible) - 1) // SECTOR + 1):
            self._sectors.setdefault(sector, []).append(bytes(self.visible[sector * SECTOR : (sector + 1) * SECTOR]))
        self._lengths.append(len(self.visible))

    def sync(self) -> None:
        """Make what was written since the last sync durable; not what an earlier, failed one left in doubt."""
        if self._lengths:
            self.durable.extend(bytes(self._lengths[-1] - len(self.durable)))
            self._doubtful_lengths.clear()
        for sector, versions in self._sectors.items():
            _put(self.durable, sector, versions[-1])
            self._doubtful.pop(sector, None)
        self._sectors.clear()
        self._lengths.clear()

    def fail_sync(self) -> None:
        """Leave what was written since the last sync in doubt for ever."""
        for sector, versions in self._sectors.items():
            self._doubtful.setdefault(sector, []).extend(versions)
        self._doubtful_lengths += self._lengths
        self._sectors.clear()
        self._lengths.clear()

    def after(self, choose: "Choose[bytes | int]") -> bytes:
        """Return the bytes that a power cut leaves."""
        length = choose([len(self.durable), *self._doubtful_lengths, *self._lengths])
        if not isinstance(length, int):
            raise TypeError("a length was asked for")
        left = bytearray(self.durable)
        left.extend(bytes(max(0, len(self.visible) - len(left))))
        for sector in sorted(self._doubtful.keys() | self._sectors.keys()):
            start = sector * SECTOR
            there = bytes(left[start : start + SECTOR])
            version = choose([there, *self._doubtful.get(sector, ()), *self._sectors.get(sector, ())])
            if isinstance(version, bytes):
                _put(left, sector, version)
        return bytes(left[:length])


@dataclass(eq=False)
class Change:
    """A name that was given to something, or (None) taken away; `needs` is the other half of a rename."""

    directory: "Directory"
    name: str
    node: "Node | None"
    needs: "Change | None" = None


@dataclass(eq=False)
class Directory:
    """The names in one directory."""

    visible: dict[str, "Node"] = field(default_factory=dict)
    durable: dict[str, "Node"] = field(default_factory=dict)
    changes: dict[str, list[Change]] = field(default_factory=dict)  # since the last sync, by name, oldest first

    @property
    def untouched(self) -> bool:
        """Whether there is, and was since the last sync, nothing in it: most of a fan-out is like that."""
        return not (self.durable or self.visible or self.changes)

    def change(self, name: str, node: "Node | None", needs: Change | None = None) -> Change:
        """Give a name, or take it away, visibly."""
        change = Change(self, name, node, needs)
        self.changes.setdefault(name, []).append(change)
        _set(self.visible, name, node)
        return change

    def sync(self) -> None:
        """Make the names durable."""
        for changes in list(self.changes.values()):
            for change in list(changes):
                change.directory.settle(change)

    def settle(self, change: Change) -> None:
        """Make one change durable, and what it needs before it."""
        pending = self.changes.get(change.name, [])
        if change not in pending:
            return  # it is durable already, or what came after it is
        if change.needs is not None:
            change.needs.directory.settle(change.needs)
        _set(self.durable, change.name, change.node)
        rest = pending[pending.index(change) + 1 :]
        if rest:
            self.changes[change.name] = rest
        else:
            del self.changes[change.name]


Node: TypeAlias = File | Directory


def power_cut(root: Directory, seed: int) -> Directory:
    """Return the tree that a restart finds: `seed` chooses among all that the promises allow, always the same one.

    The first four seeds are the extremes: 0 nothing un-synced happened; 1 all of it; 2 every name, no byte; 3 every
    byte, no name. The others throw a die for each sector, length and name.
    """
    random = Random(seed)  # noqa: S311  # a replayable choice, not a secret
    happened = _names_that_happened(root, _chooser(random, {0: False, 2: True, 1: True, 3: False}.get(seed)))
    return _rebuilt(root, happened, _chooser(random, {0: False, 1: True, 2: False, 3: True}.get(seed)))


def restored(root: Directory) -> Iterator[tuple[Path, bytes]]:
    """Yield the visible files below `root`, for looking at."""
    for name, node in sorted(root.visible.items()):
        if isinstance(node, Directory):
            for path, content in restored(node):
                yield Path(name) / path, content
        else:
            yield Path(name), bytes(node.visible)


def _chooser(random: Random, last: bool | None) -> "Choose[V]":  # noqa: FBT001  # the three kinds of a seed
    def choose(versions: Sequence[V]) -> V:
        if last is None:
            return versions[random.randrange(len(versions))]
        return versions[-1 if last else 0]

    return choose


def _names_that_happened(root: Directory, choose: "Choose[int]") -> dict[tuple[Directory, str], int]:
    """Return how many of the changes of each name have happened: the state of a name is that after the last of them."""
    counts = {
        (directory, name): choose(range(len(changes) + 1))
        for directory in _directories(root)
        for name, changes in directory.changes.items()
    }
    while broken := [
        place
        for place, count in counts.items()
        if count and not _possible(place[0].changes[place[1]][count - 1], counts)
    ]:
        for place in broken:  # a rename that has not come has not gone either
            counts[place] -= 1
    return counts


def _possible(change: Change, counts: dict[tuple[Directory, str], int]) -> bool:
    other = change.needs
    if other is None:
        return True
    pending = other.directory.changes.get(other.name, [])
    if other not in pending:
        return True
    return counts.get((other.directory, other.name), 0) > pending.index(other)


def _directories(root: Directory) -> Iterator[Directory]:
    """Yield every directory that has ever had a name which may still be found, in a fixed order."""
    seen: dict[Directory, None] = {root: None}
    waiting = [root]
    while waiting:
        directory = waiting.pop(0)
        yield directory
        nodes = [*directory.durable.values(), *directory.visible.values()]
        nodes += [change.node for changes in directory.changes.values() for change in changes if change.node]
        for node in nodes:
            if isinstance(node, Directory) and node not in seen and not node.untouched:
                seen[node] = None
                waiting.append(node)


def _rebuilt(root: Directory, happened: dict[tuple[Directory, str], int], choose: "Choose[bytes | int]") -> Directory:
    made: dict[Node, Node] = {}

    def copy(node: Node) -> Node:
        if node in made:
            return made[node]
        if isinstance(node, File):
            left = node.after(choose)
            made[node] = File(bytearray(left), bytearray(left))
            return made[node]
        new = made[node] = Directory()
        if node.untouched:
            return new
        names = dict(node.durable)
        for name, changes in node.changes.items():
            if count := happened.get((node, name), 0):
                _set(names, name, changes[count - 1].node)
        for name, each in names.items():
            new.visible[name] = new.durable[name] = copy(each)
        return new

    found = copy(root)
    if not isinstance(found, Directory):
        raise TypeError("the root is a directory")
    return found


def _put(content: bytearray, sector: int, version: bytes) -> None:
    start = sector * SECTOR
    content[start : start + len(version)] = version


def _set(names: "dict[str, Node]", name: str, node: "Node | None") -> None:
    if node is None:
        names.pop(name, None)
    else:
        names[name] = node
