"""How much of everything one peer may ask for. Times are seconds, sizes are bytes."""

from dataclasses import dataclass

KIB = 1024
MIB = 1024 * KIB


@dataclass(frozen=True, slots=True)
class Limits:
    """The bounds of the edge. Every one of them can be reached by a peer, so every one has a value.

    The defaults leave room for what S3 itself allows: a presigned URL with a session token and a key of 1,024
    escaped bytes fits the target, 2 KiB of user metadata in the smallest fields fits the header count.
    """

    head_bytes: int = 32 * KIB  # request line and headers together: 431
    target_bytes: int = 16 * KIB  # 414
    header_count: int = 256  # 431
    body_bytes: int = 8 * 1024 * MIB  # any body; S3's own limit of 5 GiB is the store's to refuse
    plain_body_bytes: int = MIB  # the body of a method that needs none (all but PUT and POST)
    drain_bytes: int = 256 * KIB  # unread rest of a body that is worth reading to keep a connection
    linger_bytes: int = 64 * MIB  # what is thrown away behind a final answer so that the peer can read it
    connections: int = 4096  # beyond: 503 SlowDown and close
    head_s: float = 30.0  # first byte of a head to its last; an absolute time, so dripping does not help
    idle_s: float = 75.0  # a connection between two requests
    body_idle_s: float = 30.0  # no byte of a body that a handler waits for
    body_rate_min: int = 256  # bytes a second, over the time a handler waited for the peer...
    body_grace_s: float = 60.0  # ...beyond this much waiting
    write_stall_s: float = 60.0  # an answer of which the peer takes nothing
    linger_s: float = 5.0
    handshake_s: float = 15.0  # TLS
    coalesce_s: float = 0.005  # how long small pieces of a large body may wait for more
    coalesce_bytes: int = 256 * KIB  # a piece of this size is handed over at once
    piece_bytes: int = MIB  # the largest piece of a body, and the most that waits for its reader
    sweep_s: float = 1.0  # how often deadlines are looked at while there are connections


DEFAULT_LIMITS = Limits()
