"""The bytes of a file as a disk model keeps them: in pieces that are shared between copies, holes left out.

A copy costs a dictionary and no bytes, so a thousand images of a 16 MiB log are cheap; zeros that were never anything
else are not kept, so laying it out costs what was really written.
"""

from typing import Final

PIECE: Final = 4096
_ZEROS: Final = bytes(PIECE)


class Content:
    """A file's length and bytes. What was never written reads as zeros."""

    __slots__ = ("pieces", "size")

    def __init__(self, data: bytes = b"") -> None:
        self.size = 0
        self.pieces: dict[int, bytes] = {}  # by number; each PIECE long
        self.write(0, data)

    def copy(self) -> "Content":
        """Return another that changes on its own."""
        twin = Content()
        twin.size, twin.pieces = self.size, dict(self.pieces)
        return twin

    def write(self, offset: int, data: bytes) -> None:
        """Put `data` at `offset`; the file grows if it must."""
        position, view = offset, memoryview(data)
        while view:
            number, within = divmod(position, PIECE)
            part = view[: PIECE - within]
            old = self.pieces.get(number, _ZEROS)
            new = bytes(part) if len(part) == PIECE else b"".join((old[:within], part, old[within + len(part) :]))
            if number in self.pieces or new != _ZEROS:
                self.pieces[number] = new
            position, view = position + len(part), view[len(part) :]
        self.size = max(self.size, offset + len(data)) if data else self.size

    def resize(self, size: int) -> None:
        """Cut off, or lengthen by zeros."""
        if size < self.size:
            last, within = divmod(size, PIECE)
            self.pieces = {number: piece for number, piece in self.pieces.items() if number < last + bool(within)}
            if within and last in self.pieces:
                self.pieces[last] = self.pieces[last][:within] + _ZEROS[within:]
        self.size = size

    def runs(self) -> list[tuple[int, bytes]]:
        """Return what was written, as (offset, bytes), neighbours joined, in order, nothing beyond the length."""
        runs: list[tuple[int, list[bytes]]] = []
        for number in sorted(self.pieces):
            piece = self.pieces[number][: max(0, self.size - number * PIECE)]
            if runs and runs[-1][0] + PIECE * len(runs[-1][1]) == number * PIECE:
                runs[-1][1].append(piece)
            else:
                runs.append((number * PIECE, [piece]))
        return [(offset, b"".join(pieces)) for offset, pieces in runs]

    def read(self, offset: int = 0, length: int | None = None) -> bytes:
        """Return up to `length` bytes from `offset`; fewer only at the end."""
        end = self.size if length is None else min(self.size, offset + length)
        if end <= offset:
            return b""
        numbers = range(offset // PIECE, (end - 1) // PIECE + 1)
        whole = b"".join(self.pieces.get(number, _ZEROS) for number in numbers)
        begin = offset - numbers[0] * PIECE
        return whole[begin : begin + end - offset]
