"""The sealed configuration."""

import os
import threading

import pytest

from cybous3.client.keys.config import Document, SealedConfig
from cybous3.client.keys.device import Places
from cybous3.client.keys.errors import CannotUnlock, DamagedFile, ForeignFile
from cybous3.client.keys.login import Unlocked, login_with_words
from cybous3.client.keys.sealed import Purpose, seal_file
from tests.client.keys.test_login import WORDS


@pytest.fixture
def unlocked(places: Places) -> Unlocked:
    return login_with_words(places, WORDS)


def test_what_was_changed_is_read_again_and_cannot_be_read_on_disk(unlocked: Unlocked) -> None:
    config = SealedConfig(unlocked)
    assert config.read() == {"version": 1}
    config.change(lambda document: document.update({"vaults": {"näme": {}}}))
    assert SealedConfig(unlocked).read() == {"version": 1, "vaults": {"näme": {}}}
    assert "näme".encode() not in unlocked.places.home.config.read_bytes()


def test_an_edit_that_fails_changes_nothing(unlocked: Unlocked) -> None:
    config = SealedConfig(unlocked)
    config.change(lambda document: document.update({"a": 1}))
    before = unlocked.places.home.config.read_bytes()

    def edit(document: Document) -> None:
        document["a"] = 2
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        config.change(edit)
    assert unlocked.places.home.config.read_bytes() == before


def test_changes_at_the_same_time_all_count(unlocked: Unlocked) -> None:
    def work(number: int) -> None:
        SealedConfig(unlocked).change(lambda document: document.update({str(number): number}))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(20)
    assert set(SealedConfig(unlocked).read()) == {"version", *map(str, range(8))}


def test_a_damaged_or_foreign_file_is_never_overwritten(unlocked: Unlocked) -> None:
    config, path = SealedConfig(unlocked), unlocked.places.home.config
    config.change(lambda document: document.update({"a": 1}))
    good = path.read_bytes()
    for content, family in ((good[:-1], DamagedFile), (b"[vaults]\nmine = true\n", ForeignFile)):
        path.write_bytes(content)
        with pytest.raises(family):
            config.read()
        with pytest.raises(family):
            config.change(lambda document: document.update({"b": 2}))
        assert path.read_bytes() == content


def test_another_set_ups_file_is_not_opened_nor_replaced(unlocked: Unlocked) -> None:
    path = unlocked.places.home.config
    seal_file(path, bytes(32), Purpose.CONFIG, b'{"version": 1}', os.urandom)
    content = path.read_bytes()
    with pytest.raises(CannotUnlock, match="another set-up"):
        SealedConfig(unlocked).change(lambda _: None)
    assert path.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "family"),
    [
        (b"not json", DamagedFile),
        (b"[]", DamagedFile),
        (b"{}", DamagedFile),
        (b'{"version": "1"}', DamagedFile),
        (b'{"version": 2}', ForeignFile),
    ],
)
def test_documents_that_are_none_of_ours(unlocked: Unlocked, content: bytes, family: type[Exception]) -> None:
    seal_file(unlocked.places.home.config, unlocked.device_key, Purpose.CONFIG, content, os.urandom)
    with pytest.raises(family):
        SealedConfig(unlocked).read()
