"""Making, opening and changing a vault: which document counts, and what is refused.

Keeps true:
- opening never makes anything: no document is an error, whatever the reason it is missing;
- the newest document counts, and it must not be older than, or another than, what this machine has seen (Rollback);
- a document stands under its own generation's name, or it is not believed;
- a change is written only if nobody else wrote that generation; who comes second reads again and repeats the change.
"""

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from cybous3.client.keys.errors import LocalProblem, Rollback
from cybous3.client.vault.documents import Cache, Documents
from cybous3.client.vault.errors import NoVaultThere, TwoWriters, VaultExists
from cybous3.core.clock import Clock
from cybous3.core.errors import CybousError
from cybous3.crypto.errors import CannotUnlock, Damaged
from cybous3.crypto.names import NamesMode
from cybous3.crypto.primitives import Entropy
from cybous3.crypto.slots import MNEMONIC, Secret
from cybous3.crypto.vault import OpenVault, VaultDocument

_CHANGE_ATTEMPTS = 5

LabelledSecret = tuple[Secret, str]


class DocumentState(StrEnum):
    """How the bucket's own copy of an opened vault's document stands."""

    OK = "ok"
    DAMAGED = "damaged"  # it cannot be read, or is another one
    MISSING = "missing"


class Memory(Protocol):
    """What this machine has seen (`client.keys.state.State`)."""

    def see_vault(self, vault_id: bytes, generation: int, digest: bytes, *, accept_rollback: bool = False) -> None:
        """Note a verified document; Rollback when it is older than the newest seen, or another of its generation."""
        ...


@dataclass(slots=True)
class SeedSecret:
    """The seed of recovery words, as a login keeps it: opens the slots the words open."""

    seed: bytes = field(repr=False)
    kind: str = field(default=MNEMONIC, init=False)

    def new_kdf(self, entropy: Entropy) -> dict[str, str]:
        """Return the parameters of a mnemonic slot."""
        del entropy
        return {"name": "bip39"}

    def material(self, kdf: object) -> bytes:
        """Return the seed; other parameters open nothing."""
        if kdf != {"name": "bip39"}:
            raise Damaged("a mnemonic slot has unknown parameters")
        return self.seed


@dataclass(frozen=True, slots=True)
class Keeper:
    """Opens and changes the vault at one place."""

    documents: Documents
    memory: Memory
    cache: Cache
    clock: Clock
    entropy: Entropy = field(repr=False)

    def create(self, secrets: Sequence[LabelledSecret], names: NamesMode = NamesMode.ENCRYPTED) -> OpenVault:
        """Make a vault where there is none. Raises VaultExists."""
        vault = OpenVault.create(secrets, created=int(self.clock()), entropy=self.entropy, names=names)
        if self.documents.newest() is not None or not self._write(vault):
            raise VaultExists("there is a vault at this place already", hint="cybs3 vaults add opens it with its words")
        self._remember(vault, accept_rollback=False)
        return vault

    def open(
        self, secrets: Sequence[Secret], *, expected: bytes | None = None, accept_rollback: bool = False
    ) -> OpenVault:
        """Open the newest document with the first secret that fits.

        `expected` is the id of the vault this place is known to hold. Raises NoVaultThere, CannotUnlock, Rollback,
        and what a document raises that is not what it should be.
        """
        generation = self.documents.newest()
        if generation is None:
            raise NoVaultThere("there is no vault at this place", hint="check bucket and prefix; vaults add makes one")
        document = VaultDocument.parse(self._fetch(generation, expected))
        if document.generation != generation:
            raise Damaged(f"the vault document {generation} says it is {document.generation}")
        if expected is not None and document.vault_id != expected and not accept_rollback:
            raise Rollback(
                "another vault lies at this place than the one this machine knows",
                hint="somebody replaced it; --accept-rollback goes on with what is there",
            )
        vault = _unlock(document, secrets)
        self._remember(vault, accept_rollback=accept_rollback)
        return vault

    def change(self, vault: OpenVault, secrets: Sequence[Secret], edit: Callable[[OpenVault], OpenVault]) -> OpenVault:
        """Store what `edit` makes of the vault; `edit` may be asked again, on what another writer stored meanwhile."""
        for _ in range(_CHANGE_ATTEMPTS):
            changed = edit(vault)
            if self._write(changed):
                self._remember(changed, accept_rollback=False)
                return changed
            vault = self.open(secrets, expected=vault.vault_id)
        raise TwoWriters("somebody else is changing this vault at the same time", hint="run the command again later")

    def inspect(self, vault: OpenVault) -> DocumentState:
        """Fetch the document of an opened vault from the bucket and compare: `open` may have used this machine's copy.

        Field by field what was opened is what was verified; anything else is damaged.
        """
        data = self.documents.read(vault.generation)
        if data is None:
            return DocumentState.MISSING
        return DocumentState.OK if _is(vault.document, data) else DocumentState.DAMAGED

    def _fetch(self, generation: int, expected: bytes | None) -> bytes:
        kept = None if expected is None else self.cache.read(expected)
        if kept is not None and _generation_of(kept) == generation:
            return kept
        data = self.documents.read(generation)
        if data is None:
            raise NoVaultThere(f"the vault document {generation} is listed and not there", hint="run the command again")
        return data

    def _write(self, vault: OpenVault) -> bool:
        document = vault.document.encode()
        try:
            return self.documents.create(vault.generation, document)
        except LocalProblem:
            raise  # seen there or not, a disk that failed has promised nothing
        except CybousError:
            # The answer may have been lost on its way: what is there now decides.
            if self.documents.read(vault.generation) == document:
                return True
            raise

    def _remember(self, vault: OpenVault, *, accept_rollback: bool) -> None:
        document = vault.document.encode()
        digest = hashlib.sha256(document).digest()
        self.memory.see_vault(vault.vault_id, vault.generation, digest, accept_rollback=accept_rollback)
        self.cache.write(vault.vault_id, document)


def _unlock(document: VaultDocument, secrets: Sequence[Secret]) -> OpenVault:
    """Try each secret; only if all fail, that is the answer."""
    for secret in secrets:
        try:
            return document.unlock(secret)
        except CannotUnlock:
            continue
    raise CannotUnlock


def _is(document: VaultDocument, data: bytes) -> bool:
    try:
        return VaultDocument.parse(data) == document
    except CybousError:
        return False


def _generation_of(document: bytes) -> int | None:
    try:
        return VaultDocument.parse(document).generation
    except CybousError:
        return None  # a damaged copy is no copy
