"""The vault document: keyslots, the sealed keyset and a generation, under one MAC (key-hierarchy.md §5).

What this keeps true:
- nothing in the document is believed before the MAC under the vault master key verified; the only things used earlier
  are the slots' parameters, which have bounds, and are bound into the wrap they open;
- a document is one canonical spelling; every change is a new document with the next generation;
- no key is ever created on a read path.

Which document is the newest, and whether it is older than one seen before, is for the client (rollback).
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from cybous3.crypto.canonical import Fields, Json, decode_json, encode_b64, encode_json
from cybous3.crypto.errors import CannotUnlock, Damaged, Malformed, Misuse, UnsupportedFormat
from cybous3.crypto.keyset import Keyset
from cybous3.crypto.mnemonic import fingerprint
from cybous3.crypto.names import SYSTEM, NameCodec, NamesMode
from cybous3.crypto.primitives import Entropy, equal, hkdf_expand, hmac_sha384, siv_open, siv_seal
from cybous3.crypto.slots import ID_LEN, PASSPHRASE, VMK_LEN, Secret, Slot

FORMAT = "cybs3/vault/1"
GENERATION_DIGITS = 16
GENERATION_MAX = 10**15
SLOTS_MAX = 32
PASSPHRASE_SLOTS_MAX = 8
"""Each costs a second to try: more would let a store keep a person waiting."""
DOCUMENT_BYTES_MAX = 256 * 1024
MAC_LEN = 32
_FIELDS = frozenset({"created", "format", "generation", "keyset", "mac", "names", "slots", "vault_id"})
_KEY = re.compile(r"[0-9]{16}", re.ASCII)


def document_folder(prefix: str) -> str:
    """Return the key prefix, with its final slash, under which a vault's documents lie."""
    return f"{prefix}/{SYSTEM}/vault/" if prefix else f"{SYSTEM}/vault/"


def document_key(prefix: str, generation: int) -> str:
    """Return the object key of one generation: sixteen digits, so that the newest is the last of a listing."""
    return f"{document_folder(prefix)}{generation:0{GENERATION_DIGITS}d}"


def document_generation(prefix: str, key: str) -> int | None:
    """Return the generation a key names; None if it is no vault document's key."""
    folder = document_folder(prefix)
    name = key.removeprefix(folder)
    return int(name) if key.startswith(folder) and _KEY.fullmatch(name) else None


def newest_generation(prefix: str, keys: Iterable[str]) -> int | None:
    """Return the greatest generation among the keys of a listing; None if there is no vault document."""
    # key-hierarchy.md §5.1
    generations = (document_generation(prefix, key) for key in keys)
    return max((generation for generation in generations if generation is not None), default=None)


@dataclass(frozen=True, slots=True)
class VaultDocument:
    """A vault document as stored; nothing in it is verified until `unlock`."""

    vault_id: bytes
    created: int
    generation: int
    names: NamesMode
    slots: tuple[Slot, ...]
    sealed_keyset: bytes
    mac: bytes

    @staticmethod
    def parse(data: bytes, generation: int | None = None) -> "VaultDocument":
        """Check the structure, the limits and every slot's parameters. Uses no key and trusts nothing.

        `generation`: the one its key names, which must be its own (`Damaged`). None only where there is no key.
        """
        if len(data) > DOCUMENT_BYTES_MAX:
            raise Malformed("the vault document is too large")
        fields = Fields(decode_json(data, "the vault document"), "the vault document")
        if fields.text("format") != FORMAT:
            raise UnsupportedFormat(f"the vault format {fields.text('format')!r} is unknown")
        if extra := set(fields.names) - _FIELDS:
            raise Malformed(f"the vault document has unknown fields: {sorted(extra)}")
        document = VaultDocument(
            vault_id=fields.binary("vault_id", ID_LEN),
            created=fields.integer("created", 0),
            generation=fields.integer("generation", 1, GENERATION_MAX),
            names=_names_mode(fields.text("names")),
            slots=_parse_slots(fields.items("slots")),
            sealed_keyset=fields.binary("keyset"),
            mac=fields.binary("mac", MAC_LEN),
        )
        if generation not in {None, document.generation}:
            raise Damaged(f"the vault document at generation {generation} says it is {document.generation}")
        return document

    def encode(self) -> bytes:
        """Return the bytes to store."""
        return encode_json({**self._body(), "mac": encode_b64(self.mac)})

    def unlock(self, secret: Secret) -> "OpenVault":
        """Open with a secret: `CannotUnlock` if no slot opens, `Damaged` if one does and the rest does not verify."""
        for slot in self.slots:
            vmk = slot.open(secret, self.vault_id) if slot.kind == secret.kind else None
            if vmk is not None:
                return self.open_with(vmk)
        raise CannotUnlock

    def open_with(self, vmk: bytes) -> "OpenVault":
        """Open with the vault master key itself, as a local cache holds it; `Damaged` if it does not fit."""
        keys = _MasterKeys.derive(vmk, self.vault_id)
        # key-hierarchy.md §5: the MAC before anything else
        if not equal(keys.mac_of(self._body()), self.mac):
            raise Damaged("the vault document does not verify: it was altered, or belongs to another vault")
        encoded = siv_open(keys.keyset, _keyset_binding(self.vault_id, self.generation), self.sealed_keyset)
        if encoded is None:
            raise Damaged("the vault's keyset does not verify")
        return OpenVault(self, Keyset.decode(encoded), vmk)

    def _body(self) -> dict[str, Json]:
        slots: list[Json] = [slot.encode() for slot in self.slots]
        return {
            "created": self.created,
            "format": FORMAT,
            "generation": self.generation,
            "keyset": encode_b64(self.sealed_keyset),
            "names": str(self.names),
            "slots": slots,
            "vault_id": encode_b64(self.vault_id),
        }


@dataclass(frozen=True, slots=True, repr=False)
class OpenVault:
    """An unlocked vault: a verified document, its keyset, its master key. Changes give a new one to be stored.

    A change that is not stored did not happen; store `document.encode()` at `document_key(...)` only if nothing is
    there, so that of two writers one is told.
    """

    document: VaultDocument
    keyset: Keyset
    vmk: bytes

    @staticmethod
    def create(
        secrets: Sequence[tuple[Secret, str]],
        *,
        created: int,
        entropy: Entropy,
        names: NamesMode = NamesMode.ENCRYPTED,
        vault_id: bytes | None = None,
    ) -> "OpenVault":
        """Make a vault, generation 1, with a slot for each (secret, label). `created`: seconds since the epoch."""
        vault_id = entropy(ID_LEN) if vault_id is None else vault_id
        vmk, keyset = entropy(VMK_LEN), Keyset.create(entropy, created)
        slots = tuple(
            Slot.seal(secret, vmk, vault_id, created=created, label=label, entropy=entropy) for secret, label in secrets
        )
        draft = VaultDocument(vault_id, created, 0, names, slots, b"", b"")
        return _next(draft, keyset, vmk)

    @property
    def vault_id(self) -> bytes:
        """The 16 random bytes every derivation is bound to."""
        return self.document.vault_id

    @property
    def generation(self) -> int:
        """Counts the documents of this vault from 1."""
        return self.document.generation

    def names(self, prefix: str = "") -> NameCodec:
        """Return the vault's way to write names, under the prefix it lies at."""
        return NameCodec(self.keyset.names_key, self.vault_id, self.document.names, prefix)

    def fingerprint(self) -> str:
        """16 hexadecimal digits that recognise the vault's master key, to compare between machines."""
        return fingerprint(self.vmk)

    def add_slot(self, secret: Secret, *, created: int, label: str, entropy: Entropy) -> "OpenVault":
        """One more way to unlock."""
        slot = Slot.seal(secret, self.vmk, self.vault_id, created=created, label=label, entropy=entropy)
        return self._with_slots((*self.document.slots, slot))

    def remove_slot(self, slot_id: bytes) -> "OpenVault":
        """One way less. An old copy of the document still opens with it: see `rotate_master` and `rotate_epoch`."""
        slots = tuple(slot for slot in self.document.slots if slot.id != slot_id)
        if not slots or len(slots) == len(self.document.slots):
            raise Misuse("there is no such slot, or it is the last one")
        return self._with_slots(slots)

    def rotate_epoch(self, *, created: int, entropy: Entropy) -> "OpenVault":
        """Wrap new objects under a new key; old ones keep theirs until they are re-wrapped."""
        return self.with_keyset(self.keyset.rotate(entropy, created))

    def rotate_master(self, secrets: Sequence[tuple[Secret, str]], *, created: int, entropy: Entropy) -> "OpenVault":
        """Make a new master key and a new epoch, with slots for these secrets only: old slots are left out.

        Slots cannot be re-wrapped without their secret, so every way to unlock that shall remain must be given.
        """
        vmk = entropy(VMK_LEN)
        slots = tuple(
            Slot.seal(secret, vmk, self.vault_id, created=created, label=label, entropy=entropy)
            for secret, label in secrets
        )
        return _next(replace(self.document, slots=slots), self.keyset.rotate(entropy, created), vmk)

    def with_keyset(self, keyset: Keyset) -> "OpenVault":
        """Return the next generation with another keyset."""
        return _next(self.document, keyset, self.vmk)

    def _with_slots(self, slots: tuple[Slot, ...]) -> "OpenVault":
        return _next(replace(self.document, slots=slots), self.keyset, self.vmk)


@dataclass(frozen=True, slots=True, repr=False)
class _MasterKeys:
    mac: bytes
    keyset: bytes

    @staticmethod
    def derive(vmk: bytes, vault_id: bytes) -> "_MasterKeys":
        # key-hierarchy.md §5
        return _MasterKeys(
            hkdf_expand(vmk, b"cybs3/1/vault/mac" + vault_id, 32),
            hkdf_expand(vmk, b"cybs3/1/vault/keyset" + vault_id, 64),
        )

    def mac_of(self, body: dict[str, Json]) -> bytes:
        return hmac_sha384(self.mac, b"cybs3/1/vault\0" + encode_json(body))[:MAC_LEN]


def _next(previous: VaultDocument, keyset: Keyset, vmk: bytes) -> OpenVault:
    """Seal and MAC the next generation of a document."""
    keys, generation = _MasterKeys.derive(vmk, previous.vault_id), previous.generation + 1
    sealed = siv_seal(keys.keyset, _keyset_binding(previous.vault_id, generation), keyset.encode())
    draft = replace(previous, generation=generation, sealed_keyset=sealed, mac=bytes(MAC_LEN))
    document = replace(draft, mac=keys.mac_of(draft._body()))  # noqa: SLF001 - same module, one idea
    VaultDocument.parse(document.encode())  # what a reader would refuse is not written
    return OpenVault(document, keyset, vmk)


def _keyset_binding(vault_id: bytes, generation: int) -> list[bytes]:
    return [b"cybs3/1/keyset", vault_id, generation.to_bytes(8, "big")]


def _names_mode(text: str) -> NamesMode:
    try:
        return NamesMode(text)
    except ValueError as error:
        raise UnsupportedFormat(f"the names mode {text!r} is unknown") from error


def _parse_slots(items: Sequence[Json]) -> tuple[Slot, ...]:
    if not 1 <= len(items) <= SLOTS_MAX:
        raise Malformed(f"a vault has 1 to {SLOTS_MAX} keyslots, not {len(items)}")
    slots = tuple(Slot.parse(item) for item in items)
    if len({slot.id for slot in slots}) != len(slots):
        raise Malformed("two keyslots have the same id")
    if sum(slot.kind == PASSPHRASE for slot in slots) > PASSPHRASE_SLOTS_MAX:
        raise Malformed(f"a vault has at most {PASSPHRASE_SLOTS_MAX} passphrase slots")
    return slots
