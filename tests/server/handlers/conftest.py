"""A site for every test that asks for one."""

from collections.abc import Iterator

import pytest

from tests.support.site import Site, make_site


@pytest.fixture
def site() -> Iterator[Site]:
    yield from make_site()


@pytest.fixture
def european_site() -> Iterator[Site]:
    yield from make_site(region="eu-west-1")
