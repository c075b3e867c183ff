"""What is written reads back as it was."""

import tomllib

import pytest

from cybous3.lab.chaos import shipped
from cybous3.lab.chaos.toml import dump


@pytest.mark.parametrize("name", shipped.names())
def test_every_shipped_scenario_survives_being_written(name: str) -> None:
    document = tomllib.loads(shipped.text(name))
    assert tomllib.loads(dump(document, "two lines\nof comment")) == document


def test_long_lists_and_odd_texts_are_written_whole() -> None:
    document = {"a": 'quo"te\n\\', "b": {"c": ["0 put 1 2"] * 40, "d": {"e": 1}, "f": [], "g": True}, "h": 1.5}
    assert tomllib.loads(dump(document)) == document
