"""One process's server, put together: index, blobs, store, service. This is where the adapters have names."""

import asyncio
import os
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Final

import structlog

from cybous3.server.app.accounts import open_book
from cybous3.server.app.places import DataDirectory
from cybous3.server.app.problems import StartError, local
from cybous3.server.blobs.local.store import LocalBlobs, SlotTakenError
from cybous3.server.blobs.port import Blobs, Recovered
from cybous3.server.config.settings import ServerConfig
from cybous3.server.meta.port import Index
from cybous3.server.meta.space import NO_SPACE, measure
from cybous3.server.meta.sqlite.index import open_sqlite
from cybous3.server.service.service import Observation, S3Service
from cybous3.server.store.accounts import AccountBook
from cybous3.server.store.room import Room
from cybous3.server.store.store import Store
from cybous3.server.workers.reaper import Reaper

_log = structlog.get_logger("cybous3.app")

# A slot is taken for as long as the process before it takes to die.
_SLOT_PATIENCE_S: Final = 10.0
_SLOT_POLL_S: Final = 0.05
_REAPER_RETRY_S: Final = 30.0

Observe = Callable[[Observation], None]


@dataclass(frozen=True, slots=True)
class Node:
    """What one process works with."""

    index: Index
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
            reaping = asyncio.create_task(_reap(index, blobs, store))
            try:
                yield Node(index, blobs, store, accounts, service, recovered)
            finally:
                reaping.cancel()
                with suppress(asyncio.CancelledError):
                    await reaping
                await store.aclose()
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


async def _reap(index: Index, blobs: Blobs, store: Store) -> None:
    """Reap for ever; a disk that fails now may work later, and garbage can wait."""
    reaper = Reaper(index.garbage, blobs)
    while True:
        try:
            await reaper.run(store.garbage_made)
        except OSError as error:
            if error.errno not in NO_SPACE:
                _log.exception("reaping failed")
            else:
                _log.warning("reaping waits: the disk is full")
            await asyncio.sleep(_REAPER_RETRY_S)
        except Exception:  # noqa: BLE001 - nobody waits for the reaper; logged, and tried again
            _log.exception("reaping failed")
            await asyncio.sleep(_REAPER_RETRY_S)
