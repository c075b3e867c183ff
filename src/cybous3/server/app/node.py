"""One process's server, put together: index, blobs, store, service. This is where the adapters have names."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

import structlog

from cybous3.server.app.accounts import open_book
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import StartError, local
from cybous3.server.blobs.local.store import LocalBlobs, SlotTakenError
from cybous3.server.blobs.port import Blobs, Recovered
from cybous3.server.config.settings import ServerConfig
from cybous3.server.meta.space import NO_SPACE, measure
from cybous3.server.meta.sqlite.index import SqliteIndex, open_sqlite
from cybous3.server.service.service import Observation, S3Service
from cybous3.server.store.accounts import AccountBook
from cybous3.server.store.room import Room
from cybous3.server.store.store import Store
from cybous3.server.workers.reaper import Reaper
from cybous3.server.workers.syncer import Syncer

_log = structlog.get_logger("cybous3.app")

_BACKGROUND_RETRY_S: Final = 30.0
# A slot is taken for as long as the process before it takes to die.
_SLOT_PATIENCE_S: Final = 10.0
_SLOT_POLL_S: Final = 0.05

Observe = Callable[[Observation], None]


@dataclass(frozen=True, slots=True)
class Node:
    """What one process works with."""

    index: SqliteIndex
    blobs: Blobs
    store: Store
    accounts: AccountBook
    service: S3Service
    recovered: Recovered


def unobserved(_: Observation) -> None:
    """Observe nothing."""


@asynccontextmanager
async def open_node(config: ServerConfig, slot: str, observe: Observe = unobserved) -> AsyncIterator[Node]:
    """Open everything, clean what writers that are gone left behind, and reap until the end. StartError."""
    place = DataDirectory(config.data)
    serving: list[S3Service] = []
    try:
        index = await open_sqlite(place.index, alone=lambda: bool(serving) and serving[0].in_flight <= 1)
    except OSError as error:
        raise local("cannot open the index", error) from error
    try:
        blobs = await _take_slot(place, slot)
        try:
            recovered = await blobs.recover(index.garbage.referenced)
            accounts = await open_book(index, place)
            store = Store(
                index,
                blobs,
                clock=time.time,
                entropy=os.urandom,
                region=config.region,
                inline_max=config.inline_max,
                room=Room(lambda: measure(place.root), index.spare),
                durability=config.durability,
            )
            service = S3Service(
                store,
                accounts.find,
                region=config.region,
                clock=time.time,
                entropy=os.urandom,
                base_hosts=config.base_hosts,
                observe=observe,
            )
            serving.append(service)
            reaper = Reaper(index.garbage, blobs)
            syncer = Syncer(index.unsynced, blobs, store.commits)
            if await index.unsynced.pending(1):  # of a process that ended between its answer and its sync
                store.commits.unsynced_made.set()
            background = [
                asyncio.create_task(_go_on("reaping", lambda: reaper.run(store.garbage_made))),
                asyncio.create_task(_go_on("syncing", lambda: syncer.run(store.commits.unsynced_made))),
            ]
            try:
                yield Node(index, blobs, store, accounts, service, recovered)
            finally:
                for task in background:
                    task.cancel()
                await asyncio.wait(background)
                await store.aclose()
                await _last_sync(syncer)
        finally:
            await blobs.aclose()
    finally:
        await index.aclose()


async def _take_slot(place: DataDirectory, slot: str) -> LocalBlobs:
    deadline = time.monotonic() + _SLOT_PATIENCE_S
    while True:
        try:
            return LocalBlobs(place.blobs, slot, os.urandom)
        except SlotTakenError as error:
            if time.monotonic() > deadline:
                raise StartError(f"another process still writes in the slot {slot!r}") from error
            await asyncio.sleep(_SLOT_POLL_S)
        except OSError as error:
            raise local("cannot open the blobs", error) from error


async def _go_on(what: str, work: Callable[[], Awaitable[None]]) -> None:
    """Do background work for ever; a disk that fails now may work later, and this can wait."""
    while True:
        try:
            await work()
        except OSError as error:
            if error.errno not in NO_SPACE:
                _log.exception(f"{what} failed")
            else:
                _log.warning(f"{what} waits: the disk is full")
            await asyncio.sleep(_BACKGROUND_RETRY_S)
        except Exception:  # noqa: BLE001 - nobody waits for it; logged, and tried again
            _log.exception(f"{what} failed")
            await asyncio.sleep(_BACKGROUND_RETRY_S)


async def _last_sync(syncer: Syncer) -> None:
    """Make durable what was acknowledged and is not; what cannot be is left to the next start."""
    try:
        await syncer.finish()
    except OSError as error:
        _log.error("the last acknowledged writes of relaxed buckets may be lost", error=str(error))
