"""Manifests with columns of any name, Kaldi's folders, and what a system has said, named by either."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import cli, testsets
from ttsbench.store import Run
from ttsbench.testsets import TestSetError


@pytest.fixture
def here(tmp_path: Path) -> Path:
    for number, name in enumerate(("a", "b", "deep/a", "said/a", "said/b")):
        path = tmp_path / f"{name}.wav"
        path.parent.mkdir(exist_ok=True)
        soundfile.write(path, np.full(8000, 0.1 + number / 100, np.float32), 16000)
    return tmp_path


def faults(spec: str) -> list[testsets.Fault]:
    with pytest.raises(TestSetError) as caught:
        testsets.load(spec)
    return caught.value.faults


def write(path: Path, *rows: dict[str, object]) -> Path:
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


ROWS: tuple[dict[str, object], ...] = (
    {"sentence": "One, two.", "audio": {"path": "a.wav"}, "ref": "b.wav", "lang": "en"},
    {"sentence": "Drei.", "audio": {"path": "b.wav"}, "ref": "../outside.wav", "lang": "de"},
)


@pytest.mark.parametrize("ending", ["jsonl", "json", "manifest", "ndjson"])
def test_columns_of_any_name_and_ids_from_the_audio(here: Path, ending: str) -> None:
    inner = here / "lists"
    inner.mkdir()
    for name in ("a", "b"):
        (here / f"{name}.wav").rename(inner / f"{name}.wav")
    soundfile.write(here / "outside.wav", np.full(8000, 0.1, np.float32), 16000)
    path = write(inner / f"list.{ending}", *ROWS)
    spec = testsets.mapped(f"manifest={path}", {"text": "sentence", "truth": "audio.path", "prompt": "ref"})
    first, second = testsets.load(f"{spec},language=lang").samples
    assert (first.id, first.text, first.truth, first.prompt) == ("a", "One, two.", inner / "a.wav", inner / "b.wav")
    assert (second.id, second.language, second.prompt) == ("b", "de", inner / "../outside.wav")
    assert testsets.load(f"{spec},language=fr").samples[1].language == "fr"


def test_a_list_of_ones_own_is_not_described_by_how_to_write_one(here: Path) -> None:
    spec = testsets.mapped(f"manifest={write(here / 'mine.jsonl', {'sentence': 'One.'})}", {"text": "sentence"})
    assert testsets.load(spec).about == "" and testsets.load("seed-mini").about


@pytest.mark.parametrize("between", [",", ";", "\t", "|"])
def test_csv_with_any_separator_and_a_byte_order_mark(here: Path, between: str) -> None:
    path = here / "list.csv"
    rows = (("id", "what; is, said|here\there"), ("u1", 'He said: "no; never, ever|\t"'))
    lines = "".join(between.join('"' + cell.replace('"', '""') + '"' for cell in row) + "\n" for row in rows)
    for encoding in ("utf-8-sig", "utf-16"):
        path.write_bytes(lines.encode(encoding))
        (sample,) = testsets.load(f"manifest={path},text=what; is, said|here\there").samples
        assert (sample.id, sample.text) == ("u1", 'He said: "no; never, ever|\t"')
    path.write_bytes(lines.encode("utf-16-le"))
    assert "UTF-16 without its mark" in faults(f"manifest={path}")[0].problem
    path.write_bytes(b"\xff\xfeabc")
    assert "begins as UTF-16" in faults(f"manifest={path}")[0].problem


def test_a_column_that_is_missing_is_told_with_those_there_are(here: Path) -> None:
    path = write(here / "list.jsonl", *ROWS)
    (fault,) = faults(f"manifest={path}")
    assert fault.value == "text" and fault.remedy.startswith("the columns are sentence, audio.path, ref, lang; ")
    assert "did you mean 'sentence'? Give text=sentence in the spec, or --map text=..." in fault.remedy
    missing = {fault.value: fault.remedy for fault in faults(f"manifest={path},text=sentense,prompt=rf,only=x:1")}
    assert set(missing) == {"sentense", "rf", "x"} and "did you mean 'ref'?" in missing["rf"]


def test_ids_that_are_missing_or_stand_twice(here: Path) -> None:
    path = write(here / "l.jsonl", {"text": "A.", "truth": "a.wav"}, {"text": "B.", "truth": "deep/a.wav"})
    assert [sample.id for sample in testsets.load(f"manifest={path}").samples] == ["a", "deep-a"]
    path = write(
        here / "l.jsonl", {"text": "A.", "truth": str(here / "deep" / "a.wav")}, {"text": "B.", "truth": "a.wav"}
    )
    assert [sample.id for sample in testsets.load(f"manifest={path}").samples] == ["deep-a", "a"]
    path = write(here / "l.jsonl", {"text": "A."}, {"text": "B.", "truth": "a.wav"})
    assert [sample.id for sample in testsets.load(f"manifest={path}").samples] == ["row-0001", "row-0002"]
    path = write(here / "l.jsonl", {"text": "A.", "truth": "a.wav"}, {"text": "B.", "truth": "a.wav"})
    assert [(f.line, f.problem) for f in faults(f"manifest={path}")] == [(2, "the id stands there already (line 1)")]


def test_addresses_are_no_files_and_a_bare_file_is_explained(here: Path) -> None:
    path = write(here / "l.jsonl", {"id": "a", "text": "A.", "prompt": "https://host/a.wav"})
    assert faults(f"manifest={path}")[0].problem == "an address, not a file"
    assert faults(str(path))[0].remedy == f"a file is given as manifest={path}"


# --- Kaldi ----------------------------------------------------------------------------------------------------


def kaldi(here: Path, **files: str) -> Path:
    for name, content in files.items():
        (here / name.replace("_scp", ".scp")).write_text(content)
    return here


def test_a_kaldi_folder(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    kaldi(here, text="u1 ONE TWO\nu2\tTHREE\n", wav_scp="u1 a.wav\nu2 deep/a.wav\n", utt2spk="u1 ann\nu2 bob\n")
    kaldi(here, prompt_wav_scp="u1 b.wav\nu2 said/b.wav\n", prompt_text="u1 Before.\nu2 After.\n")
    first, second = testsets.load(f"kaldi={here}").samples
    assert (first.text, first.truth, first.speaker, first.prompt) == ("ONE TWO", here / "a.wav", "ann", here / "b.wav")
    assert (second.id, second.prompt_text, second.truth) == ("u2", "After.", here / "deep/a.wav")
    monkeypatch.chdir(here)
    (here / "data").mkdir()
    kaldi(here / "data", text="u1 ONE\n", wav_scp="u1 deep/a.wav\n")  # from where the command is given, as Kaldi has it
    assert testsets.load("kaldi=data,language=de").samples[0].truth == Path("deep/a.wav")


def test_kaldi_commands_are_refused_by_name_and_never_run(here: Path) -> None:
    kaldi(here, text="u1 ONE\nu2 TWO\nu3 THREE\n")
    kaldi(here, wav_scp=f"u1 touch {here}/ran |\nu2 |touch {here}/ran\nu3 raw.ark:42\n")
    found = faults(f"kaldi={here}")
    assert [(f.line, f.problem) for f in found] == [
        (1, "a command, which is never run"),
        (2, "a command, which is never run"),
        (3, "an entry of a Kaldi archive"),
    ]
    assert "touch" in found[0].value and not (here / "ran").exists()


def test_kaldi_keys_must_pair_and_segments_are_not_cut(here: Path) -> None:
    kaldi(here, text="u1 ONE\nu2 TWO\nu1 AGAIN\n", wav_scp="u1 a.wav\nu3 b.wav\n", segments="u1 r 0 1\n")
    assert [(Path(f.file).name, f.line, f.problem) for f in faults(f"kaldi={here}")] == [
        ("segments", 0, "pieces of longer recordings are not read"),
        ("text", 2, "not in wav.scp"),
        ("text", 3, "the id stands there already (line 1)"),
        ("wav.scp", 2, "not in text"),
    ]


# --- what a system has said -----------------------------------------------------------------------------------

SCORED = ("--metrics", "length-ratio", "--score-jobs", "1")


def score(here: Path, *words: str) -> Run:
    assert cli.main(["score", *words, *SCORED, "--out", str(here / "runs")]) == 0
    (folder,) = [path.parent for path in (here / "runs").glob("*/run.json") if "ground-truth" not in path.parent.name]
    return Run.open(folder)


def test_one_manifest_says_what_was_to_be_said_and_what_was(here: Path) -> None:
    path = write(
        here / "outs.jsonl",
        {"sentence": "One.", "wav": "said/a.wav", "gold": "a.wav"},
        {"sentence": "Two.", "wav": "said/b.wav", "gold": "b.wav"},
    )
    run = score(here, str(path), "--map", "text=sentence", "--map", "audio=wav", "--map", "truth=gold")
    assert [(sample.id, sample.text) for sample in run.samples] == [("a", "One."), ("b", "Two.")]
    for name in ("a", "b"):
        assert (run.path / run.syntheses[name].audio).read_bytes() == (here / f"said/{name}.wav").read_bytes()


def test_outputs_in_one_manifest_and_texts_in_another(here: Path) -> None:
    said = here / "said.csv"
    said.write_text("name;file\nu1;said/a.wav\nu2;gone.wav\n")
    texts = write(here / "texts.jsonl", {"utt": "u1", "said": "One."}, {"utt": "u2", "said": "Two."})
    words = [f"manifest={said},id=name,audio=file", "--testset", f"manifest={texts}", "--map", "text=said"]
    assert cli.main(["score", *words, *SCORED, "--out", str(here / "runs")]) == 1  # u2 has no file: a failed row
    run = Run.open(here / "runs" / "said@texts")
    assert run.syntheses["u1"].audio and "no output" in run.syntheses["u2"].error


def test_outputs_in_a_wav_scp(here: Path) -> None:
    (here / "set").mkdir()
    kaldi(here / "set", text="u1 ONE\n")
    kaldi(here, wav_scp="u1 said/a.wav\n")
    run = score(here, str(here / "wav.scp"), "--testset", f"kaldi={here / 'set'}")
    assert list(run.syntheses) == ["u1"] and not run.syntheses["u1"].error


@pytest.mark.parametrize(
    ("rows", "words", "problem"),
    [
        ([{"text": "A.", "wav": "a.wav"}], [], "did you mean 'wav'? Give audio=wav"),
        ([{"text": "A.", "audio": "no/a.wav"}], [], "none of its audio files is there"),
        ([{"id": "u", "text": "A.", "audio": "a.wav"}] * 2, [], "the id stands there already (line 1)"),
        ([{"text": "A.", "audio": "s3://x/a.wav"}], [], "an address, not a file"),
        ([{"text": "A.", "audio": "a.wav"}], ["--map", "txt=text"], "did you mean 'text'?"),
        ([{"text": "A.", "audio": "a.wav"}], ["--map", "text"], "give text=COLUMN"),
    ],
)
def test_what_is_wrong_with_a_manifest_of_outputs(
    here: Path,
    rows: list[dict[str, object]],
    words: list[str],
    problem: str,
    capsys: pytest.CaptureFixture[str],
) -> None:
    path = write(here / "outs.jsonl", *rows)
    try:
        assert cli.main(["score", str(path), *words, "--out", str(here / "runs")]) == 1
    except SystemExit as left:
        assert left.code == 2
    assert problem in capsys.readouterr().err
    assert not (here / "runs").exists()


def test_map_without_a_manifest_is_refused(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--system", "ground-truth", "--testset", f"folder={here}", "--map", "text=x"]
    assert cli.main(["run", *words, "--out", str(here / "runs")]) == 1
    assert "none of the test sets is a manifest" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("blank.csv", "id,text\na,Hello\n,\n", "Hello"),
        ("UP.CSV", "id;text\na;Hello\n", "Hello"),
        ("quoted.tsv", 'id\ttext\na\t"He said ""hi"", twice."\n', 'He said "hi", twice.'),
        ("speech.tsv", 'id\ttext\na\t"Hello," he said, "you."\n', '"Hello," he said, "you."'),
    ],
)
def test_tables_as_spreadsheets_save_them(tmp_path: Path, name: str, content: str, text: str) -> None:
    (tmp_path / name).write_text(content)
    assert [sample.text for sample in testsets.load(f"manifest={tmp_path / name}").samples] == [text]


def test_a_missing_text_is_not_the_word_nan(tmp_path: Path) -> None:
    (tmp_path / "t.json").write_text('[{"id": "a", "text": NaN}]')
    assert [fault.problem for fault in faults(f"manifest={tmp_path / 't.json'}")] == ["the text is empty"]


def test_escape_sequences_in_the_names_of_columns_stay_out_of_the_terminal(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_text("id\t\x1b[31mred\na\tb\n")
    with pytest.raises(TestSetError) as caught:
        testsets.load(f"manifest={tmp_path / 't.tsv'}")
    assert "\x1b" not in str(caught.value) and "red" in str(caught.value)
