import asyncio
import itertools
import time
from collections.abc import Callable

import pytest

from cybous3.lab.bench.generator.arrivals import Alarm, LoopAlarm, make_alarm, schedule

MakeAlarm = Callable[[asyncio.AbstractEventLoop, Callable[[], None]], Alarm]


def test_constant_arrivals_are_evenly_spaced() -> None:
    assert list(itertools.islice(schedule(4, "constant", 1), 4)) == [0.0, 0.25, 0.5, 0.75]


def test_poisson_arrivals_have_the_rate_and_the_seed_decides() -> None:
    times = list(itertools.islice(schedule(100, "poisson", 1), 5001))
    assert times == list(itertools.islice(schedule(100, "poisson", 1), 5001))
    assert times != list(itertools.islice(schedule(100, "poisson", 2), 5001))
    assert 46 < times[-1] < 54
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(times))
    assert 0.006 < gaps[2500] < 0.008  # the median of an exponential is ln 2 of its mean


@pytest.mark.parametrize("make", [make_alarm, LoopAlarm], ids=["finest", "loop"])
def test_an_alarm_rings_when_it_is_time(make: MakeAlarm) -> None:
    async def ring() -> list[float]:
        loop, rang, done = asyncio.get_running_loop(), list[float](), asyncio.Event()

        def note() -> None:
            rang.append(time.monotonic())
            done.set()

        alarm = make(loop, note)
        alarm.set(time.monotonic() + 60)
        due = time.monotonic() + 0.02
        alarm.set(due)  # the earlier wish is gone
        await asyncio.wait_for(done.wait(), 10)
        done.clear()
        alarm.set(0.0)  # long past: at once
        await asyncio.wait_for(done.wait(), 10)
        alarm.close()
        return [rang[0] - due, float(len(rang))]

    late, times = asyncio.run(ring())
    assert late >= -0.002
    assert times == 2
