"""A server that speaks for a request: OpenAI's `POST /v1/audio/speech`, or one that a card writes. Read as a stream."""

from __future__ import annotations

import base64
import contextlib
import json
import random
import socket
import threading
import time
import urllib.request
from collections.abc import Iterator
from dataclasses import replace
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime
from typing import Any
from urllib.parse import urlsplit

import httpx
import numpy as np

from ttsbench.errors import UserError
from ttsbench.pcm import AudioError
from ttsbench.records import Card, Retry, Sample
from ttsbench.systems.adapters import sound
from ttsbench.systems.adapters.request import Options, Request
from ttsbench.systems.errors import SpeechError
from ttsbench.wav import RIFFS

LONGEST_PAUSE = 10.0  # seconds between two tries, where the server does not say how long to wait
SHOWN = 300  # characters of an answer that is no audio
SHORTEST_WAIT = 1.0  # seconds; a shorter one that a server asks for counts as a try


class Again(Exception):
    """A fault that a second try may not meet; `pause` in seconds where the server named one."""

    def __init__(self, text: str, pause: float | None = None) -> None:
        super().__init__(text)
        self.pause = pause


def from_url(url: str) -> Server:
    """A server known by its address alone, with the usual model, voice and 24 kHz PCM."""
    return Server(card_of(url), Options(url), rate_known=False)


def card_of(url: str) -> Card:
    """The card of a server known by its address alone."""
    parts = urlsplit(url)
    name = f"http-{parts.hostname or ''}" + (f"-{parts.port}" if parts.port else "")
    about = "an OpenAI-compatible speech server"
    return Card(name, sample_rate=24000, streaming=True, zero_shot=False, about=about)


def is_loopback(host: str) -> bool:
    """Whether a server is on this machine: no proxy stands before it."""
    return host in ("localhost", "::1", "0.0.0.0") or host.startswith("127.")


def proxy_of(url: str) -> str:
    """The proxy that requests go through, or ""."""
    parts = urlsplit(url)
    host = parts.hostname or ""
    if is_loopback(host) or urllib.request.proxy_bypass(host):
        return ""
    found = urllib.request.getproxies()
    return found.get(parts.scheme, found.get("all", ""))


class Server:
    """The adapter: `synthesize` sends one request and yields the audio as it comes."""

    def __init__(self, card: Card, options: Options, rate_known: bool = True) -> None:
        """`rate_known`: the card says the sample rate; else it is what the stream says.

        Raises UserError for an address or placeholder that cannot work, or a key that is not set.
        """
        self.request = Request(card, options)
        if options.tries < 1:
            raise UserError(f"card {card.name!r}: tries = {options.tries}; it must be 1 or more")
        self.card = card
        self.options = options
        self.url = self.request.url
        self.rate = card.sample_rate if rate_known else None
        self.beside = is_loopback(urlsplit(self.url).hostname or "")
        proxy = proxy_of(self.url)
        self.where = self.url + (f" (through the proxy {proxy.rpartition('@')[2]})" if proxy else "")
        # httpx takes Authorization away where another host is named, and no other header
        follow = not options.key_variable or options.key_header.startswith("Authorization:")
        headers = self.request.headers
        self.client = httpx.Client(headers=headers, follow_redirects=follow, trust_env=not self.beside)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray | Retry | str]:
        """Yield float32 chunks as they arrive, a Retry before each new try. Raises SpeechError: what the server did.

        Whatever text comes of it is without the key.
        """
        hide = self.request.without_key
        try:
            for piece in self._tries(sample, seed):
                yield Retry(hide(piece.reason)) if isinstance(piece, Retry) else piece
        except SpeechError as fault:
            raise SpeechError(hide(str(fault))) from None

    def _tries(self, sample: Sample, seed: int) -> Iterator[np.ndarray | Retry | str]:
        until = time.monotonic() + self.options.total_seconds
        body = self.request.content(sample, seed)
        tried = waits = 0
        while True:
            spoken = False
            try:
                for chunk in self._once(body, until):
                    spoken = True
                    yield chunk
                return
            except Again as fault:
                asked = (fault.pause or 0.0) >= SHORTEST_WAIT
                waits, tried = waits + asked, tried + (not asked)
                pause, left = _pause(fault, tried, self.options.pause), until - time.monotonic()
                if spoken or tried == self.options.tries or pause > left:
                    times = f" (tried {tried + waits} times)" if tried + waits > 1 else ""
                    if asked:
                        times += f" (it asks to wait {pause:.3g} s; {max(left, 0):.3g} s of total_seconds are left)"
                    raise SpeechError(f"{self.where}: {fault}{times}") from fault
                time.sleep(pause)
                yield Retry(str(fault))

    def _once(self, body: dict[str, Any], until: float) -> Iterator[np.ndarray | str]:
        """One try. Raises Again for what may pass, SpeechError for what will not."""
        stall = Stall(self.options.read_seconds)
        limits = httpx.Timeout(max(0.01, until - time.monotonic()), connect=self.options.connect_seconds)
        try:
            with self.client.stream("POST", self.url, timeout=limits, **body) as answer, stall:
                self._check(answer)
                kind = "" if self.options.answer else answer.headers.get("content-type", "")
                declared = sound.Declared(self.rate, self.card.sample_rate, kind, answer.headers)
                decoder = sound.Guess(declared)
                field = self.options.answer
                for data in _audio_in(answer, field) if field else _sound(answer):
                    chunk = decoder.feed(data)
                    if chunk.size:
                        self._learn(decoder.rate)
                        yield chunk
                    if time.monotonic() > until:
                        raise SpeechError(f"not done after {self.options.total_seconds:g} s (total_seconds)")
                    stall.came(answer)
                chunk = decoder.finish()
                self._learn(decoder.rate)
                if chunk.size:
                    yield chunk
                yield from decoder.notes
        except (SpeechError, AudioError, UnicodeEncodeError) as fault:
            raise SpeechError(f"{self.where}: {fault}") from fault
        except httpx.ReadTimeout as fault:
            limit = f"{self.options.total_seconds:g} s (total_seconds)"
            raise SpeechError(f"{self.where}: the server stalled, not done after {limit}") from fault
        except httpx.ConnectTimeout as fault:
            raise Again(f"no connection within {self.options.connect_seconds:g} s") from fault
        except (httpx.RemoteProtocolError, httpx.ReadError) as fault:
            if stall.ended:
                limit = f"nothing came for {self.options.read_seconds:g} s (read_seconds)"
                raise SpeechError(f"{self.where}: the server stalled, {limit}") from fault
            raise Again(f"the server closed the connection early ({fault})") from fault
        except httpx.TransportError as fault:
            raise Again(f"the connection failed ({fault or type(fault).__name__})") from fault
        except httpx.HTTPError as fault:
            raise SpeechError(f"{self.where}: {fault or type(fault).__name__}") from fault

    def _learn(self, rate: int) -> None:
        """Where no card spoke, the stream says what the sample rate is."""
        if rate != self.card.sample_rate:
            self.card = replace(self.card, sample_rate=rate)

    def _check(self, answer: httpx.Response) -> None:
        """Raise for a status that is no success, and for an address that moved for good."""
        for step in answer.history:
            if step.status_code not in (307, 308):  # of which httpx makes a GET
                place = step.headers.get("location", "")
                raise SpeechError(f"status {step.status_code}: the address moved to {place!r}: give that one")
        if 200 <= answer.status_code < 300:
            return
        text = f"status {answer.status_code} {answer.reason_phrase}: {_start(answer)!r}"
        if answer.status_code == 429 or answer.status_code >= 500:
            raise Again(text, _asked(answer.headers))
        raise SpeechError(text)


class Stall:
    """Ends a connection when nothing has come for `seconds` after the first piece, which may take longer."""

    def __init__(self, seconds: float) -> None:
        self.seconds = seconds
        self.last = 0.0
        self.over = threading.Event()
        self.ended = False

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        self.over.set()

    def came(self, answer: httpx.Response) -> None:
        """A piece came."""
        if not self.last:
            connection = answer.extensions["network_stream"].get_extra_info("socket")
            threading.Thread(target=self._watch, args=(connection,), daemon=True).start()
        self.last = time.monotonic()

    def _watch(self, connection: socket.socket) -> None:
        while not self.over.wait(self.seconds / 10):
            if time.monotonic() - self.last > self.seconds:
                self.ended = True
                with contextlib.suppress(OSError):
                    connection.shutdown(socket.SHUT_RDWR)
                return


def _asked(headers: httpx.Headers) -> float | None:
    """Seconds that a server asks to wait, None where it does not say: `retry-after-ms`, or `retry-after` as seconds or
    a date."""
    with contextlib.suppress(ValueError):
        return max(0.0, float(headers.get("retry-after-ms", "x")) / 1000)
    said = headers.get("retry-after", "")
    with contextlib.suppress(ValueError):
        return max(0.0, float(said))
    with contextlib.suppress(ValueError, TypeError):
        when = parsedate_to_datetime(said)
        return max(0.0, (when - datetime.now(when.tzinfo and timezone.utc)).total_seconds())
    return None


def _audio_in(answer: httpx.Response, field: str) -> Iterator[bytes]:
    """The audio that a JSON answer holds in base64. Raises SpeechError where it holds none."""
    data = answer.read()
    try:
        yield base64.b64decode(json.loads(data)[field], validate=True)
    except (ValueError, KeyError, TypeError) as fault:
        raise SpeechError(f"the answer has no audio in its field {field!r}: {data[:300]!r}") from fault


def _sound(answer: httpx.Response) -> Iterator[bytes]:
    """The bytes as they come. Raises SpeechError for an answer that is called text and is no WAV: Piper's own server
    calls its WAV text/html."""
    pieces, start = answer.iter_bytes(), b""
    kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind.endswith("json") or (kind.startswith("text/") and kind != sound.EVENTS):
        for piece in pieces:
            start += piece
            if start.startswith(RIFFS) or len(start) >= SHOWN:
                break
        if not start.startswith(RIFFS):
            said = start[:SHOWN].decode("utf-8", "replace").strip()
            raise SpeechError(f"the server sent {kind} in place of audio: {said!r}")
        yield start
    yield from pieces


def _start(answer: httpx.Response, characters: int = SHOWN) -> str:
    """The first characters of an answer that is no audio, however long it is."""
    found = b""
    with contextlib.suppress(httpx.HTTPError):
        for data in answer.iter_bytes():
            found += data
            if len(found) >= characters:
                break
    return found[:characters].decode("utf-8", "replace").strip()


def _pause(fault: Again, tried: int, first: float) -> float:
    """Seconds to wait: what the server asked for, else doubling with some chance so that clients spread."""
    if fault.pause is not None:
        return fault.pause  # the row's own limit ends longer waits
    return min(first * 2 ** (tried - 1) * random.uniform(0.8, 1.2), LONGEST_PAUSE)
