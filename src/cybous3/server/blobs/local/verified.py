"""An open blob file: its bytes come out verified or not at all. Blocking.

A read takes the whole blocks that a range touches into the caller's buffer, compares them with their checks, and
returns the part of the buffer that was asked for. What is verified is memory, and the same memory is what leaves.
Nothing is mapped: a mapped file that shrinks or cannot be read kills the process.
"""

import errno
from typing import Final

from cybous3.disk.files import Files
from cybous3.server.blobs.local.format import BLOCK, CHECK, TAIL, Shape, read_tail, verify_blocks, verify_label
from cybous3.server.blobs.local.reading import Reading
from cybous3.server.blobs.port import DamagedBlobError, Labelled

# Read at once from a file's end: tail, label and checks of all but large blobs.
_END_BYTES: Final = 4096
_CHECKS_AHEAD: Final = 512  # checks read at once, for 32 MiB of data

# What a medium or file system says when it has lost bytes. A retry does not bring them back.
LOST: Final = frozenset({errno.EIO, getattr(errno, "EUCLEAN", errno.EIO), errno.EBADMSG, errno.EISDIR})


class VerifiedFile:
    """One open file. Any thread may read, several at once; the buffers are theirs."""

    def __init__(self, blob: str, fd: int, size: int, reading: Reading) -> None:
        """Take over an open file of `size` bytes; `load` before anything else."""
        self.blob: Final = blob
        self.damage: DamagedBlobError | None = None
        self.shape = Shape(0, 0, b"")
        self._fd: int | None = fd
        self._size = size
        self._reading = reading
        self._checks: tuple[int, bytes] = (0, b"")  # the number of the first, and the checks

    def load(self, *, wait: bool) -> None:
        """Read the file's end. DamagedBlobError, OSError; WouldWaitError unless it may `wait`."""
        begin = max(0, self._size - _END_BYTES)
        end = bytes(self._exactly(begin, self._size - begin, wait=wait))
        self.shape = read_tail(self.blob, end[-TAIL:], self._size)
        first = -(-max(0, begin - self.shape.data) // CHECK)  # the first check of which all is at hand
        known = end[max(0, self.shape.data + first * CHECK - begin) : max(0, self.shape.label_at - begin)]
        self._checks = (first, known)

    def fetch(self, offset: int, length: int, buffer: memoryview, *, wait: bool) -> memoryview:
        """Return verified bytes of a range, which is not empty and within the data: at least one, as many as fit.

        `buffer` has room for a block at least. DamagedBlobError, OSError; WouldWaitError unless it may `wait`.
        """
        first = offset // BLOCK
        fitting = min(first + len(buffer) // BLOCK, -(-(offset + length) // BLOCK))
        begin, end = first * BLOCK, min(fitting * BLOCK, self.shape.data)
        blocks = buffer[: end - begin]
        try:
            self._fill(blocks, begin, wait=wait)
            verify_blocks(self.blob, first, blocks, self._checks_of(first, fitting - first, wait=wait))
        except DamagedBlobError as damage:
            self.damage = damage
            raise
        return blocks[offset - begin : offset + length - begin]

    def stated(self) -> Labelled:
        """Return what the blob says of itself. DamagedBlobError, OSError."""
        label = bytes(self._exactly(self.shape.label_at, self.shape.label, wait=True))
        verify_label(self.blob, label, self.shape)
        return Labelled(self.shape.data, label)

    def within(self, offset: int, length: int) -> None:
        """OSError unless the range lies within the data; ValueError when the file was closed."""
        self._open_fd()
        if offset + length > self.shape.data:
            raise OSError(f"a blob of {self.shape.data} bytes was asked for {length} from {offset}")

    def close(self, files: Files) -> None:
        """Close the file. May be called twice."""
        fd, self._fd = self._fd, None
        if fd is not None:
            files.close(fd)

    def _checks_of(self, first: int, count: int, *, wait: bool) -> bytes:
        known_first, known = self._checks
        if not known_first <= first <= first + count <= known_first + len(known) // CHECK:
            ahead = min(max(count, _CHECKS_AHEAD), self.shape.blocks - first)
            known_first, known = first, bytes(self._exactly(self.shape.data + first * CHECK, ahead * CHECK, wait=wait))
            self._checks = (known_first, known)
        return known[(first - known_first) * CHECK : (first - known_first + count) * CHECK]

    def _exactly(self, offset: int, length: int, *, wait: bool) -> bytearray:
        buffer = bytearray(length)
        self._fill(memoryview(buffer), offset, wait=wait)
        return buffer

    def _fill(self, buffer: memoryview, offset: int, *, wait: bool) -> None:
        """Fill the buffer from the file. DamagedBlobError when the file ends before, or its bytes are lost."""
        read = self._reading.wait if wait else self._reading.at_hand
        try:
            count = read(self._open_fd(), buffer, offset)
        except OSError as error:
            if error.errno not in LOST:
                raise
            raise DamagedBlobError(self.blob, f"cannot be read: {error.strerror}") from error
        if count != len(buffer):
            raise DamagedBlobError(self.blob, f"cut short: ends at {offset + count}")

    def _open_fd(self) -> int:
        if self._fd is None:
            raise ValueError("the blob was closed")
        return self._fd
