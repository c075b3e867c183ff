import pytest

from cybous3.lab.bench.extras import ExtraMissing, need


def test_a_missing_library_is_asked_for_with_the_command_that_brings_it() -> None:
    with pytest.raises(ExtraMissing, match="no_such_library") as caught:
        need("no_such_library.part")
    assert "cybous3[bench]" in str(caught.value.hint)
    assert need("hdrh.histogram").HdrHistogram
