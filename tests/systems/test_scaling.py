"""The scaling command on a toy that can search, with the real verifiers."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch

from ttsbench import audio, cli, testsets
from ttsbench.records import Card, Sample, TestSet
from ttsbench.systems.llasa.decoding import Cost
from ttsbench.systems.scaling import sweep as scaling
from ttsbench.systems.scaling import verifiers

pytest.importorskip("pocketsphinx", reason="the recogniser behind the verifier")


class State:
    def fork(self, rows: int, capacity: int) -> State:
        return self

    def select(self, rows: torch.Tensor, capacity: int | None = None) -> State:
        return self


class Tones:
    """Says notes, each a tenth of a second of one of ten pitches."""

    width, frame_rate, limit = 1, 10.0, 12

    def begin(self) -> tuple[State, torch.Tensor]:
        return State(), torch.zeros(1, 1)

    def next(self, hidden: torch.Tensor, frames: torch.Tensor, generator: torch.Generator) -> tuple[torch.Tensor, ...]:
        drawn = torch.randint(0, 10, (len(hidden), 1), generator=generator)
        return drawn, torch.zeros(len(hidden), dtype=torch.bool)

    def read(self, frames: torch.Tensor, state: State) -> torch.Tensor:
        return torch.zeros(len(frames), 1)

    def audio(self, frames: torch.Tensor) -> np.ndarray:
        time = np.arange(1600) / 16000
        notes = [np.sin(2 * np.pi * (150 + 40 * int(note)) * time) for note in frames[:, 0]]
        return (0.3 * np.concatenate(notes)).astype(np.float32)


class Singer:
    card = Card("singer")

    def writers(self, sample: Sample) -> list[Tones]:
        if not sample.text:
            raise ValueError("nothing to say")
        return [Tones() for _ in self.pieces(sample)]

    def pieces(self, sample: Sample) -> list[str]:
        return sample.text.split(", ")


def command(folder: Path, *words: str) -> int:
    return cli.main(["scaling", "--out", str(folder), "--beams", "2", "--samples", "2", "--step", "4", *words])


@pytest.fixture
def prompt(tmp_path: Path) -> Path:
    from ttsbench.audio import write

    path = tmp_path / "prompt.wav"
    write(path, Tones().audio(torch.arange(10)[:, None]), 16000)
    return path


def test_table_plot_and_resumption(tmp_path: Path, prompt: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from ttsbench import systems, testsets

    samples = (
        Sample("a", "no", prompt=prompt),
        Sample("b", "too, long", prompt=prompt),
        Sample("c", "", prompt=prompt),
    )
    monkeypatch.setattr(testsets, "load", lambda spec: TestSet("toy", samples, "", ""))
    asked = []
    monkeypatch.setattr(systems, "load", lambda spec, device: asked.append(spec) or Singer())
    monkeypatch.setattr(scaling, "NUMBERS", (1, 2, 4))
    folder = tmp_path / "out"
    (tmp_path / "mine.py").write_text("def pitch(sample, rate):\n    return lambda sound: -float(abs(sound).mean())\n")
    asked_for = ("--seconds", "0.8", "--content", f"{tmp_path}/mine.py:pitch", "--voice", "timbre")
    assert command(folder, *asked_for) == 1  # one sentence could not be searched
    lines = {line["search"]: line for line in json.loads((folder / "table.json").read_text())}
    assert list(lines) == ["direct", "ORM N=02", "ORM N=04", "partial PRM", "partial PRM + ORM"]
    assert lines["direct"]["calls"] == 0
    assert lines["ORM N=04"]["times"] == pytest.approx(4)
    assert lines["ORM N=04"]["wer"]["value"] <= lines["ORM N=02"]["wer"]["value"]
    assert (folder / "scaling.png").stat().st_size > 10_000
    assert (folder / "audio" / "ORM-N=04").is_dir()
    before = (folder / "rows.jsonl").read_text()
    assert "nothing to say" in before
    rows = {(row["sample"], row["search"]): row for row in map(json.loads, before.splitlines())}
    one, two = (rows[name, "ORM N=04"] for name in "ab")
    assert (two["candidates"], two["frames"], two["decodes"]) == (2 * one["candidates"], 2 * one["frames"], 8)
    whole = [audio.read(folder / "audio" / "direct" / f"{name}.flac")[0] for name in "ab"]
    assert len(whole[1]) == 2 * len(whole[0])  # both pieces, one after the other
    command(folder, *asked_for)
    assert (folder / "rows.jsonl").read_text() == before


def test_recording_and_codec_stand_beside_the_searches(
    tmp_path: Path, prompt: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from ttsbench import systems, testsets

    class Copier(Singer):
        def resynthesize(self, samples: np.ndarray, rate: int) -> np.ndarray:
            return 0.5 * samples

    samples = tuple(Sample(name, "no", prompt=prompt, truth=prompt) for name in "ab")
    monkeypatch.setattr(testsets, "load", lambda spec: TestSet("toy", samples, "", ""))
    monkeypatch.setattr(systems, "load", lambda spec, device: Copier())
    monkeypatch.setattr(scaling, "NUMBERS", (1, 2))
    for shard in ("1/2", "2/2", "1/1"):
        assert command(tmp_path / "out", "--only", "orm", "--shard", shard) == 0
    lines = {line["search"]: line for line in json.loads((tmp_path / "out" / "table.json").read_text())}
    assert list(lines) == ["ground truth", "codec", "direct", "ORM N=02"]
    assert {line["sentences"] for line in lines.values()} == {2}
    assert lines["ground truth"]["frames"] == 0 and lines["ground truth"]["sim-o"]["value"] == pytest.approx(1)
    with pytest.raises(SystemExit):
        command(tmp_path, "--shard", "3/2")


def test_few_sentences_are_spread() -> None:
    samples = tuple(Sample(str(n), "") for n in range(72))
    assert [sample.id for sample in scaling.spread(samples, 4)] == ["0", "24", "47", "71"]
    assert len({sample.id for sample in scaling.spread(samples, 30)}) == 30
    assert len(scaling.spread(samples, 0)) == len(scaling.spread(samples, 99)) == 72


def test_a_system_that_cannot_search_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    from ttsbench import systems, testsets

    monkeypatch.setattr(testsets, "load", lambda spec: TestSet("toy", (), "", ""))
    monkeypatch.setattr(systems, "load", lambda spec, device: object())
    assert command(tmp_path) == 1
    assert "cannot search" in capsys.readouterr().err


def recordings() -> list[Sample]:
    """One embedded row of each speaker."""
    return list({row.speaker: row for row in testsets.load("seed-mini").samples}.values())


def heard(row: Sample) -> np.ndarray:
    assert row.truth
    return audio.read_at(row.truth, 16000)


def test_judges_prefer_the_right_words_and_the_right_voice() -> None:
    row, another = (next(row for row in recordings() if row.speaker == name) for name in ("am_michael", "af_sarah"))
    said, other, text, prompt = heard(row), heard(another), row.text, row.prompt
    assert prompt
    for judge in (verifiers.words(text, 16000), verifiers.phones(text, 16000)):
        assert judge(said) > judge(other) + 0.2
    for judge in (verifiers.voice(prompt, 16000), verifiers.timbre(prompt, 16000)):
        assert judge(said) > judge(other)
    assert 1.0 <= verifiers.quality(16000)(said) <= 5.0


def test_what_the_phone_verifier_hears_does_not_depend_on_the_order() -> None:
    rows = recordings()[:6]
    said = [heard(row) for row in rows]
    for place in (1, 3, 5):  # other cepstral means than its neighbours', which a decoder without reset would keep
        muffled = np.cumsum(said[place])
        said[place] = (0.5 * muffled / np.abs(muffled).max()).astype(np.float32)
    judges = [verifiers.phones(row.text, 16000) for row in rows]
    forth = [judge(sound) for judge, sound in zip(judges, said, strict=True)]
    back = [judge(sound) for judge, sound in zip(judges[::-1], said[::-1], strict=True)]
    assert forth == back[::-1]


def test_costs_add_up() -> None:
    assert Cost(1, 2, {"a": 1}) + Cost(3, 4, {"a": 2, "b": 5}) == Cost(4, 6, {"a": 3, "b": 5})


def test_verifiers_go_by_name(tmp_path: Path, prompt: Path) -> None:
    row = recordings()[0]
    said, rate = heard(row), 16000
    own, other = row, Sample("x", "Something quite different from that.", prompt=prompt)
    for name in ("recognisers.faster_whisper", "speakers.ge2e", "phones", "timbre"):
        assert verifiers.named(name, own, rate)(said) > verifiers.named(name, other, rate)(said), name
    signal, overall = (verifiers.named(f"quality.dnsmos?what=p835#{key}", row, rate)(said) for key in ("sig", "ovrl"))
    assert signal > overall == verifiers.named("quality.dnsmos?what=p835", row, rate)(said)
    (tmp_path / "mine.py").write_text("def length(sample, rate):\n    return lambda sound: len(sound) / rate\n")
    assert verifiers.named(f"{tmp_path}/mine.py:length", row, rate)(said) == len(said) / rate
    with pytest.raises(ValueError, match="no value 'nonsense'; it has"):
        verifiers.named("quality.dnsmos?what=p835#nonsense", row, rate)(said)
    with pytest.raises(ValueError, match="sample y has none"):
        verifiers.named("speakers.ge2e", Sample("y", "no"), rate)
    with pytest.raises(ValueError, match="no verifier 'wishes'; give recognisers"):
        verifiers.named("wishes", row, rate)
