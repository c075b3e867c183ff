import pytest

from cybous3.client.sync.filters import BadPattern, Filter


def test_without_patterns_everything_takes_part() -> None:
    assert Filter().takes("a/b.txt")
    assert not Filter().prunes("a")


def test_a_pattern_names_whole_components() -> None:
    """`.git` must not exclude everything below a folder called site.github.io."""
    chosen = Filter(exclude=[".git"])
    assert not chosen.takes(".git/config")
    assert chosen.takes("site.github.io/index.html")
    assert chosen.prunes("a/.git")


def test_exclude_wins_over_include_whatever_the_order() -> None:
    chosen = Filter(include=["*.py"], exclude=["test_*"])
    assert chosen.takes("a/b.py")
    assert not chosen.takes("a/test_b.py")
    assert not chosen.takes("a/b.txt")


@pytest.mark.parametrize("pattern", ["!keep", "a\\"])
def test_an_unreadable_pattern_is_refused(pattern: str) -> None:
    with pytest.raises(BadPattern):
        Filter(exclude=[pattern])
