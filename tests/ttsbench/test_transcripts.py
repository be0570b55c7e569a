"""Files of transcripts that were made elsewhere: what cannot be used is told by file and line."""

import argparse
from pathlib import Path

import pytest

from ttsbench.commands import score as command
from ttsbench.errors import UserError
from ttsbench.transcripts import read_transcripts


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("t.tsv", "a hello\n", "line 1.*no tab"),
        ("t.tsv", "a\tx\na\ty\n", "line 2.*stands twice"),
        ("t.tsv", "b\tx\n", "none of its ids.*'b'.*'a'"),
        ("t.tsv", "", "none of its ids"),
        ("t.jsonl", '{"id": "a"}\n', "line 1"),
        ("t.jsonl", '{"id": 1, "text": "x"}\n', "line 1.*strings"),
        ("t.jsonl", "[1]\n", "line 1"),
        ("t.jsonl", '{"id": "a", "text": "\\ud800"}\n', "line 1.*half a character"),
        ("t.jsonl", "{\n", "line 1"),
    ],
)
def test_a_file_of_transcripts_that_cannot_be_used_is_told_by_line(
    tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=f"{name}.*{words}"):
        read_transcripts(tmp_path / name, ["a"])


def test_files_of_transcripts_that_are_no_text(tmp_path: Path) -> None:
    (tmp_path / "t.tsv").write_bytes(b"a\t\xff\xfe")
    for name, words in (("t.tsv", "not readable as UTF-8"), ("nothing.tsv", "No such file.*give a file of ids")):
        with pytest.raises(UserError, match=f"{name}.*{words}"):
            read_transcripts(tmp_path / name, ["a"])
    with pytest.raises(UserError, match=r"--transcripts .*nothing.tsv: no such file"):  # before anything is collected
        command.run(argparse.Namespace(transcripts=tmp_path / "nothing.tsv", folders=[tmp_path]))
