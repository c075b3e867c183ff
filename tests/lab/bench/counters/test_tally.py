from concurrent.futures import ThreadPoolExecutor

from cybous3.lab.bench.counters.tally import Tally, growth


def add(tally: Tally, times: int) -> None:
    for _ in range(times):
        tally.add("x")


def test_threads_lose_no_count() -> None:
    tally = Tally()
    with ThreadPoolExecutor(4) as pool:
        for _ in range(4):
            pool.submit(add, tally, 500)
    tally.add("y", 7)
    assert tally.snapshot() == {"x": 2000, "y": 7}


def test_growth_names_only_what_grew() -> None:
    assert growth({"a": 1, "b": 2}, {"a": 1, "b": 5, "c": 1}) == {"b": 3, "c": 1}
