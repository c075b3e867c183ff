"""Two ways to read a file into a buffer: waiting for the disk, or only what lies in memory."""

import errno
import os
import sys
from typing import Protocol

from cybous3.disk.files import Files, SystemFiles


class WouldWaitError(Exception):
    """The bytes do not lie in memory, and the caller may not wait for a disk."""


class Reading(Protocol):
    """Fills a buffer from an offset of a file; less than all of it only at the file's end."""

    def wait(self, fd: int, buffer: memoryview, offset: int, /) -> int:
        """Return how many bytes were read, after waiting for the disk if need be. OSError."""
        ...

    def at_hand(self, fd: int, buffer: memoryview, offset: int, /) -> int:
        """Return how many bytes were read from memory. WouldWaitError where a disk, or doubt, is in the way."""
        ...


def reading_of(files: Files) -> Reading:
    """Return how to read what `files` opened. Whoever reads in a way of his own, a simulator say, is asked himself."""
    if sys.platform == "linux" and getattr(type(files), "read", None) is SystemFiles.read:
        return LinuxReading()
    return CopiedReading(files)


class LinuxReading:
    """preadv(2): straight into the buffer, and with RWF_NOWAIT only from the page cache."""

    def wait(self, fd: int, buffer: memoryview, offset: int, /) -> int:
        """See Reading."""
        done = 0
        while done < len(buffer):
            count = os.preadv(fd, [buffer[done:]], offset + done)
            if not count:
                break
            done += count
        return done

    def at_hand(self, fd: int, buffer: memoryview, offset: int, /) -> int:
        """See Reading. EAGAIN: not cached; EOPNOTSUPP: a file system that cannot say. Who waits sees a real error."""
        try:
            count = os.preadv(fd, [buffer], offset, os.RWF_NOWAIT) if buffer else 0
        except OSError as error:
            raise WouldWaitError(errno.errorcode.get(error.errno or 0)) from error
        if count != len(buffer):
            raise WouldWaitError("partly")
        return count


class CopiedReading:
    """By `Files.read`, which cannot tell whether it would wait."""

    def __init__(self, files: Files) -> None:
        self._files = files

    def wait(self, fd: int, buffer: memoryview, offset: int, /) -> int:
        """See Reading."""
        done = 0
        while done < len(buffer):
            piece = self._files.read(fd, len(buffer) - done, offset + done)
            if not piece:
                break
            buffer[done : done + len(piece)] = piece
            done += len(piece)
        return done

    def at_hand(self, fd: int, buffer: memoryview, offset: int, /) -> int:  # noqa: ARG002  # the port's
        """See Reading."""
        raise WouldWaitError
