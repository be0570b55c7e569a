"""Charts bear whatever a run can give: equal, single, missing and infinite values, and any range."""

from __future__ import annotations

import itertools
import math

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from ttsbench.records import Cell, Metric
from ttsbench.reports import charts
from ttsbench.reports.latency_page import plot

WER = Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "")
RTF = Metric("rtf", "RTF", "", "lower", 0, None, "speed", "")

any_number = st.floats(allow_nan=True, allow_infinity=True)
any_value = st.none() | st.sampled_from([0.0, 0.5, 1.0, math.inf, math.nan]) | any_number
any_cell = st.tuples(any_value, any_value, any_value)


class Entry:
    """What a scatter plot reads of a system."""

    truth = anchor = False

    def __init__(self, name: str, x: float | None, y: float | None) -> None:
        self.name = name
        self.cells = {"rtf": cell("rtf", x), "wer": cell("wer", y)}


def cell(name: str, value: float | None, low: float | None = None, high: float | None = None) -> Cell:
    return Cell(name, value, low, high, 1, 1)


def within(*positions: float | None) -> bool:
    return all(at is None or 0 <= at <= 100 for at in positions)


@given(st.floats(-1e140, 1e140), st.floats(-1e140, 1e140))
def test_ticks_span_the_values_and_ascend(one, two):
    low, high = min(one, two), max(one, two)
    marks = charts.ticks(low, high)
    slack = 1e-6 * (marks[-1] - marks[0])
    assert 2 <= len(marks) <= 12 and marks == sorted(set(marks))
    assert marks[0] <= low + slack and marks[-1] >= high - slack


@given(st.lists(any_value, max_size=8), st.booleans())
def test_an_axis_holds_whatever_is_finite(values, logarithmic):
    values = [abs(v) if v and logarithmic else None if v == 0 and logarithmic else v for v in values]
    over = charts.axis(values, logarithmic)
    for value in values:
        at = over.place(value)
        assert (at is None) == (value is None or not math.isfinite(value)) and within(at)
    assert within(*(at for at, _ in over.labels())) and len(over.labels()) <= 12


@given(st.lists(any_cell, max_size=6), st.booleans())
def test_a_chart_bears_any_values(cells, bars):
    rows = [(f"s{i}", cell("wer", *each), i == 0) for i, each in enumerate(cells)]
    drawn = charts.chart(WER, rows, bars=bars)
    assert len(drawn.tracks) == len(cells) and within(drawn.zero, drawn.truth, *(at for at, _ in drawn.ticks))
    for track in drawn.tracks:
        assert within(track.x, track.low, track.high)


@given(st.lists(st.tuples(any_value, any_value), max_size=6))
def test_a_scatter_plot_bears_any_values(pairs):
    drawn = charts.scatter(RTF, WER, [Entry(f"s{i}", *pair) for i, pair in enumerate(pairs)])
    drawable = [pair for pair in pairs if all(v is not None and math.isfinite(v) for v in pair)]
    assert (drawn is None) == (len(drawable) < 2)
    if drawn:
        assert len(drawn.points) == len(drawable) and any(point.front for point in drawn.points)
        assert within(*(at for point in drawn.points for at in (point.x, point.y)))


@given(st.lists(st.tuples(any_number, st.lists(any_number, min_size=3, max_size=3)), min_size=1, max_size=5))
def test_a_line_plot_bears_any_values(points):
    drawn = plot("t", "x", "y", [("a", points)])
    assert drawn is not None and within(*(at for point in drawn.lines[0].points for at in point))


def test_equal_values_lie_in_the_middle():
    drawn = charts.chart(WER, [("a", cell("wer", 0.1), False), ("b", cell("wer", 0.1), False)])
    assert [track.x for track in drawn.tracks] == [50.0, 50.0]
    assert charts.axis([0.1, 0.2, 0.4]).place(0.3) == pytest.approx(66.67)


def test_a_wide_range_is_logarithmic_with_few_marks():
    drawn = charts.scatter(RTF, WER, [Entry("a", 1e-9, 0.1), Entry("b", 1e9, 0.2)])
    assert drawn is not None and "logarithmic" in drawn.x_title and len(drawn.x_ticks) <= 8
    assert {point.label: point.x for point in drawn.points} == {"a": 0.0, "b": 100.0}


@given(
    st.lists(st.tuples(st.floats(0, 100), st.floats(0, 100), st.text("abcdef", min_size=1, max_size=24)), max_size=14)
)
@example([(41.0, 0.0, "a"), (51.0, 0.0, "a")])  # apart in the narrowest plot, where they have passed each other
def test_no_two_labels_of_a_scatter_plot_meet_at_any_width(points):
    downs = charts.apart(points, charts.HIGH)
    assert None not in downs[:14]
    for width in (charts.NARROW, 240.0, 400.0, 1600.0):
        boxes = []
        for (x, y, text), down in zip(points, downs, strict=True):
            at, wide = width * x / 100, charts.SIGN * len(text)
            left, right = (at + 9, min(at + 9 + wide, width + 9)) if x <= 50 else (max(at - 9 - wide, -9), at - 9)
            boxes.append((left, right, charts.HIGH * y / 100 + down))
        for number, (left, right, here) in enumerate(boxes):
            assert 0 <= here <= charts.HIGH
            for a, b, other in boxes[:number]:
                assert right < a or left > b or abs(here - other) >= charts.LINE - 1e-6, width


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ticks_have_room_for_their_text(one, two):
    labels = [(at, text) for at, text in charts.axis([one, two]).labels(across=True) if text]
    assert labels and labels[0][0] == 0
    for (before, a), (after, b) in itertools.pairwise(labels):
        assert (after - before) * charts.NARROW / 100 >= 6 * (len(a) + len(b)) / 2


def test_the_ticks_of_an_axis_have_equally_many_digits():
    assert [text for _, text in charts.axis([0.7, 1.1]).labels()] == ["0.7", "0.8", "0.9", "1.0", "1.1"]
    assert charts.axis([-5, 40]).labels()[0][1] == "−20"
    assert charts.Axis([0.01, 1.0, 100.0], logarithmic=True).labels()[1][1] == "1"
