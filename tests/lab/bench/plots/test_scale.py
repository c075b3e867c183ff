"""Values find their places on an axis, and the ticks are round."""

import math

import pytest

from cybous3.lab.bench.plots.chart import Axis
from cybous3.lab.bench.plots.scale import scale_for, short, spread


def test_all_values_lie_inside_and_the_ends_have_room() -> None:
    scale = scale_for(Axis("x"), [10, 20, 30])
    assert 0 < scale.place(10) < scale.place(20) < scale.place(30) < 1


def test_an_axis_of_lengths_begins_at_zero() -> None:
    scale = scale_for(Axis("x", zero=True), [80, 100])
    assert scale.low == 0
    assert scale.ticks[0] == (0, "0")


def test_an_axis_of_lengths_still_shows_what_lies_below_zero() -> None:
    assert scale_for(Axis("x", zero=True), [-3, 5]).low < -3


def test_a_logarithmic_axis_gives_each_factor_the_same_room() -> None:
    scale = scale_for(Axis("x", log=True), [1, 1000])
    steps = [scale.place(at * 10) - scale.place(at) for at in (1, 10, 100)]
    assert steps == pytest.approx([steps[0]] * 3)
    assert [text for _, text in scale.ticks] == ["1", "10", "100", "1k"]


def test_few_decades_have_ticks_between_and_less_than_one_has_round_steps() -> None:
    assert [at for at, _ in scale_for(Axis("x", log=True), [1, 30]).ticks] == [1, 2, 5, 10, 20]
    assert len(scale_for(Axis("x", log=True), [100, 200]).ticks) >= 4


def test_decades_of_which_two_powers_show_are_divided_all_the_same() -> None:
    assert [at for at, _ in scale_for(Axis("ms", log=True), [0.17, 50]).ticks] == [0.2, 0.5, 1, 2, 5, 10, 20, 50]


def test_what_cannot_be_placed_is_put_on_the_edge() -> None:
    assert scale_for(Axis("x", log=True), [1, 10]).place(0) == 0
    assert scale_for(Axis("x"), [1, 10]).place(99) == 1


@pytest.mark.parametrize("values", [[], [math.nan], [5.0], [0.0, 0.0]])
@pytest.mark.parametrize("log", [False, True])
def test_nothing_or_one_value_still_makes_an_axis(values: list[float], *, log: bool) -> None:
    scale = scale_for(Axis("x", log=log), values)
    assert scale.low < scale.high
    assert len(scale.ticks) >= 2


def test_given_ticks_are_kept_where_they_are_visible() -> None:
    scale = scale_for(Axis("x", ticks=((1, "one"), (99, "far"))), [0, 2])
    assert scale.ticks == ((1, "one"),)


@pytest.mark.parametrize(
    ("value", "text"),
    [(0, "0"), (950, "950"), (1200, "1.2k"), (3.4e6, "3.4M"), (2e9, "2G"), (0.025, "0.025"), (-1500, "-1.5k")],
)
def test_numbers_are_short(value: float, text: str) -> None:
    assert short(value) == text


def test_labels_are_moved_apart_in_order() -> None:
    assert spread([5, 5, 40], 10) == [5, 15, 40]
    assert spread([40, 5], 10) == [40, 5]
