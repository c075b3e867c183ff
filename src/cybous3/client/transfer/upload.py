"""Seal a local file, or a stream, and store it: in one request when small, in parallel parts when not.

What this keeps true:
- nothing is visible under the file's key before every byte of the sealed object is in the store;
- each segment is encrypted once under its own fresh nonce; a part is repeated only with the very same bytes;
- an upload that was killed goes on where it stopped if the source is the same state of the same file, under the same
  keys; a source that changed begins a new object under a new key (encryption.md §4.2, rule 3);
- what somebody else wrote since this machine saw the object last is not overwritten unless asked (`force`).
"""

import base64
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

from cybous3.client.keys.intents import Intent
from cybous3.client.keys.state import Seen
from cybous3.client.stores.errors import (
    ConnectionLost,
    NoSuchUpload,
    NotFound,
    PreconditionFailed,
    Refused,
    Silent,
    StoreError,
)
from cybous3.client.stores.port import Part, Store, Written
from cybous3.client.transfer.errors import Conflict, TooLarge
from cybous3.client.transfer.journal import Journal, Journals
from cybous3.client.transfer.parallel import Buffers, all_of
from cybous3.client.transfer.port import NOTHING_ABOUT, About, Progress, Stored, Surroundings, no_progress
from cybous3.client.transfer.source import FileSource, read_full
from cybous3.client.transfer.turns import Turns
from cybous3.client.transfer.unsettled import Unsettled
from cybous3.core.errors import CybousError
from cybous3.crypto.errors import CryptoError
from cybous3.crypto.layout import FOOTER_LEN, IMMUTABLE_LEN, PartGeometry, PartPlan
from cybous3.crypto.metadata import ObjectMetadata, next_generation
from cybous3.crypto.objects import DEK_LEN, KeyedHasher, ObjectWriter

STREAM_PART_BYTES = 16 * 1024 * 1024
"""Parts of a stream of unknown length: 10,000 of them hold 156 GiB."""
_STEP = 1024 * 1024
_REPLACED_MAX = 4
"""How often the parts of a file are put together when the store says that one is not the one we sent."""
_LOST_MAX = 3
"""How often the request that makes an object visible is sent when its answer is lost each time."""


class _Target(NamedTuple):
    """One object on its way: where it goes, and what must hold when it becomes visible."""

    path: str
    key: str
    absent: bool
    if_match: str | None
    generation: int


class Uploader:
    """Stores files into one vault. Safe to call from many threads, one file each."""

    def __init__(self, store: Store, around: Surroundings, journals: Journals) -> None:
        self._store = store
        self._around = around
        self._journals = journals
        self._unsettled = Unsettled(store, around)
        self._vault = around.vault
        self._limits = around.limits

    def put_file(
        self,
        local: Path,
        path: str,
        about: About = NOTHING_ABOUT,
        progress: Progress = no_progress,
    ) -> Stored:
        """Store the file at `local` as `path`.

        Raises SourceChanged, Conflict, Busy, OSError for the local side, StoreError for the other.
        """
        with FileSource(local) as source:
            target = self._target(path, about)
            metadata = self._metadata(target, about, mtime_ns=source.mtime_ns, mode=source.mode)
            writer, dek = self._create(metadata)
            if writer.layout.object_len(source.size) <= self._limits.single_max:
                return self._put_small(source, writer, dek, target, progress)
            with self._journals.opened(self._vault.vault_id, target.key, str(local.resolve())) as journal:
                return _LargeFile(self, source, target, metadata, journal, progress).run()

    def put_folder(self, path: str, *, mtime_ns: int, mode: int) -> Stored:
        """Store a marker for the empty folder `path`."""
        target = self._target(path, NOTHING_ABOUT)
        metadata = ObjectMetadata(
            path=path, generation=target.generation, mtime_ns=mtime_ns, mode=mode & 0o7777, kind="directory"
        )
        writer, dek = self._create(metadata)
        return self._put_bytes(b"", writer, dek, target, no_progress)

    def put_stream(
        self,
        stream: BinaryIO,
        path: str,
        about: About = NOTHING_ABOUT,
        progress: Progress = no_progress,
    ) -> Stored:
        """Store what `stream` gives until it ends, as `path`. Cannot be resumed. TooLarge beyond 156 GiB."""
        target = self._target(path, about)
        metadata = self._metadata(target, about, mtime_ns=about.mtime_ns, mode=about.mode)
        writer, dek = self._create(metadata)
        first = bytearray(self._limits.single_max - writer.layout.object_len(0) - 32 * 8)
        count = read_full(stream, memoryview(first))
        if count < len(first):
            return self._put_bytes(memoryview(first)[:count], writer, dek, target, progress)
        return _LargeStream(self, stream, first, writer, dek, target, progress).run()

    def _metadata(
        self, target: _Target, about: About, *, mtime_ns: int | None = None, mode: int | None = None
    ) -> ObjectMetadata:
        return ObjectMetadata(
            path=target.path,
            generation=target.generation,
            content_type=about.content_type,
            user=about.user or {},
            mtime_ns=mtime_ns,
            mode=mode,
        )

    def _create(self, metadata: ObjectMetadata) -> tuple[ObjectWriter, bytes]:
        dek = self._around.entropy(DEK_LEN)
        writer = self._around.sealing.create(
            vault_id=self._vault.vault_id, dek=dek, metadata=metadata, entropy=self._around.entropy
        )
        return writer, dek

    def _target(self, path: str, about: About) -> _Target:
        key = self._vault.object_key(path)
        seen = self._around.memory.object_seen(self._vault.vault_id, key)
        generation, if_match = seen.generation if seen else 0, None
        if seen and not about.force and not about.absent and self._store.capabilities.conditional_put:
            seen = self._unsettled.caught_up(path, key, seen)
            if seen:
                generation, if_match = seen.generation, seen.etag
        generation = next_generation(generation, self._around.now_ms())
        return _Target(path, key, about.absent, if_match, generation)

    def _put_small(
        self, source: FileSource, writer: ObjectWriter, dek: bytes, target: _Target, progress: Progress
    ) -> Stored:
        plain = bytearray(source.size)
        source.read_into(memoryview(plain), 0)
        source.check_unchanged()
        return self._put_bytes(plain, writer, dek, target, progress)

    def _put_bytes(
        self,
        plain: bytes | bytearray | memoryview,
        writer: ObjectWriter,
        dek: bytes,
        target: _Target,
        progress: Progress,
    ) -> Stored:
        """Seal and store what is at hand, in one request."""
        layout, size = writer.layout, len(plain)
        body = bytearray(layout.object_len(size))
        view, source = memoryview(body), memoryview(plain)
        view[: layout.prologue_len] = writer.prologue
        last = layout.segments(size) - 1
        for index in range(last + 1):
            piece = source[index * layout.capacity : (index + 1) * layout.capacity]
            writer.encrypt_segment_into(index, piece, view[layout.segment_offset(index) :], final=index == last)
        hasher = writer.hasher()
        hasher.update(plain)
        digest = hasher.digest()
        view[-FOOTER_LEN:] = writer.footer(plaintext_len=size, digest=digest)
        entries = self._vault.entries(target.path, writer.immutable, dek)
        etag = self.deliver(
            target,
            writer.object_id,
            lambda: self._store.put(target.key, view, metadata=entries, absent=target.absent, if_match=target.if_match),
        )
        progress(size)
        return self.note(target, writer, etag, size, digest)

    def note(self, target: _Target, writer: ObjectWriter, etag: str, size: int, digest: bytes) -> Stored:
        """Remember what was stored, and tell it."""
        metadata = writer.metadata
        seen = Seen(writer.object_id, metadata.generation, etag, writer.layout.object_len(size), digest)
        self._around.memory.note_objects(self._vault.vault_id, [(target.key, seen)])
        return Stored(
            path=target.path,
            key=target.key,
            size=size,
            etag=etag,
            object_id=writer.object_id,
            generation=metadata.generation,
            digest=digest,
            content_type=metadata.content_type,
            mtime_ns=metadata.mtime_ns,
            mode=metadata.mode,
            folder=metadata.kind == "directory",
            user=metadata.user,
        )

    def deliver(self, target: _Target, object_id: bytes, send: Callable[[], Written]) -> str:
        """Send the request that makes the object visible, and return its ETag.

        When the answer is lost, what is there decides; if it is not ours, the request is sent again: had the first one
        been done after all, the second finds our own object in its way. Raises Conflict, StoreError.
        """
        if target.if_match is not None:
            # Whoever finds this object before we noted it, after a kill or a lost answer, must know it for ours.
            intent = Intent(object_id, target.generation)
            self._around.memory.intend(self._vault.vault_id, [(target.key, intent)])
        attempt = 1
        while True:
            try:
                return send().etag
            except StoreError as error:
                if isinstance(error, Silent) or not _doubtful(error, target):
                    raise  # who is silent is not asked again
                etag = self._wrote_it(target, object_id)
                if etag is not None:
                    return etag
                if not isinstance(error, ConnectionLost) or attempt >= _LOST_MAX:
                    raise _conflict(error, target) from error
                attempt += 1

    def _wrote_it(self, target: _Target, object_id: bytes) -> str | None:
        """Return the ETag if the object at the target is the one with `object_id`: our own answer was lost."""
        with suppress(StoreError, CryptoError), self._store.get(target.key, length=IMMUTABLE_LEN) as download:
            if download.read()[-len(object_id) :] == object_id:
                return download.info.etag
        return None


def _doubtful(error: StoreError, target: _Target) -> bool:
    """Whether the error leaves open that the object is there: it may be the second answer to a request done once."""
    conditional = target.absent or target.if_match is not None
    return isinstance(error, (ConnectionLost, PreconditionFailed, NoSuchUpload)) or (
        conditional and type(error) is NotFound
    )


def _conflict(error: StoreError, target: _Target) -> CybousError:
    """Return what a doubtful error means once it is known that the object is not ours."""
    if isinstance(error, (ConnectionLost, NoSuchUpload)):
        return error
    if target.absent:
        return Conflict(f"{target.path!r} exists already", hint="leave --no-overwrite out to replace it")
    return Conflict(
        f"{target.path!r} was changed or removed by somebody else since this machine saw it last",
        hint="look at what is there now (files stat, files get), or overwrite it with --force",
    )


class _Multipart:
    """What both kinds of large upload share: buffers, parts, and the last part that carries the footer."""

    def __init__(self, uploader: Uploader, target: _Target, progress: Progress) -> None:
        self._uploader = uploader
        self._store = uploader._store  # noqa: SLF001  # one module, one job
        self._around = uploader._around  # noqa: SLF001
        self._vault = uploader._vault  # noqa: SLF001
        self._limits = uploader._limits  # noqa: SLF001
        self._target = target
        self._progress = progress

    def _workers(self, geometry: PartGeometry, *, copies: int = 1) -> int:
        """How many parts may be under way within the memory allowed."""
        need = copies * (geometry.part_bytes + geometry.layout.segment_len)
        return max(1, min(self._limits.workers, self._limits.memory // need))

    def _complete(self, writer: ObjectWriter, upload_id: str, parts: list[Part]) -> str:
        self._check_condition()
        ordered = sorted(parts, key=lambda part: part.number)
        target = self._target
        return self._uploader.deliver(
            target,
            writer.object_id,
            lambda: self._store.complete_upload(
                target.key, upload_id, ordered, absent=target.absent, if_match=target.if_match
            ),
        )

    def _check_condition(self) -> None:
        """Notice a conflict before the last request: some stores honour no condition on completion."""
        if self._target.if_match is None:
            return
        with suppress(NotFound):
            if self._store.head(self._target.key).etag == self._target.if_match:
                return
        raise Conflict(
            f"{self._target.path!r} was changed or removed by somebody else since this machine saw it last",
            hint="look at what is there now (files stat, files get), or overwrite it with --force",
        )


class _Run(NamedTuple):
    """What the parts of one file share while they are sent. `have`: those that an earlier run delivered, by number."""

    writer: ObjectWriter
    upload_id: str
    hasher: KeyedHasher
    turns: Turns
    have: Mapping[int, Part]


class _LargeFile(_Multipart):
    """One file in parts, journalled."""

    def __init__(
        self,
        uploader: Uploader,
        source: FileSource,
        target: _Target,
        metadata: ObjectMetadata,
        journal: Journal,
        progress: Progress,
    ) -> None:
        super().__init__(uploader, target, progress)
        self._source = source
        self._metadata = metadata
        self._journal = journal
        self._buffers = Buffers()
        self._sent: dict[int, Part] = {}  # by this run: what the store must still hold when the object is made

    def run(self) -> Stored:
        resumed = self._resume()
        writer, upload_id, geometry, have = resumed or self._begin()
        try:
            writer, etag, digest = self._sent_whole(writer, upload_id, geometry, have)
        except (CybousError, OSError) as error:
            if not _worth_resuming(error):
                self._abandon(upload_id)
            raise
        self._journal.remove()
        return self._uploader.note(self._target, writer, etag, self._source.size, digest)

    def _sent_whole(
        self, writer: ObjectWriter, upload_id: str, geometry: PartGeometry, have: dict[int, Part]
    ) -> tuple[ObjectWriter, str, bytes]:
        """Send what is missing and make the object visible; repeat parts that something replaced meanwhile.

        A part of an earlier run that timed out may arrive only now, in the place of ours: as good, and not the one we
        named. Those are sealed and sent again, a few times.
        """
        for _ in range(_REPLACED_MAX - 1):
            try:
                return writer, *self._send(writer, upload_id, geometry, have)
            except Refused as error:
                notes = self._journal.load()
                if error.code != "InvalidPart" or notes is None:
                    raise
                again = self._taken_up(notes)
                if again is None:
                    raise
                self._progress(-self._source.size)
                writer, upload_id, geometry, have = again
        return writer, *self._send(writer, upload_id, geometry, have)

    def _begin(self) -> tuple[ObjectWriter, str, PartGeometry, dict[int, Part]]:
        writer, dek = self._uploader._create(self._metadata)  # noqa: SLF001
        geometry = PartGeometry.choose(writer.layout, self._source.size)
        entries = self._vault.entries(self._target.path, writer.immutable, dek)
        upload_id = self._store.create_upload(self._target.key, metadata=entries)
        self._journal.save(
            {
                "upload_id": upload_id,
                "prologue": base64.b64encode(writer.prologue).decode(),
                "entries": entries,
                "part_segments": geometry.part_segments,
                "source": str(self._source.identity),
            }
        )
        return writer, upload_id, geometry, {}

    def _resume(self) -> tuple[ObjectWriter, str, PartGeometry, dict[int, Part]] | None:
        """Take up an earlier run, if its source, its upload and its keys are all still what they were."""
        notes = self._journal.load()
        if notes is None:
            return None
        try:
            return self._taken_up(notes)
        except (KeyError, TypeError, ValueError, NoSuchUpload, CryptoError):
            self._abandon(str(notes.get("upload_id", "")))
            return None

    def _taken_up(self, notes: dict[str, Any]) -> tuple[ObjectWriter, str, PartGeometry, dict[int, Part]] | None:
        upload_id: str = notes["upload_id"]
        if notes["source"] != str(self._source.identity):
            self._abandon(upload_id)
            return None
        prologue = base64.b64decode(notes["prologue"], validate=True)
        sealing, vault_id = self._around.sealing, self._vault.vault_id
        immutable = bytes(sealing.front(memoryview(prologue))[:IMMUTABLE_LEN])
        dek = self._vault.data_key(self._target.path, immutable, notes["entries"])
        listed = self._store.list_parts(self._target.key, upload_id)
        probe = sealing.resume(prologue, vault_id=vault_id, dek=dek, entropy=self._around.entropy)
        geometry = PartGeometry(probe.layout, int(notes["part_segments"]))
        size, count = self._source.size, geometry.count(self._source.size)
        have = {
            part.number: part
            for part in listed
            if part.number < count
            and part.size == geometry.part(part.number, size).stored_len
            and part.etag == self._sent.get(part.number, part).etag
        }
        plans = [geometry.part(number, size) for number in have]
        writer = sealing.resume(
            prologue,
            vault_id=vault_id,
            dek=dek,
            entropy=self._around.entropy,
            done=[range(plan.first_segment, plan.stop_segment) for plan in plans],
            total=probe.layout.segments(size),
        )
        return writer, upload_id, geometry, have

    def _send(
        self, writer: ObjectWriter, upload_id: str, geometry: PartGeometry, have: dict[int, Part]
    ) -> tuple[str, bytes]:
        size = self._source.size
        count = geometry.count(size)
        self._progress(sum(geometry.part(number, size).plain_len for number in have))
        self._sent.update(have)
        run = _Run(writer, upload_id, writer.hasher(), Turns(), have)
        plans = (geometry.part(number, size) for number in range(1, count + 1))
        parts = all_of(plans, lambda plan: self._part(run, plan), workers=self._workers(geometry))
        self._source.check_unchanged()
        return self._complete(writer, upload_id, parts), run.hasher.digest()

    def _part(self, run: _Run, plan: PartPlan) -> Part:
        """Hash, seal and send one part. The first two happen in the order of the file, for the digest of the whole."""
        with run.turns.of(plan.number - 1):
            had = run.have.get(plan.number)
            if had is not None:
                self._pass_over(run.hasher, plan)
                return had
            body = self._sealed(run, plan)
        part = self._store.upload_part(self._target.key, run.upload_id, plan.number, body)
        self._sent[plan.number] = part
        self._progress(plan.plain_len)
        return part

    def _sealed(self, run: _Run, plan: PartPlan) -> memoryview:
        """Return the stored bytes of a part. A segment is read, hashed and encrypted while the cache still holds it."""
        writer, size = run.writer, self._source.size
        view, at = memoryview(self._buffers.take("body", plan.stored_len))[: plan.stored_len], 0
        if plan.has_prologue:
            at = len(writer.prologue)
            view[:at] = writer.prologue
        capacity, last = writer.layout.capacity, writer.layout.segments(size) - 1
        for index in range(plan.first_segment, plan.stop_segment):
            length = min(capacity, size - index * capacity)
            room = writer.room(view[at:], length)
            piece = self._plain(length) if room is None else room
            self._source.read_into(piece, index * capacity)
            run.hasher.update(piece)
            at += writer.encrypt_segment_into(index, piece, view[at:], final=index == last)
        if plan.stop_segment > last:
            view[at:] = writer.footer(plaintext_len=size, digest=run.hasher.digest())
        return view

    def _pass_over(self, hasher: KeyedHasher, plan: PartPlan) -> None:
        """Hash the plaintext of a part that an earlier run delivered."""
        if not hasher.reads:
            return
        for start in range(plan.plain_start, plan.plain_start + plan.plain_len, _STEP):
            piece = self._plain(min(_STEP, plan.plain_start + plan.plain_len - start))
            self._source.read_into(piece, start)
            hasher.update(piece)

    def _plain(self, length: int) -> memoryview:
        return memoryview(self._buffers.take("plain", length))[:length]

    def _abandon(self, upload_id: str) -> None:
        """Give up an upload that cannot be continued. That the store is out of reach must not hide why."""
        self._journal.remove()
        with suppress(StoreError):
            self._store.abort_upload(self._target.key, upload_id)


def _worth_resuming(error: Exception) -> bool:
    """Whether a later run can go on: the store failed us, not the file and not a condition."""
    return isinstance(error, StoreError) and not isinstance(error, (PreconditionFailed, NoSuchUpload))


class _LargeStream(_Multipart):
    """A stream in parts. One thread reads and hashes, workers encrypt and send.

    One part is always held back, because only the end of the stream tells which part is the last.
    """

    def __init__(
        self,
        uploader: Uploader,
        stream: BinaryIO,
        first: bytearray,
        writer: ObjectWriter,
        dek: bytes,
        target: _Target,
        progress: Progress,
    ) -> None:
        super().__init__(uploader, target, progress)
        self._stream = stream
        self._first = first
        self._writer = writer
        self._dek = dek
        self._hasher = writer.hasher()
        self._geometry = PartGeometry.choose(writer.layout, 0, part_bytes_min=STREAM_PART_BYTES)
        self._held: tuple[int, memoryview] | None = None

    def run(self) -> Stored:
        entries = self._vault.entries(self._target.path, self._writer.immutable, self._dek)
        upload_id = self._store.create_upload(self._target.key, metadata=entries)
        try:
            parts = all_of(
                self._all_but_last(),
                lambda item: self._part(upload_id, *item, digest=b""),
                workers=self._workers(self._geometry, copies=2),
            )
            digest = self._hasher.digest()
            number, plain = self._last()
            parts.append(self._part(upload_id, number, plain, digest=digest))
            etag = self._complete(self._writer, upload_id, parts)
        except BaseException:
            with suppress(StoreError):
                self._store.abort_upload(self._target.key, upload_id)
            raise
        return self._uploader.note(self._target, self._writer, etag, self._hasher.length, digest)

    def _all_but_last(self) -> Iterator[tuple[int, memoryview]]:
        number, limit = 0, self._store.capabilities.parts_max
        while True:
            plain = self._next()
            if not plain:
                return
            if self._held is not None:
                yield self._held
            number += 1
            if number > limit:
                raise TooLarge("the stream is longer than 156 GiB", hint="store it as a file")
            self._held = (number, plain)

    def _last(self) -> tuple[int, memoryview]:
        if self._held is None:
            raise AssertionError("a large stream has at least one part")
        return self._held

    def _next(self) -> memoryview:
        """Read, and hash, the plaintext of one part."""
        plain = bytearray(self._geometry.part_plain)
        start = min(len(self._first), len(plain))
        plain[:start] = self._first[:start]
        del self._first[:start]
        view = memoryview(plain)
        view = view[: start + read_full(self._stream, view[start:])]
        self._hasher.update(view)
        return view

    def _part(self, upload_id: str, number: int, plain: memoryview, *, digest: bytes) -> Part:
        layout = self._writer.layout
        segments = layout.segments(len(plain))
        prologue = self._writer.prologue if number == 1 else b""
        body = bytearray(len(prologue) + len(plain) + 32 * segments + (FOOTER_LEN if digest else 0))
        view, at = memoryview(body), len(prologue)
        view[:at] = prologue
        first = self._geometry.first_segment(number)
        for position in range(segments):
            piece = plain[position * layout.capacity : (position + 1) * layout.capacity]
            final = bool(digest) and position == segments - 1
            at += self._writer.encrypt_segment_into(first + position, piece, view[at:], final=final)
        if digest:
            view[at:] = self._writer.footer(plaintext_len=self._hasher.length, digest=digest)
        part = self._store.upload_part(self._target.key, upload_id, number, view)
        self._progress(len(plain))
        return part
