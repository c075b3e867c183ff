"""A page needs nothing but itself, tells its figures as text, and lets no name become markup."""

import re
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from cybous3.lab.bench.plots.chart import Axis, Bar, Bars, Curves, Mark, Page, Series, table_of
from cybous3.lab.bench.plots.page import render
from cybous3.lab.bench.plots.svg import draw
from cybous3.lab.bench.plots.write import UnknownPicture, write

TABLE = table_of(("load", "rate"), [("1", "100"), ("2", "<180>")])
CURVES = Curves(
    "Throughput",
    Axis("clients", log=True),
    Axis("operations/s", zero=True),
    (
        Series("measured & <true>", ((1, 100), (2, 180), (4, 300)), "dots", band=((1, 90, 110), (4, 280, 320))),
        Series("law", ((1, 100), (4, 310)), "line"),
        Series("held", ((1, 50), (4, 60)), "steps"),
    ),
    TABLE,
    (Mark(2, "knee"), Mark(3.9, "peak of the law"), Mark(200, "objective", "y")),
    "A note.",
)
BARS = Bars(
    "PUT",
    Axis("requests/s", zero=True),
    (Bar("ours", 300, (290, 310), "strict", strong=True), Bar("other", 100), Bar("third", None, note="n/a")),
    TABLE,
    (Mark(150, "half"),),
)
DOTS = Bars("cost", Axis("%"), (Bar("put", 3, (1, 5), "met"),), TABLE, (Mark(0, "none"),), dots=True)
PAGE = Page("Title <b>", "a verdict", (CURVES, BARS, DOTS), (("machine", "two cores"),), ("a remark",))


class _Fetches(HTMLParser):
    """Collects what a browser would fetch."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        if tag in {"script", "link", "img", "iframe", "object", "embed"}:
            self.found.append(tag)
        self.found += [name for name, _ in attrs if name in {"src", "href", "srcset", "data"} or name.startswith("on")]


def test_the_page_fetches_nothing_and_runs_nothing() -> None:
    text, parser = render(PAGE), _Fetches()
    parser.feed(text)
    assert parser.found == []
    assert not re.search(r"url\(|@import|https?:", text)


def test_every_chart_is_followed_by_its_table() -> None:
    text = render(PAGE)
    assert text.count("<svg") == text.count("<table") == 3
    assert re.findall(r"<svg|<table", text) == ["<svg", "<table"] * 3


def test_light_and_dark_are_both_there() -> None:
    text = render(PAGE)
    assert text.count("prefers-color-scheme:dark") == 2
    assert "color-scheme:light dark" in text


def test_names_do_not_become_markup() -> None:
    text = render(PAGE)
    assert "<b>" not in text
    assert "<true>" not in text
    assert "measured &amp; &lt;true&gt;" in text


@pytest.mark.parametrize("chart", [CURVES, BARS, DOTS], ids=lambda chart: chart.title)
def test_drawings_are_well_formed_and_stay_in_their_picture(chart: Curves | Bars) -> None:
    picture = ET.fromstring(draw(chart))  # noqa: S314  # our own text
    _, _, width, height = (float(part) for part in picture.attrib["viewBox"].split())
    for shape in picture.iter():
        for name, value in shape.attrib.items():
            if name in {"x", "x1", "x2", "cx"}:
                assert -1 <= float(value) <= width
            if name in {"y", "y1", "y2", "cy"}:
                assert -1 <= float(value) <= height


def test_higher_values_stand_higher() -> None:
    picture = ET.fromstring(draw(CURVES))  # noqa: S314  # our own text
    heights = [float(circle.attrib["cy"]) for circle in picture.iter("circle")]
    assert heights == sorted(heights, reverse=True)
    assert len(heights) == 3


def test_longer_bars_are_longer() -> None:
    picture = ET.fromstring(draw(BARS))  # noqa: S314  # our own text
    lengths = [float(bar.attrib["width"]) for bar in picture.iter("rect")]
    assert lengths[0] == pytest.approx(3 * lengths[1], rel=0.01)


def test_points_say_what_they_are() -> None:
    assert "<title>measured &amp; &lt;true&gt;: 2 → 180</title>" in draw(CURVES)


def test_a_chart_without_points_is_drawn_empty() -> None:
    empty = Curves("nothing", Axis("x"), Axis("y"), (Series("none", ()),), table_of(("x",), []))
    assert "polyline" not in draw(empty)


@pytest.mark.parametrize("name", ["page.html", "picture.png"])
def test_both_kinds_of_files_are_written(tmp_path: Path, name: str) -> None:
    write(PAGE, tmp_path / name)
    begin = (tmp_path / name).read_bytes()[:15].lower()
    assert begin.startswith(b"\x89png" if name.endswith("png") else b"<!doctype html>")


def test_another_ending_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnknownPicture, match=r"page\.pdf"):
        write(PAGE, tmp_path / "page.pdf")
