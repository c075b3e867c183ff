"""Vault documents in a bucket."""

from typing import Any

import pytest

from cybous3.client.stores.documents import BucketDocuments
from cybous3.client.stores.errors import NoSuchBucket, ServerFailed
from cybous3.client.stores.memory import MemoryStore
from cybous3.client.stores.port import Capabilities
from cybous3.crypto.vault import DOCUMENT_BYTES_MAX, document_key


@pytest.mark.parametrize("conditional", [True, False])
@pytest.mark.parametrize("prefix", ["", "a/b"])
def test_a_generation_is_written_once(prefix: str, conditional: bool) -> None:  # a parameter
    store = MemoryStore(Capabilities(conditional_put=conditional))
    documents = BucketDocuments(store, prefix)
    assert documents.newest() is None
    assert documents.read(1) is None
    assert documents.create(1, b"one")
    assert not documents.create(1, b"other")
    assert documents.create(2, b"two")
    assert (documents.newest(), documents.read(1), documents.read(2)) == (2, b"one", b"two")


def test_only_documents_of_this_vault_count() -> None:
    store = MemoryStore()
    for key in (".cybs3/vault/x", ".cybs3/vault/00000000000000099", "a/.cybs3/vault/0000000000000007", "file"):
        store.put(key, b"")
    documents = BucketDocuments(store, "")
    documents.create(3, b"")
    assert documents.newest() == 3
    assert BucketDocuments(store, "a").newest() == 7


def test_a_document_larger_than_any_is_not_read() -> None:
    store = MemoryStore()
    store.put(document_key("", 1), bytes(DOCUMENT_BYTES_MAX + 1))
    with pytest.raises(ServerFailed):
        BucketDocuments(store, "").read(1)


def test_a_bucket_that_is_gone_is_not_an_absent_document() -> None:
    class Gone(MemoryStore):
        def get(self, *_: Any, **__: Any) -> Any:  # never returns
            raise NoSuchBucket("gone")

    with pytest.raises(NoSuchBucket):
        BucketDocuments(Gone(), "").read(1)
