"""What a cut leaves: what a sync covered always, the rest in any part, and nothing that was never there."""

from collections.abc import Sequence

import pytest

from cybous3.lab.chaos.powercut.disk import SECTOR, Disk, Habit, Image, Left
from cybous3.lab.chaos.powercut.effects import EMPTY, ROOT, Effect, Event, Names, Resize, Sync, Tree, Write

A, B, FOLDER = 1, 2, -3
MANY = 60


def events(*effects: Effect | Sequence[Effect]) -> list[Event]:
    """Return events a second long, one after the other."""
    listed = [effect if isinstance(effect, Sequence) else [effect] for effect in effects]
    return [Event(2.0 * n, 2.0 * n + 1, "call", tuple(each)) for n, each in enumerate(listed)]


def disk(*effects: Effect | Sequence[Effect], base: Tree = EMPTY, habit: Habit = Habit.POSIX) -> Disk:
    made = Disk(base, habit)
    for event in events(*effects):
        made.apply(event)
    return made


def found(image: Image) -> dict[str, bytes]:
    return {path: content.read() for path, content in image.files.items()}


def left(made: Disk, what: Left = Left.NOTHING) -> dict[str, bytes]:
    return found(made.image(what, "seed"))


def some(made: Disk) -> list[dict[str, bytes]]:
    return [found(made.image(Left.SOME, f"{n}")) for n in range(MANY)]


NAMED = Names(ROOT, (("a", A),))


@pytest.mark.parametrize(
    ("effects", "kept"),
    [
        ([NAMED, Write(A, 0, b"data")], {}),
        ([NAMED, Write(A, 0, b"data"), Sync(A)], {}),
        ([NAMED, Write(A, 0, b"data"), Sync(ROOT)], {"a": b""}),
        ([NAMED, Write(A, 0, b"data"), Sync(A), Sync(ROOT)], {"a": b"data"}),
        ([NAMED, Write(A, 0, b"data"), Sync(None)], {"a": b"data"}),
        ([NAMED, Sync(None), Write(A, 0, b"data"), Resize(A, 2), Sync(A), Resize(A, 9)], {"a": b"da"}),
        ([NAMED, Sync(None), Names(ROOT, (("a", None),))], {"a": b""}),
        ([NAMED, Sync(None), Names(ROOT, (("a", None),)), Sync(ROOT)], {}),
    ],
)
def test_only_what_a_sync_covered_is_durable(effects: list[Effect], kept: dict[str, bytes]) -> None:
    """The bytes by a sync of the file, the name by a sync of its directory, and neither by the other."""
    assert left(disk(*effects)) == kept


def test_a_kill_takes_nothing() -> None:
    assert left(disk(NAMED, Write(A, 2, b"x")), Left.EVERYTHING) == {"a": b"\0\0x"}


def test_a_sync_covers_what_had_ended_before_it_began() -> None:
    """A write beside a sync that is under way may have come too late for it."""
    made = Disk(EMPTY)
    made.apply(Event(0, 1, "openat", (NAMED,)))
    made.apply(Event(1, 2, "fsync", (Sync(ROOT),)))
    made.apply(Event(3, 5, "write", (Write(A, 0, b"late"),)))
    made.apply(Event(4, 6, "fsync", (Sync(A),)))
    assert left(made) == {"a": b""}
    assert left(made, Left.EVERYTHING) == {"a": b"late"}


def test_names_and_writes_come_in_any_part() -> None:
    made = disk(NAMED, Names(ROOT, (("b", B),)), Sync(ROOT), Write(A, 0, b"1"), Write(B, 0, b"2"))
    assert {tuple(sorted(each.items())) for each in some(made)} >= {
        (("a", b"1"), ("b", b"2")),
        (("a", b""), ("b", b"2")),
        (("a", b"1"), ("b", b"")),
        (("a", b""), ("b", b"")),
    }
    unnamed = some(disk(NAMED, Names(ROOT, (("b", B),))))
    assert {frozenset(each) for each in unnamed} == {frozenset(), frozenset("a"), frozenset("b"), frozenset("ab")}


def test_a_rename_in_one_directory_is_one_change_and_between_two_it_is_two() -> None:
    base = Tree({ROOT: {"a": A, "folder": FOLDER}, FOLDER: {}}, {A: b"data"})
    within = some(disk(Names(ROOT, (("a", None), ("b", A))), base=base))
    assert {frozenset(each) for each in within} == {frozenset("a"), frozenset("b")}
    between = some(disk(Names(FOLDER, (("a", A),)), Names(ROOT, (("a", None),)), base=base))
    assert {frozenset(each) for each in between} == {
        frozenset({"a"}),
        frozenset({"folder/a"}),
        frozenset({"a", "folder/a"}),
        frozenset(),
    }


def test_a_write_is_torn_at_sectors_and_never_brings_what_nobody_wrote() -> None:
    old, new = b"o" * 4 * SECTOR, b"n" * 4 * SECTOR
    made = disk(Write(A, 0, new), base=Tree({ROOT: {"a": A}}, {A: old}))
    images = {each["a"] for each in some(made)}
    assert {old, new} <= images
    assert len(images) > 4
    for image in images:
        assert {image[n : n + SECTOR] for n in range(0, len(image), SECTOR)} <= {old[:SECTOR], new[:SECTOR]}


def test_a_file_may_have_its_length_and_not_its_bytes() -> None:
    made = disk(NAMED, Sync(ROOT), Write(A, 0, b"x" * 100))
    assert bytes(100) in {each["a"] for each in some(made)}


def test_what_is_under_way_may_have_been_done() -> None:
    made = disk(NAMED, Sync(ROOT))
    writing = [Event(9, 10, "write", (Write(A, 0, b"x"),)), Event(9, 10, "fsync", (Sync(A),))]
    images = {found(made.image(Left.SOME, f"{n}", writing))["a"] for n in range(MANY)}
    assert images == {b"", b"x", b"\0"}


def test_the_same_seed_leaves_the_same() -> None:
    made = disk(NAMED, *(Write(A, SECTOR * n, b"x" * SECTOR) for n in range(20)))
    first, again = (found(made.image(Left.SOME, "7")) for _ in range(2))
    assert first == again


def test_a_journal_keeps_names_in_order_and_a_sync_takes_them_along() -> None:
    """What ext4 does beyond its promise."""
    synced = disk(NAMED, Write(A, 0, b"data"), Sync(A), habit=Habit.JOURNAL)
    assert left(synced) == {"a": b"data"}
    made = disk(NAMED, Names(ROOT, (("b", B),)), habit=Habit.JOURNAL)
    assert {frozenset(each) for each in some(made)} == {frozenset(), frozenset("a"), frozenset("ab")}


def test_a_directory_that_is_lost_takes_what_is_in_it() -> None:
    made = disk(Names(ROOT, (("folder", FOLDER),)), Names(FOLDER, (("a", A),)), Sync(FOLDER))
    assert left(made) == {}
    image = made.image(Left.EVERYTHING, "")
    assert (image.directories, set(image.files)) == (("folder",), {"folder/a"})
