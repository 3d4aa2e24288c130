"""Charts: ticks that people would write, marks where their numbers are, and a table of the same numbers."""

from __future__ import annotations

import itertools
import json
import math
import re
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plainnet.pages.bars import stacked
from plainnet.pages.charts import Axis, Series, chart, scale_of
from plainnet.pages.explorer import explorer
from plainnet.pages.matrix import matrix
from plainnet.pages.parts import Html, in_percent, table
from plainnet.pages.threads import threads
from plainnet.pages.ticks import linear_ticks, log_ticks, tick_labels

FINITE = st.floats(-1e12, 1e12, allow_nan=False)


@given(FINITE, st.floats(1e-9, 1e12))
def test_ticks_are_few_even_and_inside(low: float, width: float) -> None:
    high = low + width
    ticks = linear_ticks(low, high)
    if high == low:
        return
    steps = {round(math.log10((b - a) / (high - low)), 6) for a, b in itertools.pairwise(ticks) if b > a}
    assert len(ticks) <= 13
    slack = 1e-6 * width + 4 * math.ulp(max(abs(low), abs(high)))
    assert all(low - slack <= tick <= high + slack for tick in ticks)
    if width > 1e-6 * abs(low):
        assert len(ticks) >= 2
        assert max(steps) - min(steps) < 0.01


@given(st.floats(1e-9, 1e9), st.floats(1.01, 1e9))
def test_ticks_of_ratios_are_inside(low: float, ratio: float) -> None:
    ticks = log_ticks(low, low * ratio)
    assert 1 <= len(ticks) <= 13
    assert all(low * 0.99 <= tick <= low * ratio * 1.01 for tick in ticks)


@pytest.mark.parametrize(
    ("ticks", "labels", "is_even"),
    [
        ((0.0, 5e6, 1e7), "0 5M 10M", True),
        ((0.0, 5e5, 1e6, 1.5e6), "0 0.5M 1M 1.5M", True),
        ((0.0, 0.05, 0.1), "0 0.05 0.1", True),
        ((150.0, 175.0), "150 175", True),
        ((2e4, 2.5e4), "20k 25k", True),
        ((1000.0, 2000.0), "1000 2000", True),
        ((1e-5, 2e-5), "1e-5 2e-5", True),
        ((-2e-5, 0.0, 2e-5), "-2e-5 0 2e-5", True),
        ((2e12, 4e12), "2T 4T", True),
        ((5e3, 1e4, 2e4), "5k 10k 20k", False),
        ((500.0, 1e3), "500 1000", False),
        ((1e5, 1e6, 1e7, 1e9), "100k 1M 10M 1G", False),
        ((1e-7, 1e-5, 1e-3, 0.1, 1.0, 10.0), "1e-7 1e-5 1e-3 1e-1 1 10", False),
        ((0.001, 0.01, 0.1, 1.0), "0.001 0.01 0.1 1", False),
        ((2e4, 962_932.0, 4e6), "20k 962.9k 4M", False),
    ],
)
def test_labels_are_as_people_write_them_and_alike_on_an_axis(
    ticks: tuple[float, ...], labels: str, is_even: bool
) -> None:
    assert tick_labels(ticks, is_even=is_even) == labels.split()


@given(st.floats(1e-9, 1e12), st.floats(1.5, 1e9), st.booleans())
def test_no_two_ticks_of_an_axis_say_the_same_and_each_says_where_it_is(low: float, ratio: float, is_log: bool) -> None:
    ticks = log_ticks(low, low * ratio) if is_log else linear_ticks(low, low * ratio)
    labels = tick_labels(ticks, is_even=not is_log)
    assert len(set(labels)) == len(labels)
    units = {"T": 1e12, "G": 1e9, "M": 1e6, "k": 1e3}
    for tick, label in zip(ticks, labels, strict=True):
        assert float(label.rstrip("TGMk")) * units.get(label[-1], 1) == pytest.approx(tick, rel=1e-3)
    if not is_log:
        assert len({label[-1] if label[-1] in units else "" for label in labels if label != "0"}) <= 1


def marks(text: str) -> list[tuple[float, float]]:
    """The centres of the round marks of a chart."""
    found = re.findall(r"class='mark [^']*' d='M([\d.-]+) ([\d.-]+)a4.5", text)
    return [(float(x) + 4.5, float(y)) for x, y in found]


@given(st.lists(st.tuples(FINITE, FINITE), min_size=2, max_size=20))
def test_marks_lie_where_their_numbers_are(points: list[tuple[float, float]]) -> None:
    points.sort()
    text = chart([Series("a", points, kind="dots")], Axis("x"), Axis("y"), says="dots")
    places = marks(text)
    assert len(places) == len(points)
    for (x, y), (a, b) in zip(points, places, strict=True):
        assert 60 <= a <= 1026, (x, a)
        assert 12 <= b <= 296, (y, b)
    assert all(a[0] <= b[0] + 0.11 for a, b in itertools.pairwise(places))
    by_height = sorted(range(len(points)), key=lambda number: points[number][1])
    assert all(places[a][1] >= places[b][1] - 0.11 for a, b in itertools.pairwise(by_height))


def test_a_chart_is_well_formed_escapes_and_tells_its_numbers() -> None:
    evil = "</svg><script>x</script>'\"&"
    series = [
        Series(evil, [(0, 1), (1, None), (2, 3), (3, float("nan")), (4, 2.5)], said=[evil] * 5, picks=[evil] * 5),
        Series("b", [(0, 2), (1, 2), (2, 2), (3, 2), (4, 2)], kind="steps", tone="best"),
    ]
    text = chart(series, Axis(evil), Axis("y"), says=evil)
    root = ElementTree.fromstring(f"<div>{text}</div>")
    assert "script" not in {node.tag for node in root.iter()}
    cells = [cell.text for cell in root.iter("td")]
    assert cells == ["0", "1", "2", "1", "–", "2", "2", "3", "2", "3", "–", "2", "4", "2.50000", "2"]
    path = next(
        node for node in root.iter("path") if node.get("class") == "line t-accent" and len(node.get("d") or "") > 12
    )
    assert (path.get("d") or "").count("M") == 3, "what is not there interrupts a line"


def test_a_span_that_cannot_be_divided_has_one_tick() -> None:
    assert linear_ticks(0.0, 5e-324) == [0.0]


def test_nothing_to_draw_is_said() -> None:
    assert "Nothing to draw" in chart([Series("a", [(0, None)])], Axis("x"), Axis("y"), says="loss")


@given(st.lists(st.floats(1e-6, 1e9), min_size=1, max_size=5), st.booleans())
def test_a_scale_keeps_its_values_inside(values: list[float], log: bool) -> None:
    scale = scale_of(values, Axis("x", log=log), 0.0, 1.0)
    assert all(0 <= scale.at(value) <= 1 for value in values)


def test_bars_fill_their_width_and_a_matrix_shades_rows() -> None:
    drawn = stacked([(10, (0.5, 0.25)), (30, (1.0, 0.0))], (("a", "accent"), ("b", "soft")), label="n", says="bars")
    widths = [
        float(each)
        for each in re.findall(r"<rect class='stack t-accent' x='[\d.]+' y='[\d.]+' width='([\d.]+)'", drawn)
    ]
    assert widths[1] == pytest.approx(3 * widths[0], rel=1e-3)
    square = matrix([[9, 1], [0, 10]], says="confusion")
    assert re.findall(r"cell s(\d)", square) == ["6", "1", "0", "6"]
    assert "19 of 20 on the diagonal" in square


def test_up_is_better_on_every_thread() -> None:
    columns = {
        "score": {"marked": [4.0, 9.0, 1.0], "ratio": False},
        "MACs": {"marked": [1e6, 1e5, 1e7], "ratio": True},
        "params": {"marked": [2.0, None, 9.0], "ratio": False},
    }
    marks = [
        {"name": name, "structure": name, "said": name, "winner": name == "a", "front": name != "d"} for name in "abc"
    ]
    text = threads([("score", True), ("MACs", False)], columns, marks)
    lines = re.findall(r"thread t-(\w+)[^']*' d='M[\d.]+ ([\d.]+)L[\d.]+ ([\d.]+)' data-said='(.)'", text)
    places = {name: (float(first), float(second)) for _, first, second, name in lines}
    assert places["b"][0] < places["a"][0] < places["c"][0]
    assert places["b"][1] < places["a"][1] < places["c"][1]
    assert [tone for tone, *_, name in lines if name == "a"] == ["done"]
    assert lines[-1][-1] == "a", "the winner lies above the others"
    marks[2]["front"] = False
    text = threads([("score", True), ("MACs", False), ("params", False)], columns, marks)
    assert text.count("thread") == 1
    assert "The front: 1 networks" in text
    ElementTree.fromstring(re.search(r"<svg.*</svg>", text)[0])  # type: ignore[index]


@given(st.integers(0, 10**9), st.integers(1, 10**9))
def test_what_is_not_all_of_it_is_not_called_all_of_it(part: int, whole: int) -> None:
    """99,986 of 100,000 are no 100 %, 100,012 are more than that, and one of them is not nothing."""
    share = part / whole
    text = in_percent(share)
    said = float(text.rstrip("%"))
    assert (text == "0%") == (part == 0)
    assert (text == "100%") == (part == whole)
    assert said > 0 or part == 0
    assert said != 100 or abs(part - whole) * 10**7 < whole
    assert said / 100 == pytest.approx(share, abs=5.1e-4)


@pytest.mark.parametrize(
    ("share", "digits", "text"),
    [
        (0.99986, 1, "99.99%"),
        (1.00012, 1, "100.01%"),
        (0.0004, 0, "0.04%"),
        (3e-12, 1, "3e-10%"),
        (0.5, 0, "50%"),
        (-1, 1, "-100%"),
    ],
)
def test_shares_have_as_many_digits_as_they_need(share: float, digits: int, text: str) -> None:
    assert in_percent(share, digits=digits) == text


def test_cells_are_escaped_unless_they_are_html() -> None:
    text = table(["<a>"], [["<b>", Html("<i>c</i>")]])
    assert "&lt;a&gt;" in text
    assert "&lt;b&gt;" in text
    assert "<i>c</i>" in text


def test_the_chosen_axes_show_what_the_data_are() -> None:
    """Places go from 0 to 1 with the values, linear or by ratio, and a tick stands where its number is."""
    columns = {
        "params": {"all": [1e3, 1e4, None, 1e6], "marked": [1e5, 1e6], "ratio": True},
        "score": {"all": [1.0, 2.0, 3.0, 5.0], "marked": [4.0, None], "ratio": False, "bound": 6.0},
    }
    marks = [
        {"name": "a", "structure": "A", "said": "a", "winner": True},
        {"name": "b", "structure": "B", "said": "b", "winner": False},
    ]
    figure, script = explorer({"columns": columns, "marks": marks, "x": "params", "y": "score"}, name="here")
    data = json.loads(re.sub(r"<[^>]*>", "", script))
    for label, column in columns.items():
        drawn = data["columns"][label]
        values = [*column["all"], *column["marked"]]  # type: ignore[misc]
        places = [*drawn["places"], *drawn["marks"]]
        known = [(value, place) for value, place in zip(values, places, strict=True) if value is not None]
        assert [place is None for place in places] == [value is None for value in values]
        assert all(0 <= place <= 1 for _, place in known)
        assert drawn["bound"] is None or max(place for _, place in known) < drawn["bound"] <= 1
        scaled = [(math.log10(value) if column["ratio"] else value, place) for value, place in known]
        (a, p), (b, q) = min(scaled), max(scaled)
        assert all(place == pytest.approx(p + (value - a) / (b - a) * (q - p), abs=2e-4) for value, place in scaled)
        for place, text in drawn["ticks"]:
            number = float(text.replace("M", "e6").replace("k", "e3"))
            at = math.log10(number) if column["ratio"] else number
            assert place == pytest.approx(p + (at - a) / (b - a) * (q - p), abs=2e-4)
    assert data["columns"]["score"]["bound"] is not None
    assert figure.count("<option") == 4
    assert figure.count("class='line t-out'") == 2, "the bound, and what its line means"
    assert "the winner" in figure
