"""key-hierarchy.md: vault documents, opened with words and passphrase; and what a store can do to them."""

import json
from collections.abc import Callable, Iterator

from cybous3.crypto.canonical import encode_b64, encode_json
from cybous3.crypto.kdf import FOR_TESTS_ONLY, argon2id
from cybous3.crypto.names import NamesMode
from cybous3.crypto.slots import MnemonicSecret, PassphraseSecret, Secret
from cybous3.crypto.vault import OpenVault, document_key
from tools.format_vectors.common import CREATED, PASSPHRASE, WORDS, Case, Tape, case, ok, refusal


def make_vault() -> OpenVault:
    """Return the vault of the cases: a slot for words, one for a passphrase."""
    secrets: list[tuple[Secret, str]] = [
        (MnemonicSecret(WORDS), "recovery words"),
        (PassphraseSecret(PASSPHRASE, FOR_TESTS_ONLY), "laptop"),
    ]
    return OpenVault.create(secrets, created=CREATED, entropy=Tape("vault"))


def vaults() -> Iterator[tuple[str, Case]]:
    """Vault documents, opened with words and passphrase; and what a store can do to them."""
    vault = make_vault()
    rotated = vault.rotate_epoch(created=CREATED + 1, entropy=Tape("rotated"))
    retired = rotated.with_keyset(rotated.keyset.retire(1))
    for name, each in (("", vault), ("-rotated", rotated), ("-retired", retired)):
        yield f"good-words{name}", vault_case(each, {"mnemonic": WORDS})
    yield "good-passphrase", vault_case(vault, {"passphrase": PASSPHRASE})
    composed, decomposed = (PassphraseSecret(text, FOR_TESTS_ONLY) for text in ("Gr\u00fc\u00dfe", "Gru\u0308\u00dfe"))
    accents = OpenVault.create([(composed, "")], created=CREATED, entropy=Tape("accents"))
    yield "good-passphrase-normalised", vault_case(accents, {"passphrase": decomposed.passphrase})
    extra = OpenVault.create(
        [(MnemonicSecret(WORDS, "TREZOR"), "")], created=CREATED, entropy=Tape("25"), names=NamesMode.PLAIN
    )
    yield "good-25th-word", vault_case(extra, {"mnemonic": WORDS, "mnemonic_passphrase": "TREZOR"})
    yield "bad-25th-word", failed_vault(extra.document.encode(), {"mnemonic": WORDS}, "cannot-unlock")
    yield "bad-words", failed_vault(vault.document.encode(), {"mnemonic": "zoo " * 23 + "vote"}, "cannot-unlock")
    yield "bad-passphrase", failed_vault(vault.document.encode(), {"passphrase": "wrong"}, "cannot-unlock")
    for count, words in {
        "count": "abandon " * 11,
        "checksum": "abandon " * 24,
        "word": "abandon " * 23 + "arrt",
    }.items():
        yield (
            f"bad-mnemonic-{count}",
            failed_vault(vault.document.encode(), {"mnemonic": words.strip()}, "bad-mnemonic"),
        )
    for name, (edit, word) in tampering().items():
        document = json.loads(vault.document.encode())
        edit(document)
        yield f"bad-{name}", failed_vault(encode_json(document), {"mnemonic": WORDS}, *word.split())
    yield "argon2id", argon2id_case()
    spaced = json.dumps(json.loads(vault.document.encode()), sort_keys=True).encode()
    yield "bad-spelling", failed_vault(spaced, {"mnemonic": WORDS}, "malformed")


def argon2id_case() -> Case:
    """Make the key derivation's case."""
    profile, salt = FOR_TESTS_ONLY, bytes(range(16))
    costs = {"memory_kib": profile.memory_kib, "passes": profile.passes, "lanes": profile.lanes}
    given = {"passphrase": PASSPHRASE, "salt": salt.hex(), **costs}
    expect = ok(hex=argon2id(PASSPHRASE, salt, profile).hex())
    return case("key-hierarchy §3", "Argon2id at the floor", "argon2id", given, expect)


def vault_case(vault: OpenVault, secret: Case) -> Case:
    """Make the case of a document that opens."""
    given = {
        "document": vault.document.encode().decode(),
        "key": document_key("demo", vault.generation),
        "prefix": "demo",
        **secret,
    }
    return case(
        "key-hierarchy §4-§6",
        "opens",
        "vault",
        given,
        ok(vmk=vault.vmk.hex(), keyset=json.loads(vault.keyset.encode())),
    )


def failed_vault(document: bytes, secret: Case, *words: str) -> Case:
    """Make the case of a document that does not open."""
    given = {"document": document.decode(), "key": document_key("demo", 1), "prefix": "demo", **secret}
    return case("key-hierarchy §4-§6", "does not open", "vault", given, refusal(*words))


def tampering() -> dict[str, tuple[Callable[[Case], object], str]]:
    """Edits of the document by the store, and the word each ends in."""

    def flip(text: str) -> str:
        return ("A" if text[0] != "A" else "B") + text[1:]

    def kdf(**values: int) -> Callable[[Case], object]:
        return lambda document: document["slots"][1]["kdf"].update(values)

    return {
        "mac": (lambda d: d.update(mac=flip(d["mac"])), "damaged"),
        "keyset": (lambda d: d.update(keyset=flip(d["keyset"])), "damaged"),
        "generation": (lambda d: d.update(generation=2), "damaged"),
        "created": (lambda d: d.update(created=0), "damaged"),
        "names-mode": (lambda d: d.update(names="plain"), "damaged"),
        "names-unknown": (lambda d: d.update(names="opaque"), "unsupported"),
        "format": (lambda d: d.update(format="cybs3/vault/2"), "unsupported"),
        "vault-id": (lambda d: d.update(vault_id=flip(d["vault_id"])), "cannot-unlock"),
        "slot-id": (lambda d: d["slots"][0].update(id=flip(d["slots"][0]["id"])), "cannot-unlock"),
        "slot-wrap": (lambda d: d["slots"][0].update(wrap=flip(d["slots"][0]["wrap"])), "cannot-unlock"),
        "slot-label": (lambda d: d["slots"][0].update(label="other"), "damaged"),
        "slot-removed": (lambda d: d["slots"].pop(1), "damaged"),
        "slots-swapped": (lambda d: d["slots"].reverse(), "damaged"),
        "slots-gone": (lambda d: d["slots"].clear(), "malformed"),
        "slot-twice": (lambda d: d["slots"].append(d["slots"][0]), "malformed"),
        "slots-many": (
            lambda d: d["slots"].extend(dict(d["slots"][0], id=encode_b64(bytes([n] * 16))) for n in range(31)),
            "malformed",
        ),
        "passphrase-slots-many": (
            lambda d: d["slots"].extend(dict(d["slots"][1], id=encode_b64(bytes([n] * 16))) for n in range(8)),
            "malformed",
        ),
        "kind-unknown": (lambda d: d["slots"][1].update(kind="keyring"), "damaged"),
        "member-unknown": (lambda d: d.update(surprise=1), "malformed"),
        "member-missing": (lambda d: d.pop("created"), "malformed"),
        "kdf-weak-memory": (kdf(memory_kib=65535), "unsafe-parameters"),
        "kdf-huge-memory": (kdf(memory_kib=2**21 + 1), "unsafe-parameters"),
        "kdf-weak-passes": (kdf(passes=2), "unsafe-parameters"),
        "kdf-huge-passes": (kdf(passes=17), "unsafe-parameters"),
        "kdf-no-lanes": (kdf(lanes=0), "unsafe-parameters"),
        "kdf-many-lanes": (kdf(lanes=17), "unsafe-parameters"),
        "kdf-version": (kdf(version=16), "malformed"),
        "kdf-within-bounds": (kdf(passes=4), "damaged"),
    }
