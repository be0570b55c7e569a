"""A server on this machine that answers as it is told."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest

from ttsbench import download as room

from .serving import CONTENT, HALF, Server


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
            if fault in ("cut", "crumb"):
                self.wfile.write(content[start : start + (HALF if fault == "cut" else 20_000)])
                self.close_connection = True
            elif fault == "stall":
                self.wfile.write(content[start : start + HALF])
                self.wfile.flush()
                time.sleep(3)
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
