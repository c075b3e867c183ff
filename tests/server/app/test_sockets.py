"""Listening: an address in use is one clear sentence; several workers share a port."""

import socket
import sys

import pytest

from cybous3.server.app.problems import AddressInUseError, StartError
from cybous3.server.app.sockets import address_of, listen, listen_many

ANY = ("127.0.0.1", 0)


def test_an_address_in_use_is_told_with_a_way_out() -> None:
    with listen(ANY, "--listen") as first, pytest.raises(AddressInUseError, match="--listen") as refused:
        listen(address_of(first), "--listen")
    assert refused.value.exit_code == 1
    assert "another port" in (refused.value.hint or "")


@pytest.mark.parametrize("address", [("no-such-host.invalid", 1), ("192.0.2.1", 1)])
def test_an_address_that_is_not_ours_is_told(address: tuple[str, int]) -> None:
    with pytest.raises(StartError, match="cannot listen on"):
        listen(address, "--listen")


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux spreads connections over sockets on one port")
def test_workers_get_sockets_of_their_own_on_one_port() -> None:
    sockets = listen_many(ANY, "--listen", 3)
    try:
        assert len({address_of(sock) for sock in sockets}) == 1
        with pytest.raises(AddressInUseError):
            listen_many(address_of(sockets[0]), "--listen", 2)
        with socket.create_connection(address_of(sockets[0])):
            pass
    finally:
        for sock in sockets:
            sock.close()


def test_elsewhere_they_share_one() -> None:
    sockets = listen_many(ANY, "--listen", 3, spreads=False)
    assert len(sockets) == 1
    sockets[0].close()


def test_ipv6_listens_on_ipv6_alone() -> None:
    try:
        sock = listen(("::1", 0), "--listen")
    except StartError:
        pytest.skip("no IPv6 here")
    with sock:
        assert address_of(sock)[0] == "::1"
