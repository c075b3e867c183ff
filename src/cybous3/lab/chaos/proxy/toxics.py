"""What may be done to the bytes of a connection, as values. The words are toxiproxy's, and two of our own.

A toxic is for one direction: `up` is from the client to the server, `down` is back. `toxicity` is the share of the
connections it is for; who is meant is drawn from the seed and the number of the connection, so that the same seed
means the same connections.

| kind | what it does | parameters |
|---|---|---|
| latency | bytes arrive later; their order stays | `latency_s`, `jitter_s` (either way) |
| bandwidth | so many bytes a second and no more | `bytes_per_s` |
| slicer | bytes arrive in small pieces | `average`, `variation` (bytes), `delay_s` between two |
| slow_close | the end of the connection arrives later | `delay_s` |
| timeout | nothing arrives any more; then both ends are closed (0: never) | `after_s` |
| reset_peer | both ends are reset (RST), and what was under way is lost | `after_s` from the first byte |
| limit_data | after so many bytes both ends are closed | `bytes_max` |
| half_open | the peer is gone and nobody says so: nothing arrives, nothing ends, in both directions | |

`down` (nothing listens any more) is not a toxic of a connection: see `TcpProxy.down`.
"""

import random
from dataclasses import dataclass
from typing import Final, Literal

Direction = Literal["up", "down"]
DIRECTIONS: Final[tuple[Direction, ...]] = ("up", "down")


@dataclass(frozen=True, slots=True, kw_only=True)
class Toxic:
    """What all kinds share. Names are unique within a proxy."""

    name: str
    direction: Direction = "down"
    toxicity: float = 1.0

    @property
    def kind(self) -> str:
        """The word for it."""
        return KINDS[type(self)]

    def meant(self, seed: int, connection: int) -> bool:
        """Tell whether this connection, by its number, is one it is for."""
        return self.toxicity >= 1 or self.chance(seed, connection).random() < self.toxicity

    def chance(self, seed: int, connection: int) -> random.Random:
        """Return the randomness of this toxic on one connection: the same for the same seed."""
        return random.Random(f"{seed}/{self.name}/{self.direction}/{connection}")  # noqa: S311  # a dice, not a key


@dataclass(frozen=True, slots=True, kw_only=True)
class Latency(Toxic):
    """Bytes arrive later."""

    latency_s: float
    jitter_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bandwidth(Toxic):
    """So many bytes a second."""

    bytes_per_s: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Slicer(Toxic):
    """Small pieces: `average` bytes, give or take `variation`."""

    average: int
    variation: int = 0
    delay_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SlowClose(Toxic):
    """A late end."""

    delay_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Timeout(Toxic):
    """Silence, then an end."""

    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetPeer(Toxic):
    """RST to both ends."""

    after_s: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class LimitData(Toxic):
    """An end after so many bytes."""

    bytes_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class HalfOpen(Toxic):
    """Silence for ever, in both directions, whichever it names."""


KINDS: Final[dict[type[Toxic], str]] = {
    Latency: "latency",
    Bandwidth: "bandwidth",
    Slicer: "slicer",
    SlowClose: "slow_close",
    Timeout: "timeout",
    ResetPeer: "reset_peer",
    LimitData: "limit_data",
    HalfOpen: "half_open",
}
