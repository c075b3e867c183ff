import pytest

from cybous3.lab.bench.generator import Load
from cybous3.lab.bench.workload import BadWorkload


def test_shares_add_up() -> None:
    load = Load(concurrency=7, rate=90, processes=3, connections_max=100)
    shares = [load.share(index) for index in range(3)]
    assert [share.concurrency for share in shares] == [3, 2, 2]
    assert sum(share.rate or 0 for share in shares) == pytest.approx(90)
    assert sum(share.connections_max for share in shares) == 100
    assert Load().share(0) == Load()


def test_a_load_says_what_it_is() -> None:
    assert str(Load()) == "closed loop, 16 clients"
    assert str(Load(rate=200, processes=2)) == "open loop, 200/s, poisson arrivals, 2 processes"


@pytest.mark.parametrize(
    "wrong",
    [{"processes": 0}, {"concurrency": 1, "processes": 2}, {"rate": 0.0}, {"connections_max": 3}, {"timeout_s": 0.0}],
)
def test_what_makes_no_sense_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(BadWorkload):
        Load(**wrong)  # type: ignore[arg-type]  # wrong on purpose
