"""Cached features are scored anew, also where the weights that made them are not."""

from collections.abc import Callable
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttsbench import audio, metrics
from ttsbench.errors import UserError
from ttsbench.records import Card, Feature, Item, Measure, Metric, Protocol, Request, Sample, Score, Synthesis
from ttsbench.scoring import check, protocols_of, score
from ttsbench.store import FeatureStore, Run, feature_key, file_digest

SAMPLE = Sample("a", "a white paper here")
HOW: dict[str, Any] = {"jobs": 1, "device": "cpu", "timeout": 60, "progress": lambda *_: None}
IDENTITY = {"model": "someone/whisper", "digest": "0123"}


def made(folder: Path, identity: dict[str, str] | None) -> Run:
    """A run of one utterance whose transcript is cached, as open-asr's recogniser would have left it."""
    card = Card("x")
    run = Run.create(folder, {"system": {"card": asdict(card)}, "testset": {"name": "t"}}, (SAMPLE,))
    (run.path / "audio").mkdir()
    audio.write(run.path / "audio" / "a.wav", np.full(16000, 0.1, np.float32), 16000)
    row = Synthesis("a", "audio/a.wav")
    run.add_synthesis(row)
    (wer,) = (each for each in metrics.protocol("open-asr").measures if each.metric.name == "wer")
    (request,) = wer.requests(Item(SAMPLE, row, card, run.audio(row)))
    key = feature_key(IDENTITY, file_digest(request.audio), 0.0, "", 0.0)
    about = {"file": "a.wav", **dict(request.settings)}
    FeatureStore(run.path / "features").put(
        request.extractor, key, Feature({"text": "A whitepaper her."}), about, identity
    )
    return run


def scored(run: Run) -> float | None:
    rows = score(run, ["open-asr"], **HOW)
    return rows["open-asr"]["wer"][0].value


@pytest.fixture(autouse=True)
def no_weights(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("TTSBENCH_WEIGHTS", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)


def test_transcripts_are_scored_without_the_recogniser_that_made_them(tmp_path: Path) -> None:
    assert scored(made(tmp_path / "run", IDENTITY)) == 0.25


def test_without_a_word_about_the_recogniser_its_rows_say_what_to_do(tmp_path: Path) -> None:
    run = made(tmp_path / "run", None)
    (row,) = score(run, ["open-asr"], **HOW)["open-asr"]["wer"]
    assert "ttsbench fetch" in row.error and row.na == "" and row.value == 1.0


# --- a protocol of our own ----------------------------------------------------------------------------------------

LENGTH = """
from ttsbench.metrics.models import MissingModel, one_by_one
from ttsbench import audio

BATCH = 4

def identity(settings):
    if settings.get("gone"):
        raise MissingModel("the model is not here: run `ttsbench fetch it`")
    return {"model": "length", **settings}

def load(settings, device):
    if settings.get("unpacked"):
        raise MissingModel("no package: pip install it")

    def extract(requests):
        if any(request.audio.stem == "bad" for request in requests):
            raise SystemExit(3)
        return one_by_one(lambda request: {"seconds": len(audio.read(request.audio)[0]) / 16000})(requests)

    return extract
"""


def column(name: str, of: str = "audio", **settings: str) -> Measure:
    """Seconds of the output, or of the prompt."""

    def requests(item: Item) -> tuple[Request, ...]:
        path = item.audio if of == "audio" else item.sample.prompt
        assert path is not None
        return (Request("lengthy", path, settings=tuple(settings.items())),)

    def give(item: Item, features: tuple[Feature, ...]) -> Score:
        error = features[0].error
        return Score(item.sample.id, None if error else features[0].value["seconds"], error=error)

    return Measure(Metric(name, name, "s", "lower", 0, None, "speed", ""), lambda _: "", requests, give)


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, list[Score]]]:
    """Score a run of the named recordings under a protocol of the given columns."""
    (tmp_path / "lengthy.py").write_text(LENGTH)
    monkeypatch.syspath_prepend(str(tmp_path))

    def run_it(columns: list[Measure], names: str = "a b c d", prompts: str = "") -> dict[str, list[Score]]:
        monkeypatch.setattr(metrics, "protocol", lambda name: Protocol(name, 1, name, "", tuple(columns)))
        samples = [Sample(name, "x", prompt=tmp_path / f"{name}-prompt.wav") for name in names.split()]
        info = {"system": {"card": asdict(Card("x"))}, "testset": {"name": "t"}}
        run = Run.create(tmp_path / "run", info, samples)
        for number, name in enumerate(names.split(), 1):
            audio.write(run.path / "audio" / f"{name}.wav", np.full(1600 * number, 0.1, np.float32), 16000)
            run.add_synthesis(Synthesis(name, f"audio/{name}.wav"))
        for name in prompts.split():
            audio.write(tmp_path / f"{name}-prompt.wav", np.full(800, 0.1, np.float32), 16000)
        return score(run, ["mine"], **HOW)["mine"]

    return run_it


def test_a_batch_that_kills_its_worker_costs_the_one_bad_row(own: Callable[..., dict[str, list[Score]]]) -> None:
    rows = own([column("length")], "a b bad c")["length"]
    assert [row.value for row in rows] == [0.1, 0.2, None, 0.4]
    assert "died" in rows[2].error and not any(row.error for row in rows if row.sample != "bad")


def test_a_missing_model_costs_its_own_columns_and_says_what_to_do(
    own: Callable[..., dict[str, list[Score]]],
) -> None:
    found = own([column("length"), column("other", gone="yes"), column("third", unpacked="yes")], "a b")
    assert [row.value for row in found["length"]] == [0.1, 0.2]
    for name, words in (("other", "ttsbench fetch it"), ("third", "pip install it")):
        assert all(words in row.error and row.na == "" and row.value is None for row in found[name])


def test_one_missing_prompt_costs_its_row(own: Callable[..., dict[str, list[Score]]]) -> None:
    rows = own([column("length", of="prompt")], "a b c", prompts="a c")["length"]
    assert [row.value for row in rows] == [0.05, None, 0.05]
    assert "b-prompt.wav: No such file" in rows[1].error


def test_a_text_rule_that_lacks_its_package_is_an_error_of_the_row(
    own: Callable[..., dict[str, list[Score]]],
) -> None:
    def refuse(item: Item, features: tuple[Feature, ...]) -> Score:
        raise metrics.MissingModel("Chinese text needs package opencc")

    found = own([replace(column("broken"), score=refuse), column("length")], "a b")
    assert [row.error for row in found["broken"]] == ["Chinese text needs package opencc"] * 2
    assert all(row.value for row in found["length"])


# --- some metrics only --------------------------------------------------------------------------------------------


def names_of(names: list[str], only: list[str]) -> dict[str, list[str]]:
    return {each.name: [m.metric.name for m in each.measures] for each in protocols_of(names, only)}


def test_some_metrics_alone() -> None:
    assert names_of(["seed-tts-eval"], ["wer"]) == {"seed-tts-eval": ["wer"]}
    dnsmos = ["dnsmos-ovrl", "dnsmos-sig", "dnsmos-bak", "dnsmos-p808"]
    assert names_of(["embedded"], ["dnsmos", "rtf"]) == {"embedded": [*dnsmos, "rtf"]}
    assert names_of(["livespeech", "kalle"], ["cer", "stoi"]) == {"livespeech": ["cer"], "kalle": ["cer", "stoi"]}
    assert names_of(["livespeech"], ["cer", "stoi"]) == {"livespeech": ["cer"], "stoi": ["stoi"]}
    with pytest.raises(UserError, match="no metric 'werr'; did you mean 'wer'"):
        protocols_of(["embedded"], ["werr"])


def test_only_the_metrics_asked_for_are_computed_and_the_scores_say_so(tmp_path: Path) -> None:
    run = made(tmp_path / "run", IDENTITY)
    found = score(run, ["open-asr"], only=["wer"], **HOW)
    assert list(found["open-asr"]) == ["wer"]
    assert run.protocol("open-asr")["only"] == ["wer"] and len(run.metrics("open-asr")) == 1


def test_scores_say_which_models_judged(tmp_path: Path) -> None:
    run = made(tmp_path / "run", IDENTITY)
    score(run, ["embedded"], only=["flagged", "rtf"], **HOW)
    judges = run.protocol("embedded")["judges"]
    assert judges["rtf"] == {}
    heard = next(identity for name, identity in judges["flagged"].items() if "faster-whisper-base" in name)
    assert heard["digest"] and heard["model"]


# --- transcripts made elsewhere -----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("t.tsv", "id\ttext\na\tA whitepaper her.\nother\tx\n"),
        ("t.tsv", "a\tA whitepaper her.\r\n"),
        ("t.jsonl", '{"id": "a", "text": "A whitepaper her."}\n'),
    ],
)
def test_given_transcripts_are_scored_under_a_name_of_their_own(tmp_path: Path, name: str, content: str) -> None:
    run = made(tmp_path / "run", None)
    (tmp_path / name).write_text(content, newline="")
    found = score(run, ["open-asr"], transcripts=tmp_path / name, **HOW)
    (row,) = found["open-asr-given-transcripts"]["wer"]
    assert (row.value, row.error) == (0.25, "")
    kept = run.protocol("open-asr-given-transcripts")
    assert name in kept["explain"] and name in kept["metrics"][0]["about"]
    assert [metric["name"] for metric in kept["metrics"]] == ["wer", "rtf"]  # times need no transcript
    assert "open-asr" not in run.protocols()


def test_values_beside_the_transcripts_are_taken_as_given(tmp_path: Path) -> None:
    run = made(tmp_path / "run", None)
    (tmp_path / "t.jsonl").write_text('{"id": "a", "text": "A white paper here.", "utmos": 3.5, "unknown": 3}\n')
    found = score(run, ["f5-tts"], transcripts=tmp_path / "t.jsonl", **HOW)["f5-tts-given-transcripts"]
    assert (found["utmos"][0].value, found["wer"][0].value) == (3.5, 0.0)
    assert "unknown" not in found and "sim-o" not in found  # neither given nor to be computed from words


def test_an_id_without_a_transcript_is_an_error_and_counts_as_the_worst_case(tmp_path: Path) -> None:
    info = {"system": {"card": asdict(Card("x"))}, "testset": {"name": "t"}}
    run = Run.create(tmp_path / "run", info, (SAMPLE, replace(SAMPLE, id="b")))
    for name in "ab":
        audio.write(run.path / "audio" / f"{name}.wav", np.full(1600, 0.1, np.float32), 16000)
        run.add_synthesis(Synthesis(name, f"audio/{name}.wav"))
    (tmp_path / "t.tsv").write_text("a\ta white paper here\n")
    rows = score(run, ["seed-tts-eval"], transcripts=tmp_path / "t.tsv", **HOW)["seed-tts-eval-given-transcripts"][
        "wer"
    ]
    assert [row.value for row in rows] == [0.0, 1.0]
    assert "none for this id" in rows[1].error


# --- before the first row is spoken -------------------------------------------------------------------------------


def test_check_passes_what_can_run_and_names_what_cannot() -> None:
    assert check(["embedded"], only=["sim-o", "dnsmos", "rtf"]) == []
    lines = check(["livespeech"])
    assert any("livespeech/cer" in line and "ttsbench fetch wav2vec2-base-960h" in line for line in lines)
    assert not any("dnsmos" in line for line in lines)


def test_check_lets_a_column_run_that_has_one_of_its_models(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "lengthy.py").write_text(LENGTH)
    monkeypatch.syspath_prepend(str(tmp_path))
    here, gone = column("here"), column("gone", gone="yes")
    item = Item(SAMPLE, Synthesis("a", "a.wav"), Card("x"), Path("a.wav"))
    two = replace(here, requests=lambda _: (*here.requests(item), *gone.requests(item)))
    monkeypatch.setattr(metrics, "protocol", lambda name: Protocol(name, 1, name, "", (two,)))
    (line,) = check(["mine"])
    assert line == "mine/here: the model is not here: run `ttsbench fetch it`"
    monkeypatch.setattr(metrics, "protocol", lambda name: Protocol(name, 1, name, "", (gone,)))
    with pytest.raises(UserError, match="none of its models is here"):
        check(["mine"])


def test_check_names_packages_that_are_not_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("ttsbench.scoring.version", lambda name: "" if name == "transformers" else "1")
    assert any("pip install transformers" in line for line in check(["livespeech"]))
    assert not any("pip install" in line for line in check(["embedded"], only=["dnsmos"]))


@pytest.mark.parametrize(
    ("names", "device", "words"),
    [
        (["embeded"], "cpu", "did you mean 'embedded'"),
        (["zipvoice-hubert"], "cpu", "none of its models is here.*ttsbench fetch hubert"),
        (["embedded"], "gpu", "--device gpu: no such device"),
        (["embedded"], "cuda:x", "--device cuda:x: no such device"),
        (["embedded"], "cuda:99", "--device cuda:99: this machine has"),
    ],
)
def test_check_refuses_what_cannot_run(names: list[str], device: str, words: str) -> None:
    with pytest.raises(UserError, match=words):
        check(names, device)


@pytest.mark.parametrize(
    ("about", "error", "na"),
    [
        ({}, "out of memory", ""),
        ({"system": {"spec": "recorded:x"}}, "", "recordings are not timed"),
        ({"spread": ["one", "two"]}, "", "pieces and clusters are not timed, as their machines differ"),
    ],
)
def test_a_failed_row_has_no_speed_for_its_own_reason(
    tmp_path: Path, about: dict[str, Any], error: str, na: str
) -> None:
    system = {"card": asdict(Card("x")), **about.pop("system", {"spec": "python:x.py:X"})}
    run = Run.create(tmp_path / "run", {"system": system, "testset": {"name": "t"}, **about}, (SAMPLE,))
    run.add_synthesis(Synthesis("a", error="out of memory"))
    (row,) = score(run, ["livespeech"], only=["rtf"], **HOW)["livespeech"]["rtf"]
    assert (row.value, row.error, row.na) == (None, error, na)


@pytest.mark.parametrize("value", [None, float("nan"), float("inf")])
def test_what_is_no_number_is_a_failure_with_a_reason(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, value: float | None
) -> None:
    run = made(tmp_path / "run", IDENTITY)
    metric = Metric("odd", "Odd", "", "lower", None, None, "quality", "")
    measure = Measure(metric, lambda item: "", lambda item: (), lambda item, found: Score(item.sample.id, value))
    monkeypatch.setattr(metrics, "protocol", lambda name: Protocol(name, 1, name, "", (measure,)))
    (row,) = score(run, ["mine"], **HOW)["mine"]["odd"]
    assert row.value is None and row.error == f"the metric gave {value} in place of a number"


def test_another_packages_metric_that_raises_costs_its_rows_and_ours_is_a_bug(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(item: Item, found: tuple[Feature, ...]) -> Score:
        raise KeyError("pitch")

    run = made(tmp_path / "run", IDENTITY)
    metric = Metric("odd", "Odd", "", "lower", None, None, "quality", "")
    measure = Measure(metric, lambda item: "", lambda item: (), broken)
    monkeypatch.setattr(metrics, "protocol", lambda name: Protocol(name, 1, name, "", (measure,)))
    (row,) = score(run, ["mine"], **HOW)["mine"]["odd"]
    assert row.value is None and row.error == "the metric failed: KeyError: 'pitch'"
    monkeypatch.setattr(broken, "__module__", "ttsbench.metrics.odd")
    with pytest.raises(KeyError):
        score(run, ["mine"], **HOW)
