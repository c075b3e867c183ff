"""Looks for damage before anybody needs what is damaged: reads everything that is stored, slowly, and tells.

One pass goes through the objects, then the parts of unfinished uploads, then the blobs themselves. Of each object the
index entry is verified (the index does that as it reads), its inline bytes with it, and every block and label of its
blobs. What is damaged is put in quarantine: from then on it answers an error at once. What was in quarantine and is
whole again is released. The last stretch finds blobs that nothing refers to.

The position is saved as it goes, so a pass that was interrupted, even killed, goes on where it was. It works beside a
running server: what was replaced or deleted while it was looked at is no finding.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Final, Literal

from cybous3.core.clock import Clock
from cybous3.server.blobs.port import Blobs
from cybous3.server.meta.port import DamagedRecord, Index, UploadedPart
from cybous3.server.model.objects import Extent, ObjectRecord
from cybous3.server.model.scrubs import ScrubState
from cybous3.server.wire.errors import S3Error
from cybous3.server.workers.verify import Pace, verdict_on

RATE: Final = 50 * 1024 * 1024  # bytes a second
PAGE: Final = 100
SAVE_S: Final = 2.0  # a pass that is killed does this much again

Stretch = Literal["objects", "parts", "blobs", ""]
_STRETCHES: Final[tuple[Stretch, ...]] = ("objects", "parts", "blobs", "")


@dataclass(frozen=True, slots=True)
class Found:
    """One damaged object or part. `kind` "index": its entry; "bytes": what is stored of it."""

    kind: Literal["index", "bytes"]
    bucket: str
    key: str
    reason: str
    upload_id: str = ""
    part: int = 0


@dataclass(frozen=True, slots=True)
class Report:
    """What a pass came to. `found` holds what this run met; `state` counts for the whole pass."""

    state: ScrubState
    found: Sequence[Found]
    released: Sequence[tuple[str, str]]
    orphans: Sequence[str]


@dataclass(frozen=True, slots=True)
class Position:
    """Where a pass is: the stretch, and the last entry that was looked at. The words of ScrubState.position."""

    stretch: Stretch = "objects"
    after: tuple[str, str] | tuple[str, int] | str | None = None

    def written(self) -> str:
        """Return it as text."""
        return json.dumps([self.stretch, self.after])

    @classmethod
    def read(cls, text: str) -> "Position":
        """Return what `written` wrote; the beginning for anything else."""
        try:
            stretch, after = json.loads(text)
            if stretch in _STRETCHES:
                return cls(stretch, tuple(after) if isinstance(after, list) else after)
        except (ValueError, TypeError):
            pass  # of another version, or none: a pass from the beginning misses nothing
        return cls()

    def next_stretch(self) -> "Position":
        """Return the beginning of the next stretch."""
        return Position(_STRETCHES[_STRETCHES.index(self.stretch) + 1])


class Scrub:
    """One pass, or the rest of one. `on_progress` is called now and then with the state."""

    def __init__(
        self,
        index: Index,
        blobs: Blobs,
        *,
        pace: Pace,
        clock: Clock = time.time,
        on_progress: Callable[[ScrubState], None] = lambda _: None,
        orphaned: Callable[[str], bool] = lambda _: True,
    ) -> None:
        """`orphaned` may know better of a blob that nothing refers to: a write that is under way looks the same."""
        self._index = index
        self._blobs = blobs
        self._pace = pace
        self._clock = clock
        self._on_progress = on_progress
        self._orphaned = orphaned
        self._found: list[Found] = []
        self._released: list[tuple[str, str]] = []
        self._orphans: list[str] = []
        self._saved = 0.0

    async def run(self, *, restart: bool = False) -> Report:
        """Go on with the pass that was begun, or begin one, and return at its end. OSError when disk or index fail."""
        state = await self._index.scrubs.load()
        if restart or state is None or state.finished_ms is not None:
            state = ScrubState(Position().written(), self._now_ms())
        position = Position.read(state.position)
        while position.stretch:
            state, position = await self._page(state, position)
            state = replace(state, position=position.written())
            await self._keep(state)
        state = replace(state, finished_ms=self._now_ms())
        await self._index.scrubs.save(state)
        self._on_progress(state)
        return Report(state, self._found, self._released, self._orphans)

    async def _page(self, state: ScrubState, position: Position) -> tuple[ScrubState, Position]:
        """Look at the next few entries and return where that leads."""
        page = {"objects": self._objects, "parts": self._parts, "blobs": self._unreferenced}[position.stretch]
        return await page(state, position)

    async def _objects(self, state: ScrubState, position: Position) -> tuple[ScrubState, Position]:
        after = position.after
        entries = await self._index.objects.walk(after, PAGE)  # type: ignore[arg-type]  # the stretch says which kind it is
        for entry in entries:
            state = await self._entry(state, entry)
            state = replace(state, position=Position("objects", (entry.bucket, entry.key)).written())
            await self._keep_now_and_then(state)
        if not entries:
            return state, position.next_stretch()
        return state, Position("objects", (entries[-1].bucket, entries[-1].key))

    async def _entry(self, state: ScrubState, entry: ObjectRecord | DamagedRecord) -> ScrubState:
        if isinstance(entry, DamagedRecord):
            self._found.append(Found("index", entry.bucket, entry.key, entry.reason))
            return replace(state, objects=state.objects + 1, damaged=state.damaged + 1)
        reason = await self._reason(entry.extents)
        read = sum(extent.length for extent in entry.extents) + len(entry.inline or b"")
        state = replace(state, objects=state.objects + 1, bytes=state.bytes + read)
        if not reason:
            await self._release(entry)
            return state
        if not await self._still_damaged(entry, reason):
            return state
        self._found.append(Found("bytes", entry.bucket, entry.key, reason))
        return replace(state, damaged=state.damaged + 1)

    async def _reason(self, extents: Sequence[Extent]) -> str:
        """Return why the blobs are not whole, "" if they are."""
        for extent in extents:
            verdict = await verdict_on(self._blobs, extent.blob, self._pace, extent.length)
            if verdict.labelled is None:
                return verdict.reason
        return ""

    async def _still_damaged(self, entry: ObjectRecord, reason: str) -> bool:
        """Put it in quarantine; False if it was replaced or deleted while it was looked at."""
        if await self._index.objects.quarantine(entry, reason):
            return True
        try:
            current = await self._index.objects.get(entry.bucket, entry.key)
        except S3Error:
            return False
        return current.extents == entry.extents

    async def _release(self, entry: ObjectRecord) -> None:
        if entry.damaged is not None and await self._index.objects.release(entry.bucket, entry.key):
            self._released.append((entry.bucket, entry.key))

    async def _parts(self, state: ScrubState, position: Position) -> tuple[ScrubState, Position]:
        after = position.after
        entries = await self._index.uploads.walk(after, PAGE)  # type: ignore[arg-type]  # the stretch says which kind it is
        last: tuple[str, int] | None = None
        for entry in entries:
            state = await self._uploaded(state, entry)
            last = (entry.upload_id, entry.part.number if isinstance(entry, UploadedPart) else entry.number)
            state = replace(state, position=Position("parts", last).written())
            await self._keep_now_and_then(state)
        return state, position.next_stretch() if last is None else Position("parts", last)

    async def _uploaded(self, state: ScrubState, entry: UploadedPart | DamagedRecord) -> ScrubState:
        if isinstance(entry, DamagedRecord):
            found = Found("index", entry.bucket, entry.key, entry.reason, entry.upload_id, entry.number)
        else:
            reason = await self._reason(entry.part.extents)
            state = replace(state, bytes=state.bytes + entry.part.size)
            if not reason or not await self._still_there(entry):
                return state
            found = Found("bytes", entry.bucket, entry.key, reason, entry.upload_id, entry.part.number)
        self._found.append(found)
        return replace(state, damaged=state.damaged + 1)

    async def _still_there(self, entry: UploadedPart) -> bool:
        number = entry.part.number
        try:
            parts = await self._index.uploads.parts(entry.bucket, entry.key, entry.upload_id, after=number - 1, limit=1)
        except S3Error:
            return False
        return any(part.extents == entry.part.extents for part in parts)

    async def _unreferenced(self, state: ScrubState, position: Position) -> tuple[ScrubState, Position]:
        page: list[str] = []
        async for blob in self._blobs.walk(position.after if isinstance(position.after, str) else ""):
            page.append(blob)
            if len(page) == PAGE:
                break
        if not page:
            return state, position.next_stretch()
        suspects = [blob for blob in page if self._orphaned(blob)]
        known = await self._index.garbage.referenced(suspects) if suspects else frozenset()
        self._orphans += [blob for blob in suspects if blob not in known]
        return state, Position("blobs", page[-1])

    async def _keep_now_and_then(self, state: ScrubState) -> None:
        if time.monotonic() - self._saved >= SAVE_S:
            await self._keep(state)

    async def _keep(self, state: ScrubState) -> None:
        if time.monotonic() - self._saved < SAVE_S:
            return
        self._saved = time.monotonic()
        await self._index.scrubs.save(state)
        self._on_progress(state)

    def _now_ms(self) -> int:
        return int(self._clock() * 1000)
