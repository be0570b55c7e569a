"""Bad lists: every fault is told at once, with file, line, value and what to do; nothing is written anywhere."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ttsbench import testsets
from ttsbench.testsets import TestSetError, check

quick = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


@pytest.fixture
def here(tmp_path: Path) -> Path:
    soundfile.write(tmp_path / "p.wav", np.full(1600, 0.1, np.float32), 16000)
    return tmp_path


def faults(spec: str) -> list[testsets.Fault]:
    with pytest.raises(TestSetError) as caught:
        testsets.load(spec)
    assert all(str(fault) in str(caught.value) for fault in caught.value.faults)
    return caught.value.faults


def faults_of_list(here: Path, *lines: bytes | str) -> list[testsets.Fault]:
    path = here / "meta.lst"
    path.write_bytes(b"".join((line if isinstance(line, bytes) else line.encode()) + b"\n" for line in lines))
    return faults(f"seed-en={path}")


@pytest.mark.parametrize(
    "line, problem",
    [
        ("u1|a|p.wav|b|p.wav|extra", "6 fields"),
        ("just words", "1 fields"),
        ("u1|Before.|p.wav|", "the text is empty"),
        ("|Before.|p.wav|After.", "the id is empty"),
        ("../u1|Before.|p.wav|After.", "the id holds a slash"),
        ("/etc/u1|Before.|p.wav|After.", "the id holds a slash"),
        ("a\\b|Before.|p.wav|After.", "the id holds a slash"),
        ("..|Before.|p.wav|After.", "the id begins with a dot"),
        ("u\x1b[2J|Before.|p.wav|After.", "the id holds a control character"),
        ("u\u202etxt|Before.|p.wav|After.", "the id holds a control character"),
        ("u\0|Before.|p.wav|After.", "the id holds a control character"),
        ("u" * 300 + "|Before.|p.wav|After.", "the id is longer than 150 bytes"),
        ("u1|Before.|p.wav|After \x07 this.", "a control character in the text"),
        ("u1|Before.|gone.wav|After.", "no such audio file"),
        ("u1|Before.|p.wav|After.|gone.wav", "no such audio file"),
        ("u1|Before.|" + "x" * 5000 + ".wav|After.", "no such audio file"),
        ("u1|Before.|.|After.", "not an audio file but a folder"),
        ("u1|Before.||After.", "an empty audio field"),
        ("u1|Before.|p.wav|After.|", "an empty audio field"),
        (b"u2|Before.|p.wav|Caf\xe9.", "not UTF-8 (byte 21)"),
    ],
)
def test_each_kind_of_fault_names_its_line(here: Path, line: bytes | str, problem: str) -> None:
    (fault,) = faults_of_list(here, "good|Before.|p.wav|After.", "", line)
    assert (fault.line, fault.problem) == (3, problem)
    assert fault.file.endswith("meta.lst") and fault.remedy
    assert "\x1b" not in str(fault) and "\u202e" not in str(fault)


@pytest.mark.parametrize(
    "content, problem", [(b"", "the audio file is empty (0 bytes)"), (b"RIFF\0\0\0\0", "not read")]
)
def test_broken_audio(here: Path, content: bytes, problem: str) -> None:
    (here / "bad.wav").write_bytes(content)
    (fault,) = faults_of_list(here, "u1|Before.|bad.wav|After.")
    assert fault.problem.startswith(problem) and fault.value.endswith("bad.wav")


def test_audio_of_a_header_alone_and_of_hours(here: Path) -> None:
    soundfile.write(here / "none.wav", np.zeros(0, np.float32), 16000)
    soundfile.write(here / "long.wav", np.zeros(8 * 601, np.int16), 8)
    one, two = faults_of_list(here, "u1|Before.|none.wav|After.", "u2|Before.|long.wav|After.")
    assert "a WAV header without samples" in one.problem and two.problem == "the audio is longer than 600 s"


def test_headers_that_were_never_finished_are_no_fault(here: Path) -> None:
    """Encoders that write into a pipe do not know the length: what is there counts."""
    noise = np.random.default_rng(0).uniform(-0.5, 0.5, 16000)
    for name in ("a.flac", "a.wav"):
        soundfile.write(here / name, noise, 16000)
    flac, wav = bytearray((here / "a.flac").read_bytes()), bytearray((here / "a.wav").read_bytes())
    flac[21] &= 0xF0  # STREAMINFO: 36 bits, the number of samples; 0 stands for "not known"
    flac[22:26] = bytes(4)
    (here / "a.flac").write_bytes(flac)
    (here / "a.wav").write_bytes(wav[:4] + bytes(4) + wav[8:40] + bytes(4) + wav[44:])
    assert check.audio_problem(here / "a.flac") == "" and check.audio_problem(here / "a.wav") == ""
    (here / "a.flac").write_bytes(flac[:60] + b"junk" * 2000)
    assert "not readable as audio" in check.audio_problem(here / "a.flac")


def test_all_faults_are_told_at_once_in_the_order_of_lines(here: Path) -> None:
    found = faults_of_list(
        here,
        "u1|Before.|p.wav|After.",
        "u1|Before.|p.wav|After.",
        "../x|Before.|gone.wav|",
        "one field",
    )
    assert [(fault.line, fault.problem) for fault in found] == [
        (2, "the id stands there already (line 1)"),
        (3, "the id holds a slash"),
        (3, "the text is empty"),
        (3, "no such audio file"),
        (4, "1 fields"),
    ]


def test_ids_that_differ_only_in_case_would_share_a_file_on_some_disks(here: Path) -> None:
    (found,) = faults_of_list(here, "Straße|Before.|p.wav|After.", "STRASSE|Before.|p.wav|After.")
    assert found.line == 2
    assert found.problem == "the id differs from 'Straße' (line 1) in upper and lower case only"


def test_names_of_recordings_and_transcripts_are_compared_in_composed_form(here: Path) -> None:
    """macOS writes names of files decomposed (e and an accent); lists mostly hold the composed letter."""
    folder = here / "mine"
    folder.mkdir()
    soundfile.write(folder / "cafe\u0301.wav", np.full(16000, 0.1), 16000)
    (folder / "transcripts.tsv").write_text("caf\u00e9\tWords.\n", encoding="utf-8")
    (sample,) = testsets.load(f"folder={folder}").samples
    assert (sample.id, sample.text) == ("caf\u00e9", "Words.")


def test_lists_that_are_not_there_or_hold_nothing(here: Path) -> None:
    assert "cannot be read" in faults(f"seed-en={here / 'gone.lst'}")[0].problem
    assert faults_of_list(here)[0].problem == "the list is empty"
    assert faults(f"folder={here / 'gone'}")[0].problem == "not a folder"
    (here / "empty").mkdir()
    assert faults(f"folder={here / 'empty'}")[0].problem == "no utterances"


def test_runs_kept_below_a_folder_of_recordings_are_none_of_them(here: Path) -> None:
    folder = here / "mine"
    for name in ("a.wav", "bob/b.wav", "runs/x@mine/audio/c.wav", "runs/.clips/d.mp3"):
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        soundfile.write(folder / name, np.full(16000, 0.1), 16000)
        (folder / name).with_suffix(".txt").write_text("Words.")
    assert len(testsets.load(f"folder={folder}").samples) == 3
    (folder / "runs" / "x@mine" / "run.json").write_text("{}")
    assert [sample.id for sample in testsets.load(f"folder={folder}").samples] == ["a", "b"]


def test_unknown_names_languages_tasks_and_options_are_told_what_there_is(here: Path) -> None:
    assert "did you mean 'seed-en'?" in faults("seed-english=/x")[0].remedy
    assert "seed-zh" in faults("qqq=/x")[0].remedy
    (here / "p.txt").write_text("Words.")
    assert faults(f"folder={here},colour=red")[0].remedy == (
        "folder knows language, task, transcripts, suffix, prompt, shortest, longest, name"
    )
    assert [f.problem for f in faults(f"folder={here},language=klingon,task=dance")] == [
        "unknown language",
        "unknown task",
    ]
    assert "holds a slash" in faults(f"folder={here},name=../x")[0].problem


def test_librispeech_pc_faults(here: Path) -> None:
    path = here / "a.lst"
    path.write_text(
        "../1-2-3\t2\ta\t1-2-4\t4\tb\n1-2-3\tlong\ta\t1-2-3\t4\tb\n1-2-3\t2\ta\t1-2-4\t4\n", encoding="utf-8"
    )
    assert [(f.line, f.problem) for f in faults(f"librispeech-pc={path},audio=none")] == [
        (1, "not a LibriSpeech utterance"),
        (2, "not a length in seconds"),
        (2, "prompt and target are one utterance"),
        (3, "5 fields"),
    ]


def test_tables_and_folders_tell_what_is_missing(here: Path) -> None:
    path = here / "t.tsv"
    path.write_text("utt\ttext\nu1\n", encoding="utf-8")
    (short,) = faults(f"manifest={path}")
    assert (short.line, short.problem) == (2, "1 fields")
    path.write_text("utt\tsaid\nu1\thi\n", encoding="utf-8")
    assert faults(f"manifest={path}")[0].remedy.startswith("the columns are utt, said")
    path.write_text("category\ttext\n\tNo category.\n", encoding="utf-8")
    assert faults(f"emergent={path}")[0].problem == "no category"
    assert faults(f"folder={here}")[0].problem == "a recording without a transcript"
    (here / "transcripts.tsv").write_text("utt\ttext\np\tHi.\nq\tHo.\n", encoding="utf-8")
    (fault,) = faults(f"folder={here}")
    assert (fault.line, fault.value, fault.problem) == (3, "q", "no audio of this name")


def test_json_that_is_none(here: Path) -> None:
    path = here / "t.jsonl"
    path.write_text('{"id": "a", "text": "ok"}\n{broken\n[1]\n' + "[" * 100_000 + "\n", encoding="utf-8")
    assert [fault.line for fault in faults(f"manifest={path}")] == [2, 3, 4]


def test_half_characters_and_tasks_that_lack_their_audio(here: Path) -> None:
    path = here / "t.jsonl"
    rows = [
        {"id": "a", "text": "broken \ud83d here"},
        {"id": "b", "text": "Go on.", "task": "continuation", "prompt": "p.wav", "truth": "p.wav"},
        {"id": "c", "text": "Again.", "task": "resynthesis"},
        {"id": "d", "text": "Go on.", "prompt_seconds": "nan"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    assert [(fault.line, fault.problem) for fault in faults(f"manifest={path}")] == [
        (1, "half a character (a lone surrogate)"),
        (2, "a continuation without prompt"),
        (3, "nothing to resynthesise"),
        (4, "not a length in seconds"),
    ]


# --- properties of the parsers --------------------------------------------------------------------------------

words = st.text(st.characters(exclude_categories=["Cc", "Cs"], exclude_characters="|\t\n"), min_size=1).filter(
    str.strip
)


@quick
@given(content=st.binary(max_size=300))
@pytest.mark.parametrize("layout", ["seed-en", "librispeech-pc", "zipvoice", "emergent", "manifest", "kaldi"])
@pytest.mark.parametrize("ending", ["tsv", "csv", "jsonl"])
def test_any_bytes_give_rows_or_faults_and_nothing_else(
    tmp_path: Path, layout: str, ending: str, content: bytes
) -> None:
    path = tmp_path / f"list.{ending}"
    path.write_bytes(content)
    try:
        testset = testsets.load(f"{layout}={path},audio=none")
    except TestSetError as error:
        assert error.faults
    else:
        assert testset.samples and all(sample.text.strip() for sample in testset.samples)


@quick
@given(rows=st.lists(st.tuples(words, words), min_size=1, max_size=8))
def test_what_is_written_as_a_seed_list_is_read_back(tmp_path: Path, rows: list[tuple[str, str]]) -> None:
    path = tmp_path / "meta.lst"
    lines = [f"u{n}|{before}|p.wav|{text}" for n, (before, text) in enumerate(rows)]
    path.write_text("\n".join(lines), encoding="utf-8")
    samples = testsets.load(f"seed-en={path},audio=none").samples
    assert [(s.prompt_text, s.text) for s in samples] == [(b.strip(), t.strip()) for b, t in rows]


@quick
@given(
    texts=st.lists(st.text(st.characters(exclude_categories=["Cc", "Cs"])).filter(str.strip), min_size=1, max_size=5)
)
def test_what_is_written_as_json_lines_is_read_back(tmp_path: Path, texts: list[str]) -> None:
    path = tmp_path / "t.jsonl"
    lines = [json.dumps({"id": f"u{n}", "text": text}, ensure_ascii=False) for n, text in enumerate(texts)]
    path.write_text("\n".join(lines), encoding="utf-8")
    assert [s.text for s in testsets.load(f"manifest={path}").samples] == [text.strip() for text in texts]


@quick
@given(line=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\n"), max_size=60))
def test_a_line_is_a_row_or_a_fault_of_that_line(tmp_path: Path, line: str) -> None:
    path = tmp_path / "meta.lst"
    path.write_text(f"first|Words.\n{line}\nlast|Words.\n", encoding="utf-8", newline="\n")
    try:
        count = len(testsets.load(f"seed-en={path},audio=none").samples)
    except TestSetError as error:
        assert {fault.line for fault in error.faults} <= {2, 3}
    else:
        assert count == (3 if line.strip() else 2)


def test_with_audio_some_a_missing_prompt_costs_its_row_and_not_the_set(here: Path) -> None:
    for name in ("p1", "p2"):
        soundfile.write(here / f"{name}.wav", np.full(1600, 0.1), 16000)
    path = here / "meta.lst"
    path.write_text("a|hi|p1.wav|one\nb|hi|gone.wav|two\nc|hi|p2.wav|three\n")
    assert [fault.line for fault in faults(f"seed-en={path}")] == [2]
    assert "audio=some" in faults(f"seed-en={path}")[0].remedy
    testset = testsets.load(f"seed-en={path},audio=some")
    assert [sample.id for sample in testset.samples] == ["a", "b", "c"]
    assert testset.samples[1].prompt == here / "gone.wav"
    before = testset.digest
    soundfile.write(here / "gone.wav", np.full(1600, 0.1), 16000)
    assert testsets.load(f"seed-en={path},audio=some").digest != before


def test_audio_some_is_no_excuse_for_a_wrong_folder_or_a_broken_file(here: Path) -> None:
    path = here / "meta.lst"
    path.write_text("a|hi|x.wav|one\nb|hi|y.wav|two\n")
    assert len(faults(f"seed-en={path},audio=some")) == 2
    (here / "x.wav").write_text("no audio")
    assert [fault.line for fault in faults(f"seed-en={path},audio=some")] == [1]
    assert "audio=some" in faults(f"seed-en={path},audio=all")[0].remedy


def test_the_speaker_is_cut_from_the_prompts_name(here: Path) -> None:
    path = here / "meta.lst"
    path.write_text("a|hi|ann_p1.wav|one\n")
    assert testsets.load(f"seed-en={path},speaker=_,audio=none").samples[0].speaker == "ann"
    assert testsets.load(f"seed-en={path},audio=none").samples[0].speaker == "ann_p1"


@pytest.mark.parametrize(
    ("facts", "words"),
    [("", "no card"), ("{}", "no card"), ('{"rows": 1}', "no card"), ("[]", "no card"), (None, "no card")],
)
def test_a_set_without_a_usable_card_is_told(here: Path, facts: str | None, words: str) -> None:
    from ttsbench.testsets.catalogue import card_of

    if facts is not None:
        (here / "set.json").write_text(facts)
    with pytest.raises(testsets.TestSetError, match=words):
        card_of(here)
