import io

import pytest

from cybous3.client.transfer.sizes import about, may_hold
from tests.client.transfer.conftest import Bench


@pytest.mark.parametrize("size", [0, 1, 5000, 2**20 - 32, 2**20, 3_000_000])
def test_a_stored_size_fits_the_plaintext_it_holds(bench: Bench, size: int) -> None:
    bench.up.put_stream(io.BytesIO(bytes(size)), "some/ordinary/path.txt")
    (entry,) = bench.store.list("").entries
    assert may_hold(entry.size, size)
    assert not may_hold(entry.size, size + 1)
    assert not may_hold(entry.size, size + 2**20)
    assert abs(about(entry.size) - size) <= 256
