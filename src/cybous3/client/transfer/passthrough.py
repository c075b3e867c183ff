"""Transfers without encryption: the benchmark's other side, and nothing else.

The same pipeline with `crypto.passthrough` in the place of sealing. What it writes is marked; a vault refuses to read
it, and this refuses to read what a vault wrote.
"""

from cybous3.client.transfer.port import Sealing, Surroundings
from cybous3.crypto.passthrough import PlainReader, PlainWriter, unmarked

VARIABLE = "CYBS3_BENCHMARK_PLAINTEXT"
"""The environment variable that must be "1" before a command agrees to send plaintext."""

PLAIN = Sealing(PlainWriter.create, PlainWriter.resume, PlainReader.open, lambda front: memoryview(unmarked(front)))


def without_encryption(around: Surroundings) -> Surroundings:
    """Return the surroundings of transfers that send and expect plaintext. For benchmarks; nothing is protected."""
    return around._replace(sealing=PLAIN)
