"""Published test sets: fetched from a server on this machine in the place of the real one, counted, loaded by name."""

from __future__ import annotations

import hashlib
import io
import json
from pathlib import Path

import numpy as np
import pytest
import soundfile

from ttsbench import cli, corpora, testsets
from ttsbench.testsets import TestSetError, published

from .archives import packed
from .serving import Server


@pytest.fixture
def data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("TTSBENCH_DATA", str(tmp_path / "data"))
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))
    return tmp_path / "data"


def audio(seconds: float, suffix: str = "FLAC") -> bytes:
    held = io.BytesIO()
    soundfile.write(held, np.full(round(16000 * seconds), 0.1, np.float32), 16000, format=suffix)
    return held.getvalue()


def served(
    server: Server, monkeypatch: pytest.MonkeyPatch, name: str, content: bytes, recordings: int, folder: str
) -> None:
    """Put an archive on the server in the place of the published one."""
    server.files[f"/{name}"] = content
    digest = ("md5", hashlib.md5(content).hexdigest())
    part = published.Part(f"{server.url}/{name}", len(content), digest, folder, "CC BY 4.0", recordings, 10**6)
    monkeypatch.setitem(published.PARTS, name, part)
    was = published.PUBLISHED[name]
    changed = published.Published(was.spec, was.parts, was.counted, recordings, was.command)
    monkeypatch.setitem(published.PUBLISHED, name, changed)


def librispeech(split: str) -> bytes:
    files = {f"LibriSpeech/{split}/7/8/7-8-{n:04d}.flac": audio(seconds) for n, seconds in enumerate((5, 6, 2))}
    texts = "".join(f"7-8-{n:04d} WORDS NUMBER {n}\n" for n in range(3)).encode()
    files |= {f"LibriSpeech/{split}/7/8/7-8.trans.txt": texts, "LibriSpeech/LICENSE.TXT": b"CC BY 4.0\n"}
    return packed(*files.items())


def test_a_published_set_is_fetched_and_then_loaded_by_its_bare_name(
    server: Server, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "librispeech-test-other"
    served(server, monkeypatch, name, librispeech("test-other"), 3, "LibriSpeech/test-other")
    with pytest.raises(TestSetError, match=f"ttsbench fetch {name} gets it.*TTSBENCH_DATA"):
        testsets.load(name)
    server.faults = ["cut"]
    assert cli.main(["fetch", name, "--json"]) == 0
    told = capsys.readouterr()
    assert json.loads(told.out) == {name: str(data / "LibriSpeech/test-other")}
    assert "about 1.0 MB unpacked" in told.err and "CC BY 4.0" in told.err
    assert f"{name}: 3 recordings, as published (md5 of the archive too)" in told.err
    testset = testsets.load(name)
    assert testset.name == name and [sample.id for sample in testset.samples] == ["7-8-0000", "7-8-0001"]
    assert [sample.prompt and sample.prompt.stem for sample in testset.samples] == ["7-8-0001", "7-8-0000"]
    assert sorted(path.name for path in data.iterdir()) == ["LibriSpeech", "archives", f"{name}.receipt.json"]
    assert (data / "LibriSpeech/LICENSE.TXT").is_file() and not list((data / "archives").iterdir())
    assert cli.main(["fetch", name]) == 0 and len(server.asked) == 1  # it is here


def test_the_listing_says_which_published_sets_are_here_and_how_to_get_the_others(
    server: Server, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "librispeech-test-other"
    served(server, monkeypatch, name, librispeech("test-other"), 3, "LibriSpeech/test-other")
    before = {row["name"]: row for row in testsets.listing()}
    assert before[name]["here"] == "" and before[name]["get"].startswith(f"ttsbench fetch {name} (")
    assert before["libritts-test-clean"]["get"].endswith("(1,231 MB)") and "by hand" in before["seed-zh"]["get"]
    cli.main(["fetch", name])
    folder = data / "LibriSpeech" / "test-other"
    assert {row["name"]: row for row in testsets.listing()}[name]["here"] == f"{folder} (3 recordings)"
    (folder / "7" / "8" / "7-8-0002.flac").unlink()
    capsys.readouterr()
    assert cli.main(["list", "testsets"]) == 0
    listed = capsys.readouterr().out
    assert f"{folder} (incomplete: 2 of 3 recordings)" in listed and "ttsbench fetch seed-en" in listed


def test_recordings_that_lack_are_told_before_and_after(
    server: Server, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "librispeech-dev-clean"
    served(server, monkeypatch, name, librispeech("dev-clean"), 4, "LibriSpeech/dev-clean")
    assert cli.main(["fetch", name]) == 1
    assert "holds 3 recordings, published are 4" in capsys.readouterr().err
    assert not (data / "LibriSpeech").exists() and not list(data.glob(".unpacking*"))
    (data / "LibriSpeech/dev-clean").mkdir(parents=True)
    assert cli.main(["fetch", name]) == 1
    assert "holds 0 of the published 4 recordings; move it away" in capsys.readouterr().err


def test_an_archive_with_a_path_that_leaves_is_refused_by_the_command(
    server: Server, data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    name = "librispeech-test-clean"
    content = packed(("LibriSpeech/test-clean/a.flac", b"x"), ("../../evil.flac", b"x"))
    served(server, monkeypatch, name, content, 1, "LibriSpeech/test-clean")
    assert cli.main(["fetch", name]) == 1
    assert "'../../evil.flac', a path that leaves" in capsys.readouterr().err
    assert not list(data.rglob("*.flac")) and not list(data.parent.rglob("evil*"))


def test_libritts_has_its_texts_beside(server: Server, data: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = "libritts-test-clean"
    files: dict[str, bytes] = {}
    for number in range(2):
        stem = f"LibriTTS/test-clean/7/8/7_8_00000{number}_000000"
        files |= {
            f"{stem}.wav": audio(4.5, "WAV"),
            f"{stem}.normalized.txt": b"Two words.",
            f"{stem}.original.txt": b"2",
        }
    served(server, monkeypatch, name, packed(*files.items()), 2, "LibriTTS/test-clean")
    corpora.fetch(name, corpora.Progress())
    assert [sample.text for sample in testsets.load(name).samples] == ["Two words."] * 2


def seed_files(rows: int) -> dict[str, bytes]:
    lines = "".join(f"p-{n}|Before.|prompt-wavs/p.wav|Text {n}.\n" for n in range(rows)).encode()
    return {"seedtts_testset/en/meta.lst": lines, "seedtts_testset/en/prompt-wavs/p.wav": audio(1, "WAV")}


def test_seed_is_told_where_to_put_unpacked_and_counted(
    server: Server, data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert cli.main(["fetch", "seed-en"]) == 1
    told = capsys.readouterr().err
    assert published.SEED_ADDRESS in told and str(data) in told and "seedtts_testset.tar" in told
    data.mkdir()
    (data / "seedtts_testset.tar").write_bytes(packed(*seed_files(1088).items(), mode="w"))
    assert cli.main(["fetch", "seed-en"]) == 0
    assert "seed-en: 1088 rows, as published" in capsys.readouterr().err
    assert len(testsets.load("seed-en").samples) == 1088
    assert cli.main(["fetch", "seed-zh"]) == 1
    assert "0 rows, published are 2020" in capsys.readouterr().err
    (data / "seedtts_testset/en/prompt-wavs/p.wav").unlink()
    assert cli.main(["fetch", "seed-en"]) == 1
    assert "no such audio file" in capsys.readouterr().err


def test_the_counts_are_the_published_ones() -> None:
    counts = {name: found.count for name, found in published.PUBLISHED.items()}
    assert (counts["seed-en"], counts["seed-zh"], counts["seed-hard"], counts["librispeech-pc"]) == (
        *(1088, 2020, 400),
        1127,
    )
    for part in published.PARTS.values():
        kind, value = part.digest
        assert len(value) == {"md5": 32, "sha256": 64}[kind] and part.url.startswith("https://") and part.size


def test_a_near_name_is_suggested(capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fetch", "librispeech-testclean"]) == 1
    assert "did you mean 'librispeech-test-clean'?" in capsys.readouterr().err
