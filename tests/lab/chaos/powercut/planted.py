"""Faults of durability, planted into our own server: each is one line that a hurried change could bring.

`python planted.py NAME serve ...` is `swifts3 serve ...` with the fault in it. `python planted.py NAME judge FOLDER`
records that server under a load, cuts its power until something is found, and writes what was found as JSON. Both with
the reaper in a hurry and a short log, so that reaping and checkpoints fall into a recording of a second.
"""

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any, cast

from cybous3.disk import whole
from cybous3.disk.files import Files, SystemFiles
from cybous3.server.blobs.local import published
from cybous3.server.blobs.local import store as local
from cybous3.server.blobs.local.publish import Publisher
from cybous3.server.blobs.local.recovery import recover_slot
from cybous3.server.blobs.local.store import LocalBlobs
from cybous3.server.blobs.local.writer import LocalWriter
from cybous3.server.meta.sqlite import index, objects, uploads
from cybous3.server.meta.sqlite.committer import Committer
from cybous3.server.meta.sqlite.objects import SqliteObjects
from cybous3.server.meta.sqlite.uploads import SqliteUploads
from cybous3.server.workers.reaper import Reaper

LATER_S = 0.05
LOG_PAGES = 128
FAILING_SYNCS = ("-e", "inject=fdatasync:error=EIO:when=24+3")

_open_blobs: list[LocalBlobs] = []


def plant(owner: object, name: str, what: object) -> None:
    """Replace a function or method of ours; a name that is not there is a fault of this file."""
    assert hasattr(owner, name), f"{owner} has no {name}"
    setattr(owner, name, what)


def in_a_hurry() -> None:
    """Give every recording here a reaper that waits a moment, and a log of half a MiB."""
    cast("dict[str, float]", Reaper.__init__.__kwdefaults__).update(grace_s=0.1, gather_s=0.05)
    plant(index, "_checkpoint_pages", lambda _path: LOG_PAGES)


def bytes_not_synced() -> None:
    really = SystemFiles.sync

    def sync(self: SystemFiles, fd: int) -> None:
        if "/incoming/" not in str(Path(f"/proc/self/fd/{fd}").readlink()):
            really(self, fd)

    plant(SystemFiles, "sync", sync)


def _directories_not_synced(which: Callable[[Path], bool]) -> None:
    really = SystemFiles.sync_directory

    def sync_directory(self: SystemFiles, path: Path) -> None:
        if not which(path):
            really(self, path)

    plant(SystemFiles, "sync_directory", sync_directory)


def names_of_blobs_not_synced() -> None:
    _directories_not_synced(lambda path: path.parent.name == "blobs" and len(path.name) == 2)


def marks_not_synced() -> None:
    _directories_not_synced(lambda path: path.parent.name == "incoming")


def directories_not_synced() -> None:
    _directories_not_synced(lambda path: path.name == "blobs")


def commit_before_bytes() -> None:
    publish, settle = LocalWriter.publish, LocalBlobs.settle

    async def early(self: LocalWriter, label: bytes = b"", **_: object) -> None:
        await publish(self, label, sync=False)

    async def late(self: LocalBlobs, blobs: Sequence[str]) -> None:
        await asyncio.sleep(LATER_S)
        await self.sync(blobs)
        await settle(self, blobs)

    plant(LocalWriter, "publish", early)
    plant(LocalBlobs, "settle", late)


def _log_synced_as(level: str) -> None:
    connect, set_level = index._connect, Committer._set_level

    def connected(*arguments: Any) -> Any:
        connection = connect(*arguments)
        connection.execute(f"PRAGMA synchronous = {level}")
        return connection

    plant(index, "_connect", connected)
    plant(Committer, "_set_level", lambda self, _: set_level(self, level))


def log_never_synced() -> None:
    _log_synced_as("OFF")


def log_synced_at_checkpoints_only() -> None:
    _log_synced_as("NORMAL")


def _answered_before_commit(owner: type, name: str, answer: object = None) -> None:
    really = getattr(owner, name)
    kept: set[asyncio.Task[None]] = set()

    async def soon(self: object, *arguments: Any, **named: Any) -> object:
        async def later() -> None:
            await asyncio.sleep(LATER_S)
            with suppress(Exception):  # nobody is left to be told
                await really(self, *arguments, **named)

        task = asyncio.create_task(later())
        kept.add(task)
        task.add_done_callback(kept.discard)
        return answer

    plant(owner, name, soon)


def put_answered_before_commit() -> None:
    _answered_before_commit(SqliteObjects, "put")


def delete_answered_before_commit() -> None:
    _answered_before_commit(SqliteObjects, "delete", answer=True)


def complete_answered_before_commit() -> None:
    _answered_before_commit(SqliteUploads, "complete")


def part_answered_before_commit() -> None:
    _answered_before_commit(SqliteUploads, "put_part")


def abort_answered_before_commit() -> None:
    _answered_before_commit(SqliteUploads, "abort")


def overwrite_deletes_the_old_bytes_first() -> None:
    begin, put = LocalBlobs.__init__, SqliteObjects.put

    def opened(self: LocalBlobs, *arguments: Any, **named: Any) -> None:
        begin(self, *arguments, **named)
        _open_blobs.append(self)

    async def eager(self: SqliteObjects, record: Any, condition: Any) -> None:
        with suppress(Exception):  # nothing there to delete
            old = await self.get(record.bucket, record.key)
            kept = {extent.blob for extent in record.extents}
            await _open_blobs[-1].delete([extent.blob for extent in old.extents if extent.blob not in kept])
        await put(self, record, condition)

    plant(LocalBlobs, "__init__", opened)
    plant(SqliteObjects, "put", eager)


def mark_removed_before_commit() -> None:
    publish = Publisher.publish

    def hasty(self: Publisher, blob: str, *, durably: bool = True) -> None:
        publish(self, blob, durably=durably)
        self._remove_marks(blob)

    plant(Publisher, "publish", hasty)


def _recovery_believes(answer: Callable[[Sequence[str]], frozenset[str]]) -> None:
    really = recover_slot

    async def recover(files: Any, layout: Any, slot: str, _referenced: Any) -> Any:
        async def believed(blobs: Sequence[str]) -> frozenset[str]:
            return answer(blobs)

        return await really(files, layout, slot, believed)

    plant(local, "recover_slot", recover)


def recovery_deletes_everything() -> None:
    _recovery_believes(lambda _: frozenset())


def recovery_keeps_orphans() -> None:
    _recovery_believes(frozenset)


def reaped_names_not_synced() -> None:
    plant(Publisher, "remove", lambda self, blobs: [blob for blob in blobs if self._try_remove(blob)])


def garbage_never_queued() -> None:
    for module in (objects, uploads):
        plant(module, "bury", lambda _connection, _blobs: None)


def seal_key_not_synced() -> None:
    def written(files: Files, path: Path, content: bytes) -> None:
        fd = files.create(path)
        files.write(fd, content)
        files.close(fd)

    plant(whole, "_write_synced", written)


def failed_sync_ignored() -> None:
    syncs_fail()
    really = SystemFiles.sync

    def hopeful(self: SystemFiles, fd: int) -> None:
        with suppress(OSError):
            really(self, fd)

    plant(SystemFiles, "sync", hopeful)


def nothing() -> None:
    """No fault."""


def syncs_fail() -> None:
    """No fault of ours: the medium fails. Calls are counted for each thread, so one thread writes all blobs."""
    plant(published, "THREADS", 1)


FAULTS: dict[str, Callable[[], None]] = {
    fault.__name__: fault
    for fault in (
        bytes_not_synced,
        names_of_blobs_not_synced,
        marks_not_synced,
        directories_not_synced,
        commit_before_bytes,
        log_never_synced,
        log_synced_at_checkpoints_only,
        put_answered_before_commit,
        delete_answered_before_commit,
        complete_answered_before_commit,
        part_answered_before_commit,
        abort_answered_before_commit,
        overwrite_deletes_the_old_bytes_first,
        mark_removed_before_commit,
        recovery_deletes_everything,
        recovery_keeps_orphans,
        reaped_names_not_synced,
        garbage_never_queued,
        seal_key_not_synced,
        failed_sync_ignored,
    )
}
CLEAN = {"nothing": nothing, "nothing_while_syncs_fail": syncs_fail}
UPLOADS = {"complete_answered_before_commit", "part_answered_before_commit", "abort_answered_before_commit"}
WITH_FAILING_SYNCS = {"failed_sync_ignored", "nothing_while_syncs_fail"}


def judge(name: str, folder: Path, cuts: int) -> dict[str, object]:
    """Record and cut until something is found; say what and where."""
    from cybous3.lab.chaos.powercut import recording, replay, targets  # noqa: PLC0415  # a server needs none of them
    from cybous3.lab.chaos.powercut.cuts import Mode, some  # noqa: PLC0415  # likewise
    from cybous3.lab.chaos.powercut.load import Plan  # noqa: PLC0415  # likewise

    target = targets.own(program=(sys.executable, __file__, name))
    if name in WITH_FAILING_SYNCS:
        target = replace(target, tracing=FAILING_SYNCS)
    plan = Plan(3, connections=3, requests=16, keys=3, kinds={"upload": 5, "put": 1} if name in UPLOADS else {})
    made = recording.record(target, recording.under_load(plan), folder / "recording", linger_s=0.5)
    chosen = some(made, Mode.POWER, cuts, 3)
    outcomes = replay.make(made, chosen, target, folder, lambda outcome: bool(outcome.findings))
    last = outcomes[-1]
    found = [asdict(finding) for finding in last.findings]
    return {"cuts": len(outcomes), "cut": str(last.cut), "events": len(made.events), "findings": found}


def main(name: str, verb: str, *arguments: str) -> None:
    in_a_hurry()
    (FAULTS | CLEAN)[name]()
    if verb == "judge":
        sys.stdout.write(json.dumps(judge(name, Path(arguments[0]), int(arguments[1]))))
        return
    from cybous3.cli.swifts3 import main as swifts3  # noqa: PLC0415  # only a server is one

    sys.argv = ["swifts3", verb, *arguments]
    swifts3()


if __name__ == "__main__":
    main(*sys.argv[1:])
