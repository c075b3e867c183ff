"""Work that many threads share and whose one stretch must happen in order: a digest over pieces that travel apart."""

from collections.abc import Iterator
from contextlib import contextmanager
from threading import Condition


class Turns:
    """Lets places 0, 1, 2... through one after the other, whatever thread brings them.

    Every place must be brought, and a thread may wait for its turn only once somebody has taken on every earlier
    place: a queue that hands places out in order sees to that. A turn that fails ends all later ones with its error.
    """

    def __init__(self) -> None:
        self._changed = Condition()
        self._next = 0
        self._error: BaseException | None = None

    @contextmanager
    def of(self, place: int) -> Iterator[None]:
        """Wait for the turn of `place`, and hold it for the block. Raises what an earlier turn raised."""
        with self._changed:
            self._changed.wait_for(lambda: self._next == place or self._error is not None)
            if self._error is not None:
                raise self._error
        try:
            yield
        except BaseException as error:
            self._end(place, error)
            raise
        self._end(place, None)

    def _end(self, place: int, error: BaseException | None) -> None:
        with self._changed:
            self._next, self._error = place + 1, error
            self._changed.notify_all()
