"""Lists of the Open TTS Leaderboard in and out: scored without audio, written as its scripts read them."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest

from ttsbench import cli, exchange, stats
from ttsbench.errors import UserError
from ttsbench.exchange import open_tts
from ttsbench.exchange._open_tts_list import language_of, named
from ttsbench.exchange._ttfa import percentile, sidecar
from ttsbench.records import Chunk, Synthesis
from ttsbench.store import Run

pytest.importorskip("kaldialign", reason="compounds are merged by kaldialign, in extra 'paper'")
pytest.importorskip("opencc", reason="Chinese needs opencc, in extra 'paper'")
pytest.importorskip("more_itertools", reason="Whisper's rules need openai-whisper, in extra 'paper'")
EN = "MODEL_org-model_DATASET_me-cv3_eval_zero_shot_en_voice_clone.jsonl"
ZH = "MODEL_org-model_DATASET_me-seed_tts_eval_tts_zh.jsonl"
ENGLISH = [
    ("We don't, they said.", "We don’t they said", 2.0, 0.5, 0.6),
    ("a well-known man", "a wellknown man", 1.5, 0.25, 0.7),
    ("whitepaper", "white paper", 1.0, 0.25, None),
]
CHINESE = [("他跑得很快", "她跑的很快", 2.0, None, None), ("你好", "您好", 1.0, None, None)]


def write(file: Path, rows, cloned: bool) -> Path:
    lines = []
    for number, (text, heard, duration, time, sim) in enumerate(rows, 1):
        row = {"audio_filepath": f"set/output_u{number}.wav", "duration": duration, "time": time}
        row |= {"text": text, "pred_text": heard}
        lines.append(json.dumps(row | ({"prompt_audio_filepath": "p.wav", "sim": sim} if cloned else {})))
    file.write_text("\n".join(lines) + "\n")
    return file


@pytest.fixture
def lists(tmp_path: Path) -> list[Path]:
    return [write(tmp_path / EN, ENGLISH, True), write(tmp_path / ZH, CHINESE, False)]


@pytest.fixture
def runs(lists: list[Path], tmp_path: Path) -> list[Run]:
    assert cli.main(["score", *map(str, lists), "--out", str(tmp_path / "runs")]) == 1  # one row has no SIM
    found = ("me-cv3_eval_zero_shot_en", "me-seed_tts_eval_tts_zh")
    return [Run.open(tmp_path / "runs" / f"org-model@{name}") for name in found]


def value(run: Run, metric: str) -> float | None:
    (card,) = [each for each in run.metrics("open-tts-given-transcripts") if each.name == metric]
    return stats.cell(card, run.scores("open-tts-given-transcripts", metric)).value


def test_a_list_is_scored_without_its_audio(runs: list[Run]) -> None:
    english, chinese = runs
    assert value(english, "wer") == pytest.approx(0.2)  # 2 of 5 + 4 + 1 words
    assert value(english, "rtfx") == 4.5
    assert value(english, "sim-o") == pytest.approx(0.65)
    assert value(chinese, "cer") == pytest.approx(1 / 7) and value(chinese, "cer-strict") == pytest.approx(3 / 7)
    assert {score.na for score in chinese.scores("open-tts-given-transcripts", "rtfx")} == {"the list has no times"}
    (lost,) = [each for each in english.scores("open-tts-given-transcripts", "sim-o") if each.error]
    assert lost.sample == "u3" and "no value" in lost.error


def test_what_is_written_is_what_was_read(runs: list[Run], lists: list[Path], tmp_path: Path) -> None:
    files = exchange.format_named("open-tts").write(runs, tmp_path / "out")
    written = [file for file in files if file.suffix == ".jsonl"]
    for old, new in zip(lists, written, strict=True):
        kept = ("duration", "time", "text", "pred_text", "sim")
        before, after = ([json.loads(line) for line in file.read_text().splitlines()] for file in (old, new))
        assert [[row.get(name) for name in kept] for row in after] == [
            [row.get(name) for name in kept] for row in before
        ]
        assert named(new) == named(old)
    tables = {file.name: next(csv.DictReader(file.open())) for file in files if file.suffix == ".csv"}
    assert tables["cv3_voice_clone.csv"] == {
        "model": "org-model", "en WER": "20", "en RTFx": "4.5", "en SIM": "65", "avg WER": "20", "avg RTFx": "4.5",
        "avg SIM": "65",
    }  # fmt: skip
    assert tables["seed_tts.csv"] == {"model": "org-model", "zh WER": "14.29", "zh RTFx": ""}


def test_rows_that_a_list_lacks_count_in_ours_and_not_in_theirs(tmp_path: Path) -> None:
    write(tmp_path / EN, ENGLISH[:2], False)
    texts = "".join(f"u{number}\t{row[0]}\n" for number, row in enumerate(ENGLISH, 1))
    (tmp_path / "set.tsv").write_text("id\ttext\n" + texts)
    words = ["score", str(tmp_path / EN), "--out", str(tmp_path / "runs"), "--testset", f"manifest={tmp_path}/set.tsv"]
    assert cli.main([*words, "--fail-on-error", "0.5"]) == 0
    run = Run.open(tmp_path / "runs" / "org-model@set")
    assert value(run, "wer") == pytest.approx(3 / 10) and value(run, "wer-as-published") == pytest.approx(2 / 9)


GOOD = {
    "audio_filepath": "set/output_u1.wav",
    "text": "a plain row",
    "pred_text": "a plain row",
    "duration": 2.0,
    "time": 1.0,
}
BROKEN = [
    ("{", "not a JSON object"),
    ("[1, 2]", "not a JSON object"),
    ({"text": 5}, "text must be there, as text"),
    ({"pred_text": None}, "pred_text must be there, as text"),
    ({"time": "soon"}, "time is 'soon'; write seconds from 0 on or null"),
    ({"time": float("nan")}, "time is nan"),
    ({"duration": float("inf")}, "duration is inf"),
    ({"duration": -3.0}, "duration is -3.0"),
    ({"sim": 5.0}, "sim is 5.0; write a cosine from -1 to 1"),
    ({"audio_filepath": "set/output_u1.wav"}, "set/output_u1.wav stands on line 1 already"),
    ({"language": "xx"}, "language is 'xx'; write one of ar, cmn"),
    ({"pred_text": "half \ud800"}, "pred_text holds bytes that are no UTF-8, or half a character"),
    ({"audio_filepath": "a\0b.wav"}, "audio_filepath cannot name a file"),
    ({"prompt_audio_filepath": "p" * 300}, "prompt_audio_filepath cannot name a file"),
    ({"text": "word " * 6000}, "text has more than 5,000 words"),
]


@pytest.mark.parametrize(("bad", "told"), BROKEN)
def test_a_broken_row_fails_alone_and_is_told_by_its_line(bad, told, tmp_path, capsys) -> None:
    """The others are scored, the row counts as the worst case, and an export says that it lacks it."""
    second = bad if isinstance(bad, str) else json.dumps(GOOD | {"audio_filepath": "set/output_u2.wav"} | bad)
    third = json.dumps(GOOD | {"audio_filepath": "set/output_u3.wav", "language": "en-US"})
    (tmp_path / EN).write_text("\n".join([json.dumps(GOOD), second, third]))
    words = ["score", str(tmp_path / EN), "--out", str(tmp_path / "runs"), "--metrics", "wer,wer-as-published,rtfx"]
    assert cli.main(words) == 1
    assert f"{EN}, line 2: {told}" in capsys.readouterr().err
    (run,) = (Run.open(path.parent) for path in (tmp_path / "runs").glob("*/run.json"))
    first, broken, last = run.scores("open-tts-given-transcripts", "wer")
    assert (first.value, last.value, broken.value) == (0.0, 0.0, 1.0) and told in broken.error
    assert value(run, "wer-as-published") == 0.0 and value(run, "rtfx") == 2.0
    files = exchange.format_named("open-tts").write([run], tmp_path / "out")
    written, left = next(f for f in files if f.suffix == ".jsonl"), next(f for f in files if "LEFT_OUT" in f.name)
    assert len(written.read_text().splitlines()) == 2
    (row,) = csv.DictReader(left.open(encoding="utf-8"))
    assert row["id"] == broken.sample and told in row["reason"]
    run.add_synthesis(Synthesis(broken.sample, error="=1+1"))
    exchange.format_named("open-tts").write([Run.open(run.path)], tmp_path / "out")
    assert not next(csv.DictReader(left.open(encoding="utf-8")))["reason"].startswith("=")  # no formula


def test_a_list_whose_first_row_is_broken_is_one_and_bytes_that_are_no_text_fail_alone(tmp_path, capsys) -> None:
    lines = [b"{broken", json.dumps(GOOD).encode(), json.dumps(GOOD | {"audio_filepath": "b.wav"}).encode()]
    (tmp_path / EN).write_bytes(b"\n".join(lines).replace(b"a plain row", b"a pl\xffin row", 1))
    assert cli.main(["score", str(tmp_path / EN), "--out", str(tmp_path / "runs"), "--metrics", "wer"]) == 1
    said = capsys.readouterr().err
    assert "2 of 3 rows cannot be used" in said and "line 2: text holds bytes that are no UTF-8" in said


def test_one_run_under_several_protocols_has_the_rate_of_each(tmp_path: Path) -> None:
    (tmp_path / EN).write_text(json.dumps(GOOD | {"text": "a whitepaper", "pred_text": "a white paper"}))
    words = ["score", str(tmp_path / EN), "--out", str(tmp_path / "runs"), "--metrics", "wer"]
    assert cli.main([*words, "--protocol", "open-tts", "--protocol", "whisper-normalised"]) == 0
    run = Run.open(tmp_path / "runs" / "org-model@me-cv3_eval_zero_shot_en")
    names = [f"{name}-given-transcripts" for name in ("open-tts", "whisper-normalised")]
    assert sorted(run.protocols()) == names
    assert [run.scores(name, "wer")[0].value for name in names] == [0.0, 1.0]  # compounds are merged by one alone


def test_only_audio_is_copied_into_an_export(tmp_path: Path) -> None:
    for name in ("private.txt", "one.wav"):
        (tmp_path / name).write_text("x")
    rows = [GOOD | {"audio_filepath": name} for name in ("private.txt", "one.wav")]
    (tmp_path / EN).write_text("\n".join(map(json.dumps, rows)))
    assert (
        cli.main(["score", str(tmp_path / EN), "--out", str(tmp_path / "runs"), "--metrics", "wer,wer-as-published"])
        == 0
    )
    run = Run.open(tmp_path / "runs" / "org-model@me-cv3_eval_zero_shot_en")
    exchange.format_named("open-tts").write([run], tmp_path / "out")
    assert [path.suffix for path in (tmp_path / "out").glob("org-model/*/output_*")] == [".wav"]


def test_markup_in_texts_is_text(tmp_path: Path) -> None:
    row = GOOD | {"text": "<script>alert(1)</script> one", "pred_text": "<img src=x onerror=alert(1)>"}
    (tmp_path / EN).write_text(json.dumps(row))
    assert cli.main(["score", str(tmp_path / EN), "--out", str(tmp_path / "runs"), "--metrics", "wer"]) == 0
    page = (tmp_path / "runs" / "report.html").read_text()
    assert "<script>alert" not in page and "<img src=x" not in page and "alert(1)" in page


def test_data_sets_of_ones_own_have_columns_of_their_own_and_nothing_is_overwritten(tmp_path: Path) -> None:
    runs = []
    for name, heard in (("one", "a plain row"), ("two", "a plain")):
        file = tmp_path / f"MODEL_m_DATASET_{name}_en.jsonl"
        file.write_text(json.dumps(GOOD | {"pred_text": heard}))
        assert cli.main(["score", str(file), "--out", str(tmp_path / "runs")]) == 0
        runs.append(Run.open(tmp_path / "runs" / f"m@{name}_en"))
    exchange.format_named("open-tts").write(runs, tmp_path / "out")
    row = next(csv.DictReader((tmp_path / "out" / "results.csv").open()))
    assert (row["one_en WER"], row["two_en WER"]) == ("0", "33.33")
    with pytest.raises(UserError, match="would be one file"):
        exchange.format_named("open-tts").write([runs[0], runs[0]], tmp_path / "out")


def test_a_run_of_another_kind_is_not_overwritten(lists: list[Path], tmp_path: Path) -> None:
    place = tmp_path / "runs" / "org-model@me-seed_tts_eval_tts_zh"
    place.mkdir(parents=True)
    (place / "precious").write_text("x")
    with pytest.raises(UserError, match="something else"):
        open_tts.read(lists[1], tmp_path / "runs", None, "")
    assert (place / "precious").exists()


@pytest.mark.parametrize(
    ("name", "language"),
    [(EN, "en"), (ZH, "zh"), ("MODEL_a-b_DATASET_x-seed_tts_eval_tts_zh_hard.jsonl", "zh"),
     ("MODEL_a-b_DATASET_x-minimax_eval_tts_yue_voice_clone_wavlm_seed_tts.jsonl", "yue"), ("rows.jsonl", "")],
)  # fmt: skip
def test_the_language_is_in_the_name(name: str, language: str) -> None:
    assert named(Path(name)).language == language


def test_a_list_of_chinese_texts_without_a_language_is_chinese() -> None:
    assert language_of(Path("rows.jsonl"), ["你好", "hello", ""]) == "zh"
    assert language_of(Path("rows.jsonl"), ["你好", "hello", "there"]) == "en"


def test_percentiles_are_ranks_rounded_half_to_even() -> None:
    for count, wanted in ((10, (5, 9, 10)), (497, (249, 447, 472))):
        values = list(range(1, count + 1))
        assert tuple(percentile(values, share) for share in (0.5, 0.9, 0.95)) == wanted
    assert [percentile([1, 2], share) for share in (0.5, 0.9, 0.95)] == [1, 2, 2]


def stream(first: float, total: float = 2.0) -> Synthesis:
    return Synthesis("a", "a.wav", sample_rate=10, seconds=4.0, total=total, chunks=(Chunk(first, 5), Chunk(total, 5)))


def test_the_sidecar_drops_the_first_three_rows_and_judges_the_stream() -> None:
    data = sidecar([*[stream(1.9)] * 3, stream(0.1), stream(0.2), stream(0.3)])
    assert data["ttfa_ms"] == {"n": 3, "p50": 200.0, "p90": 300.0, "p95": 300.0, "min": 100.0, "max": 300.0}
    assert data["streaming"] and data["ttfa_frac_of_gen"] == 0.1 and data["rtfx_batch1"] == 2.0
    late = sidecar([stream(1.95)] * 5)
    assert not late["streaming"] and late["first_reported_but_not_early"]
    whole = sidecar([Synthesis("a", "a.wav", sample_rate=10, seconds=4.0, total=2.0, chunks=(Chunk(1.99, 40),))] * 4)
    assert not whole["streaming"] and not whole["first_reported_but_not_early"] and whole["ttfa_ms"]["p50"] == 2000.0


def test_times_to_first_audio_are_a_table_too(runs: list[Run], tmp_path: Path) -> None:
    made = []
    for number, (run, first) in enumerate(zip(runs, (0.1, 1.95), strict=True)):
        info = {**run.info, "system": {"name": f"org/m{number}"}, "device": "cuda:0" if number else "cpu"}
        (run.path / "run.json").write_text(json.dumps(info))
        for sample in run.samples:
            row = stream(first)
            run.add_synthesis(Synthesis(sample.id, "", sample_rate=10, seconds=4.0, total=2.0, chunks=row.chunks))
        made.append(Run.open(run.path))
    files = exchange.format_named("open-tts").write(made, tmp_path / "out")
    assert [file.name.rpartition("__")[2] for file in files if file.suffix == ".json"] == ["cpu.json", "cuda-0.json"]
    with open(tmp_path / "out" / "streaming.csv") as handle:
        quick, late = csv.DictReader(handle)
    assert quick == {
        "model": "org-m0", "CPU TTFA (p50)": "100", "CPU TTFA (p95)": "100", "CPU RTFx": "2", "Streaming API": "yes",
        "CUDA-0 TTFA (p50)": "", "CUDA-0 TTFA (p95)": "", "CUDA-0 RTFx": "",
    }  # fmt: skip
    assert late["CUDA-0 TTFA (p50)"] == "1950" and late["Streaming API"] == "no" and not late["CPU RTFx"]
