"""Someone who has only the specification reads what we write: tools/second_reader.py shares no code with us."""

import ast
import hashlib
import json
import os
import runpy
import subprocess
import sys
from pathlib import Path

import pytest

from cybous3.crypto.kdf import FOR_TESTS_ONLY
from cybous3.crypto.layout import IMMUTABLE_LEN
from cybous3.crypto.metadata import DIRECTORY, FILE, ObjectMetadata
from cybous3.crypto.names import NamesMode
from cybous3.crypto.objects import seal_object
from cybous3.crypto.slots import MnemonicSecret, PassphraseSecret, Secret
from cybous3.crypto.vault import OpenVault, document_key
from cybous3.crypto.wrap import wrap_dek
from tests.support.vectors import cases, changed, load

READER = Path(__file__).resolve().parents[2] / "tools" / "second_reader.py"
WORDS = "zoo " * 23 + "vote"
PASSPHRASE = "Grüße aus dem Test"
P16 = 2**16 - 32
FILES = {
    "hello.txt": b"Hello, world!\n",
    "empty": b"",
    "docs/ünïcode/日本.bin": bytes(range(256)) * 700,
    "exact": b"p" * (2 * P16),
    f"{'long' * 50}/a": b"under a long name",
    "/".join(f"folder number {number}" for number in range(14)): b"deep",
}


def make_dump(folder: Path, prefix: str, names: NamesMode, *, aligned: bool) -> None:
    """Write a vault as a copy of its bucket: old and new epochs, a stranger's object, an older document."""
    secrets: list[tuple[Secret, str]] = [
        (MnemonicSecret(WORDS), "words"),
        (PassphraseSecret(PASSPHRASE, FOR_TESTS_ONLY), "phrase"),
    ]
    first = OpenVault.create(secrets, created=1, entropy=os.urandom, names=names)
    second = first.rotate_epoch(created=2, entropy=os.urandom)
    bucket: list[tuple[str, bytes, dict[str, str]]] = [
        (document_key(prefix, vault.generation), vault.document.encode(), {}) for vault in (first, second)
    ]
    bucket.append(("elsewhere/readme.txt", b"not ours", {}))
    for number, (path, content) in enumerate(FILES.items()):
        bucket.append(sealed(second if number % 2 else first, prefix, path, content, FILE, aligned=aligned))
    bucket.append(sealed(second, prefix, "an empty folder", b"", DIRECTORY, aligned=aligned))
    index = []
    for number, (key, body, metadata) in enumerate(bucket):
        (folder / f"{number:04d}").write_bytes(body)
        index.append({"key": key, "file": f"{number:04d}", "metadata": metadata})
    (folder / "index.json").write_text(json.dumps(index), "utf-8")


def sealed(
    vault: OpenVault, prefix: str, path: str, content: bytes, kind: str, *, aligned: bool
) -> tuple[str, bytes, dict[str, str]]:
    """Write one object: key, body, user metadata."""
    names, dek = vault.names(prefix), os.urandom(32)
    metadata = ObjectMetadata(path=path, generation=1, kind=kind, user={"note": "<ü>"})
    body = seal_object(
        content, vault_id=vault.vault_id, dek=dek, metadata=metadata, entropy=os.urandom, seg_log2=16, aligned=aligned
    )
    entries = {"cybs3": wrap_dek(vault.keyset, body[:IMMUTABLE_LEN], path, dek)}
    full_name = names.seal_full_name(path)
    return names.object_key(path), body, entries | ({"cybs3name": full_name} if full_name else {})


def run(dump: Path, out: Path, prefix: str, secret: str, *flags: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-I", "-X", "utf8", str(READER), str(dump), str(out), "--prefix", prefix, *flags]
    return subprocess.run(command, input=secret, capture_output=True, text=True, encoding="utf-8", check=False)


@pytest.mark.parametrize(
    ("names", "prefix", "secret", "flags", "aligned"),
    [
        (NamesMode.ENCRYPTED, "some/prefix", WORDS, [], False),
        (NamesMode.ENCRYPTED, "", PASSPHRASE, ["--passphrase"], True),
        (NamesMode.PLAIN, "p", WORDS.upper() + "\n", [], False),
    ],
)
def test_every_file_comes_back(
    tmp_path: Path,
    names: NamesMode,
    prefix: str,
    secret: str,
    flags: list[str],
    aligned: bool,
) -> None:
    dump, out = tmp_path / "dump", tmp_path / "out"
    dump.mkdir()
    make_dump(dump, prefix, names, aligned=aligned)
    done = run(dump, out, prefix, secret, *flags)
    assert done.returncode == 0, done.stderr
    found = {path.relative_to(out).as_posix(): path.read_bytes() for path in out.rglob("*") if path.is_file()}
    assert found == FILES
    assert (out / "an empty folder").is_dir()


def test_it_refuses_other_words_and_altered_objects(tmp_path: Path) -> None:
    """A reader that accepts anything would prove nothing."""
    dump, out = tmp_path / "dump", tmp_path / "out"
    dump.mkdir()
    make_dump(dump, "p", NamesMode.ENCRYPTED, aligned=False)
    assert run(dump, out, "p", "abandon " * 23 + "art").returncode != 0
    for number in (1, 5):
        body = (dump / f"{number:04d}").read_bytes()
        (dump / f"{number:04d}").write_bytes(body[:-1] + bytes([body[-1] ^ 1]))
        assert run(dump, out, "p", WORDS).returncode != 0
        (dump / f"{number:04d}").write_bytes(body)
    assert not out.exists()


@pytest.mark.parametrize("path", cases("objects", "object"), ids=lambda path: path.stem)
def test_it_agrees_with_us_on_every_object(path: Path) -> None:
    """For S = 2^16 and S = 2^20: what we open it opens to the same bytes, what we refuse it refuses."""
    case = load(path)
    given, folder = case["given"], path.parent
    stored = (
        bytes.fromhex(given["stored_hex"]) if "stored_hex" in given else (folder / given["stored_file"]).read_bytes()
    )
    stored = changed(stored, given.get("changes", []), folder)
    keks, vault_id = {given["epoch"]: bytes.fromhex(given["kek"])}, bytes.fromhex(given["vault_id"])
    reader = runpy.run_path(str(READER))
    if "ok" not in case["expect"]["result"]:
        with pytest.raises(Exception):  # noqa: B017, PT011 - it has no error classes of its own worth naming
            reader["open_object"](stored, given["entry"], given["path"], keks, vault_id)
        return
    metadata, plaintext = reader["open_object"](stored, given["entry"], given["path"], keks, vault_id)
    if case["expect"]["result"] != ["ok"]:  # [F-25] it leaves the digest unchecked
        return
    assert metadata == case["expect"]["metadata"]
    assert hashlib.sha384(plaintext).hexdigest() == case["expect"]["plaintext"]["sha384"]


def test_it_shares_no_code_with_us() -> None:
    """Nothing of cybous3, and of `cryptography` only AES-GCM, AES-SIV and Argon2id."""
    imported = {
        name
        for node in ast.walk(ast.parse(READER.read_text("utf-8")))
        for name in (
            [alias.name for alias in node.names]
            if isinstance(node, ast.Import)
            else [str(node.module)]
            if isinstance(node, ast.ImportFrom)
            else []
        )
    }
    foreign = {name for name in imported if name.split(".")[0] not in sys.stdlib_module_names}
    assert foreign == {
        "cryptography.hazmat.primitives.ciphers.aead",
        "cryptography.hazmat.primitives.kdf.argon2",
    }


def test_the_worked_example_opens_with_it_too(tmp_path: Path) -> None:
    """The worked example, taken from the page as a reader of the specification would."""
    page = (READER.parents[1] / "docs" / "spec" / "worked-example.md").read_text("utf-8")

    def value(name: str, nth: int = 0) -> str:
        found = [line[28:].strip() for line in page.splitlines() if line.startswith(f"{name:<28} ")]
        return found[nth]

    document, body = value("stored bytes").encode(), bytes.fromhex(value("stored object"))
    (tmp_path / "v").write_bytes(document)
    (tmp_path / "o").write_bytes(body)
    index = [
        {"key": value("object key", 0), "file": "v", "metadata": {}},
        {"key": value("object key", 1), "file": "o", "metadata": {"cybs3": value("entry cybs3")}},
    ]
    (tmp_path / "index.json").write_text(json.dumps(index), "utf-8")
    done = run(tmp_path, tmp_path / "out", "demo", value("words"))
    assert done.returncode == 0, done.stderr
    assert (tmp_path / "out" / "docs" / "hello.txt").read_bytes() == bytes.fromhex(value("plaintext"))
