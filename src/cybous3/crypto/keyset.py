"""The vault's keys: one key-encryption key per epoch, and the two keys that live as long as the vault.

What this keeps true (key-hierarchy.md §6): epochs count up from 1 and are never reused; exactly one is primary, the
newest; a retired one has no key any more. The names key and the state key are random and untouched by any rotation.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum

from cybous3.crypto.canonical import Fields, Json, decode_json, encode_b64, encode_json
from cybous3.crypto.errors import Malformed, Misuse
from cybous3.crypto.primitives import Entropy

EPOCH_MAX = 2**32 - 1
KEK_LEN = 64
LONG_LIVED_LEN = 32


class EpochState(StrEnum):
    """What an epoch's key may still do."""

    PRIMARY = "primary"
    DECRYPT_ONLY = "decrypt-only"
    RETIRED = "retired"


@dataclass(frozen=True, slots=True)
class Epoch:
    """One epoch. `created`: seconds since the epoch, UTC. `kek` is None exactly when retired; no repr shows it."""

    number: int
    created: int
    state: EpochState
    kek: bytes | None

    def __repr__(self) -> str:
        return f"Epoch({self.number}, {self.state})"


@dataclass(frozen=True, slots=True)
class Keyset:
    """All keys of a vault that wrap something. Values; a change gives a new keyset."""

    epochs: tuple[Epoch, ...]
    names_key: bytes
    state_key: bytes

    def __post_init__(self) -> None:
        numbers = [epoch.number for epoch in self.epochs]
        states = [epoch.state for epoch in self.epochs]
        # key-hierarchy.md §6
        if not numbers or numbers != sorted(set(numbers)) or numbers[0] < 1 or numbers[-1] > EPOCH_MAX:
            raise Malformed("the keyset's epochs are not in order")
        if states[-1] is not EpochState.PRIMARY or states.count(EpochState.PRIMARY) != 1:
            raise Malformed("the keyset's newest epoch is not its one primary epoch")
        if any((epoch.kek is None) != (epoch.state is EpochState.RETIRED) for epoch in self.epochs):
            raise Malformed("the keyset has an epoch without a key, or a retired one with a key")

    def __repr__(self) -> str:
        return f"Keyset({list(self.epochs)})"

    @staticmethod
    def create(entropy: Entropy, created: int) -> "Keyset":
        """Return a new vault's keys: epoch 1, and the long-lived ones."""
        first = Epoch(1, created, EpochState.PRIMARY, entropy(KEK_LEN))
        return Keyset((first,), entropy(LONG_LIVED_LEN), entropy(LONG_LIVED_LEN))

    @property
    def primary(self) -> tuple[int, bytes]:
        """Number and key of the epoch that wraps new objects."""
        newest = self.epochs[-1]
        if newest.kek is None:
            raise Misuse("the primary epoch has no key")
        return newest.number, newest.kek

    def kek(self, number: int) -> bytes | None:
        """Return the key of an epoch; None if there is none, or none any more."""
        return next((epoch.kek for epoch in self.epochs if epoch.number == number), None)

    def rotate(self, entropy: Entropy, created: int) -> "Keyset":
        """Begin a new primary epoch; the former one can only decrypt from now on."""
        former = self.epochs[-1]
        newest = Epoch(former.number + 1, created, EpochState.PRIMARY, entropy(KEK_LEN))
        return replace(self, epochs=(*self.epochs[:-1], replace(former, state=EpochState.DECRYPT_ONLY), newest))

    def retire(self, number: int) -> "Keyset":
        """Forget the key of a decrypt-only epoch, once no object is wrapped under it. Not to be undone."""
        target = next((epoch for epoch in self.epochs if epoch.number == number), None)
        if target is None or target.state is EpochState.PRIMARY:
            raise Misuse(f"epoch {number} cannot be retired")
        retired = replace(target, state=EpochState.RETIRED, kek=None)
        return replace(self, epochs=tuple(retired if epoch is target else epoch for epoch in self.epochs))

    def encode(self) -> bytes:
        """Canonical JSON, to be sealed."""
        epochs: list[Json] = [_encode_epoch(epoch) for epoch in self.epochs]
        return encode_json(
            {"epochs": epochs, "names_key": encode_b64(self.names_key), "state_key": encode_b64(self.state_key)}
        )

    @staticmethod
    def decode(data: bytes) -> "Keyset":
        """Return the inverse of `encode`."""
        fields = Fields(decode_json(data, "the keyset"), "the keyset")
        return Keyset(
            tuple(_decode_epoch(item) for item in fields.items("epochs")),
            fields.binary("names_key", LONG_LIVED_LEN),
            fields.binary("state_key", LONG_LIVED_LEN),
        )


def _encode_epoch(epoch: Epoch) -> Mapping[str, Json]:
    value: dict[str, Json] = {"created": epoch.created, "epoch": epoch.number, "state": str(epoch.state)}
    return value if epoch.kek is None else value | {"kek": encode_b64(epoch.kek)}


def _decode_epoch(value: Json) -> Epoch:
    fields = Fields(value, "an epoch")
    try:
        state = EpochState(fields.text("state"))
    except ValueError as error:
        raise Malformed("an epoch has an unknown state") from error
    kek = fields.binary("kek", KEK_LEN) if fields.has("kek") else None
    return Epoch(fields.integer("epoch", 1, EPOCH_MAX), fields.integer("created", 0), state, kek)
