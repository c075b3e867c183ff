"""A rejected history is told in the few operations that contradict each other."""

from cybous3.lab.chaos.linear.checker import check
from cybous3.lab.chaos.linear.explain import contradiction, words
from cybous3.lab.chaos.linear.history import Operation
from cybous3.lab.chaos.linear.objects import OBJECT, Call, Outcome
from cybous3.lab.chaos.linear.register import REGISTER
from cybous3.lab.chaos.linear.register import Call as Access
from cybous3.lab.chaos.linear.register import Outcome as Result

MS = 1_000_000


def put(client: int, value: str, begun: int, ended: int) -> Operation[Call, Outcome]:
    return Operation("k", client, Call("put", value), Outcome(200), begun * MS, ended * MS)


def get(client: int, value: str | None, begun: int, ended: int) -> Operation[Call, Outcome]:
    said = Outcome(404) if value is None else Outcome(200, value)
    return Operation("k", client, Call("get"), said, begun * MS, ended * MS)


def test_a_stale_read_among_many() -> None:
    history = [put(i % 4, f"v{i}", 10 * i, 10 * i + 12) for i in range(40)]
    history += [get(5, f"v{i}", 10 * i + 12, 10 * i + 13) for i in range(0, 40, 3)]
    history.append(get(6, "v20", 330, 331))
    assert check(OBJECT, history).rejected == "k"
    found = contradiction(OBJECT, history, "k")
    assert [OBJECT.words(o.call, o.outcome) for o in found.core][-1] == "GET: 200 v20"
    assert len(found.core) <= 4
    assert not check(OBJECT, found.core).linearizable
    lines = words(OBJECT, found)
    assert lines[0] == f"no order explains these {len(found.core)} answers about 'k':"
    assert "client 6   GET: 200 v20" in lines[-2]
    assert lines[-1].startswith("  whatever became of ")


def test_an_answer_that_stands_against_itself() -> None:
    found = contradiction(OBJECT, [get(1, None, 0, 1), get(1, "never", 5, 6), put(2, "x", 7, 8)], "k")
    assert words(OBJECT, found) == [
        "no order explains these 1 answers about 'k':",
        "      0.000 to     1.000 ms  client 1   GET: 200 never",
    ]


def test_words_of_every_call() -> None:
    assert OBJECT.words(Call("put", "v", absent=True), Outcome(412)) == "PUT v if there is none: 412"
    assert OBJECT.words(Call("delete", match="w"), None) == "DELETE if it is w"
    assert REGISTER.words(Access("read"), Result(value=None)) == "read nothing"
    assert REGISTER.words(Access("read"), Result(value=3)) == "read 3"
    assert REGISTER.words(Access("read"), None) == "read"
    assert REGISTER.words(Access("write", 4), Result()) == "write 4: done"
    assert REGISTER.words(Access("swap", 5, 4), Result(done=False)) == "swap 4 for 5: refused"
    assert REGISTER.words(Access("swap", 5, 4), None) == "swap 4 for 5"
