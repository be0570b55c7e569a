"""What the command line takes, refuses and suggests. Nothing is spoken here."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from ttsbench import arguments, cli
from ttsbench.columns import table
from ttsbench.errors import UserError, unknown


def refused(words: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """What is said to a wrong use."""
    try:
        status = cli.main(words)
    except SystemExit as end:
        status = int(str(end.code))
    assert status in (1, 2)
    said = capsys.readouterr().err
    assert "Traceback" not in said
    return said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        ("run --limit -3", "whole number of at least 1"),
        ("run --limit 0", "whole number of at least 1"),
        ("run --jobs 0", "whole number of at least 1"),
        ("run --jobs two", "whole number of at least 1"),
        ("run --score-jobs 0", "whole number of at least 1"),
        ("run --seed -1", "whole number of at least 0"),
        ("run --timeout 0", "number above 0"),
        ("run --timeout nan", "number above 0"),
        ("run --timeout inf", "number above 0"),
        ("run --device gpu", "give cpu, mps, cuda or cuda:N"),
        ("run --shard 3/2", "I from 1 to N"),
        ("run --shard 0/2", "I from 1 to N"),
        ("run --shard half", "I from 1 to N"),
        ("run --metrics ,", "names with commas between"),
        ("run --limits 3", "did you mean '--limit'?"),
        ("run --testse seed-mini", "did you mean '--testset'?"),
        ("run seed-mini", "'seed-mini'"),
        ("run --full --testset seed-mini", "leave out --testset"),
        ("run --system silence --name x --system copy-prompt", "single system"),
        ("compare a b --alpha 5", "above 0 and below 1"),
        ("compare a b --alpha 0", "above 0 and below 1"),
        ("scor DIR", "did you mean 'score'?"),
        ("train fsk", "did you mean 'fsq'?"),
        ("ratings export r --raters 0", "whole number of at least 1"),
        ("flops --seconds 0", "number above 0"),
        ("profile flite --repeat 0", "whole number of at least 1"),
        ("profile flite --words 0", "whole number of at least 1"),
        ("scaling --beams 0", "whole number of at least 1"),
        ("run --system flight --testset seed-mini", "did you mean 'flite'?"),
        ("run --system silence --testset sed-mini", "seed-mini"),
        ("run --system silence --testset seed-mini --protocol embeded", "embedded"),
        ("run --system silence --testset seed-mini --metrics werr", "did you mean 'wer'?"),
        ("list metrics --explain werr", "did you mean 'wer'?"),
        ("score DIR", "--testset is missing"),
    ],
)
def test_a_wrong_use_is_refused_with_what_to_do(
    words: str, said: str, capsys: pytest.CaptureFixture[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert said in refused(words.split(), capsys)
    assert not list(tmp_path.iterdir())  # nothing was begun


@pytest.mark.parametrize("option", ["--testset x", "--out x", "--name x", "--limit 3", "--again", "--shard 1/2"])
def test_scoring_a_run_again_refuses_what_it_would_not_use(
    option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert f"{option.split()[0]}: not with run folders" in refused(["score", str(tmp_path), *option.split()], capsys)


@pytest.mark.parametrize("option", ["--jobs 2", "--seed 3", "--retry"])
def test_score_has_no_options_of_speaking(option: str, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert option.split()[0] in refused(["score", str(tmp_path), *option.split()], capsys)


def test_a_run_folder_and_recordings_are_two_commands(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "run.json").write_text("{}")
    assert "two commands" in refused(["score", str(tmp_path / "run"), str(tmp_path)], capsys)


def test_every_command_is_found_and_has_help(capsys: pytest.CaptureFixture[str]) -> None:
    names = cli.command_names()
    assert {"run", "score", "report", "merge", "list", "doctor", "fetch"} <= set(names)
    for name in names:
        with pytest.raises(SystemExit) as end:
            cli.main([name, "--help"])
        assert end.value.code == 0 and f"usage: ttsbench {name}" in capsys.readouterr().out


def test_without_a_command_the_help_is_printed(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as end:
        cli.main([])
    assert end.value.code == 2 and "score recordings that exist" in capsys.readouterr().out


def test_messages_to_the_user_are_a_line_and_our_own_faults_crash(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(fault: BaseException) -> None:
        raise fault

    for fault, status in ((UserError("bring milk"), 1), (KeyboardInterrupt(), 130)):
        monkeypatch.setattr("ttsbench.commands.list.run", lambda options, fault=fault: fail(fault))
        assert cli.main(["list", "systems"]) == status
        assert "bring milk" in (said := capsys.readouterr().err) or "Interrupted" in said
    for bug in (ValueError("shapes (3,) and (4,)"), FileNotFoundError("weights")):
        monkeypatch.setattr("ttsbench.commands.list.run", lambda options, bug=bug: fail(bug))
        with pytest.raises(type(bug)):
            cli.main(["list", "systems"])


def test_the_default_sets_are_the_quick_one_or_all(monkeypatch: pytest.MonkeyPatch) -> None:
    from ttsbench import testsets
    from ttsbench.commands.run import default_testsets

    names = ("emergent-en", "hard-en", "quick", "seed", "seed-zh")
    rows = [{"spec": name, "where": "embedded"} for name in names]
    rows.append({"spec": "seed-en=DIR", "where": "elsewhere"})
    monkeypatch.setattr(testsets, "listing", lambda: rows)
    everything = ["seed", "seed-zh", "hard-en", "emergent-en"]
    assert default_testsets(False) == ["quick"] and default_testsets(True) == everything
    del rows[2]
    assert default_testsets(False) == default_testsets(True) == everything


def test_two_folders_of_one_name_are_told_apart() -> None:
    from ttsbench.commands.score import short_names

    assert short_names([Path("/a/x"), Path("/a/y")]) == ["x", "y"]
    assert short_names([Path("/a/wavs"), Path("/b/wavs")]) == ["a-wavs", "b-wavs"]


def test_argument_types() -> None:
    assert arguments.count()("7") == 7 and arguments.count(0)("0") == 0
    assert arguments.number(0, 1)("0.05") == 0.05
    assert arguments.shard("2/4") == (2, 4) and arguments.shard("1/1") == (1, 1)
    assert arguments.words("wer, sim-o,,wer") == ("wer", "sim-o")
    assert [arguments.device(word) for word in ("cpu", "mps", "cuda", "cuda:11")] == ["cpu", "mps", "cuda", "cuda:11"]
    assert arguments.one_of("fruit", ("fig", "pear"))("fig") == "fig"
    for convert, word in ((arguments.number(0, 1), "1"), (arguments.number(0), "x"), (arguments.device, "cuda:x")):
        with pytest.raises(argparse.ArgumentTypeError):
            convert(word)


def test_a_near_name_is_suggested_and_else_all_are_listed() -> None:
    assert unknown("metric", "werr", ["wer", "cer"]) == "no metric 'werr'; did you mean 'wer'?"
    assert unknown("protocol", "zzz", ["a", "b"]) == "no protocol 'zzz'; there are: a, b"
    assert unknown("metric", "WER", ["sim", "wer"]) == "no metric 'WER'; did you mean 'wer'?"


def test_a_table_is_aligned_and_wraps_its_last_column() -> None:
    rows = [{"name": "a", "about": "one two three four five six seven"}, {"name": "long-name", "about": ""}]
    lines = table(rows, width=40).splitlines()
    assert lines == [
        "name       about",
        "a          one two three four five six",
        "           seven",
        "long-name",
    ]
    assert table([]) == "(none)" and max(map(len, table(rows, width=20).splitlines())) <= 35


def test_flops_prints_its_conventions_beside_the_numbers(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["flops", "llasa"]) == 0
    said = capsys.readouterr().out
    assert "122,170.02" in said and "kalle-paper: a multiply-add is 1" in said and "10 s of speech" in said


def test_a_corpus_that_was_never_made_is_a_message_and_no_traceback(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["train", "codes", "--corpus", str(tmp_path / "none"), "--out", str(tmp_path / "out")]) == 1
    assert "make one with: ttsbench train corpus" in capsys.readouterr().err
