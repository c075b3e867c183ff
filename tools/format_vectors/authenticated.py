"""Authenticated, but wrong: sealed with the right keys by a writer who broke a rule. Only the rule itself finds it.

Tampering fails at a tag, so it never reaches the checks behind one; these cases do. Each is made from a good object,
name or vault with one thing changed before it was sealed.
"""

import hashlib
import json
from collections.abc import Callable, Iterator
from typing import Any

from blake3 import blake3

from cybous3.crypto.canonical import encode_b64, encode_json
from cybous3.crypto.floe import IV_LEN, FloeKeys, FloeWriter
from cybous3.crypto.layout import IMMUTABLE_LEN
from cybous3.crypto.mnemonic import mnemonic_seed
from cybous3.crypto.objects import DIGEST_LEN, Immutable, ObjectKeys
from cybous3.crypto.primitives import Siv, gcm_seal, hkdf, hkdf_expand, hmac_sha384, pad, sha384_256, siv_seal
from cybous3.crypto.vault import OpenVault, document_key
from cybous3.crypto.wrap import wrap_dek
from tools.format_vectors.common import CREATED, WORDS, Bench, Case, Tape, case, ok, pattern, refusal

PATH = "docs/a.bin"
METADATA: dict[str, Any] = {"generation": "7", "kind": "file", "path": PATH}
SECTION_META, SECTION_FOOTER = "format-v1 §4.2", "format-v1 §6"
P = 2**16 - 32
Edit = Callable[[Case], object]


def sealed_object(
    bench: Bench,
    name: str,
    *,
    padded: bytes | None = None,
    size: int = 20,
    footer: Case | None = None,
    empty_final: bool = False,
) -> tuple[bytes, bytes]:
    """Return the bytes of an object whose padded metadata or footer values are as given, and its data key."""
    tape, text = Tape("authenticated " + name), pattern(size)
    dek, object_id = tape(32), tape(16)
    keys, padded = ObjectKeys.derive(dek, bench.vault_id, object_id), padded or pad(encode_json(METADATA), 64)
    start = Immutable(16, 0, 104 + len(padded), bench.vault_id, object_id).encode()
    signed = start + gcm_seal(keys.metadata, b"cybs3/1/meta\0" + start, padded, tape)
    header, d = signed + hmac_sha384(keys.header, signed)[:32], sha384_256(signed)
    floe = FloeKeys(keys.data, tape(IV_LEN), b"cybs3/1/data\0" + d, 2**16)
    writer = FloeWriter(floe, tape)
    pieces = [text, b""] if empty_final else [text]
    body = b"".join(writer.encrypt_segment(i, each, final=i == len(pieces) - 1) for i, each in enumerate(pieces))
    values = {"plain": size, "stored": size, "segments": 1, "generation": 7, **(footer or {})}
    digest = values.pop("digest", blake3(text, key=keys.hash).digest())
    packed = b"".join(number.to_bytes(8, "big") for number in values.values()) + digest
    return header + floe.header + body + gcm_seal(keys.footer, b"cybs3/1/foot\0" + d, packed, tape), dek


def objects(bench: Bench, files: dict[str, bytes]) -> Iterator[tuple[str, Case]]:
    """Objects that unwrap and authenticate, and break F-9, F-15, F-21, F-22 or F-25."""

    def given(stored: bytes, dek: bytes) -> Case:
        entry = wrap_dek(bench.keyset, stored[:IMMUTABLE_LEN], PATH, dek)
        return {**bench.given(PATH), "entry": entry}

    def inline(name: str, **wrong: Any) -> Case:  # noqa: ANN401 - passed on
        stored, dek = sealed_object(bench, name, **wrong)
        return {**given(stored, dek), "stored_hex": stored.hex()}

    for name, (about, padded) in bad_metadata().items():
        known = case(SECTION_META, about, "object", inline(name, padded=padded), refusal("malformed"))
        yield f"wrong-metadata-{name}", known
    later = {**METADATA, "later": {"a": [1, None, True]}}
    stored, dek = sealed_object(bench, "later", padded=pad(encode_json(later), 64))
    text = pattern(20)
    expect = ok(
        dek=dek.hex(),
        metadata=later,
        plaintext={"pattern": "byte i is i mod 251", "length": 20, "sha384": hashlib.sha384(text).hexdigest()},
    )
    about = "a member this version does not know"
    yield (
        "good-metadata-unknown-member",
        case(SECTION_META, about, "object", {**given(stored, dek), "stored_hex": stored.hex()}, expect),
    )
    for name, (about, footer, words) in bad_footers().items():
        yield (
            f"wrong-footer-{name}",
            case(SECTION_FOOTER, about, "object", inline(name, footer=footer), refusal(*words)),
        )
    for count in (1, 2):
        name, about = f"empty-final-{count}", f"a full segment, an empty final one, and a footer that counts {count}"
        stored, dek = sealed_object(bench, name, size=P, footer={"segments": count}, empty_final=True)
        files[f"wrong-{name}.bin"] = stored
        where = {"stored_file": f"wrong-{name}.bin", "stored_sha384": hashlib.sha384(stored).hexdigest()}
        yield (
            f"wrong-{name}",
            case("format-v1 §5.4", about, "object", {**given(stored, dek), **where}, refusal("damaged")),
        )


def bad_metadata() -> dict[str, tuple[str, bytes]]:
    """Make padded metadata that break F-9 or F-1."""
    members: dict[str, dict[str, Any]] = {
        "generation-number": {"generation": 7},
        "generation-zeros": {"generation": "07"},
        "generation-negative": {"generation": "-1"},
        "generation-too-large": {"generation": str(2**64)},
        "kind-other": {"kind": "symlink"},
        "kind-number": {"kind": 1},
        "path-number": {"path": 1},
        "content-type-null": {"content_type": None},
        "mode-string": {"mode": "420"},
        "mode-true": {"mode": True},
        "mode-negative": {"mode": -1},
        "mode-too-large": {"mode": 4096},
        "mtime-number": {"mtime_ns": 1},
        "mtime-too-large": {"mtime_ns": str(2**63)},
        "user-array": {"user": []},
        "user-number": {"user": {"a": 1}},
    }
    made = {name: (f"{name} in the metadata", {**METADATA, **each}) for name, each in members.items()}
    for gone in METADATA:
        made[f"no-{gone}"] = f"metadata without {gone}", {n: v for n, v in METADATA.items() if n != gone}
    found = {name: (about, pad(encode_json(value), 64)) for name, (about, value) in made.items()}
    spaced = json.dumps(METADATA, sort_keys=True).encode()
    found["spelling"] = "metadata with blanks", pad(spaced, 64)
    found["array"] = "an array instead of an object", pad(b'["generation"]', 64)
    found["padding"] = "padded with zeros alone", encode_json(METADATA).ljust(64, b"\0")
    found["padding-too-long"] = "64 bytes of padding too many", pad(encode_json(METADATA), 64) + bytes(64)
    return found


def bad_footers() -> dict[str, tuple[str, Case, tuple[str, ...]]]:
    """Footer values that contradict the object: F-21, F-22, F-25; the last is a digest, which a reader may leave."""
    return {
        "segments-more": ("two segments counted for 20 bytes", {"segments": 2}, ("damaged",)),
        "segments-none": ("no segment counted", {"segments": 0}, ("damaged",)),
        "plaintext-len": ("another plaintext_len than stored_len", {"plain": 21}, ("damaged",)),
        "lengths": ("both lengths one more than there is", {"plain": 21, "stored": 21}, ("damaged", "truncated")),
        "lengths-less": ("both lengths one less than there is", {"plain": 19, "stored": 19}, ("damaged",)),
        "generation": ("another generation than the metadata", {"generation": 8}, ("damaged",)),
        "digest": ("the digest of other bytes", {"digest": bytes(DIGEST_LEN)}, ("damaged", "ok")),
    }


def names(bench: Bench) -> Iterator[tuple[str, Case]]:
    """Keys and sealed names that verify, and break N-1 or N-6."""
    codec, base = bench.names, _names_given(bench)
    siv = Siv(hkdf_expand(bench.keyset.names_key, b"cybs3/1/names/siv" + bench.vault_id, 64))
    full = Siv(hkdf_expand(bench.keyset.names_key, b"cybs3/1/names/full" + bench.vault_id, 64))
    for name, (padded, word) in bad_components().items():
        key = encode_b64(siv.seal([b"cybs3/1/names/siv", b"/"], padded))
        yield f"wrong-key-{name}", _key_case("names §1", name, base, key, None, word)
    below = codec.relative_key("a") + "/" + encode_b64(siv.seal([b"cybs3/1/names/siv", b"/a"], pad(b"..", 16)))
    yield "wrong-key-dots-below", _key_case("names §1", "a/..", base, below, None, "malformed")
    key = codec.relative_key("x" * 128)
    paths = {
        "another-path": (("y" * 128).encode(), "damaged"),
        "not-shortened": (b"a", "damaged"),
        "dots": (b"../" + b"x" * 128, "malformed"),
        "decomposed": (("u\u0308" + "x" * 128).encode(), "malformed"),
        "not-utf8": (b"\xff" * 130, "damaged"),
    }
    for name, (raw, word) in paths.items():
        entry = "1." + encode_b64(full.seal([b"cybs3/1/names/full", key.encode()], pad(raw, 64)))
        yield f"wrong-full-name-{name}", _key_case("names §5", name, base, key, entry, word)
    unpadded = "1." + encode_b64(full.seal([b"cybs3/1/names/full", key.encode()], b"x" * 128))
    yield "wrong-full-name-padding", _key_case("names §5", "not padded", base, key, unpadded, "damaged")
    good = str(codec.seal_full_name("x" * 128))
    yield "bad-full-name-flipped", _key_case("names §5", "a changed byte", base, key, _flip(good, 5), "damaged")
    yield "bad-full-name-base64", _key_case("names §5", "not base64url", base, key, good + "=", "malformed")
    yield "bad-full-name-empty", _key_case("names §5", "nothing in it", base, key, "", "unsupported")


def bad_components() -> dict[str, tuple[bytes, str]]:
    """Make padded components that none may be, with the word for each."""
    texts = {"dots": "..", "dot": ".", "empty": "", "nul": "a\0b", "decomposed": "u\u0308"}
    found = {name: (pad(text.encode(), 16), "malformed") for name, text in texts.items()}
    found["slash"] = pad(b"a/b", 16), "damaged"
    found["not-utf8"] = pad(b"\xff\xfe", 16), "damaged"
    found["surrogate"] = pad(b"\xed\xa0\x80", 16), "damaged"
    found["padding"] = b"a" * 16, "damaged"
    found["padding-too-long"] = pad(b"a", 16) + bytes(16), "damaged"
    return found


def vaults(vault: OpenVault) -> Iterator[tuple[str, Case]]:
    """Documents with the right MAC, and keysets sealed with the right key, that break K-5, K-7, K-9 or K-10."""
    served = {"document": vault.document.encode().decode(), "prefix": "demo", "mnemonic": WORDS}
    for generation in (0, 2):
        given = {**served, "key": document_key("demo", generation)}
        yield (
            f"wrong-key-generation-{generation}",
            case("key-hierarchy §5.1", "the document of generation 1", "vault", given, refusal("damaged")),
        )
    for name, (edit, word) in bad_documents(vault).items():
        document = json.loads(vault.document.encode())
        edit(document)
        yield f"wrong-{name}", _vault_case("key-hierarchy §5.2", name, vault, document, refusal(word))
    for name, edit in bad_keysets().items():
        keyset = json.loads(vault.rotate_epoch(created=CREATED + 1, entropy=Tape("rotated")).keyset.encode())
        edit(keyset)
        yield f"wrong-keyset-{name}", _keyset_case(name, vault, encode_json(keyset), refusal("malformed"))
    spaced = json.dumps(json.loads(vault.keyset.encode()), sort_keys=True).encode()
    yield "wrong-keyset-spelling", _keyset_case("blanks", vault, spaced, refusal("malformed"))
    later = json.loads(vault.keyset.encode()) | {"later": 1}
    later["epochs"][0]["later"] = None
    expect = ok(vmk=vault.vmk.hex(), keyset=later)
    yield "good-keyset-unknown-members", _keyset_case("unknown members", vault, encode_json(later), expect)
    other = _keyset_case("sealed for generation 2", vault, vault.keyset.encode(), refusal("damaged"), 2)
    yield "wrong-keyset-generation", other


def bad_documents(vault: OpenVault) -> dict[str, tuple[Edit, str]]:
    """Edits of a document before its MAC is made."""

    def slot(number: int, **values: object) -> Edit:
        return lambda document: document["slots"][number].update(values)

    def argon(**values: object) -> Edit:
        return lambda document: document["slots"][1]["kdf"].update(values)

    def words(kdf: Case) -> Edit:
        return lambda document: document["slots"][0].update(kdf=kdf, wrap=_mnemonic_wrap(vault, kdf))

    edits: dict[str, tuple[Edit, str]] = {
        "names-opaque": (lambda d: d.update(names="opaque"), "unsupported"),
        "format-2": (lambda d: d.update(format="cybs3/vault/2"), "unsupported"),
        "created-negative": (lambda d: d.update(created=-1), "malformed"),
        "created-string": (lambda d: d.update(created="1"), "malformed"),
        "generation-zero": (lambda d: d.update(generation=0), "malformed"),
        "member-unknown-signed": (lambda d: d.update(later=1), "malformed"),
        "slot-member-unknown": (slot(0, later=1), "malformed"),
        "slot-created-negative": (slot(0, created=-1), "malformed"),
        "slot-label-null": (slot(0, label=None), "malformed"),
        "slot-wrap-short": (slot(1, wrap=encode_b64(bytes(47))), "malformed"),
        "kdf-unknown-member": (argon(later=1), "malformed"),
        "kdf-other-name": (argon(name="scrypt"), "malformed"),
        "kdf-lanes-string": (argon(lanes="4"), "malformed"),
        "kdf-salt-short": (argon(salt=encode_b64(bytes(15))), "malformed"),
        "kdf-no-salt": (lambda d: d["slots"][1]["kdf"].pop("salt"), "malformed"),
        "kdf-words-unknown-member": (words({"later": 1, "name": "bip39"}), "malformed"),
        "kdf-words-other-name": (words({"name": "bip40"}), "malformed"),
        "kdf-words-empty": (words({}), "malformed"),
    }
    return edits


def bad_keysets() -> dict[str, Edit]:
    """Edits of a keyset with two epochs, the second primary: K-10, and members that miss or have another type."""

    def epoch(number: int, **values: object) -> Edit:
        return lambda keyset: keyset["epochs"][number].update(values)

    edits: dict[str, Edit] = {
        "no-epochs": lambda k: k["epochs"].clear(),
        "order": lambda k: k["epochs"].insert(0, {**k["epochs"][0], "epoch": 3}),
        "repeated": epoch(0, epoch=2),
        "two-primaries": epoch(0, state="primary"),
        "no-primary": epoch(1, state="decrypt-only"),
        "primary-not-last": lambda k: (
            k["epochs"][0].update(state="primary"),
            k["epochs"][1].update(state="decrypt-only"),
        ),
        "retired-with-key": epoch(0, state="retired"),
        "key-missing": lambda k: k["epochs"][0].pop("kek"),
        "state-unknown": epoch(0, state="paused"),
        "epoch-zero": epoch(0, epoch=0),
        "epoch-too-large": epoch(1, epoch=2**32),
        "created-negative": epoch(0, created=-1),
        "kek-short": epoch(0, kek=encode_b64(bytes(63))),
        "names-key-short": lambda k: k.update(names_key=encode_b64(bytes(31))),
        "no-state-key": lambda k: k.pop("state_key"),
    }
    return edits


def _names_given(bench: Bench) -> Case:
    """Return what a reader of names must know."""
    key, vault_id = bench.keyset.names_key.hex(), bench.vault_id.hex()
    return {"names_key": key, "vault_id": vault_id, "mode": "encrypted", "prefix": "demo"}


def _key_case(section: str, about: str, base: Case, key: str, full_name: str | None, word: str) -> Case:
    return case(section, about, "key", {**base, "key": key, "full_name": full_name}, refusal(word))


def _flip(text: str, at: int) -> str:
    return text[:at] + ("A" if text[at] != "A" else "B") + text[at + 1 :]


def _mnemonic_wrap(vault: OpenVault, kdf: Case) -> str:
    """Return the wrap of the vault's slot of words, bound to other parameters."""
    slot, vault_id = vault.document.slots[0], vault.vault_id
    kek = hkdf(mnemonic_seed(WORDS), salt=vault_id, info=b"cybs3/1/slot/mnemonic\0" + slot.id, length=64)
    parameters = encode_json({"kdf": kdf, "kind": "mnemonic"})
    return encode_b64(siv_seal(kek, [b"cybs3/1/slot", vault_id, slot.id, parameters], vault.vmk))


def _vault_case(section: str, about: str, vault: OpenVault, document: Case, expect: Case) -> Case:
    """Put the right MAC on a document, whatever it says, and make its case."""
    body = {name: value for name, value in document.items() if name != "mac"}
    key = hkdf_expand(vault.vmk, b"cybs3/1/vault/mac" + vault.vault_id, 32)
    mac = encode_b64(hmac_sha384(key, b"cybs3/1/vault\0" + encode_json(body))[:32])
    stored = encode_json({**body, "mac": mac}).decode()
    given = {"document": stored, "key": document_key("demo", 1), "prefix": "demo", "mnemonic": WORDS}
    return case(section, f"right MAC: {about}", "vault", given, expect)


def _keyset_case(about: str, vault: OpenVault, keyset: bytes, expect: Case, generation: int = 1) -> Case:
    """Seal any bytes as the keyset of the document, put the right MAC on it, and make its case."""
    key = hkdf_expand(vault.vmk, b"cybs3/1/vault/keyset" + vault.vault_id, 64)
    sealed = siv_seal(key, [b"cybs3/1/keyset", vault.vault_id, generation.to_bytes(8, "big")], keyset)
    document = json.loads(vault.document.encode()) | {"keyset": encode_b64(sealed)}
    return _vault_case("key-hierarchy §6", f"keyset, {about}", vault, document, expect)
