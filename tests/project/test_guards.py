"""The guards of the test suite itself: they would notice a test that strays."""

import os
import socket
from pathlib import Path

import pytest


def test_the_network_is_closed() -> None:
    with socket.socket() as stray, pytest.raises(AssertionError, match="only loopback"):
        stray.connect(("192.0.2.1", 80))


def test_loopback_is_open() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener, socket.create_connection(listener.getsockname()):
        pass


def test_the_home_is_a_scratch_one(tmp_path_factory: pytest.TempPathFactory) -> None:
    """A developer's own vaults and AWS settings stay out of the tests."""
    assert Path(os.environ["CYBS3_HOME"]).is_relative_to(tmp_path_factory.getbasetemp())
    assert "AWS_PROFILE" not in os.environ
