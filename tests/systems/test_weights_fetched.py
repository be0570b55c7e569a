"""`ttsbench fetch llasa-1b` against a local server that answers like the hub; `ttsbench doctor` before and after."""

from __future__ import annotations

import hashlib
import json
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from ttsbench import cli
from ttsbench.systems import weights

pytest.importorskip("huggingface_hub", reason="the hub's client")
COMMIT, OTHER = "a" * 40, "b" * 40


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[dict[str, bytes]]:
    """The files of every repository; `main` is COMMIT, `v2` is OTHER, whose files end in an exclamation mark."""
    files: dict[str, bytes] = {}

    class Hub(BaseHTTPRequestHandler):
        def answer(self, body: bool) -> None:
            parts = self.path.split("?")[0].strip("/").split("/")
            if parts[:2] == ["api", "models"]:
                self.sent(json.dumps(self.about(parts)).encode(), "", True)
                return
            revision, name = parts[3], "/".join(parts[4:])
            commit = OTHER if revision in ("v2", OTHER) else COMMIT
            if name in files:
                self.sent(files[name] + (b"!" if commit == OTHER else b""), commit, body)
            else:
                self.send_error(404)

        def about(self, parts: list[str]) -> dict[str, Any]:
            found = {"id": "/".join(parts[2:4]), "sha": OTHER if parts[-1] == "v2" else COMMIT}
            return found | {"siblings": [{"rfilename": name} for name in files]}

        def sent(self, data: bytes, commit: str, body: bool) -> None:
            self.send_response(200)
            self.send_header("Content-Length", str(len(data)))
            self.send_header("ETag", f'"{hashlib.sha256(data).hexdigest()}"')
            if commit:
                self.send_header("X-Repo-Commit", commit)
            else:
                self.send_header("Content-Type", "application/json")
            self.end_headers()
            if body:
                self.wfile.write(data)

        def do_GET(self) -> None:
            self.answer(True)

        def do_HEAD(self) -> None:
            self.answer(False)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Hub)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("HF_ENDPOINT", f"http://127.0.0.1:{server.server_address[1]}")
    monkeypatch.setenv("TTSBENCH_WEIGHTS", str(tmp_path / "weights"))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for variable in ("LLASA_1B_DIR", "LLASA_3B_DIR", "XCODEC2_DIR", "KALLE_DIR"):
        monkeypatch.delenv(variable, raising=False)
    yield files
    server.shutdown()


def state(capsys: pytest.CaptureFixture[str], name: str) -> dict[str, Any]:
    """The row of `ttsbench doctor --json`."""
    assert cli.main(["doctor", "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)["systems"]
    return next(row for row in rows if row["model"] == name)


def test_llasa_is_fetched_with_its_commit_and_doctor_knows(
    hub: dict[str, bytes], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    hub |= {"config.json": b"{}", "tokenizer.json": b"{}", "model.safetensors": b"tensors", "README.md": b"no"}
    before = state(capsys, "llasa-1b")
    assert not before["here"]
    assert before["missing"].startswith("config.json, tokenizer.json, model.safetensors: ttsbench fetch llasa-1b, or")
    assert cli.main(["fetch", "llasa-1b"]) == 0
    folder = tmp_path / "weights" / "HKUSTAudio--Llasa-1B"
    assert str(folder) in capsys.readouterr().out
    assert (folder / "model.safetensors").read_bytes() == b"tensors"
    assert not (folder / "README.md").exists()
    receipt = json.loads((folder / "receipt.json").read_text())
    assert (receipt["commit"], receipt["from"]) == (COMMIT, "huggingface.co/HKUSTAudio/Llasa-1B")
    assert receipt["sha256"]["config.json"] == hashlib.sha256(b"{}").hexdigest()
    after = state(capsys, "llasa-1b")
    assert (after["here"], after["served by"], after["missing"]) == (True, str(folder), "")
    assert cli.main(["fetch", "llasa-1b@v2"]) == 0
    assert (folder / "model.safetensors").read_bytes() == b"tensors!"
    assert json.loads((folder / "receipt.json").read_text())["commit"] == OTHER


def test_shards_are_fetched_with_their_index(hub: dict[str, bytes], tmp_path: Path) -> None:
    parts = [f"model-0000{n}-of-00002.safetensors" for n in (1, 2)]
    index = json.dumps({"weight_map": {"a": parts[0], "b": parts[1]}}).encode()
    hub |= {"config.json": b"{}", "tokenizer.json": b"{}", weights.INDEX: index}
    hub |= {name: name.encode() for name in parts}
    assert cli.main(["fetch", "llasa-3b"]) == 0
    assert weights.shards(weights.LLASA["3b"]) == parts
    (tmp_path / "weights" / "HKUSTAudio--Llasa-3B" / parts[1]).unlink()
    assert weights.lacking(weights.MODELS["llasa-3b"]) == ["model.safetensors"]


def test_what_the_hub_does_not_have_is_said(hub: dict[str, bytes], capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["fetch", "xcodec2"]) == 1
    message = capsys.readouterr().err
    assert "X-codec2: the download of main failed" in message
    assert "Put model.safetensors of https://huggingface.co/HKUSTAudio/xcodec2" in message
    assert cli.main(["fetch", "lasa-1b"]) == 1
    assert "did you mean 'llasa-1b'" in capsys.readouterr().err
