"""Copy a stored file to another name: inside the store where nothing is replaced, re-encrypted where something is.

A copy inside the store keeps the sealed header of its source. Put in the place of another object, its generation could
be lower than what was there, and every machine that saw the former would rightly call it a rollback. So what replaces
is made anew: fetched, verified and sealed under a new key, in one pass, without touching the disk.
"""

from queue import Queue
from threading import Thread
from typing import Self

from cybous3.client.stores.port import Store
from cybous3.client.transfer.download import Downloader
from cybous3.client.transfer.files import Files
from cybous3.client.transfer.journal import Journals
from cybous3.client.transfer.port import About, Stored, Surroundings
from cybous3.client.transfer.upload import Uploader

_AHEAD = 4  # pieces of at most one window that may wait


class Copier:
    """Copies files of one vault."""

    def __init__(self, store: Store, around: Surroundings, journals: Journals) -> None:
        self._files = Files(store, around)
        self._uploader = Uploader(store, around, journals)
        self._downloader = Downloader(store, around, journals)

    def copy(self, source: str, target: str) -> Stored:
        """Copy `source` to `target`, replacing what is there. Raises as `Files.copy` and `Uploader.put_stream`."""
        if self._files.one(target) is None:
            return self._files.copy(source, target)
        stored = self._files.stat(source)
        about = About(stored.content_type, stored.user, mtime_ns=stored.mtime_ns, mode=stored.mode)
        with _Relay(self._downloader, source) as relay:
            return self._uploader.put_stream(relay, target, about)  # type: ignore[arg-type]  # all it uses is readinto


class _Relay:
    """What one thread fetches, another reads. An end that is no end is raised in the reader, never taken for one."""

    def __init__(self, downloader: Downloader, path: str) -> None:
        self._queue: Queue[bytes | BaseException | None] = Queue(_AHEAD)
        self._rest = memoryview(b"")
        self._over = False
        self._gone = False
        self._thread = Thread(target=self._fetch, args=(downloader, path), name="cybs3-copy", daemon=True)

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._gone = True
        while not self._over:  # let a fetch under way put what it has, and see that nobody reads
            self._over = not isinstance(self._queue.get(), bytes)
        self._thread.join()

    def write(self, data: bytes | memoryview) -> int:
        """Take bytes from the fetching thread."""
        if self._gone:
            raise InterruptedError("the copy was given up")
        self._queue.put(bytes(data))
        return len(data)

    def readinto(self, buffer: memoryview) -> int:
        """Give the next bytes; 0 at the verified end. Raises what fetching raised."""
        while not self._rest and not self._over:
            item = self._queue.get()
            if isinstance(item, bytes):
                self._rest = memoryview(item)
                continue
            self._over = True
            if item is not None:
                raise item
        count = min(len(buffer), len(self._rest))
        buffer[:count] = self._rest[:count]
        self._rest = self._rest[count:]
        return count

    def _fetch(self, downloader: Downloader, path: str) -> None:
        try:
            downloader.stream(path, self)  # type: ignore[arg-type]  # all it uses is write
        except BaseException as error:  # noqa: BLE001  # raised again in the reader
            self._queue.put(error)
        else:
            self._queue.put(None)
