import pytest

from cybous3.client.stores.checks import checked_metadata, checked_number
from cybous3.client.stores.errors import Refused
from cybous3.client.stores.port import Capabilities


def test_metadata_has_a_limit() -> None:
    assert checked_metadata({"a": "x" * 2047})
    with pytest.raises(Refused, match="2048"):
        checked_metadata({"a": "x" * 2048})


@pytest.mark.parametrize("number", [0, -1, 10_001])
def test_part_numbers_have_limits(number: int) -> None:
    with pytest.raises(Refused):
        checked_number(number, Capabilities())
