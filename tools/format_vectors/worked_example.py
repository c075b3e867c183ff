"""The worked example of the specification: one small vault with every value on the way."""

from collections.abc import Sequence

from blake3 import blake3

from cybous3.crypto.canonical import encode_json
from cybous3.crypto.layout import FOOTER_LEN, IMMUTABLE_LEN
from cybous3.crypto.metadata import ObjectMetadata
from cybous3.crypto.mnemonic import mnemonic_fingerprint, mnemonic_seed
from cybous3.crypto.objects import ObjectKeys, seal_object
from cybous3.crypto.primitives import hkdf, hkdf_expand, pad, sha384_256
from cybous3.crypto.slots import MnemonicSecret
from cybous3.crypto.vault import OpenVault, document_key
from cybous3.crypto.wrap import wrap_dek
from tools.format_vectors.common import COMMAND, CREATED, GENERATION, WORDS, Tape


def worked_example() -> str:
    """One small vault with every value on the way; the page of the specification."""
    vault = OpenVault.create([(MnemonicSecret(WORDS), "recovery words")], created=CREATED, entropy=Tape("example"))
    document, slot, tape = vault.document, vault.document.slots[0], Tape("example object")
    seed, codec, path, text = mnemonic_seed(WORDS), vault.names("demo"), "docs/hello.txt", b"Hello, world!\n"
    dek = tape(32)
    metadata = ObjectMetadata(
        path=path, generation=GENERATION, content_type="text/plain", mtime_ns=CREATED * 10**9, mode=0o644
    )
    stored = seal_object(text, vault_id=vault.vault_id, dek=dek, metadata=metadata, entropy=tape)
    header_len = int.from_bytes(stored[10:12], "big")
    header, floe = stored[:header_len], stored[header_len : header_len + 74]
    keys = ObjectKeys.derive(dek, vault.vault_id, stored[28:44])
    digest = sha384_256(header[:-32])
    params_iv, aad = floe[:42], b"cybs3/1/data\0" + digest
    message_key = hkdf_expand(keys.data, params_iv + b"MESSAGE_KEY:" + aad, 48)
    segment_key = hkdf_expand(message_key, params_iv + b"DEK:" + bytes(8) + aad, 32)
    info = b"cybs3/1/slot/mnemonic\0" + slot.id
    relative = codec.relative_key(path)
    rows: list[tuple[str, Sequence[tuple[str, str | bytes]]]] = [
        (
            "Words to vault master key (key-hierarchy §2, §4)",
            [
                ("words", WORDS),
                ("seed", seed),
                ("fingerprint of the words", mnemonic_fingerprint(WORDS)),
                ("vault_id", vault.vault_id),
                ("slot id", slot.id),
                ("info", info),
                ("KEK_slot", hkdf(seed, salt=vault.vault_id, info=info, length=64)),
                ("parameters", encode_json({"kdf": slot.kdf, "kind": slot.kind}).decode()),
                ("wrap", slot.wrap),
                ("VMK", vault.vmk),
            ],
        ),
        (
            "The vault document (key-hierarchy §5, §6)",
            [
                ("object key", document_key("demo", 1)),
                ("stored bytes", document.encode().decode()),
                ("K_mac", hkdf_expand(vault.vmk, b"cybs3/1/vault/mac" + vault.vault_id, 32)),
                ("mac", document.mac),
                ("K_keyset", hkdf_expand(vault.vmk, b"cybs3/1/vault/keyset" + vault.vault_id, 64)),
                ("keyset, opened", vault.keyset.encode().decode()),
            ],
        ),
        (
            "The name (names §3)",
            [
                ("path", path),
                ("names_key", vault.keyset.names_key),
                ("K_siv", hkdf_expand(vault.keyset.names_key, b"cybs3/1/names/siv" + vault.vault_id, 64)),
                ("place of the 1st component", "/"),
                ("1st component, padded", pad(b"docs", 16)),
                ("1st component, encoded", relative.split("/")[0]),
                ("place of the 2nd component", "/docs"),
                ("2nd component, padded", pad(b"hello.txt", 16)),
                ("2nd component, encoded", relative.split("/")[1]),
                ("object key", codec.object_key(path)),
            ],
        ),
        (
            "The object (format §3-§7)",
            [
                ("plaintext", text),
                ("KEK of epoch 1", vault.keyset.primary[1]),
                ("immutable header", stored[:IMMUTABLE_LEN]),
                ("DEK", dek),
                ("entry cybs3", wrap_dek(vault.keyset, stored[:IMMUTABLE_LEN], path, dek)),
                ("K_hdr", keys.header),
                ("K_meta", keys.metadata),
                ("K_data", keys.data),
                ("K_foot", keys.footer),
                ("K_hash", keys.hash),
                ("metadata", metadata.encode().rstrip(b"\0")[:-1].decode()),
                ("sealed", header[IMMUTABLE_LEN:-32]),
                ("tag", header[-32:]),
                ("D", digest),
                ("FLOE header", floe),
                ("message_key", message_key),
                ("dek of segments 0…2^20-1", segment_key),
                ("segment 0, final", stored[header_len + 74 : -FOOTER_LEN]),
                ("footer", stored[-FOOTER_LEN:]),
                ("footer values", footer_values(len(text), keys.hash, text)),
                ("stored object", stored),
            ],
        ),
    ]
    lines = [
        "# A worked example",
        "",
        f"Generated by `{COMMAND}`; do not edit. The words are public and protect nothing. Bytes are hexadecimal.",
        "",
    ]
    for title, values in rows:
        lines += [f"## {title}", "", "```"]
        lines += [f"{name:<28} {value.hex() if isinstance(value, bytes) else value}" for name, value in values]
        lines += ["```", ""]
    return "\n".join(lines[:-1]) + "\n"


def footer_values(size: int, key: bytes, text: bytes) -> bytes:
    """Return the 64 bytes inside the footer of an object of one segment."""
    numbers = (size, size, 1, GENERATION)
    return b"".join(number.to_bytes(8, "big") for number in numbers) + blake3(text, key=key).digest()
