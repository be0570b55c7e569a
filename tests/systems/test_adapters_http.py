"""The HTTP adapter against servers on the loopback: the example server, and one for each way to misbehave."""

from __future__ import annotations

import base64
import json
import re
import shutil
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from ttsbench import audio, systems
from ttsbench.records import Sample, System
from ttsbench.systems.errors import SpeechError

EXAMPLES = Path(__file__).parents[2] / "examples"
HELLO = Sample("hello", "Hello there. How are you today?")
PCM = (0.25 * 32768 * np.sin(np.arange(4000) / 10)).astype("<i2").tobytes()


def header(size: int, rate: int = 16000, extra: bytes = b"") -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16)
    return struct.pack("<4sI4s", b"RIFF", size, b"WAVE") + form + extra + struct.pack("<4sI", b"data", size)


class Peer:
    """A server that does `act(handler)` for each request and counts them."""

    def __init__(self) -> None:
        self.act: Callable[[Any], None] = lambda handler: None
        self.raw: list[bytes] = []
        self.bodies: list[dict[str, Any]] = []
        self.headers: list[dict[str, str]] = []
        peer = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self) -> None:
                data = self.rfile.read(int(self.headers["content-length"]))
                peer.raw.append(data)
                peer.bodies.append(json.loads(data) if data.startswith(b"{") else {})
                peer.headers.append({name.lower(): value for name, value in self.headers.items()})
                peer.act(self)

            def log_message(self, format: str, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True).start()
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/audio/speech"


@pytest.fixture
def peer() -> Iterator[Peer]:
    found = Peer()
    yield found
    found.server.shutdown()
    found.server.server_close()


def send(handler: Any, pieces: list[bytes], kind: str = "audio/pcm", end: bool = True, pause: float = 0.0) -> None:
    """A chunked answer of status 200, without its end where `end` is false."""
    handler.send_response(200)
    handler.send_header("Content-Type", kind)
    handler.send_header("Transfer-Encoding", "chunked")
    handler.end_headers()
    for piece in pieces:
        handler.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
        handler.wfile.flush()
        time.sleep(pause)
    if end:
        handler.wfile.write(b"0\r\n\r\n")
    handler.close_connection = True


def refuse(handler: Any, status: int, body: bytes = b"no", kind: str = "application/json", **headers: str) -> None:
    handler.send_response(status)
    handler.send_header("Content-Type", kind)
    handler.send_header("Content-Length", str(len(body)))
    for name, value in headers.items():
        handler.send_header(name.replace("_", "-"), value)
    handler.end_headers()
    handler.wfile.write(body)


def client(tmp_path: Path, peer: Peer, more: str = "") -> System:
    (tmp_path / "card.toml").write_text(
        f"name = 'h'\nadapter = 'http'\nsample_rate = 16000\nurl = '{peer.url}'\n"
        f"pause = 0.01\nread_seconds = 0.5\nconnect_seconds = 2\ntotal_seconds = 3\n{more}\n"
    )
    found = systems.load(str(tmp_path / "card.toml"))
    assert isinstance(found, System)
    return found


def speak(system: System, sample: Sample = HELLO, seed: int = 0) -> np.ndarray:
    return audio.whole(system.synthesize(sample, seed))


@pytest.fixture(scope="module")
def example() -> Iterator[str]:
    """The address of the example server, really served by flite."""
    if shutil.which("flite") is None:  # pip cannot install it; .ci/run does, so that this is never skipped there
        pytest.skip("flite is not installed")
    server = subprocess.Popen(
        [sys.executable, str(EXAMPLES / "streaming_server.py"), "--port", "0"], stdout=subprocess.PIPE, text=True
    )
    assert server.stdout is not None
    yield server.stdout.readline().strip()
    server.kill()
    server.wait()
    server.stdout.close()


@pytest.mark.parametrize("form", ["pcm", "wav"])
def test_the_example_server_streams_sentence_by_sentence(example: str, tmp_path: Path, form: str) -> None:
    text = re.sub("(?m)^url = .*", f"url = '{example}'", (EXAMPLES / "http.toml").read_text())
    (tmp_path / "card.toml").write_text(text.replace('format = "pcm"', f'format = "{form}"'))
    system = systems.load(str(tmp_path / "card.toml"))
    assert isinstance(system, System)
    start, arrivals, audio = time.monotonic(), [], []
    for chunk in system.synthesize(
        Sample("a", "One short sentence. Then a second one comes. And a third <b>one</b>."), 0
    ):
        arrivals.append(time.monotonic() - start)
        audio.append(chunk)
    joined = np.concatenate(audio)
    assert 3 < joined.size / 16000 < 12 and np.abs(joined).max() > 0.1
    assert arrivals[-1] - arrivals[0] > 0.02
    with pytest.raises(SpeechError, match=r"status 400.*input not empty"):
        speak(system, Sample("a", " "))


def test_the_request_and_the_fields_for_a_prompt(tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TTSBENCH_TEST_KEY", "secret-value")
    (tmp_path / "prompt.wav").write_bytes(b"RIFFx")
    peer.act = lambda handler: send(handler, [PCM])
    more = (
        "key_variable = 'TTSBENCH_TEST_KEY'\nmodel = 'm'\nvoice = 'v'\nlanguage_names = {zh = 'Chinese'}\n"
        "[extra]\nreference = {audio = '{prompt_base64}', text = '{prompt_text}'}\nlanguage = '{language}'\n"
        "seed = '{seed}'"
    )
    system = client(tmp_path, peer, more)
    text = "שלום <script>\n{seed} =1+1"
    sample = Sample("a", text, language="zh", prompt=tmp_path / "prompt.wav", prompt_text="said {text}")
    assert speak(system, sample, 7).size == 4000
    assert peer.bodies == [
        {
            "model": "m",
            "voice": "v",
            "input": text,
            "response_format": "pcm",
            "reference": {"audio": base64.b64encode(b"RIFFx").decode(), "text": "said {text}"},
            "language": "Chinese",
            "seed": 7,
        }
    ]
    assert peer.headers[0]["authorization"] == "Bearer secret-value"
    assert "secret-value" not in repr(vars(system)["options"]) + repr(system.card)


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 0x7FFFF000, len(PCM)])
@pytest.mark.parametrize("step", [1, 7, 100000])
def test_a_wav_header_is_taken_off_the_stream(tmp_path: Path, peer: Peer, size: int, step: int) -> None:
    extra = struct.pack("<4sI", b"LIST", 5) + b"INFOx\0"  # odd length, so one byte of padding
    data = header(size, extra=extra) + PCM[: 600 if step == 1 else None]
    if size == len(PCM) and step == 1:
        data = header(600, extra=extra) + PCM[:600] + struct.pack("<4sI", b"LIST", 4) + b"tail"
    pieces = [data[i : i + step] for i in range(0, len(data), step)]
    peer.act = lambda handler: send(handler, pieces, "audio/wav")
    audio = speak(client(tmp_path, peer, "format = 'wav'"))
    expected = np.frombuffer(PCM[: 600 if step == 1 else None], "<i2") / 32768
    assert np.array_equal(audio, expected.astype(np.float32))


def wave_of(tag: int, bits: int, channels: int, body: bytes, size: int | None = None) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, tag, channels, 16000, 0, 0, bits)
    return b"RIFF\0\0\0\0WAVE" + form + struct.pack("<4sI", b"data", len(body) if size is None else size) + body


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (wave_of(1, 8, 1, bytes([128, 192, 0])), [0.0, 0.5, -1.0]),
        (wave_of(1, 16, 2, struct.pack("<4h", 16384, 0, -32768, -32768)), [0.25, -1.0]),
        (wave_of(1, 24, 1, b"\0\0\x40\0\0\x80"), [0.5, -1.0]),
        (wave_of(1, 32, 1, struct.pack("<2i", 2**30, -(2**31))), [0.5, -1.0]),
        (wave_of(3, 32, 1, struct.pack("<2f", 0.5, -1.0)), [0.5, -1.0]),
    ],
)
def test_sample_formats(tmp_path: Path, peer: Peer, data: bytes, expected: list[float]) -> None:
    peer.act = lambda handler: send(handler, [data], "audio/wav")
    assert speak(client(tmp_path, peer, "format = 'wav'")).tolist() == expected


@pytest.mark.parametrize("label", ["text/html; charset=utf-8", "application/json", "text/plain"])
def test_a_wav_is_one_whatever_it_is_called(tmp_path: Path, peer: Peer, label: str) -> None:
    """Piper's own server calls it text/html."""
    peer.act = lambda handler: refuse(handler, 200, header(len(PCM)) + PCM, label)
    assert speak(client(tmp_path, peer)).size == len(PCM) // 2


@pytest.mark.parametrize(
    ("act", "message", "requests"),
    [
        (lambda h: refuse(h, 500, b"boom"), "status 500.*boom.*tried 3 times", 3),
        (lambda h: refuse(h, 429, b"slow down", Retry_After="0"), "status 429.*slow down", 3),
        (lambda h: refuse(h, 401, b'{"error": "bad key"}'), "status 401.*bad key", 1),
        (lambda h: refuse(h, 307, b"", Location="http://127.0.0.1:1/"), "connection failed", 3),
        (lambda h: refuse(h, 429, b"", Retry_After="Fri, 01 Jan 2100 00:00:00 GMT"), "asks to wait .*total_seconds", 1),
        (
            lambda h: refuse(h, 200, b'{"error": "no such voice"}'),
            "application/json in place of audio.*no such voice",
            1,
        ),
        (lambda h: refuse(h, 200, b"<html>login</html>", "text/html"), "text/html in place of audio", 1),
        (lambda h: refuse(h, 200, b'{"error": "no such voice"}', "audio/pcm"), "text came in place.*no such voice", 1),
        (lambda h: refuse(h, 200, b"ID3\4" + bytes(2000), "audio/mpeg"), "the audio is MP3", 1),
        (lambda h: refuse(h, 200, b"", "audio/pcm"), "no audio came", 1),
        (lambda h: refuse(h, 200, b"\1", "audio/pcm"), "only 1 byte", 1),
        (lambda h: refuse(h, 200, PCM + b'{"error": "out of memory"}', "audio/pcm"), "text came behind.*memory", 1),
        (lambda h: refuse(h, 200, PCM, "audio/aac"), "says that it sends audio/aac", 1),
        (lambda h: refuse(h, 200, PCM, "audio/pcm;rate=24000"), "server says 24000 Hz, the card says 16000", 1),
        (lambda h: refuse(h, 200, PCM, "audio/pcm;encoding=mulaw"), "mulaw", 1),
        (lambda h: refuse(h, 200, header(2000) + PCM, "audio/wav"), "its size is wrong", 1),
        (lambda h: refuse(h, 200, header(2000) + PCM[:2000] + header(0, 24000) + PCM, "audio/wav"), "24000 Hz", 1),
        (lambda h: refuse(h, 200, b"\x1aE\xdf\xa3" + PCM, "audio/webm"), "the audio is WebM", 1),
        (
            lambda h: refuse(h, 200, 3 * (b"\xff\xf1\x50\x80\x0a\x9f\xfc" + bytes(77)), "audio/pcm"),
            "the audio is AAC",
            1,
        ),
        (lambda h: refuse(h, 200, b'data: {"error": {"message": "no voice"}}\n\n', "text/event-stream"), "no voice", 1),
        (lambda h: refuse(h, 429, b"busy", Retry_After="60"), r"asks to wait 60 s; [23][.\d]* s of total_seconds", 1),
        (lambda h: refuse(h, 200, header(0), "audio/wav"), "header without samples", 1),
        (lambda h: refuse(h, 200, header(len(PCM)), "audio/wav"), "header without samples", 1),
        (lambda h: refuse(h, 200, header(0)[:30], "audio/wav"), "inside the header", 1),
        (lambda h: refuse(h, 200, header(len(PCM)) + PCM[:1000], "audio/wav"), "cut short", 1),
        (lambda h: refuse(h, 200, header(len(PCM), rate=24000) + PCM, "audio/wav"), "24000 Hz, the card says 16000", 1),
        (lambda h: refuse(h, 200, wave_of(85, 16, 1, PCM), "audio/wav"), "only PCM and float", 1),
        (lambda h: send(h, [PCM, PCM], end=False), "closed the connection early", 1),
        (lambda h: send(h, [], end=False), "closed the connection early.*tried 3 times", 3),
        (lambda h: setattr(h, "close_connection", True), "closed the connection early.*tried 3 times", 3),
        (lambda h: send(h, [PCM, PCM], pause=1.0), "the server stalled", 1),
        (lambda h: send(h, [PCM] * 20, pause=0.3), "not done after 3 s", 1),
    ],
)
def test_each_way_a_server_fails_is_told(tmp_path: Path, peer: Peer, act: Any, message: str, requests: int) -> None:
    def quiet(handler: Any) -> None:
        try:
            act(handler)
        except OSError:  # the client has gone
            handler.close_connection = True

    peer.act = quiet
    with pytest.raises(SpeechError, match=message):
        speak(client(tmp_path, peer))
    assert len(peer.bodies) == requests


def test_a_passing_fault_is_tried_again(tmp_path: Path, peer: Peer) -> None:
    def act(handler: Any) -> None:
        if len(peer.bodies) < 3:
            refuse(handler, 503, b"warming up")
        else:
            send(handler, [PCM[:999], PCM[999:]])

    peer.act = act
    assert speak(client(tmp_path, peer)).size == 4000
    assert len(peer.bodies) == 3


def test_nobody_listens(tmp_path: Path, peer: Peer) -> None:
    system = client(tmp_path, peer)
    peer.server.server_close()
    with pytest.raises(SpeechError, match=r"connection failed.*tried 3 times"):
        speak(system)


def test_an_address_alone_is_a_system(peer: Peer) -> None:
    peer.act = lambda handler: send(handler, [PCM])
    for spec in (peer.url, f"http:{peer.url}"):
        system = systems.load(spec)
        assert isinstance(system, System)
        assert system.card.sample_rate == 24000 and system.card.name.startswith("http-127.0.0.1-")
        assert speak(system).size == 4000
