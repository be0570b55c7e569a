"""A small streaming speech server: OpenAI's `POST /v1/audio/speech`, spoken by flite, sent sentence by sentence.

    python examples/streaming_server.py --port 8123

Standard library only. Each sentence is sent as raw 16-bit 16 kHz PCM (or behind one WAV header) once it is spoken.
"""

from __future__ import annotations

import argparse
import json
import re
import struct
import subprocess
import tempfile
import wave
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

RATE = 16000
VOICES = ("slt", "rms", "awb", "kal16")
# A header for a length not yet known: the sizes are all ones, as streaming writers do.
WAV_HEADER = struct.pack(
    "<4sI4s4sIHHIIHH4sI", b"RIFF", 2**32 - 1, b"WAVE", b"fmt ", 16, 1, 1, RATE, 2 * RATE, 2, 16, b"data", 2**32 - 1
)


def speak(text: str, voice: str) -> Iterator[bytes]:
    """PCM of each sentence of `text`."""
    for sentence in re.split(r"(?<=[.!?;])\s+", text.strip()):
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "text").write_text(sentence, encoding="utf-8")
            subprocess.run(["flite", "-voice", voice, "-f", f"{folder}/text", "-o", f"{folder}/wav"], check=True)
            with wave.open(f"{folder}/wav") as sound:
                yield sound.readframes(sound.getnframes())


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self) -> None:
        length = int(self.headers.get("content-length", 0))
        try:
            request = json.loads(self.rfile.read(length))
            text, voice, form = request["input"], request.get("voice", "slt"), request.get("response_format", "pcm")
        except (ValueError, KeyError, TypeError, AttributeError):
            return self.refuse(400, "give JSON with 'input'")
        if self.path != "/v1/audio/speech":
            return self.refuse(404, "the one path is /v1/audio/speech")
        if voice not in VOICES or form not in ("pcm", "wav") or not str(text).strip():
            return self.refuse(400, f"voice is one of {VOICES}, response_format pcm or wav, input not empty")
        self.send_response(200)
        self.send_header("Content-Type", "audio/pcm" if form == "pcm" else "audio/wav")
        self.send_header("Transfer-Encoding", "chunked")
        self.end_headers()
        if form == "wav":
            self.send(WAV_HEADER)
        for piece in speak(text, voice):
            self.send(piece)
        self.wfile.write(b"0\r\n\r\n")

    def send(self, piece: bytes) -> None:
        if piece:  # an empty chunk would end the answer
            self.wfile.write(b"%x\r\n%s\r\n" % (len(piece), piece))
            self.wfile.flush()

    def refuse(self, status: int, why: str) -> None:
        body = json.dumps({"error": {"message": why}}).encode()
        self.send_response(status)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--port", type=int, default=8123, help="0 picks a free one; the address is printed")
    server = ThreadingHTTPServer(("127.0.0.1", parser.parse_args().port), Handler)
    print(f"http://127.0.0.1:{server.server_port}/v1/audio/speech", flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main()
