"""Cuts are chosen by a seed, lie where promises are youngest, and are summed up so that one can look them up."""

import json

from cybous3.lab.chaos.powercut.check import Finding
from cybous3.lab.chaos.powercut.cuts import Cut, Mode, every, some
from cybous3.lab.chaos.powercut.disk import Left
from cybous3.lab.chaos.powercut.effects import EMPTY, Event, Sync, Write
from cybous3.lab.chaos.powercut.history import Attempt
from cybous3.lab.chaos.powercut.recording import Recording, moments
from cybous3.lab.chaos.powercut.replay import Outcome, images
from cybous3.lab.chaos.powercut.verdict import EXAMPLES_MAX, sum_up

EVENTS = [Event(float(n), n + 0.5, "write", (Write(1, n, b"x"),)) for n in range(50)]
ATTEMPT = Attempt("object:a/b", "put", 1.0, None, 20.2, ok=True)
MADE = Recording(EMPTY, EVENTS, [ATTEMPT], moments(EVENTS))


def test_the_same_seed_cuts_at_the_same_places() -> None:
    assert some(MADE, Mode.POWER, 40, 7) == some(MADE, Mode.POWER, 40, 7)
    assert some(MADE, Mode.POWER, 40, 7) != some(MADE, Mode.POWER, 40, 8)
    assert [cut.before for cut in some(MADE, Mode.POWER, 40, 7)] == sorted(
        c.before for c in some(MADE, Mode.POWER, 40, 7)
    )


def test_half_of_the_cuts_lie_right_behind_an_acknowledgement() -> None:
    cuts = some(MADE, Mode.POWER, 40, 7)
    assert sum(cut.before == MADE.after(20.2) for cut in cuts) >= 20
    assert {cut.left for cut in cuts} == set(Left)
    assert {cut.left for cut in some(MADE, Mode.KILL, 40, 7)} == {Left.EVERYTHING}


def test_every_place_is_cut_in_every_way() -> None:
    assert len(every(range(5), Mode.POWER, "s")) == 15
    assert len(every(range(5), Mode.KILL, "s")) == 5


def test_a_moment_is_never_later_than_what_has_not_happened_began() -> None:
    """A call that has begun may have been done: only its end says for a sync, which promises nothing before."""
    begun = Event(1.0, 9.0, "write", (Write(1, 0, b"x"),))
    syncing = Event(2.0, 8.0, "fsync", (Sync(1),))
    quick = Event(3.0, 4.0, "write", (Write(2, 0, b"x"),))
    assert moments([quick, syncing, begun]) == [1.0, 1.0, 1.0, float("inf")]
    assert moments([quick, syncing]) == [3.0, 8.0, float("inf")]


def test_images_of_no_cuts_are_none() -> None:
    assert list(images(MADE, [])) == []


def test_a_verdict_counts_and_shows_the_first_of_each_kind() -> None:
    lost = [Outcome(Cut(n, Left.NOTHING, f"1/{n}"), (Finding("lost", "a/b", "absent"),), 0.25) for n in range(9)]
    verdict = sum_up("own", [*lost, Outcome(Cut(9, Left.SOME, "1/9"), (), 0.75, process=True)])
    assert (verdict.cuts, verdict.cuts_broken, verdict.found["lost"], verdict.passed) == (10, 9, 9, False)
    assert len(verdict.examples) == EXAMPLES_MAX
    told = json.loads(json.dumps(verdict.to_json()))
    assert (told["lost"], told["no_start"], told["recovery_s_max"], told["opened_by_process"]) == (9, 0, 0.75, 1)
    assert told["examples"][0]["cut"] == "before event 0, nothing left (1/0)"


def test_a_leak_breaks_what_strict_promises_and_no_other_mode() -> None:
    leaked = [Outcome(Cut(1, Left.SOME, "1/1"), (Finding("leaked", "blobs/1", "it is left"),))]
    assert not sum_up("own", leaked).passed
    relaxed = sum_up("own", leaked, mode="relaxed")
    assert relaxed.passed
    assert relaxed.found == {"leaked": 1}


def test_no_cuts_are_no_proof() -> None:
    assert not sum_up("own", []).passed
    assert sum_up("an operation that writes nothing", [], boundaries=0).passed
