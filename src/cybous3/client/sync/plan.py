"""What a synchronisation will do, decided purely from three tables: here, there, and what was equal last time.

The store's listing shows neither true sizes nor contents, so equality is known from memory: when both sides were last
equal, the local size and time and the remote ETag were noted. A file that still has these values on both sides is
equal without a request. Where memory does not vouch, the plan says `compare`, and the doer looks into the object's
sealed header.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Literal, NamedTuple

from cybous3.client.sync.scan import LocalFile
from cybous3.client.transfer.sizes import about, may_hold


class RemoteFile(NamedTuple):
    """An object of the vault as the listing shows it; `path` is relative to the folder, sizes count stored bytes."""

    path: str
    key: str
    etag: str
    stored_size: int


class Known(NamedTuple):
    """The values both sides had when they were last known to be equal."""

    size: int
    mtime_ns: int
    etag: str


Verb = Literal["upload", "download", "compare", "delete", "same"]


class Step(NamedTuple):
    """One thing to do. `size` is the number of plaintext bytes it moves, 0 for a deletion."""

    verb: Verb
    path: str
    reason: str
    size: int = 0
    local: LocalFile | None = None
    remote: RemoteFile | None = None


@dataclass(slots=True)
class Plan:
    """The steps of one run, in order of path."""

    steps: list[Step] = field(default_factory=list)

    def of(self, verb: Verb) -> list[Step]:
        """Return the steps of one kind."""
        return [step for step in self.steps if step.verb == verb]

    def bytes_of(self, verb: Verb) -> int:
        """Return how many plaintext bytes the steps of one kind move."""
        return sum(step.size for step in self.steps if step.verb == verb)


def plan_push(
    local: Iterable[LocalFile],
    remote: Mapping[str, RemoteFile],
    known: Mapping[str, Known],
    *,
    delete: bool = False,
    covers: Callable[[str], bool] = lambda _path: True,
) -> Plan:
    """Make the remote side like the local one.

    With `delete`, what is gone here goes there, if `covers` says that it takes part.
    """
    plan = Plan()
    here = {file.path: file for file in local}
    for path in sorted(here):
        plan.steps.append(_push_step(here[path], remote.get(path), known.get(path)))
    if delete:
        gone = sorted(path for path in remote if path not in here and covers(path))
        plan.steps += [Step("delete", path, "not here any more", remote=remote[path]) for path in gone]
    return plan


def _push_step(file: LocalFile, there: RemoteFile | None, known: Known | None) -> Step:
    if there is None:
        return Step("upload", file.path, "new", file.size, file)
    if _vouched(file, there, known):
        return Step("same", file.path, "unchanged", 0, file, there)
    if not may_hold(there.stored_size, file.size):
        return Step("upload", file.path, "size differs", file.size, file, there)
    if known is not None and known.etag == there.etag:
        return Step("upload", file.path, "changed here", file.size, file, there)
    return Step("compare", file.path, "not seen before", file.size, file, there)


def plan_pull(
    local: Iterable[LocalFile],
    remote: Mapping[str, RemoteFile],
    known: Mapping[str, Known],
    *,
    delete: bool = False,
    covers: Callable[[str], bool] = lambda _path: True,
) -> Plan:
    """Make the local side like the remote one. With `delete`, what is gone there goes here."""
    plan = Plan()
    here = {file.path: file for file in local}
    for path in sorted(remote):
        if covers(path):
            plan.steps.append(_pull_step(remote[path], here.get(path), known.get(path)))
    if delete:
        gone = sorted(path for path in here if path not in remote)
        plan.steps += [Step("delete", path, "not there any more", local=here[path]) for path in gone]
    return plan


def _pull_step(there: RemoteFile, file: LocalFile | None, known: Known | None) -> Step:
    if file is None:
        return Step("download", there.path, "new", about(there.stored_size), None, there)
    if _vouched(file, there, known):
        return Step("same", there.path, "unchanged", 0, file, there)
    if not may_hold(there.stored_size, file.size):
        return Step("download", there.path, "size differs", about(there.stored_size), file, there)
    if known is not None and (known.size, known.mtime_ns) == (file.size, file.mtime_ns):
        return Step("download", there.path, "changed there", about(there.stored_size), file, there)
    return Step("compare", there.path, "not seen before", about(there.stored_size), file, there)


def _vouched(file: LocalFile, there: RemoteFile, known: Known | None) -> bool:
    return known == Known(file.size, file.mtime_ns, there.etag)
