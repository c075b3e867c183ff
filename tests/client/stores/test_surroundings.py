"""Vaults above and below a place, as a listing shows them."""

import pytest

from cybous3.client.stores.errors import Denied
from cybous3.client.stores.memory import MemoryStore
from cybous3.client.stores.port import Capabilities, Page
from cybous3.client.stores.surroundings import Surroundings, look_around
from cybous3.crypto.vault import document_key


def test_an_empty_place() -> None:
    store = MemoryStore()
    store.put("other", b"")
    assert look_around(store, "p/q") == Surroundings(None, None, occupied=False)


@pytest.mark.parametrize(
    ("there", "new", "above", "below"),
    [
        ("p/q", "p/q/sub", "p/q", None),
        ("p/q", "p/q/sub/deep/er", "p/q", None),
        ("", "p", "", None),
        ("p/q", "", None, "p/q"),
        ("p/q", "p", None, "p/q"),
        ("p/q", "p/q2", None, None),
        ("p/q", "other", None, None),
    ],
)
def test_vaults_around(there: str, new: str, above: str | None, below: str | None) -> None:
    store = MemoryStore()
    store.put(document_key(there, 3), b"")
    found = look_around(store, new)
    assert (found.above, found.below, found.occupied) == (above, below, below is not None)


def test_what_only_looks_like_a_document_is_none() -> None:
    store = MemoryStore()
    store.put("p/.cybs3/vault/notes", b"")
    store.put("p/.cybs3/vaults/1.json", b"")
    assert look_around(store, "p/sub").above is None
    assert look_around(store, "") == Surroundings(None, None, occupied=True)


def test_later_pages_are_read_up_to_a_limit() -> None:
    store = MemoryStore(capabilities=Capabilities(list_page_max=2))
    for number in range(5):
        store.put(f"a{number}", b"")
    store.put(document_key("b", 1), b"")
    assert look_around(store, "").below == "b"
    for number in range(10):
        store.put(f"a{number}", b"")
    assert look_around(store, "") == Surroundings(None, None, occupied=True)


def test_credentials_for_the_place_alone_will_do() -> None:
    class Narrow(MemoryStore):
        def list(
            self, prefix: str = "", *, delimiter: str = "", token: str | None = None, after: str = "", limit: int = 1000
        ) -> Page:
            if not prefix.startswith("p/q"):
                raise Denied("not there")
            return super().list(prefix, delimiter=delimiter, token=token, after=after, limit=limit)

    assert look_around(Narrow(), "p/q") == Surroundings(None, None, occupied=False)
