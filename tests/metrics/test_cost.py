"""Money for an hour of speech: by the character, by the machine, and off where no price is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from ttsbench import cli, metrics
from ttsbench.metrics.cost import cost
from ttsbench.records import Card, Item, Sample, Synthesis
from ttsbench.store import Run

TEXT = "x" * 54  # characters
ITEM = Item(Sample("a", TEXT), Synthesis("a", "a.wav", seconds=4.0, total=1.0), Card("s", price=15.0), Path("a.wav"))
TONE = """
import numpy as np
from ttsbench.records import Card

class Tone:
    card = Card("tone")

    def synthesize(self, sample, seed):
        yield np.tile(np.float32([0.1, -0.1]), 8000)

class Sold(Tone):
    card = Card("sold", price=20.0, price_source="its page, today")
"""


def test_a_service_costs_its_characters() -> None:
    found = cost().score(ITEM, ())
    # 54 characters at 15 USD a million for 4 s: 0.00081 USD; an hour is 900 times that
    assert found.value == pytest.approx(0.729) and found.weight == 4.0 and found.detail == {"characters": 54}


def test_a_machine_costs_its_time() -> None:
    item = replace(ITEM, card=Card("s"), hour=1.2)
    assert cost().score(item, ()).value == pytest.approx(0.3)  # a quarter of an hour for an hour of speech
    assert not cost().score(item, ()).busy
    crowded = replace(item, synthesis=replace(item.synthesis, others=0.5))
    assert cost().score(crowded, ()).busy and not cost().score(replace(crowded, card=ITEM.card), ()).busy


def test_what_has_no_price_or_no_clock_is_not_asked() -> None:
    measure = cost()
    assert "no price" in measure.na(replace(ITEM, card=Card("s")))
    recorded = replace(ITEM, card=Card("s"), hour=1.0, untimed="recordings are not timed")
    assert measure.na(recorded) == "recordings are not timed" and measure.na(replace(recorded, card=ITEM.card)) == ""
    silent = replace(ITEM, synthesis=replace(ITEM.synthesis, seconds=0.0))
    assert measure.score(silent, ()).error and measure.score(replace(ITEM, audio=None), ()).error == "no output"
    untimed = replace(ITEM, card=Card("s"), hour=1.0, synthesis=replace(ITEM.synthesis, total=None))
    assert measure.score(untimed, ()).na


def test_the_column_is_there_where_a_price_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tone.py").write_text(TONE)
    base = ["run", "--testset", "seed-mini", "--limit", "2", "--protocol", "open-asr", "--shared-machine", "--metrics"]
    assert "cost" not in {each.metric.name for each in metrics.protocol("embedded").measures}
    plain = [*base, "rtf", "--system", "python:tone.py:Tone"]
    assert cli.main(plain) == 0
    folder = tmp_path / "runs" / "tone@seed-mini-sample2"
    name = Run.open(folder).protocols()[0]
    assert "cost" not in [metric.name for metric in Run.open(folder).metrics(name)]
    assert cli.main([*plain[:-2], "--system", "python:tone.py:Sold", *plain[-2:], "--machine-price", "3.6"]) == 0
    said = capsys.readouterr()
    assert "Cost USD/h" in said.out and "USD/h" in (tmp_path / "runs" / "report.html").read_text()
    run = Run.open(folder)
    rows, speech = run.scores(name, "cost"), run.syntheses
    for row in rows:
        assert row.value == pytest.approx(3.6 * speech[row.sample].total / speech[row.sample].seconds, rel=1e-3)
    sold = Run.open(tmp_path / "runs" / "sold@seed-mini-sample2")
    texts = {sample.id: len(sample.text) for sample in sold.samples}
    for row in sold.scores(name, "cost"):
        assert row.value == pytest.approx(20e-6 * texts[row.sample] * 3600, rel=1e-3)  # every row is one second long
    # the price stays with the run, and several at once share the machine
    assert cli.main(["score", str(folder), "--protocol", "open-asr", "--metrics", "rtf"]) == 0
    assert json.loads((folder / "run.json").read_text())["machine_price"] == 3.6
    again = [*plain, "--jobs", "2", "--out", "two", "--machine-price", "3.6", "--threshold", "cost=0.0000001"]
    assert cli.main(again) == 1
    assert "Cost is" in capsys.readouterr().err
    two = Run.open(tmp_path / "two" / "tone@seed-mini-sample2")
    for row in two.scores(name, "cost"):
        spoken = two.syntheses[row.sample]
        assert row.value == pytest.approx(1.8 * spoken.total / spoken.seconds, rel=1e-3)
