"""Named protocols, the weights table behind them, and published values."""

import argparse
import csv
import hashlib
import json
import os
from pathlib import Path

import pytest

from ttsbench import metrics, stats
from ttsbench.commands import doctor, fetch
from ttsbench.errors import UserError
from ttsbench.metrics import weights
from ttsbench.metrics.models import MissingModel, unpack
from ttsbench.records import Card, Feature, Item, Request, Sample, Synthesis

SHARED = Path(os.environ.get("TTSBENCH_SHARED", Path(__file__).resolve().parents[2] / ".." / "shared"))
PUBLISHED = SHARED / "data" / "published-values"
NAMED = """embedded seed-tts-eval f5-tts zipvoice-hubert valle-continuation livespeech llasa kalle whisper-normalised
    open-asr""".split()


def test_the_named_protocols_are_there():
    assert set(NAMED) <= set(metrics.protocol_names())


@pytest.mark.parametrize("name", metrics.protocol_names())
def test_a_protocol_explains_itself_and_names_its_models(name):
    found = metrics.protocol(name)
    assert found.name == name
    assert set(found.models) <= set(weights.BY_NAME)
    if name not in ("embedded", "llasa-emotion", "prosody"):
        assert "1. " in found.explain and "Missing rows" in found.explain
    sample = Sample("a", "some words", found.languages[0] if found.languages else "en", prompt=Path("/p"))
    item = Item(sample, Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    for measure in found.measures:
        for request in () if measure.na(item) else measure.requests(item):
            assert metrics.extractor(request.extractor).BATCH >= 1


def test_the_recogniser_is_told_the_language_of_the_text():
    columns = {each.metric.name: each for each in metrics.protocol("whisper-normalised").measures}
    for language in ("en", "de"):
        item = Item(Sample("a", "x", language), Synthesis("a", "a.wav"), Card("x"), Path("/a"))
        (request,) = columns["wer"].requests(item)
        assert dict(request.settings)["language"] == language
    chinese = Item(Sample("a", "x", "zh"), Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    assert "see CER" in columns["wer"].na(chinese) and columns["cer"].na(chinese) == ""


def test_missing_rows_theirs_and_ours():
    columns = {each.metric.name: each for each in metrics.protocol("seed-tts-eval").measures}
    gone = Item(Sample("a", "hello"), Synthesis("a", error="crashed"), Card("x"), None)
    assert columns["wer"].score(gone, ()).value == 1.0
    assert "leaves the row out" in columns["wer-as-published"].na(gone)
    there = Item(Sample("a", "hello"), Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    broken = columns["wer-as-published"].score(there, (Feature(error="empty file"),))
    assert broken.value is None and broken.na and not broken.error


def test_empty_references_are_removed_where_the_original_does():
    pytest.importorskip("more_itertools", reason="Whisper's rules need openai-whisper, in extra 'paper'")
    item = Item(Sample("a", "[noise]"), Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    (column,) = (each for each in metrics.protocol("open-asr").measures if each.metric.name == "wer")
    assert "empty" in column.na(item)
    (other,) = (each for each in metrics.protocol("whisper-normalised").measures if each.metric.name == "wer")
    assert other.na(item) == ""


@pytest.fixture
def nowhere(tmp_path, monkeypatch):
    for name in ("TTSBENCH_WEIGHTS", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(tmp_path / name))
    monkeypatch.delenv("HF_HUB_CACHE", raising=False)
    return tmp_path / "TTSBENCH_WEIGHTS"


def test_every_missing_model_says_which_file_to_put_where(nowhere):
    for model in weights.TABLE:
        if not model.package and not model.shipped:
            with pytest.raises(MissingModel) as fault:
                weights.find(model.name)
            assert str(nowhere / model.name) in str(fault.value)
            assert all(file in str(fault.value) for file in model.files)


def test_files_put_by_hand_are_found_and_named_by_content(nowhere):
    place = nowhere / "utmos22-strong"
    place.mkdir(parents=True)
    (place / "utmos22_strong_step7459_v1.pt").write_bytes(b"one")
    assert weights.find("utmos22-strong") == place
    first = metrics.extractor("quality.utmos22").identity({})
    (place / "utmos22_strong_step7459_v1.pt").write_bytes(b"other")
    second = metrics.extractor("quality.utmos22").identity({})
    assert first["digest"] != second["digest"] and first["model"] == second["model"]


def test_files_in_the_hub_cache_are_found(nowhere):
    model = weights.BY_NAME["wav2vec2-base-960h"]
    snapshot = (
        Path(os.environ["HF_HOME"]) / "hub" / "models--facebook--wav2vec2-base-960h" / "snapshots" / model.revision
    )
    snapshot.mkdir(parents=True)
    for file in (*model.files, "model.safetensors"):
        (snapshot / file).write_bytes(b"x")
    assert weights.find(model.name) == snapshot
    assert weights.weights_file(model.name) == snapshot / "model.safetensors"


def test_no_column_of_the_embedded_protocol_depends_on_the_disk(nowhere):
    before = [each.metric for each in metrics.protocol("embedded").measures]
    (nowhere / "openai-whisper-base").mkdir(parents=True)
    (nowhere / "openai-whisper-base/base.pt").write_bytes(b"x")
    assert [each.metric for each in metrics.protocol("embedded").measures] == before


def test_doctor_fits_the_terminal(nowhere, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", "120")
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    doctor.run(parser.parse_args([]))
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) > 40
    assert [line for line in lines if len(line) > 120 and " " in line.strip()] == []  # a long path is not broken


def test_doctor_knows_what_runs(nowhere, capsys):
    parser = argparse.ArgumentParser()
    doctor.add_arguments(parser)
    assert doctor.run(parser.parse_args(["--protocol", "embedded", "--json"])) == 0
    found = json.loads(capsys.readouterr().out)
    runs = {row["protocol"]: row["runs"] for row in found["protocols"]}
    assert runs["embedded"] and not runs["seed-tts-eval"]
    assert all(row["sha256"] or row["here"] for row in found["models"])
    assert doctor.run(parser.parse_args(["--protocol", "seed-tts-eval"])) == 1
    assert "2 of" in capsys.readouterr().out


def test_fetch_without_a_network_says_what_to_do(nowhere, monkeypatch):
    import httpx

    def refuse(*_, **__):
        raise httpx.ConnectError("no network")

    monkeypatch.setattr(httpx, "stream", refuse)
    with pytest.raises(MissingModel, match=r"no connection \(no network\).*put tiny\.pt into"):
        fetch.fetch("openai-whisper-tiny")
    with pytest.raises(MissingModel, match="no protocol or model"):
        fetch.fetch("nothing")
    assert fetch.fetch("embedded")


def test_fetch_checks_the_digest_and_writes_a_receipt(nowhere, monkeypatch):
    import contextlib

    import httpx

    class Answer:
        status_code, headers = 200, {}

        def iter_raw(self):
            yield b"weights"

    monkeypatch.setattr(httpx, "stream", lambda *_, **__: contextlib.nullcontext(Answer()))
    with pytest.raises(MissingModel, match=r"sha256 [0-9a-f]{64}, published is 651476.*tiny\.pt\.refused"):
        fetch.fetch("openai-whisper-tiny")
    model = weights.Weights("some", "a model", "MIT", url="https://host/some.pt", files=("some.pt",))
    monkeypatch.setitem(weights.BY_NAME, "some", model)
    fetch.fetch("some")
    receipt = json.loads((nowhere / "some" / "receipt.json").read_text())
    assert receipt["sha256"] == {"some.pt": hashlib.sha256(b"weights").hexdigest()}


# --- published values -----------------------------------------------------------------------------------------------

SYSTEMS = PUBLISHED / "libritts-systems"
CODECS = PUBLISHED / "codec-comparison"
needs_systems = pytest.mark.skipif(not SYSTEMS.is_dir(), reason="needs ../shared/data/published-values")


def table(path):
    with path.open(newline="") as handle:
        return list(csv.DictReader(handle, delimiter="\t"))


@needs_systems
@pytest.mark.parametrize("system", ["reference_raw", "yourtts", "valle"])
def test_published_libritts_rates(system):
    """By the protocol's own columns, from the published transcripts: equal to all printed digits."""
    columns = {each.metric.name: each for each in metrics.protocol("livespeech").measures}
    rows = [row for row in table(SYSTEMS / "samples.tsv") if row["system"] == system]
    published = json.loads((SYSTEMS / "short" / system / "results.json").read_text())
    for name, pair, key in (
        ("wer-whisper", ("wer_ref", "whisper_large_v3_hyp"), "test/wer/whisper-large-v3"),
        ("cer", ("cer_ref", "wav2vec2_base_960h_hyp"), "test/cer/wav2vec2-base-960h"),
    ):
        scores = []
        for row in rows:
            item = Item(Sample(row["utt"], row[pair[0]]), Synthesis(row["utt"], "a.wav"), Card("x"), Path("/a"))
            scores.append(columns[name].score(item, (Feature({"text": row[pair[1]]}),)))
        assert stats.cell(columns[name].metric, scores).value == pytest.approx(published[key], abs=1e-8)


@needs_systems
def test_published_codec_pesq_and_stoi():
    rows = [row for row in table(CODECS / "samples.tsv") if row["upstream_pesq_stoi_ok"] == "1"]
    assert rows
    for what, columns in (("pesq", {"wb": "pesq_wb"}), ("stoi", {"stoi": "stoi"})):
        requests = [
            Request("quality.pair", CODECS / row["path"], reference=CODECS / row["original_path"]) for row in rows
        ]
        for row, feature in zip(
            rows, metrics.extractor("quality.pair").load({"what": what}, "cpu")(requests), strict=True
        ):
            for ours, theirs in columns.items():
                assert feature.value[ours] == pytest.approx(float(row[theirs]), abs=2e-4), (row["path"], feature)


@needs_systems
def test_published_dnsmos_p808(system="valle"):
    """The mean over a set of 24 kHz, as its authors published it; with another resampling it is .02 off."""
    (column,) = (each for each in metrics.protocol("livespeech").measures if each.metric.name == "dnsmos-p808")
    rows = [row for row in table(SYSTEMS / "samples.tsv") if row["system"] == system]
    published = json.loads((SYSTEMS / "short" / system / "results.json").read_text())["test/dnsmos"]
    item = Item(Sample("a", "x"), Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    settings = dict(column.requests(item)[0].settings)
    found = metrics.extractor("quality.dnsmos").load(settings, "cpu")(
        [Request("quality.dnsmos", SYSTEMS / row["path"]) for row in rows]
    )
    assert sum(each.value["p808"] for each in found) / len(found) == pytest.approx(published, abs=0.002)


# Which resampling to 16 kHz the original uses, by protocol and column.
RESAMPLED = {
    "seed-tts-eval": {"wer": "fft", "sim-o": "sinc", "sim-r": "sinc"},
    "f5-tts": {"sim-o": "sinc", "utmos": "sinc"},
    "zipvoice-hubert": {"wer": "soxr", "sim-o": "soxr", "utmos": "soxr"},
    "valle-continuation": {"wer": "sinc", "cer": "sinc", "sim-o": "sinc"},
    "livespeech": {"cer": "sinc", "wer": "sinc", "wer-whisper": "sinc", "ss": "sinc", "dnsmos-p808": "sinc"},
    "llasa": {"wer": "fft", "sim-o": "sinc", "utmos": "sinc"},
    "kalle": {"wer": "fft", "sim-o": "sinc", "utmos": "sinc"},
    "embedded": {"dnsmos-p808": "soxr", "sim-o": "soxr"},
}


@pytest.mark.parametrize("name", RESAMPLED)
def test_a_protocol_resamples_as_its_original_does_and_says_so(name):
    found = metrics.protocol(name)
    columns = {each.metric.name: each for each in found.measures}
    sample = Sample("a", "some words", prompt=Path("/p"))
    item = Item(sample, Synthesis("a", "a.wav"), Card("x"), Path("/a"), Path("/r"))
    for column, how in RESAMPLED[name].items():
        for request in columns[column].requests(item):
            assert dict(request.settings).get("resampling", "soxr") == how, column
    assert "16 kHz" in found.explain
    for how in {"sinc": "sinc", "fft": "FFT", "soxr": "soxr"}.keys() & set(RESAMPLED[name].values()):
        assert {"sinc": "sinc", "fft": "FFT", "soxr": "soxr"}[how] in found.explain


def test_vectors_survive_the_cache_exactly():
    import numpy as np

    from ttsbench.metrics.models import pack

    vector = np.random.default_rng(0).normal(size=256).astype(np.float32)
    assert (unpack(json.loads(json.dumps(pack(vector)))) == vector).all()


REPORTED = Path(__file__).resolve().parents[2] / "reports" / "reported"


@pytest.mark.parametrize("path", sorted(REPORTED.glob("*.csv")), ids=lambda path: path.stem)
def test_reported_rows_name_source_and_protocol(path):
    lines = [line for line in path.read_text("utf-8").splitlines() if line and not line.startswith("#")]
    rows = list(csv.DictReader(lines))
    assert rows
    for row in rows:
        assert None not in row and None not in row.values(), row
        assert row["source"] and row["protocol"] in (*metrics.protocol_names(), "none"), row


@pytest.mark.skipif(not (SHARED / "reported").is_dir(), reason="needs ../shared/reported")
def test_every_given_reported_row_is_kept():
    for given in (SHARED / "reported").glob("*.csv"):
        kept = (REPORTED / given.name).read_text("utf-8")
        assert all(line in kept for line in given.read_text("utf-8").splitlines()[1:]), given.name


def test_a_compound_in_one_word_or_in_two_is_no_error_where_the_original_merges():
    (merging,) = (each for each in metrics.protocol("open-asr").measures if each.metric.name == "wer")
    (plain,) = (each for each in metrics.protocol("whisper-normalised").measures if each.metric.name == "wer")
    item = Item(Sample("a", "a white paper here"), Synthesis("a", "a.wav"), Card("x"), Path("/a"))
    heard = (Feature(value={"text": "a whitepaper her"}),)
    score = merging.score(item, heard)
    assert score.value == 0.25 and score.weight == 4
    assert {key: score.detail[key] for key in ("substitutions", "deletions", "insertions")} == {
        "substitutions": 1,
        "deletions": 0,
        "insertions": 0,
    }
    assert plain.score(item, heard).value == 0.75


def test_a_metric_can_be_asked_for_alone_as_a_protocol_of_one_column():
    assert {"dnsmos-p808", "stoi", "rtf"} <= set(metrics.metric_names())
    alone = metrics.protocol("stoi")
    assert (alone.name, [each.metric.name for each in alone.measures]) == ("stoi", ["stoi"])
    with pytest.raises(UserError, match="did you mean 'embedded'"):
        metrics.protocol("embeded")
