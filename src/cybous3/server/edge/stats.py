"""What the edge counts. Plain integers, changed on the event loop only; who wants metrics reads them."""

from dataclasses import dataclass


@dataclass(slots=True)
class EdgeStats:
    """Counters since the start, and the two gauges `connections` and `in_flight`."""

    connections: int = 0
    in_flight: int = 0
    accepted: int = 0
    turned_away: int = 0  # over the cap
    requests: int = 0
    refused: int = 0  # answered by the edge: not a request, or too slow
    crashed: int = 0  # a handler raised, or made an answer that cannot be sent
    aborted: int = 0  # answers that were cut: peer gone or stalled, file too short
    bytes_in: int = 0  # heads and bodies as received
    bytes_out: int = 0  # heads and bodies as handed to the transport
