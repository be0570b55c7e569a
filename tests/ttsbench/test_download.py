"""Downloads from a server on this machine: resumed, checked, refused."""

from __future__ import annotations

import time
from pathlib import Path
from types import SimpleNamespace

import pytest

from ttsbench import download as room
from ttsbench.download import DownloadError, Source, download
from ttsbench.files import flock

from .serving import CONTENT, HALF, Server


def test_a_download_that_is_cut_off_goes_on_where_it_was(server: Server, tmp_path: Path) -> None:
    server.faults = ["cut", "503", "cut"]
    heard: list[tuple[int, int]] = []
    download(server.source("file"), tmp_path / "a", lambda done, total: heard.append((done, total)))
    assert (tmp_path / "a").read_bytes() == CONTENT
    assert [wanted for _, wanted in server.asked] == ["", f"bytes={HALF}-", f"bytes={HALF}-", f"bytes={2 * HALF}-"]
    assert heard[-1] == (len(CONTENT), len(CONTENT)) and heard == sorted(heard)
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_a_server_that_gives_a_little_each_time_is_asked_until_all_is_here(server: Server, tmp_path: Path) -> None:
    server.faults = ["crumb"] * (2 * room.TRIES)
    download(server.source("file"), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT and len(server.asked) == 2 * room.TRIES + 1


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


def test_an_address_that_is_gone_is_asked_once_and_a_mirror_then(
    server: Server, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(DownloadError, match=f"{server.url}/gone: HTTP status 404"):
        download(server.source("gone"), tmp_path / "a")
    assert len(server.asked) == 1
    download(server.source("gone", mirrors=(f"{server.url}/file",)), tmp_path / "a")
    assert (tmp_path / "a").read_bytes() == CONTENT
    waited: list[float] = []
    monkeypatch.setattr(room.time, "sleep", waited.append)
    with pytest.raises(DownloadError, match=r"no connection.*put b into"):
        download(Source("http://127.0.0.1:9/file", 5), tmp_path / "b")
    assert waited == []  # without a network the message comes at once


def test_a_slow_server_is_waited_for_and_a_silent_one_is_asked_again(server: Server, tmp_path: Path) -> None:
    server.faults = ["slow"]
    download(server.source("file"), tmp_path / "a", patience=0.5)  # 0.8 s in all, never 0.5 s without a byte
    assert len(server.asked) == 1
    server.faults, begun = ["stall"], time.monotonic()
    download(server.source("file"), tmp_path / "b", patience=0.3)
    assert (tmp_path / "b").read_bytes() == CONTENT and server.asked[-1] == ("/file", f"bytes={HALF}-")
    assert time.monotonic() - begun < 2.5  # the server is silent for 3 s


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
