"""One value, one spelling."""

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cybous3.crypto.canonical import Fields, Json, decode_b64, decode_json, encode_b64, encode_json
from cybous3.crypto.errors import Malformed
from tests.support.vectors import cases, load

TEXT = st.text(st.characters(codec="utf-8"), max_size=8)
VALUES: st.SearchStrategy[Json] = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53) + 1, 2**53 - 1) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize("path", cases("spelling", "json"), ids=lambda path: path.stem)
def test_json_vectors(path: Path) -> None:
    """[F-1]."""
    case = load(path)
    data = bytes.fromhex(case["given"]["hex"])
    if case["expect"]["result"] == ["ok"]:
        assert encode_json(decode_json(data, "the case")) == data
    else:
        with pytest.raises(Malformed):
            decode_json(data, "the case")


@pytest.mark.parametrize("path", cases("spelling", "b64"), ids=lambda path: path.stem)
def test_base64url_vectors(path: Path) -> None:
    """[F-2]."""
    case = load(path)
    if case["expect"]["result"] == ["ok"]:
        assert decode_b64(case["given"]["text"], "the case").hex() == case["expect"]["hex"]
    else:
        with pytest.raises(Malformed):
            decode_b64(case["given"]["text"], "the case")


@given(st.dictionaries(TEXT, VALUES, max_size=4))
def test_what_is_written_is_read(value: dict[str, Json]) -> None:
    assert decode_json(encode_json(value), "it") == value


@given(st.binary(max_size=20))
def test_bytes_survive_base64url(data: bytes) -> None:
    assert decode_b64(encode_b64(data), "it", len(data)) == data


@given(st.text(alphabet="ABab-_=+/ 01", max_size=8))
def test_base64url_has_one_spelling(text: str) -> None:
    """[F-2] Whatever decodes, encodes to the same text."""
    try:
        data = decode_b64(text, "it")
    except Malformed:
        return
    assert encode_b64(data) == text


@pytest.mark.parametrize("text", ["é", "AQ\n"])
def test_base64url_is_ascii_without_line_ends(text: str) -> None:
    with pytest.raises(Malformed):
        decode_b64(text, "it")


def test_a_wrong_length_is_refused() -> None:
    with pytest.raises(Malformed):
        decode_b64("AQ", "it", 2)


@pytest.mark.parametrize("value", [object(), {"a": "\ud800"}])
def test_what_has_no_spelling_is_refused(value: Json) -> None:
    with pytest.raises(Malformed):
        encode_json(value)


def test_very_deep_json_is_refused_not_fatal() -> None:
    with pytest.raises(Malformed):
        decode_json(b'{"a":' + b"[" * 100_000 + b"]" * 100_000 + b"}", "it")


READS = {
    "text": lambda fields: fields.text("x"),
    "integer": lambda fields: fields.integer("x", 0, 9),
    "long": lambda fields: fields.long("x", -5, 5),
    "binary": lambda fields: fields.binary("x"),
    "items": lambda fields: fields.items("x"),
    "object": lambda fields: fields.object("x"),
}


@pytest.mark.parametrize("read", READS)
def test_a_missing_field_names_itself(read: str) -> None:
    with pytest.raises(Malformed, match="'x'"):
        READS[read](Fields({}, "the thing"))


@pytest.mark.parametrize(
    ("read", "value"),
    [
        ("integer", True),
        ("integer", 10),
        ("integer", "1"),
        ("long", "6"),
        ("long", "05"),
        ("long", "-"),
        ("long", "+1"),
        ("long", "1" * 40),
        ("long", "\u0661"),
        ("items", {}),
        ("object", []),
    ],
)
def test_a_field_of_another_type_or_range_is_refused(read: str, value: Json) -> None:
    with pytest.raises(Malformed):
        READS[read](Fields({"x": value}, "the thing"))


def test_fields_read_an_object_only() -> None:
    with pytest.raises(Malformed):
        Fields([], "the thing")


def test_fields_give_what_is_there() -> None:
    fields = Fields({"x": "-5", "y": [1]}, "the thing")
    assert (fields.long("x", -5, 5), fields.items("y"), fields.has("z"), list(fields.names)) == (
        -5,
        [1],
        False,
        ["x", "y"],
    )
