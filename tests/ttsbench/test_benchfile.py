"""bench.toml: the options of `run` in a file. Nothing is spoken here but silence."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from ttsbench import benchfile, cli
from ttsbench.commands import run as command
from ttsbench.errors import UserError

SHORT = 'systems = ["silence"]\ntestsets = ["seed-mini"]\nlimit = 2\nmetrics = ["rtf"]\nshared-machine = true\n'


def options(path: Path, *given: str) -> argparse.Namespace:
    return benchfile.merged(path, [str(path), *given], command.parser())


def written(folder: Path, text: str) -> Path:
    path = folder / "bench.toml"
    path.write_text(text)
    return path


def test_every_option_of_run_can_be_in_the_file(tmp_path: Path) -> None:
    values = {
        "title": '"A title"', "systems": '["a", "b"]', "testsets": '["c"]', "maps": '{text = "sentence"}',
        "full": "false", "protocols": '["embedded"]', "metrics": '["wer", "sim-o"]', "out": '"x"', "name": '"n"',
        "limit": "3", "seed": "0", "seeds": "2", "jobs": "2", "score-jobs": "1", "timeout": "1.5",
        "device": '["cuda:0", "cuda:1"]', "again": "true", "retry": "true", "shared-machine": "true",
        "threshold": "{wer = 10, sim-o = 0.5}", "shard": '"1/2"', "ray": "true", "json": "true",
        "fail-on-error": "0.1",
        "machine-price": "1.5",
    }  # fmt: skip
    known = [each.dest for each in benchfile.options(command.parser())]
    path = written(tmp_path, "\n".join(f"{key} = {value}" for key, value in values.items()))
    found = options(path)
    named = {name: action.dest for action in benchfile.options(command.parser()) for name in benchfile.names(action)}
    assert set(known) == {named[key] for key in values}
    assert (found.title, found.system, found.testset, found.limit) == ("A title", ["a", "b"], ["c"], 3)
    assert found.map == [("text", "sentence")] and found.threshold == [("wer", 10.0), ("sim-o", 0.5)]
    assert found.metrics == ("wer", "sim-o") and found.device == "cuda:0,cuda:1" and found.timeout == 1.5
    assert found.full is False and found.again and found.retry and found.ray == "" and found.shard == (1, 2)


def test_the_command_line_takes_the_place_of_the_file(tmp_path: Path) -> None:
    path = written(tmp_path, 'systems = ["a", "b"]\nseed = 3\nlimit = 4\nthresholds = {wer = 1}\n')
    found = options(path, "--system", "c", "--seed=0", "--threshold", "cer=2")
    assert (found.system, found.seed, found.limit, found.threshold) == (["c"], 0, 4, [("cer", 2.0)])
    assert found.file == path


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("sytem = ['a']", "no key 'sytem'; did you mean 'system'?"),
        ("score_jobs = 1", "did you mean 'score-jobs'?"),
        ("limit = 0", "limit = 0: '0': give a whole number of at least 1"),
        ("limit = [1, 2]", "limit = [1, 2]: give a text or a number"),
        ("again = 'yes'", 'again = "yes": give true or false'),
        ("seed = true", "seed = true: give a text or a number"),
        ("device = 'gpu'", "give cpu, mps, cuda or cuda:N"),
        ("device = ['cuda:0', 'cuda:0']", "give each device once"),
        ("systems = [['a']]", "give a text or a number"),
        ("system = ['a']\nsystems = ['b']", "--system is given under two names"),
        ("[thresholds]\nwer = 'low'", "give METRIC=VALUE"),
        ("file = 'x'", "no key 'file'"),
        ("systems = [", "not a TOML file"),
    ],
)
def test_what_is_wrong_names_file_and_key(tmp_path: Path, text: str, said: str) -> None:
    with pytest.raises(UserError) as fault:
        options(written(tmp_path, text))
    assert said in str(fault.value) and str(fault.value).startswith(str(tmp_path / "bench.toml"))


def test_a_word_that_is_no_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no benchmark file"):
        options(tmp_path / "seed-mini")
    with pytest.raises(UserError, match=r"ttsbench init .* writes one"):
        options(tmp_path / "none.toml")


def test_init_writes_what_run_takes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["init"]) == 0
    plain = options(Path("bench.toml"))
    assert set(plain.system) >= {"llasa", "kalle"} and plain.testset == ["quick"] and plain.seeds == 1
    words = ["--system", "flite", "--limit", "3", "--seeds", "2", "--map", "text=sentence", "--threshold", "wer=5"]
    assert cli.main(["init", "other.toml", *words, "--title", 'A "title" \\ it']) == 0
    found = options(Path("other.toml"))
    assert (found.system, found.limit, found.seeds, found.title) == (["flite"], 3, 2, 'A "title" \\ it')
    assert found.map == [("text", "sentence")] and found.threshold == [("wer", 5.0)]


def test_every_comment_of_a_new_file_is_a_key_that_works(tmp_path: Path) -> None:
    text = benchfile.template(command.parser(), {"system": ["a"]}, "bench.toml")
    lines = [line.removeprefix("# ") for line in text.splitlines() if " = " in line and not line.startswith("# [")]
    lines = [line for line in lines if line[:1].islower() and not line.startswith("full")]
    options(written(tmp_path, "\n".join(lines)))
    assert len(lines) > 15


def test_a_file_that_exists_is_kept(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = written(tmp_path, "seed = 1\n")
    assert cli.main(["init", str(path)]) == 1
    assert "is there already" in capsys.readouterr().err and path.read_text() == "seed = 1\n"


def test_a_file_is_run_with_its_title_and_thresholds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "tone.py").write_text(
        "import numpy as np\nfrom ttsbench.records import Card\n\nclass Tone:\n    card = Card('tone')\n\n"
        "    def synthesize(self, sample, seed):\n        yield np.tile(np.float32([0.1, -0.1]), 8000)\n"
    )
    text = SHORT.replace('"silence"', '"python:tone.py:Tone"') + 'title = "Tones & <noise>"\n'
    written(tmp_path, text + "thresholds = {rtf = 1000}\n")
    assert cli.main(["run", "bench.toml"]) == 0
    assert "<h1><bdi>Tones &amp; &lt;noise&gt;</bdi></h1>" in (tmp_path / "runs" / "report.html").read_text()
    written(tmp_path, text + "thresholds = {rtf = 1e-9}\n")
    capsys.readouterr()
    assert cli.main(["run", "bench.toml"]) == 1
    assert "worse than its threshold: tone on seed-mini-sample2 (embedded): RTF is" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("limit", "said"), [("werr=3", "did you mean 'wer'?"), ("length-ratio=1", "no better direction")]
)
def test_a_threshold_on_nothing_is_refused_before_anything_is_spoken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], limit: str, said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["run", "--system", "silence", "--testset", "seed-mini", "--threshold", limit]) == 1
    assert said in capsys.readouterr().err and not list(tmp_path.iterdir())
