from cybous3.lab.bench.generator.ceiling import Responder, ceiling
from cybous3.lab.bench.report import ceiling_line
from cybous3.lab.bench.result import Block, Latency, OpStats


def test_the_generators_own_ceiling_is_measured_without_an_error() -> None:
    """Against a server that does nothing, every GET still being checked."""
    found = ceiling(0.2, 4)
    assert found.keys() == {"put", "get"}
    for name, block in found.items():
        assert block.errors == {}
        assert block.throughput > 100
        assert f"own ceiling, {name} of 4 KiB" in ceiling_line(name, block)


def test_the_ceiling_follows_from_the_processor_time_of_one_operation() -> None:
    latency = Latency.of([1.0] * 100)
    block = Block(0, 2.0, (OpStats("get", 100, {}, 0, latency, latency),), generator_cpu_s=0.004)
    line = ceiling_line("get", block)
    assert line == ("the generator's own ceiling, get of 4 KiB: 50/s, 40 us each, 25,000/s if it had a core to itself")
    assert ceiling_line("get", Block(0, 1, ())).endswith("0/s, 0 us each")


class Wire:
    """What a transport is to the responder."""

    def __init__(self) -> None:
        self.answers = 0

    def write(self, _data: bytes) -> None:
        self.answers += 1


def test_the_responder_waits_for_a_body_that_comes_in_pieces() -> None:
    responder, wire = Responder(), Wire()
    responder.data_received(b"too early")
    responder.connection_made(wire)  # type: ignore[arg-type]  # all it uses
    responder.data_received(b"PUT / HTTP/1.1\r\n\r\n" + b"x" * 4000)
    assert wire.answers == 0
    responder.data_received(b"x" * 96)
    assert wire.answers == 1
    responder.data_received(b"PUT / HTTP/1.1\r\n\r\n" + b"x" * 4096)
    responder.data_received(b"GET / HTTP/1.1\r\n\r\n")
    assert wire.answers == 3
