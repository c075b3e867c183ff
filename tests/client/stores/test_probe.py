import pytest

from cybous3.client.stores.connect import Access
from cybous3.client.stores.errors import NoSuchBucket
from cybous3.client.stores.probe import probe
from tests.client.stores.s3.conftest import NOW_S, Play, answer, play

__all__ = ["play"]  # the fixture


def test_one_look_tells_distance_and_clock(play: Play) -> None:  # the fixture of that name
    server = play(answer(200), answer(200, date="nonsense"), answer(404))
    access = Access(server.endpoint, None, clock=lambda: NOW_S + 90.5)
    seen = probe(access, "b")
    assert (seen.clock_skew_s, seen.region) == (90.0, "us-east-1")
    assert 0 < seen.latency_ms < 5000
    assert probe(access, "b").clock_skew_s is None
    with pytest.raises(NoSuchBucket):
        probe(access, "b")
