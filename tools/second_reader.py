"""A second reader of CybS3 vaults, written from docs/spec/ alone; shares no code with cybous3.

    python tools/second_reader.py DUMP OUT --prefix demo --words-file WORDS

DUMP is a copy of a bucket: index.json, a list of {"key", "file", "metadata"}, and the files it names. The words come
from a file, or from standard input with "-"; --passphrase unlocks a passphrase slot instead. Every file of the vault is
verified and written below OUT; anything that does not verify stops it. It reads; it is neither fast nor small.
"""

import argparse
import base64
import hashlib
import hmac
import json
import re
import sys
import unicodedata
from collections.abc import Callable
from pathlib import Path
from typing import Any

from cryptography.hazmat.primitives.ciphers.aead import AESGCM, AESSIV
from cryptography.hazmat.primitives.kdf.argon2 import Argon2id


class RefusedError(Exception):
    """Something does not verify."""


def need(condition: object, what: str) -> None:
    """Refuse unless the condition holds."""
    if not condition:
        raise RefusedError(what)


# format-v1 §1 --------------------------------------------------------------------------------------------------------


def mac(key: bytes, message: bytes) -> bytes:
    """HMAC-SHA-384."""
    return hmac.new(key, message, hashlib.sha384).digest()


def expand(key: bytes, info: bytes, n: int) -> bytes:
    """HKDF-Expand."""
    out, block, counter = b"", b"", 1
    while len(out) < n:
        block = mac(key, block + info + bytes([counter]))
        out, counter = out + block, counter + 1
    return out[:n]


def un64(text: str) -> bytes:
    """base64url without padding, one spelling."""
    need(re.fullmatch(r"[A-Za-z0-9_-]*", text), "base64url")
    data = base64.urlsafe_b64decode(text + "=" * (-len(text) % 4))
    need(b64(data) == text, "base64url is canonical")
    return data


def b64(data: bytes) -> str:
    """Spell it."""
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def canonical(value: object) -> bytes:
    """Canonical JSON."""
    return json.dumps(value, ensure_ascii=False, sort_keys=True, separators=(",", ":")).encode()


def never(text: str) -> None:
    """Refuse a number that is no integer."""
    raise RefusedError(text)


def parse(data: bytes) -> Any:  # noqa: ANN401 - JSON
    """JSON, if canonical."""
    value = json.loads(data, parse_float=never, parse_constant=never)
    need(isinstance(value, dict), "a JSON object")
    need(canonical(value) == data, "canonical JSON")
    return value


def unpad(data: bytes, multiple: int) -> bytes:
    """Remove 80 00 … 00."""
    body = data.rstrip(b"\0")
    need(len(data) % multiple == 0 and body[-1:] == b"\x80" and len(data) - len(body) < multiple, "padding")
    return body[:-1]


# key-hierarchy -------------------------------------------------------------------------------------------------------


def material(slot: dict[str, Any], words: str | None, passphrase: str | None) -> bytes:
    """§2, §3."""
    if words is not None:
        sentence = " ".join(unicodedata.normalize("NFKD", words).lower().split())
        return hashlib.pbkdf2_hmac("sha512", sentence.encode(), b"mnemonic", 2048, 64)
    kdf = slot["kdf"]
    need(kdf["name"] == "argon2id" and kdf["version"] == 19, "key derivation")  # noqa: PLR2004 - §4
    need(65536 <= kdf["memory_kib"] <= 2097152 and 3 <= kdf["passes"] <= 16 and 1 <= kdf["lanes"] <= 16, "bounds")  # noqa: PLR2004 - §3
    argon = Argon2id(
        salt=un64(kdf["salt"]), length=64, iterations=kdf["passes"], lanes=kdf["lanes"], memory_cost=kdf["memory_kib"]
    )
    return argon.derive(unicodedata.normalize("NFKD", str(passphrase)).encode())


def unlock(document: dict[str, Any], words: str | None, passphrase: str | None) -> bytes:
    """§4: the VMK."""
    vault_id, kind = un64(document["vault_id"]), "mnemonic" if words is not None else "passphrase"
    for slot in (each for each in document["slots"] if each["kind"] == kind):
        slot_id = un64(slot["id"])
        info = b"cybs3/1/slot/" + kind.encode() + b"\0" + slot_id
        kek = expand(mac(vault_id, material(slot, words, passphrase)), info, 64)
        parameters = canonical({"kdf": slot["kdf"], "kind": kind})
        try:
            return AESSIV(kek).decrypt(un64(slot["wrap"]), [b"cybs3/1/slot", vault_id, slot_id, parameters])
        except Exception:  # noqa: BLE001, S112 - §4: whatever the reason, the next slot
            continue
    raise RefusedError("no slot opens")


def open_vault(
    data: bytes, generation: int, words: str | None, passphrase: str | None
) -> tuple[dict[str, Any], dict[str, Any]]:
    """§5, §6: the document and the keyset."""
    document = parse(data)
    need(document["format"] == "cybs3/vault/1" and document["generation"] == generation, "format and generation")
    vmk, vault_id = unlock(document, words, passphrase), un64(document["vault_id"])
    body = canonical({name: value for name, value in document.items() if name != "mac"})
    expected = mac(expand(vmk, b"cybs3/1/vault/mac" + vault_id, 32), b"cybs3/1/vault\0" + body)[:32]
    need(hmac.compare_digest(expected, un64(document["mac"])), "MAC of the vault document")
    components = [b"cybs3/1/keyset", vault_id, generation.to_bytes(8, "big")]
    key = expand(vmk, b"cybs3/1/vault/keyset" + vault_id, 64)
    return document, parse(AESSIV(key).decrypt(un64(document["keyset"]), components))


# names ---------------------------------------------------------------------------------------------------------------


class Names:
    """names.md."""

    def __init__(self, document: dict[str, Any], keyset: dict[str, Any]) -> None:
        """§3."""
        key, vault_id = un64(keyset["names_key"]), un64(document["vault_id"])
        self.plain = document["names"] == "plain"
        self.siv = AESSIV(expand(key, b"cybs3/1/names/siv" + vault_id, 64))
        self.hash = expand(key, b"cybs3/1/names/hash" + vault_id, 32)
        self.full = AESSIV(expand(key, b"cybs3/1/names/full" + vault_id, 64))

    def encode(self, path: str) -> str:
        """§3, §4."""
        done, folder = "", ""
        for name in path.split("/"):
            place, raw = b"/" + folder.encode(), name.encode()
            padded = raw + b"\x80" + bytes(-(len(raw) + 1) % 16)
            sealed = b64(self.siv.encrypt(padded, [b"cybs3/1/names/siv", place]))
            start = done + "/" if done else ""
            fits = len(sealed) <= 192 and len(start + sealed) <= 640  # noqa: PLR2004 - §4
            done = start + (sealed if fits else "~h" + b64(mac(self.hash, place + b"\0" + raw)[:16]))
            folder = f"{folder}/{name}" if folder else name
        return done

    def decode(self, key: str, metadata: dict[str, str]) -> str:
        """§6."""
        if self.plain:
            path = key
        elif any(part.startswith("~h") for part in key.split("/")):
            entry = metadata["cybs3name"]
            need(entry.startswith("1."), "version of the sealed name")
            path = unpad(self.full.decrypt(un64(entry[2:]), [b"cybs3/1/names/full", key.encode()]), 64).decode()
            need(self.encode(path) == key, "the sealed name is that of the key")
        else:
            path = ""
            for part in key.split("/"):
                padded = self.siv.decrypt(un64(part), [b"cybs3/1/names/siv", b"/" + path.encode()])
                path = (path + "/" if path else "") + unpad(padded, 16).decode()
        parts = path.split("/")
        need(not {"", ".", ".."} & set(parts) and "\0" not in path, "path")
        need(unicodedata.normalize("NFC", path) == path, "path in NFC")
        return path


# format-v1 -----------------------------------------------------------------------------------------------------------


def check_metadata(metadata: dict[str, Any]) -> None:
    """§4.2: members that must be there, and what each may be."""

    def whole(value: object, low: int, high: int) -> bool:
        return (
            isinstance(value, str) and re.fullmatch(r"0|-?[1-9][0-9]*", value) is not None and low <= int(value) <= high
        )

    allowed: dict[str, Callable[[Any], bool]] = {
        "generation": lambda value: whole(value, 0, 2**64 - 1),
        "kind": lambda value: value in ("file", "directory"),
        "path": lambda value: isinstance(value, str),
        "content_type": lambda value: isinstance(value, str),
        "mode": lambda value: type(value) is int and 0 <= value <= 0o7777,  # noqa: PLR2004 - §4.2
        "mtime_ns": lambda value: whole(value, -(2**63), 2**63 - 1),
        "user": lambda value: isinstance(value, dict) and all(isinstance(each, str) for each in value.values()),
    }
    need({"generation", "kind", "path"} <= set(metadata), "members of the metadata")
    for name, holds in allowed.items():
        need(name not in metadata or holds(metadata[name]), name)


def open_object(
    stored: bytes, entry: str, path: str, keks: dict[int, bytes], vault_id: bytes
) -> tuple[dict[str, Any], bytes]:
    """§3 to §9: metadata and plaintext."""
    start = stored[:44]
    need(len(start) == 44 and start[:8] == b"CYBS3\0\1\1", "magic, version, suite")  # noqa: PLR2004 - §4.1
    log2, flags, header_len = start[8], start[9], int.from_bytes(start[10:12], "big")
    need(flags in (0, 4) and 16 <= log2 <= 24 and header_len >= 168 and (header_len - 104) % 64 == 0, "bounds")  # noqa: PLR2004 - §4.1
    match = re.fullmatch(r"1\.([1-9][0-9]*)\.([A-Za-z0-9_-]{64})", entry)
    if match is None:
        raise RefusedError("entry")
    dek = AESSIV(keks[int(match[1])]).decrypt(un64(match[2]), [b"cybs3/1/wrap", start, path.encode()])
    ids = vault_id + start[28:44]
    k_hdr, k_meta, k_data, k_foot = (
        expand(dek, b"cybs3/1/" + name + ids, 32) for name in (b"hdr", b"meta", b"data", b"foot")
    )
    signed, tag = stored[: header_len - 32], stored[header_len - 32 : header_len]
    need(hmac.compare_digest(mac(k_hdr, signed)[:32], tag), "header tag")
    metadata = parse(unpad(AESGCM(k_meta).decrypt(signed[44:56], signed[56:], b"cybs3/1/meta\0" + start), 64))
    check_metadata(metadata)
    d, size = hashlib.sha384(signed).digest()[:32], 1 << log2
    prologue = size if flags else header_len + 74
    need(not any(stored[header_len : prologue - 74]), "zeros")
    values = AESGCM(k_foot).decrypt(stored[-92:-80], stored[-80:], b"cybs3/1/foot\0" + d)
    plain_len, n, k, generation = (int.from_bytes(values[at : at + 8], "big") for at in (0, 8, 16, 24))
    need(plain_len == n and k == max(1, -(-n // (size - 32))) and str(generation) == metadata["generation"], "footer")
    need(len(stored) == prologue + n + 32 * k + 92, "size of the object")
    return metadata, floe(stored[prologue - 74 : -92], k_data, b"cybs3/1/data\0" + d, size, k)


def floe(message: bytes, key: bytes, aad: bytes, size: int, k: int) -> bytes:
    """§5."""
    front = bytes(2) + size.to_bytes(4, "big") + (32).to_bytes(4, "big") + message[10:42]
    need(hmac.compare_digest(message[:74], front + expand(key, front + b"HEADER_TAG:" + aad, 32)), "FLOE header")
    message_key, out = expand(key, front + b"MESSAGE_KEY:" + aad, 48), bytearray()
    for i in range(k):
        segment, final = message[74 + i * size : 74 + (i + 1) * size], i == k - 1
        need(segment[:4] == (len(segment).to_bytes(4, "big") if final else b"\xff" * 4), "length field")
        dek = expand(message_key, front + b"DEK:" + (i >> 20 << 20).to_bytes(8, "big") + aad, 32)
        out += AESGCM(dek).decrypt(segment[4:16], segment[16:], i.to_bytes(8, "big") + bytes([final]))
    return bytes(out)


# the bucket ----------------------------------------------------------------------------------------------------------


def read_vault(
    dump: Path, prefix: str, words: str | None, passphrase: str | None
) -> dict[str, tuple[dict[str, Any], bytes]]:
    """Return every file of the vault by its path: metadata and content."""
    index = {each["key"]: each for each in json.loads((dump / "index.json").read_text("utf-8"))}
    start = prefix + "/" if prefix else ""
    documents = [key for key in index if re.fullmatch(re.escape(start) + r"\.cybs3/vault/[0-9]{16}", key)]
    need(documents, "a vault document")
    newest = max(documents)
    document, keyset = open_vault((dump / index[newest]["file"]).read_bytes(), int(newest[-16:]), words, passphrase)
    names, vault_id = Names(document, keyset), un64(document["vault_id"])
    keks = {epoch["epoch"]: un64(epoch["kek"]) for epoch in keyset["epochs"] if "kek" in epoch}
    files = {}
    for key, each in index.items():
        if key.startswith(start) and ".cybs3" not in key.split("/") and "cybs3" in each["metadata"]:
            path = names.decode(key[len(start) :], each["metadata"])
            stored = (dump / each["file"]).read_bytes()
            files[path] = open_object(stored, each["metadata"]["cybs3"], path, keks, vault_id)
    return files


def main() -> int:
    """Decrypt a dump into a folder."""
    parser = argparse.ArgumentParser(description="read a CybS3 vault from the specification alone")
    parser.add_argument("dump", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("--prefix", default="")
    parser.add_argument("--words-file", default="-", help='file with the words; "-" is standard input')
    parser.add_argument("--passphrase", action="store_true", help="the file holds a passphrase, not words")
    arguments = parser.parse_args()
    given = sys.stdin.read() if arguments.words_file == "-" else Path(arguments.words_file).read_text("utf-8")
    secret = given.rstrip("\r\n")
    words, passphrase = (None, secret) if arguments.passphrase else (secret, None)
    files = read_vault(arguments.dump, arguments.prefix, words, passphrase)
    for path, (metadata, content) in sorted(files.items()):
        target = arguments.out / path
        folder = target if metadata["kind"] == "directory" else target.parent
        folder.mkdir(parents=True, exist_ok=True)
        if folder != target:
            target.write_bytes(content)
        print(path)
    return 0


if __name__ == "__main__":
    sys.exit(main())
