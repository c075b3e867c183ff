"""Every quantity carries its unit, and a quantity without one is refused in a sentence."""

from typing import Any

import pytest

from cybous3.lab.chaos import units
from cybous3.lab.chaos.errors import BadScenario
from cybous3.lab.chaos.units import Moment


@pytest.mark.parametrize(
    ("parse", "text", "value"),
    [
        (units.duration, "150ms", 0.15),
        (units.duration, "-20min", -1200.0),
        (units.duration, "1.5 h", 5400.0),
        (units.span, "2m", 120.0),
        (units.moment, "2s", Moment(seconds=2.0)),
        (units.moment, "200 operations", Moment(operations=200)),
        (units.moment, "1 operation", Moment(operations=1)),
        (units.rate, "200/s", 200.0),
        (units.share, "5%", 0.05),
        (units.factor, "1.5x", 1.5),
        (units.size, "64MiB", 64 * 1024 * 1024),
        (units.text, "words", "words"),
        (units.words, ["a", "b"], ("a", "b")),
    ],
)
def test_a_quantity_with_its_unit_is_read(parse: Any, text: object, value: object) -> None:
    assert parse(text) == value


@pytest.mark.parametrize(
    ("parse", "text"),
    [
        (units.duration, "150"),
        (units.duration, 2),
        (units.duration, "2 weeks"),
        (units.span, "-2s"),
        (units.moment, "200"),
        (units.moment, "200 puts"),
        (units.rate, "200"),
        (units.rate, "0/s"),
        (units.share, "101%"),
        (units.share, 0.5),
        (units.factor, "2"),
        (units.size, "64"),
        (units.size, 64),
        (units.sizes, 4096),
        (units.text, " "),
        (units.words, "a"),
        (units.words, [1]),
        (units.whole(1, 5), 6),
        (units.whole(1, 5), True),
        (units.word("a", "b"), "c"),
    ],
)
def test_anything_else_is_refused_and_quoted(parse: Any, text: object) -> None:
    with pytest.raises(BadScenario) as refused:
        parse(text)
    assert repr(text) in refused.value.message


def test_a_moment_is_shown_as_it_is_written() -> None:
    assert [str(units.moment(text)) for text in ("2s", "200 operations")] == ["2s", "200 operations"]
