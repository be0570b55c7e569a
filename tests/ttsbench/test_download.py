"""Downloads from a server on this machine: resumed, checked, refused; archives that would write elsewhere."""

from __future__ import annotations

import hashlib
import io
import json
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import soundfile

from ttsbench import cli, corpora, testsets
from ttsbench import download as room
from ttsbench.download import DownloadError, Source, download
from ttsbench.files import flock
from ttsbench.testsets import TestSetError, published

from .archives import packed

CONTENT = bytes(np.random.default_rng(7).integers(0, 256, 400_000, np.uint8))
HALF = 150_000


@dataclass
class Server:
    """What the server at `url` does: `faults` are met by the first requests, in order; then it serves `files`."""

    url: str = ""
    files: dict[str, bytes] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    ranges: bool = True
    asked: list[tuple[str, str]] = field(default_factory=list)  # path, Range

    def source(self, name: str, **known: object) -> Source:
        facts = {"size": len(CONTENT), "digests": {"md5": hashlib.md5(CONTENT).hexdigest()}} | known
        return Source(f"{self.url}/{name}", **facts)  # type: ignore[arg-type]


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    state = Server(files={"/file": CONTENT})
    monkeypatch.setattr(room, "PAUSE", 0.0)
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy", "ALL_PROXY"):
        monkeypatch.delenv(name, raising=False)

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            wanted = self.headers.get("Range", "")
            state.asked.append((self.path, wanted))
            fault = state.faults.pop(0) if state.faults else ""
            content = state.files.get(self.path)
            if content is None or fault.isdigit():
                self.send_response(int(fault or 404))
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            if start and start >= len(content):
                self.send_response(416)
                self.send_header("Content-Length", "0")
                self.end_headers()
                return
            shown = start + 5 if fault == "another byte" else start
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(content) - start))
            if start:
                self.send_header("Content-Range", f"bytes {shown}-{len(content) - 1}/{len(content)}")
            self.end_headers()
            if fault == "cut":
                self.wfile.write(content[start : start + HALF])
                self.close_connection = True
            elif fault == "stall":
                self.wfile.write(content[start : start + HALF])
                self.wfile.flush()
                time.sleep(0.8)
                self.close_connection = True
            elif fault == "slow":
                for at in range(start, len(content), 100_000):
                    self.wfile.write(content[at : at + 100_000])
                    self.wfile.flush()
                    time.sleep(0.2)
            else:
                self.wfile.write(content[start:])

        def log_message(self, format: str, *args: object) -> None:
            pass

    listening = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    listening.daemon_threads = True
    threading.Thread(target=listening.serve_forever, args=(0.05,), daemon=True).start()
    state.url = f"http://127.0.0.1:{listening.server_port}"
    yield state
    listening.shutdown()
    listening.server_close()


def test_a_download_that_is_cut_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "503", "cut"]
    heard: list[tuple[int, int]] = []
    download(server.source("file"), tmp_path / "a", lambda done, total: heard.append((done, total)))
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["", f"bytes={HALF}-", f"bytes={HALF}-", f"bytes={2 * HALF}-"]
    assert heard[-1] == (len(CONTENT), len(CONTENT)) and heard == sorted(heard)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_the_same_command_goes_on_after_it_failed(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "404"]
    with pytest.raises(DownloadError, match=r"status 404.*150\.0 kB|status 404.*150 kB are kept.*by hand"):
        download(server.source("file"), tmp_path / "a")
    assert not (tmp_path / "a").exists() and (tmp_path / "a.part").stat().st_size == HALF
    download(server.source("file"), tmp_path / "a")
    assert server.asked[-1] == ("/file", f"bytes={HALF}-") and (tmp_path / "a").read_bytes() == CONTENT
    download(server.source("file"), tmp_path / "a")
    assert len(server.asked) == 3  # what is here is not asked for


def test_a_server_without_range_is_read_from_the_beginning(server: Server, tmp_path: Path) -> None:
    server.ranges, server.faults = False, ["cut"]
    download(server.source("file"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT and len(server.asked) == 2


def test_a_server_that_always_stops_in_the_middle_is_given_up(server: Server, tmp_path: Path) -> None:
    server.ranges, server.faults = False, ["cut"] * 50
    with pytest.raises(DownloadError, match="could not be downloaded"):
        download(server.source("file"), tmp_path / "a")
    assert room.TRIES <= len(server.asked) <= room.TRIES + 2


def test_an_answer_from_another_byte_is_not_appended(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "another byte"]
    download(server.source("file"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT and server.asked[-1] == ("/file", "")


def test_a_part_that_is_too_long_is_begun_anew(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT + b"more")
    download(server.source("file"), tmp_path / "a")
    (tmp_path / "b.part").write_bytes(CONTENT + b"more")
    download(server.source("file", size=0), tmp_path / "b")  # only the server knows the length: status 416
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes() == CONTENT


def test_two_halves_are_joined_only_where_the_whole_is_checked(server: Server, tmp_path: Path) -> None:
    (tmp_path / "a.part").write_bytes(b"x" * HALF)
    download(server.source("file", size=0, digests={}), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT and server.asked == [("/file", "")]


def test_another_file_than_the_published_one_is_put_aside(server: Server, tmp_path: Path) -> None:
    wrong = server.source("file", digests={"md5": "0" * 32})
    with pytest.raises(DownloadError, match=r"md5 [0-9a-f]{32}, published is 0{32}.*a\.refused"):
        download(wrong, tmp_path / "a")
    assert [path.name for path in tmp_path.iterdir()] == ["a.refused"]
    (tmp_path / "a").write_bytes(b"put here by hand")
    with pytest.raises(DownloadError, match=r"16 bytes, published are 400,000"):
        download(server.source("file"), tmp_path / "a")
    assert not (tmp_path / "a").exists()


def test_another_length_is_refused_before_it_is_downloaded(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match="the server has 400,000 bytes, published are 400,001"):
        download(server.source("file", size=len(CONTENT) + 1), tmp_path / "a")
    assert (tmp_path / "a.part").stat().st_size == 0


def test_an_address_that_is_gone_is_asked_once_and_a_mirror_then(server: Server, tmp_path: Path) -> None:
    with pytest.raises(DownloadError, match=f"{server.url}/gone: HTTP status 404"):
        download(server.source("gone"), tmp_path / "a")
    assert len(server.asked) == 1
    download(server.source("gone", mirrors=(f"{server.url}/file",)), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    with pytest.raises(DownloadError, match=r"no connection.*put b into"):
        download(Source("http://127.0.0.1:9/file", 5), tmp_path / "b")


def test_a_slow_server_is_waited_for_and_a_silent_one_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.faults = ["slow"]
    download(server.source("file"), tmp_path / "a", patience=0.5)  # 0.8 s in all, never 0.5 s without a byte
    assert len(server.asked) == 1
    server.faults = ["stall"]
    download(server.source("file"), tmp_path / "b", patience=0.3)
    assert (tmp_path / "b").read_bytes() == CONTENT and server.asked[-1] == ("/file", f"bytes={HALF}-")


def test_a_full_disk_is_told_before_anything_is_asked_for(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "a.part").write_bytes(CONTENT[:HALF])
    monkeypatch.setattr(room.shutil, "disk_usage", lambda path: SimpleNamespace(free=300_000))
    with pytest.raises(DownloadError, match=r"300 kB are free and 350 kB are needed.*TTSBENCH_DATA"):
        download(server.source("file"), tmp_path / "a", beside=100_000)
    assert server.asked == []


def test_a_folder_that_cannot_be_made_is_told(server: Server, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("a file where the folder should be")
    with pytest.raises(DownloadError, match="TTSBENCH_DATA"):
        download(server.source("file"), tmp_path / "file" / "a")


def test_one_process_downloads_at_a_time(server: Server, tmp_path: Path) -> None:
    with (tmp_path / "a.part").open("ab") as held:
        flock(held.fileno())
        with pytest.raises(DownloadError, match="another process"):
            download(server.source("file"), tmp_path / "a")


# --- published sets -------------------------------------------------------------------------------------------


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
