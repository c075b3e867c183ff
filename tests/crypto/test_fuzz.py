"""Whatever a store serves, a reader answers with one of our errors: never a traceback of something else."""

import contextlib

from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto.box import open_box
from cybous3.crypto.canonical import encode_json
from cybous3.crypto.errors import CryptoError
from cybous3.crypto.metadata import ObjectMetadata
from cybous3.crypto.names import NameCodec, NamesMode
from cybous3.crypto.objects import ObjectReader, open_object, prologue_len, seal_object
from cybous3.crypto.primitives import pad
from cybous3.crypto.slots import MnemonicSecret
from cybous3.crypto.vault import OpenVault, VaultDocument
from cybous3.crypto.wrap import WrapEntry
from tests.support.vectors import Tape

VAULT_ID, DEK = bytes(16), bytes(32)
STORED = seal_object(
    b"content", vault_id=VAULT_ID, dek=DEK, metadata=ObjectMetadata("a", 1), entropy=Tape(), seg_log2=16
)
DOCUMENT = OpenVault.create([(MnemonicSecret("abandon " * 11 + "about"), "")], created=0, entropy=Tape()).document
SCALARS = st.none() | st.booleans() | st.integers(-5, 2**53 - 1) | st.text(st.characters(codec="utf-8"), max_size=5)
JSON = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("ab", max_size=2), inner)
)


@given(st.binary(max_size=300), st.integers(0, 44))
def test_any_bytes_as_an_object(data: bytes, kept: int) -> None:
    """Also behind the beginning of a true header."""
    for front in (data, STORED[:kept] + data):
        for attempt in (prologue_len, lambda front: open_object(front, vault_id=VAULT_ID, dek=DEK)):
            with contextlib.suppress(CryptoError):
                attempt(front)


@given(st.binary(max_size=300))
def test_any_bytes_as_a_footer_metadata_box_or_document(data: bytes) -> None:
    reader = ObjectReader.open(STORED, vault_id=VAULT_ID, dek=DEK)
    attempts = (
        reader.open_footer,
        ObjectMetadata.decode,
        lambda data: ObjectMetadata.decode(pad(data, 64)),
        lambda data: open_box(DEK, "x", data),
        VaultDocument.parse,
    )
    for attempt in attempts:
        with contextlib.suppress(CryptoError):
            attempt(data)


@given(
    member=st.sampled_from(["created", "format", "generation", "keyset", "mac", "names", "slots", "vault_id"]),
    value=JSON,
)
def test_any_value_in_a_vault_document(member: str, value: object) -> None:
    body = {**DOCUMENT._body(), "mac": "A" * 43, member: value}
    with contextlib.suppress(CryptoError):
        VaultDocument.parse(encode_json(body))  # type: ignore[arg-type]  # any value, on purpose


@given(member=st.sampled_from(["created", "id", "kdf", "kind", "label", "wrap"]), value=JSON)
def test_any_value_in_a_slot(member: str, value: object) -> None:
    slot = {**DOCUMENT.slots[0].encode(), member: value}
    body = {**DOCUMENT._body(), "mac": "A" * 43, "slots": [slot]}
    with contextlib.suppress(CryptoError):
        VaultDocument.parse(encode_json(body)).unlock(MnemonicSecret("abandon " * 11 + "about"))  # type: ignore[arg-type]  # any value, on purpose


@given(key=st.text(max_size=60), entry=st.none() | st.text(max_size=60))
def test_any_text_as_a_key_or_an_entry(key: str, entry: str | None) -> None:
    for mode in NamesMode:
        names = NameCodec(DEK, VAULT_ID, mode)
        with contextlib.suppress(CryptoError):
            names.path_of(key, entry)
        with contextlib.suppress(CryptoError):
            names.component_name("", key)
        with contextlib.suppress(CryptoError):
            names.object_key(key)
    with contextlib.suppress(CryptoError):
        WrapEntry.parse(key)
