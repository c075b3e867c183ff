"""What tells one state of a file from another is noted in one length, whatever the numbers of the file system."""

import os
from pathlib import Path

from cybous3.client.transfer.source import FileSource, Identity


def test_identities_are_noted_in_one_length_and_tell_every_field() -> None:
    one = Identity(1, 2, 3, 4, 5)
    big = Identity(2**63, 2**64 - 1, 2**40, 1_800_000_000_000_000_000, -1)
    assert len(str(one)) == len(str(big)) == 5 * 16 + 4
    others = {str(one._replace(**{field: 9})) for field in Identity._fields}
    assert len(others | {str(one)}) == 6


def test_a_file_that_changed_is_noted_otherwise(tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"one")
    with FileSource(path) as source:
        before = str(source.identity)
    os.utime(path, ns=(5, 5))
    with FileSource(path) as source:
        assert str(source.identity) != before
