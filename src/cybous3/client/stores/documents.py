"""Vault documents in a bucket, under `<prefix>/.cybs3/vault/` (`client.vault.documents.Documents`)."""

from cybous3.client.stores.errors import NotFound, PreconditionFailed, ServerFailed
from cybous3.client.stores.port import Objects, each_entry
from cybous3.crypto.vault import DOCUMENT_BYTES_MAX, document_folder, document_generation, document_key

_CONTENT_TYPE = "application/json"


class BucketDocuments:
    """The documents of the vault at `prefix` in one bucket."""

    def __init__(self, store: Objects, prefix: str) -> None:
        self.store = store
        self.prefix = prefix

    def newest(self) -> int | None:
        """Return the highest generation there."""
        keys = (entry.key for entry in each_entry(self.store, document_folder(self.prefix)))
        generations = (document_generation(self.prefix, key) for key in keys)
        return max((generation for generation in generations if generation is not None), default=None)

    def read(self, generation: int) -> bytes | None:
        """Return a document, None if there is none."""
        try:
            with self.store.get(document_key(self.prefix, generation)) as download:
                if download.length > DOCUMENT_BYTES_MAX:
                    raise ServerFailed(f"the vault document {generation} is larger than any of ours")
                return download.read()
        except NotFound as error:
            if type(error) is not NotFound:
                raise
            return None

    def create(self, generation: int, document: bytes) -> bool:
        """Write a document unless there is another one; False when there is.

        A store without conditional writes is asked before and after: a second writer in between is found out by
        whoever reads next, as the digest this machine remembers then differs.
        """
        key, conditional = document_key(self.prefix, generation), self.store.capabilities.conditional_put
        if not conditional and self.read(generation) is not None:
            return False
        try:
            self.store.put(key, document, content_type=_CONTENT_TYPE, absent=conditional)
        except PreconditionFailed:
            # A server that fails after it has written is asked again, and then finds our own document in the way.
            return self.read(generation) == document
        return conditional or self.read(generation) == document
