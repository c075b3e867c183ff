"""Whole trees: store, fetch, keep alike, verify.

What this keeps true:
- one file that fails does not stop the others, and is told at the end; a store that is gone or refuses the credentials
  stops the run at once instead of failing ten thousand times;
- what is equal is decided by `plan`, and where memory does not vouch, by the keyed digest of the content;
- deletions come last, and never when something before them failed.
"""

import os
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from cybous3.client.stores.port import Store
from cybous3.client.sync.filters import Filter
from cybous3.client.sync.known import KnownFiles
from cybous3.client.sync.moving import HOPELESS, Different, Done, Job, Mover, join, local_of, remote_of
from cybous3.client.sync.plan import Known, Plan, RemoteFile, Step, plan_pull, plan_push
from cybous3.client.sync.scan import LocalFile, Skipped, scan
from cybous3.client.transfer.errors import Foreign, NotFoundHere, Unusable
from cybous3.client.transfer.files import Files, Unreadable
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.opening import Opener
from cybous3.client.transfer.parallel import Outcome, each
from cybous3.client.transfer.port import Progress, Surroundings, no_progress
from cybous3.core.errors import CybousError
from cybous3.crypto.errors import CryptoError

if TYPE_CHECKING:
    from cybous3.client.sync.helper import Kit

_FEW = 400  # steps: so few are done before helpers would have started
_NOTE_EVERY = 256
_SMALL = 1024 * 1024
_SMALL_AT_ONCE, _LARGE_AT_ONCE = 16, 8


class Failed(NamedTuple):
    """One file that could not be done, and why."""

    path: str
    error: CybousError | OSError

    @property
    def reason(self) -> str:
        """One sentence."""
        return self.error.message if isinstance(self.error, CybousError) else (self.error.strerror or str(self.error))


@dataclass(slots=True)
class Report:
    """What a run did. Lists hold relative paths."""

    uploaded: list[str] = field(default_factory=list)
    downloaded: list[str] = field(default_factory=list)
    deleted: list[str] = field(default_factory=list)
    same: int = 0
    moved_bytes: int = 0
    skipped: list[Skipped] = field(default_factory=list)
    failed: list[Failed] = field(default_factory=list)


Watcher = Callable[[Step], None]
"""Told of every step that was done, from the thread that runs the command."""


def watch_nothing(_step: Step) -> None:
    """Tell nobody."""


class How(NamedTuple):
    """The options of a run."""

    chosen: Filter
    delete: bool = False
    dry_run: bool = False
    force: bool = False
    workers: int | None = None  # files at once; None: as many as `fitting_workers` says


class Folders:
    """Trees of one vault. `memory` is the file of `known`; with `kit`, other processes help with many small files."""

    def __init__(
        self, store: Store, around: Surroundings, journals: Journals, memory: Path, kit: "Kit | None" = None
    ) -> None:
        self._around = around
        self._files = Files(store, around)
        self._opener = Opener(store, around)
        self._mover = Mover(store, around, journals)
        self._memory = memory
        self._kit = kit

    def plan_push(self, root: Path, folder: str, how: How) -> tuple[Plan, list[Skipped]]:
        """Decide what storing `root` as `folder` takes. Nothing is changed."""
        with self._known(root, folder) as known:
            return self._plan_push(root, folder, how, known)

    def push(
        self, root: Path, folder: str, how: How, progress: Progress = no_progress, watch: Watcher = watch_nothing
    ) -> Report:
        """Make `folder` of the vault hold what `root` holds; with `how.delete`, nothing else."""
        with self._known(root, folder) as known:
            plan, skipped = self._plan_push(root, folder, how, known)
            report = Report(same=len(plan.of("same")), skipped=skipped)
            work = [*plan.of("upload"), *plan.of("compare")]
            notes: list[tuple[str, Known]] = []
            job = Job("push", folder, root, force=how.force)
            for step, put in self._each(work, job, how, report, progress):
                done = step._replace(verb="upload") if put.moved else step._replace(verb="same")
                self._count(report, done)
                notes.append((put.key, Known(put.size, put.mtime_ns, put.etag)))
                if len(notes) >= _NOTE_EVERY:
                    known.note(notes)
                    notes.clear()
                watch(done)
            known.note(notes)
            if not report.failed:
                self._delete_there(folder, plan.of("delete"), known, report, watch)
            return report

    def plan_pull(self, root: Path, folder: str, how: How) -> tuple[Plan, list[Skipped]]:
        """Decide what fetching `folder` into `root` takes. Nothing is changed."""
        with self._known(root, folder) as known:
            return self._plan_pull(root, folder, how, known)

    def pull(
        self, root: Path, folder: str, how: How, progress: Progress = no_progress, watch: Watcher = watch_nothing
    ) -> Report:
        """Make `root` hold what `folder` of the vault holds; with `how.delete`, nothing else."""
        with self._known(root, folder) as known:
            plan, skipped = self._plan_pull(root, folder, how, known)
            root.mkdir(parents=True, exist_ok=True)
            report = Report(same=len(plan.of("same")), skipped=skipped)
            work = [*plan.of("download"), *plan.of("compare")]
            notes: list[tuple[str, Known]] = []
            for step, got in self._each(work, Job("pull", folder, root), how, report, progress):
                done = step._replace(verb="download") if got.moved else step._replace(verb="same")
                self._count(report, done)
                if not got.folder:
                    notes.append((got.key, Known(got.size, got.mtime_ns, got.etag)))
                watch(done)
            _sync_disks()
            known.note(notes)
            if not report.failed:
                self._delete_here(plan.of("delete"), report, watch)
            return report

    def verify(
        self, root: Path, folder: str, how: How, *, read: bool = False, watch: Watcher = watch_nothing
    ) -> Report:
        """Compare `root` with `folder` by content; report what differs as `failed`. Changes nothing.

        The digest in each object's sealed footer is compared with the local file's; with `read`, every stored byte is
        fetched and verified as well.
        """
        local, skipped = self._scan(root, how)
        remote, unreadable = self._remote(folder, how)
        _must_be_there(folder, remote, unreadable, how)
        report = Report(skipped=skipped)
        report.failed += [Failed(item.key, CybousError(item.reason)) for item in unreadable]
        here = {file.path: file for file in local}
        for path in sorted(here.keys() ^ remote.keys()):
            where = "only here" if path in here else "only in the vault"
            report.failed.append(Failed(path, Different(where)))
        both = [Step("compare", path, "", 0, here[path], remote[path]) for path in sorted(here.keys() & remote.keys())]
        for step, _ in self._each(both, Job("verify", folder, root, read=read), how, report, no_progress):
            report.same += 1
            watch(step._replace(verb="same"))
        return report

    # What the runs are made of.

    def _known(self, root: Path, folder: str) -> KnownFiles:
        return KnownFiles(self._memory, self._around.vault.vault_id, root, folder)

    def _plan_push(self, root: Path, folder: str, how: How, known: KnownFiles) -> tuple[Plan, list[Skipped]]:
        local, skipped = self._scan(root, how)
        remote, unreadable = self._remote(folder, how)
        skipped += [Skipped(item.key, item.reason) for item in unreadable]
        memory = _by_path(known, remote)
        return plan_push(local, remote, memory, delete=how.delete, covers=how.chosen.takes), skipped

    def _plan_pull(self, root: Path, folder: str, how: How, known: KnownFiles) -> tuple[Plan, list[Skipped]]:
        local, _ = self._scan(root, how) if root.is_dir() else ([], [])
        remote, unreadable = self._remote(folder, how)
        _must_be_there(folder, remote, unreadable, how)
        skipped = [Skipped(item.key, item.reason) for item in unreadable]
        memory = _by_path(known, remote)
        return plan_pull(local, remote, memory, delete=how.delete, covers=how.chosen.takes), skipped

    def _scan(self, root: Path, how: How) -> tuple[list[LocalFile], list[Skipped]]:
        if not root.is_dir():
            raise Unusable(f"{root}: not a folder", hint="single files go through: cybs3 files put")
        files: list[LocalFile] = []
        skipped: list[Skipped] = []
        for item in scan(root, how.chosen):
            (files if isinstance(item, LocalFile) else skipped).append(item)  # type: ignore[arg-type]  # sorted by kind
        return files, skipped

    def _remote(self, folder: str, how: How) -> tuple[dict[str, RemoteFile], list[Unreadable]]:
        start = len(folder) + 1 if folder else 0
        found: dict[str, RemoteFile] = {}
        unreadable: list[Unreadable] = []
        for item in self._files.list(folder, recursive=True):
            if isinstance(item, Unreadable):
                unreadable.append(item)
                continue
            path = item.path[start:]
            if how.chosen.takes(path):
                found[path] = RemoteFile(path, item.key, item.etag, item.stored_size)
        return found, unreadable

    def _each(
        self, steps: Sequence[Step], job: Job, how: How, report: Report, progress: Progress
    ) -> Iterator[tuple[Step, Done]]:
        """Do every step; yield those that succeeded, collect those that failed, stop where going on is hopeless."""
        with closing(self._outcomes(steps, job, how, progress)) as outcomes:
            for outcome in outcomes:
                if outcome.value is not None:
                    yield outcome.item, outcome.value
                elif outcome.error is not None:
                    if isinstance(outcome.error, HOPELESS):
                        raise outcome.error
                    report.failed.append(Failed(outcome.item.path, outcome.error))

    def _outcomes(
        self, steps: Sequence[Step], job: Job, how: How, progress: Progress
    ) -> Generator[Outcome[Step, Done], None, None]:
        """By helpers where all files are small and many; else by threads, large ones beside the small."""
        if self._kit is not None and len(steps) > _FEW:
            from cybous3.client.sync import crew  # noqa: PLC0415  # most runs are too small for it

            alike = all(_size(step) <= _SMALL for step in steps)
            hands = crew.fitting_crew(len(steps), how.workers, crew.usable_cores()) if alike else None
            if hands is not None:
                memory = self._around.memory
                with closing(crew.each(hands, self._kit, job, steps, memory, progress)) as outcomes:
                    yield from outcomes
                return
        workers = how.workers or fitting_workers(steps)
        with closing(each(steps, self._mover.work(job, progress), workers=workers)) as outcomes:
            yield from outcomes

    def _foreign(self, folder: str, steps: list[Step]) -> dict[str, CybousError]:
        """Return those that this vault cannot open: what is not ours is not ours to delete."""
        found: dict[str, CybousError] = {}
        for step in steps:
            try:
                self._opener.open(join(folder, step.path), key=remote_of(step).key)
            except (CryptoError, Foreign):
                found[step.path] = Foreign("not written by this vault, and left alone")
        return found

    def _delete_there(self, folder: str, steps: list[Step], known: KnownFiles, report: Report, watch: Watcher) -> None:
        foreign = {} if self._around.vault.knows_its_own else self._foreign(folder, steps)
        report.failed += [Failed(step.path, foreign[step.path]) for step in steps if step.path in foreign]
        steps = [step for step in steps if step.path not in foreign]
        failed = self._files.delete_keys([remote_of(step).key for step in steps])
        for step in steps:
            if remote_of(step).key in failed:
                report.failed.append(Failed(step.path, CybousError(failed[remote_of(step).key])))
            else:
                self._count(report, step)
                watch(step)
        known.forget([remote_of(step).key for step in steps if remote_of(step).key not in failed])

    def _delete_here(self, steps: list[Step], report: Report, watch: Watcher) -> None:
        for step in steps:
            file = local_of(step)
            try:
                (os.rmdir if file.folder else os.unlink)(file.absolute)
            except OSError as error:
                report.failed.append(Failed(step.path, error))
                continue
            self._count(report, step)
            watch(step)

    def _count(self, report: Report, step: Step) -> None:
        if step.verb == "upload":
            report.uploaded.append(step.path)
            report.moved_bytes += step.size
        elif step.verb == "download":
            report.downloaded.append(step.path)
            report.moved_bytes += step.size
        elif step.verb == "delete":
            report.deleted.append(step.path)
        else:
            report.same += 1


def fitting_workers(steps: Sequence[Step]) -> int:
    """Return how many files to move at once: more when all are small, for a server syncs what waits together at once.

    Not more when some are large: each of these may hold as much memory as `Limits` allows.
    """
    return _SMALL_AT_ONCE if max(map(_size, steps), default=0) <= _SMALL else _LARGE_AT_ONCE


def _size(step: Step) -> int:
    return max(step.size, step.remote.stored_size if step.remote else 0)


def _must_be_there(folder: str, remote: dict[str, RemoteFile], unreadable: list[Unreadable], how: How) -> None:
    """Raise NotFoundHere for a folder that holds nothing: S3 knows no empty folders, so it was never there."""
    if folder and not remote and not unreadable and how.chosen.takes_everything:
        raise NotFoundHere(f"the vault holds no folder {folder!r}", hint="cybs3 files list shows what is there")


def _by_path(known: KnownFiles, remote: dict[str, RemoteFile]) -> dict[str, Known]:
    rows = known.all()
    return {path: rows[file.key] for path, file in remote.items() if file.key in rows}


def _sync_disks() -> None:
    """Wait until a restored tree is on the disk: once for all files, where the system can."""
    if hasattr(os, "sync"):
        os.sync()
