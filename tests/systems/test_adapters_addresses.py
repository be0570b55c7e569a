"""Addresses, redirects, proxies and waits of servers on the loopback."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

from ttsbench import systems
from ttsbench.records import System
from ttsbench.systems.errors import SpeechError

from .test_adapters_http import PCM, Peer, client, header, peer, refuse, send, speak

__all__ = ["peer"]  # the fixture


@pytest.mark.parametrize("path", ["", "/", "/v1", "/v1/", "/v1/audio/speech"])
def test_every_usual_form_of_the_address_works(peer: Peer, path: str) -> None:
    asked = []

    def act(handler: Any) -> None:
        asked.append(handler.path)
        send(handler, [PCM])

    peer.act = act
    system = systems.load(peer.url.removesuffix("/v1/audio/speech") + path)
    assert isinstance(system, System)
    assert speak(system).size == 4000 and asked == ["/v1/audio/speech"]


def test_a_redirect_that_keeps_the_request_is_followed(tmp_path: Path, peer: Peer) -> None:
    def act(handler: Any) -> None:
        if handler.path == "/v1/audio/speech":
            refuse(handler, 307, b"", Location="/moved")
        else:
            send(handler, [PCM])

    peer.act = act
    assert speak(client(tmp_path, peer)).size == 4000
    assert peer.bodies[0] == peer.bodies[1]


def test_a_proxy_does_not_stand_before_a_server_of_this_machine(
    tmp_path: Path, peer: Peer, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("no_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    peer.act = lambda handler: send(handler, [PCM])
    assert speak(client(tmp_path, peer)).size == 4000
    monkeypatch.setattr(peer, "url", "http://speech.example/v1")
    with pytest.raises(SpeechError, match=r"through the proxy http://127.0.0.1:9\)"):
        speak(client(tmp_path, peer, "tries = 1"))


def test_waits_that_the_server_asks_for_are_no_tries(tmp_path: Path, peer: Peer) -> None:
    def act(handler: Any) -> None:
        if len(peer.bodies) < 3:
            refuse(handler, 429, b"busy", Retry_After_ms="1000")
        else:
            send(handler, [PCM])

    peer.act = act
    assert speak(client(tmp_path, peer, "tries = 1")).size == 4000
    assert len(peer.bodies) == 3


def test_the_first_piece_may_take_longer_than_a_pause(tmp_path: Path, peer: Peer) -> None:
    def act(handler: Any) -> None:
        time.sleep(1.0)
        send(handler, [PCM])

    peer.act = act
    assert speak(client(tmp_path, peer)).size == 4000


def test_the_stream_says_the_rate_where_no_card_does(peer: Peer) -> None:
    peer.act = lambda handler: send(handler, [header(0, 22050) + PCM], "audio/wav")
    system = systems.load(peer.url)
    assert isinstance(system, System)
    assert speak(system).size == 4000 and system.card.sample_rate == 22050
