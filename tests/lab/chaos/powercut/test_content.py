"""Contents in shared pieces are what a plain run of bytes would be."""

from hypothesis import given
from hypothesis import strategies as st

from cybous3.lab.chaos.powercut.content import PIECE, Content

STEPS = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.integers(0, 3 * PIECE), st.binary(max_size=2 * PIECE)),
        st.tuples(st.just("resize"), st.integers(0, 3 * PIECE), st.just(b"")),
        st.tuples(st.just("copy"), st.just(0), st.just(b"")),
    ),
    max_size=8,
)


@given(STEPS)
def test_it_is_what_a_run_of_bytes_would_be(steps: list[tuple[str, int, bytes]]) -> None:
    content, plain = Content(), bytearray()
    for what, number, data in steps:
        if what == "write" and data:
            plain.extend(bytes(max(0, number + len(data) - len(plain))))
            plain[number : number + len(data)] = data
        elif what == "resize":
            plain[number:] = b"" if number < len(plain) else bytes(number - len(plain))
        elif what == "copy":
            twin = content.copy()
            content.write(0, b"only the old one")
            content = twin
        content.write(number, data) if what == "write" else content.resize(number) if what == "resize" else None
    assert content.size == len(plain)
    assert content.read() == plain
    assert content.read(5, 100) == plain[5:105]
    laid = bytearray(content.size)
    for offset, data in content.runs():
        laid[offset : offset + len(data)] = data
    assert laid == plain


def test_zeros_that_were_never_anything_else_cost_nothing() -> None:
    content = Content()
    content.write(0, bytes(16 * 1024 * 1024))
    assert content.runs() == []
    assert content.size == 16 * 1024 * 1024
    assert content.read(content.size) == b""
