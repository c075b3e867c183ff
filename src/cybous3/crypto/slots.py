"""Keyslots: each wraps the vault master key for one way to unlock (key-hierarchy.md §4).

One rule for every kind: a secret of the slot's kind, HKDF-SHA-384 with the vault id as salt, AES-256-SIV with vault,
slot and parameters as associated data. Kinds we do not know (keyring and age have their places) are carried along.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

from cybous3.crypto.canonical import Fields, Json, decode_b64, encode_b64, encode_json
from cybous3.crypto.errors import Malformed
from cybous3.crypto.kdf import ARGON2_VERSION, DEFAULT, SALT_LEN, Argon2Profile, argon2id
from cybous3.crypto.mnemonic import mnemonic_seed
from cybous3.crypto.primitives import SIV_LEN, Entropy, hkdf, siv_open, siv_seal

ID_LEN = 16
VMK_LEN = 32
MNEMONIC, PASSPHRASE = "mnemonic", "passphrase"
_U32_MAX = 2**32 - 1


class Secret(Protocol):
    """What a person has: one kind of slot, and how its parameters turn it into key material."""

    @property
    def kind(self) -> str:
        """The kind of slot this opens."""
        ...

    def new_kdf(self, entropy: Entropy) -> Mapping[str, Json]:
        """Parameters for a new slot."""
        ...

    def material(self, kdf: Mapping[str, Json]) -> bytes:
        """Return the key material under a slot's parameters; refuses unsafe ones before any work."""
        ...


@dataclass(frozen=True, slots=True)
class MnemonicSecret:
    """The words, with the optional BIP39 passphrase. Checked when used."""

    words: str = field(repr=False)
    passphrase: str = field(default="", repr=False)
    kind: str = field(default=MNEMONIC, init=False)

    def new_kdf(self, entropy: Entropy) -> Mapping[str, Json]:
        """Return the words carry 128 to 256 random bits: no salt beyond the vault id, no cost."""
        del entropy
        return {"name": "bip39"}

    def material(self, kdf: Mapping[str, Json]) -> bytes:
        """Return the BIP39 seed."""
        _check_bip39(kdf)
        return mnemonic_seed(self.words, self.passphrase)


@dataclass(frozen=True, slots=True)
class PassphraseSecret:
    """A passphrase, and what a guess at it shall cost in a slot made from now on."""

    passphrase: str = field(repr=False)
    profile: Argon2Profile = DEFAULT
    kind: str = field(default=PASSPHRASE, init=False)

    def new_kdf(self, entropy: Entropy) -> Mapping[str, Json]:
        """Argon2id with this profile and a fresh salt."""
        profile = self.profile.check()
        return {
            "lanes": profile.lanes,
            "memory_kib": profile.memory_kib,
            "name": "argon2id",
            "passes": profile.passes,
            "salt": encode_b64(entropy(SALT_LEN)),
            "version": ARGON2_VERSION,
        }

    def material(self, kdf: Mapping[str, Json]) -> bytes:
        """Argon2id with the slot's own parameters, which must be within our bounds."""
        profile, salt = parse_argon2(kdf)
        return argon2id(self.passphrase, salt, profile)


@dataclass(frozen=True, slots=True)
class Slot:
    """One slot as stored. `created`: seconds since the epoch, UTC. `label` is for people; the server sees it."""

    id: bytes
    kind: str
    created: int
    label: str
    kdf: Mapping[str, Json]
    wrap: bytes

    @staticmethod
    def seal(secret: Secret, vmk: bytes, vault_id: bytes, *, created: int, label: str, entropy: Entropy) -> "Slot":
        """Return a new slot that opens with `secret`."""
        slot_id, kdf = entropy(ID_LEN), secret.new_kdf(entropy)
        kek = _slot_kek(secret.material(kdf), vault_id, secret.kind, slot_id)
        wrap = siv_seal(kek, _binding(vault_id, slot_id, secret.kind, kdf), vmk)
        return Slot(slot_id, secret.kind, created, label, kdf, wrap)

    def open(self, secret: Secret, vault_id: bytes) -> bytes | None:
        """Return the vault master key, or None: wrong secret, wrong vault or altered slot, not told apart."""
        kek = _slot_kek(secret.material(self.kdf), vault_id, self.kind, self.id)
        return siv_open(kek, _binding(vault_id, self.id, self.kind, self.kdf), self.wrap)

    def encode(self) -> Mapping[str, Json]:
        """Return the slot as it stands in the vault document."""
        return {
            "created": self.created,
            "id": encode_b64(self.id),
            "kdf": self.kdf,
            "kind": self.kind,
            "label": self.label,
            "wrap": encode_b64(self.wrap),
        }

    @staticmethod
    def parse(value: Json) -> "Slot":
        """Check a slot's structure and, where we know the kind, that its parameters are safe."""
        fields = Fields(value, "a keyslot")
        if extra := set(fields.names) - _SLOT_FIELDS:
            raise Malformed(f"a keyslot has unknown fields: {sorted(extra)}")
        kind, kdf = fields.text("kind"), fields.object("kdf")
        check = _CHECKS.get(kind)
        if check is not None:
            check(kdf)
        wrap = decode_b64(fields.text("wrap"), "a keyslot's wrap", VMK_LEN + SIV_LEN)
        return Slot(fields.binary("id", ID_LEN), kind, fields.integer("created", 0), fields.text("label"), kdf, wrap)


_SLOT_FIELDS = frozenset({"created", "id", "kdf", "kind", "label", "wrap"})
_ARGON2_FIELDS = frozenset({"lanes", "memory_kib", "name", "passes", "salt", "version"})


def parse_argon2(kdf: Mapping[str, Json]) -> tuple[Argon2Profile, bytes]:
    """Profile and salt of a passphrase slot's parameters; `UnsafeParameters` outside the bounds."""
    fields = Fields(kdf, "a passphrase slot")
    if extra := set(fields.names) - _ARGON2_FIELDS:
        raise Malformed(f"a passphrase slot has unknown parameters: {sorted(extra)}")
    if fields.text("name") != "argon2id" or fields.integer("version", 0) != ARGON2_VERSION:
        raise Malformed("a passphrase slot names an unknown key derivation")
    profile = Argon2Profile(
        memory_kib=fields.integer("memory_kib", 0, _U32_MAX),
        passes=fields.integer("passes", 0, _U32_MAX),
        lanes=fields.integer("lanes", 0, _U32_MAX),
    )
    return profile.check(), fields.binary("salt", SALT_LEN)


def _check_bip39(kdf: Mapping[str, Json]) -> None:
    if kdf != {"name": "bip39"}:
        raise Malformed("a mnemonic slot has unknown parameters")


_CHECKS: Mapping[str, Callable[[Mapping[str, Json]], object]] = {MNEMONIC: _check_bip39, PASSPHRASE: parse_argon2}
"""What a slot's parameters must be, by kind, whatever the secret at hand; other kinds are carried along."""


def _slot_kek(material: bytes, vault_id: bytes, kind: str, slot_id: bytes) -> bytes:
    # key-hierarchy.md §4
    info = b"cybs3/1/slot/" + kind.encode() + b"\0" + slot_id
    return hkdf(material, salt=vault_id, info=info, length=64)


def _binding(vault_id: bytes, slot_id: bytes, kind: str, kdf: Mapping[str, Json]) -> list[bytes]:
    parameters = encode_json({"kdf": kdf, "kind": kind})
    return [b"cybs3/1/slot", vault_id, slot_id, parameters]
