"""Each toxic, looked at from both ends of a connection."""

import socket
from contextlib import closing

import pytest

from cybous3.lab.chaos.proxy.tcp import LOOPBACK
from cybous3.lab.chaos.proxy.toxics import (
    Bandwidth,
    HalfOpen,
    Latency,
    LimitData,
    ResetPeer,
    Slicer,
    SlowClose,
    Timeout,
    Toxic,
)
from tests.lab.chaos.proxy.conftest import Near, in_thread, read, silent, timed


def test_without_a_toxic_bytes_and_ends_pass_both_ways(wire: Near) -> None:
    near, far = wire.connect()
    near.sendall(b"ask")
    assert read(far, 3) == b"ask"
    near.shutdown(socket.SHUT_WR)
    assert far.recv(1) == b""
    far.sendall(b"answer")
    far.close()
    assert read(near, 100) == b"answer"
    assert wire.proxy.journal.counts == {"connections": 1, "bytes up": 3, "bytes down": 6}


def test_what_is_said_before_the_server_is_reached_is_not_lost(wire: Near) -> None:
    for number in range(20):
        with socket.create_connection((LOOPBACK, wire.proxy.port), timeout=5) as near:
            near.sendall(b"early")
            assert read(wire.far.accept(), 5) == b"early", number


def test_much_passes_unchanged_and_a_slow_reader_slows_the_sender(wire: Near) -> None:
    near, far = wire.connect()
    data = bytes(range(256)) * 64 * 1024
    thread = in_thread(lambda: near.sendall(data))
    assert thread.is_alive()
    assert read(far, len(data)) == data
    thread.join()


def test_latency_holds_pieces_back_and_keeps_their_order(wire: Near) -> None:
    wire.add(Latency(name="slow", direction="down", latency_s=0.15, jitter_s=0.02))
    near, far = wire.connect()
    near.sendall(b"x")
    assert timed(lambda: read(far, 1)) < 0.1, "the other direction is not touched"
    for piece in (b"1", b"2", b"3"):
        far.sendall(piece)
    assert 0.1 < timed(lambda: read(near, 1)) < 0.4
    assert read(near, 2) == b"23"
    assert [(deed.connection, deed.fault) for deed in wire.proxy.journal.deeds] == [(1, "slow")]


def test_toxics_come_and_go_while_a_connection_is_open(wire: Near) -> None:
    near, far = wire.connect()
    wire.add(Latency(name="slow", direction="up", latency_s=0.2))
    near.sendall(b"a")
    assert timed(lambda: read(far, 1)) > 0.15
    wire.remove("slow")
    near.sendall(b"b")
    assert timed(lambda: read(far, 1)) < 0.1


def test_bandwidth_is_a_rate(wire: Near) -> None:
    wire.add(Bandwidth(name="narrow", direction="down", bytes_per_s=100_000))
    near, far = wire.connect()
    far.sendall(bytes(30_000))
    assert 0.25 < timed(lambda: read(near, 30_000)) < 0.9


def test_slices_arrive_one_by_one_and_whole(wire: Near) -> None:
    wire.add(Slicer(name="thin", direction="up", average=10, variation=5, delay_s=0.003))
    near, far = wire.connect()
    data = bytes(range(200))
    near.sendall(data)
    first = far.recv(200)
    assert len(first) <= 40
    assert first + read(far, 200 - len(first)) == data


def test_the_end_can_come_late(wire: Near) -> None:
    wire.add(SlowClose(name="late", direction="down", delay_s=0.2))
    near, far = wire.connect()
    far.sendall(b"bye")
    assert timed(lambda: read(near, 3)) < 0.1
    far.shutdown(socket.SHUT_WR)
    assert timed(lambda: near.recv(1)) > 0.15


def test_a_timeout_is_silence_and_then_an_end(wire: Near) -> None:
    wire.add(Timeout(name="mute", direction="down", after_s=0.4))
    near, far = wire.connect()
    far.sendall(b"unheard")
    assert silent(near, 0.2)
    assert near.recv(10) == b""
    assert far.recv(10) == b""


def test_a_timeout_that_is_taken_back_ends_the_connection(wire: Near) -> None:
    """What it swallowed is gone: going on would be a corrupt stream."""
    wire.add(Timeout(name="mute", direction="up"))
    near, far = wire.connect()
    near.sendall(b"unheard")
    assert silent(far)
    wire.remove("mute")
    assert far.recv(10) == b""
    assert near.recv(10) == b""


def test_a_reset_is_a_reset_at_both_ends(wire: Near) -> None:
    wire.add(ResetPeer(name="reset", direction="down"))
    near, far = wire.connect()
    far.sendall(b"lost")
    for end in (near, far):
        with pytest.raises(ConnectionResetError):
            end.recv(10)


def test_a_limit_cuts_exactly(wire: Near) -> None:
    wire.add(LimitData(name="cut", direction="down", bytes_max=1000))
    near, far = wire.connect()
    far.sendall(bytes(600))
    far.sendall(bytes(600))
    assert len(read(near, 5000)) == 1000
    assert far.recv(1) == b""


def test_half_open_says_nothing_to_either_end_until_the_peer_is_back(wire: Near) -> None:
    near, far = wire.connect()
    wire.add(HalfOpen(name="gone"))
    near.sendall(b"unheard")
    far.sendall(b"unheard")
    assert silent(near)
    assert silent(far, 0.1)
    wire.remove("gone")
    for end in (near, far):
        with pytest.raises(ConnectionResetError):
            end.recv(10)
    near, far = wire.connect()
    near.sendall(b"new")
    assert read(far, 3) == b"new"


def test_half_open_hides_that_the_peer_closed(wire: Near) -> None:
    near, far = wire.connect()
    wire.add(HalfOpen(name="gone"))
    near.close()
    assert silent(far)


def test_down_refuses_and_resets_and_comes_back_at_the_same_port(wire: Near) -> None:
    near, far = wire.connect()
    port = wire.proxy.port
    wire.loop.run(wire.proxy.down())
    for end in (near, far):
        with pytest.raises(ConnectionResetError):
            end.recv(1)
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection((LOOPBACK, port), timeout=1)
    wire.loop.run(wire.proxy.up_again())
    assert wire.proxy.port == port
    near, far = wire.connect()
    near.sendall(b"again")
    assert read(far, 5) == b"again"


def test_down_resets_what_is_just_being_made(wire: Near) -> None:
    """Whichever end knows already of the connection hears of no orderly end."""
    for number in range(200):
        ends = wire.connect() if number % 2 else (socket.create_connection((LOOPBACK, wire.proxy.port), timeout=5),)
        wire.loop.run(wire.proxy.down())
        for end in ends:
            with closing(end), pytest.raises(ConnectionResetError):
                assert end.recv(1) != b"", f"an orderly end, connection {number}"
        wire.far.drop_waiting()
        wire.loop.run(wire.proxy.up_again())


def test_an_upstream_that_is_not_there_is_a_reset(wire: Near) -> None:
    wire.far.listener.close()
    with pytest.raises(ConnectionResetError), socket.create_connection((LOOPBACK, wire.proxy.port), timeout=5) as near:
        near.recv(1)
    assert wire.proxy.journal.counts["upstream unreachable"] == 1


def test_toxicity_means_the_same_connections_for_the_same_seed(wire: Near) -> None:
    toxic = ResetPeer(name="some", direction="up", toxicity=0.5)
    wire.add(toxic)
    meant = [toxic.meant(wire.proxy.seed, number) for number in range(1, 13)]
    assert {True, False} == set(meant)
    for number, hit in enumerate(meant, 1):
        near, far = wire.connect()
        near.sendall(b"x")
        if hit:
            with pytest.raises(ConnectionResetError):
                far.recv(1)
        else:
            assert far.recv(1) == b"x", number
    assert [deed.connection for deed in wire.proxy.journal.deeds] == [n for n, hit in enumerate(meant, 1) if hit]
    assert [toxic.meant(8, n) for n in range(1, 13)] != meant


def test_two_toxics_of_one_name_are_refused(wire: Near) -> None:
    toxic: Toxic = Timeout(name="twice")
    wire.add(toxic)
    assert toxic.kind == "timeout"
    with pytest.raises(ValueError, match="twice"):
        wire.add(toxic)
