"""The picture shows what the page shows."""

from pathlib import Path

import matplotlib.image as mpl_image

from cybous3.lab.bench.plots.chart import Axis, Bar, Bars, Page, table_of
from cybous3.lab.bench.plots.png import write

TABLE = table_of(("a",), [("b",)])


def page(*values: float, verdict: str = "short") -> Page:
    bars = tuple(Bar(str(value), value) for value in values)
    return Page("T", verdict, (Bars("chart", Axis("x", zero=True), bars, TABLE),))


def test_more_bars_make_a_taller_picture(tmp_path: Path) -> None:
    write(page(1, 2), tmp_path / "few.png")
    write(page(1, 2, 3, 4, 5), tmp_path / "many.png")
    few, many = (mpl_image.imread(tmp_path / name).shape for name in ("few.png", "many.png"))
    assert many[0] > few[0]
    assert many[1] == few[1]


def test_a_long_verdict_is_wrapped_into_room_of_its_own(tmp_path: Path) -> None:
    write(page(1), tmp_path / "short.png")
    write(page(1, verdict="a long word " * 40), tmp_path / "long.png")
    short, long = (mpl_image.imread(tmp_path / name).shape for name in ("short.png", "long.png"))
    assert long[0] > short[0]
