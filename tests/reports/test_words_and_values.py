"""How numbers and texts are written, and what was misheard."""

from __future__ import annotations

import csv
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ttsbench.records import Cell, Metric, Sample, Score
from ttsbench.reports import breakdown, sheets, values, words

WER = Metric("wer", "WER", "%", "lower", 0, None, "intelligibility", "", shown="corpus")
SIM = Metric("sim", "SIM", "cosine", "higher", -1, 1, "similarity", "")
COUNT = Metric("n", "Count", "", "neither", 0, None, "cost", "")


@pytest.mark.parametrize(
    "metric, value, sign, text",
    [
        (WER, 0.12345, False, "12.35"),
        (WER, -0.01, True, "−1.00"),
        (WER, 0.01, True, "+1.00"),
        (SIM, -0.0001, False, "0.000"),
        (SIM, 0.0, True, "±0"),
        (SIM, None, False, "–"),
        (COUNT, 1234.5678, False, "1234.6"),
    ],
)
def test_numbers(metric, value, sign, text):
    assert values.number(metric, value, sign) == text


def test_the_other_average_is_named_where_it_differs():
    cell = Cell("wer", 0.1, 0.0, 0.2, 5, 5, mean=0.15, corpus=0.1)
    assert values.other(WER, cell) == "mean 15.00"
    assert values.other(SIM, Cell("sim", 0.5, None, None, 5, 5, mean=0.5, corpus=0.5)) == ""


@given(
    st.text(
        st.sampled_from("=+-@ \t\r\n\u00a0\ufeff\u200b'\",ab1")
        | st.characters(exclude_categories=["Cs"], exclude_characters="\0"),
        max_size=40,
    )
)
def test_no_csv_cell_is_a_formula_and_none_is_lost(text):
    rows = list(csv.reader(io.StringIO(sheets.csv_text(["a", "b"], [[text, 1.5]]), newline="")))
    cell = rows[1][0]
    assert len(rows) == 2 and rows[1][1] == "1.5" and cell in (text, "'" + text)
    assert not cell.startswith(("\t", "\r", "\n"))
    assert not cell.lstrip(" \t\r\n\u00a0\ufeff\u200b").startswith(("=", "+", "-", "@"))


def test_word_errors_are_counted_by_kind():
    def score(reference, hypothesis):
        return Score("s", 0.0, detail={"reference": reference, "hypothesis": hypothesis})

    found = words.errors([score("a b c d", "a x c"), score("e f", "e f g"), score("", "noise"), Score("t", 1.0)])
    assert found.words == 6
    assert found.substituted == {("b", "x"): 1} and found.deleted == {"d": 1} and found.inserted == {"g": 1}
    assert found.rates() == pytest.approx((1 / 6, 1 / 6, 1 / 6))
    assert words.errors([Score("t", 1.0)]) is None


def test_length_bands_cover_every_sample():
    samples = [Sample(f"s{n}", " ".join(["word"] * n)) for n in range(1, 21)]
    bands = breakdown.by_length(samples)
    assert set(bands) == {sample.id for sample in samples} and len(set(bands.values())) == 4
    assert bands["s1"].startswith("1 to") and bands["s20"].endswith("to 20 words")
    assert breakdown.by_length([Sample("a", "one two"), Sample("b", "three four")]) == {}
    chinese = breakdown.by_length([Sample(f"c{n}", "字" * n, language="zh") for n in (2, 4, 8, 16)])
    assert all(name.endswith("characters") for name in chinese.values())
