"""A server that speaks the OpenAI request `POST /v1/audio/speech`, read as a stream."""

from __future__ import annotations

import contextlib
import os
import random
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
import numpy as np

from ttsbench.errors import UserError
from ttsbench.records import Card, Retry, Sample
from ttsbench.systems.adapters import fill, sound
from ttsbench.systems.errors import SpeechError

LONGEST_PAUSE = 10.0  # seconds between two tries, whatever the server asks for
ALLOWED = ("text", "language", "prompt", "prompt_base64", "prompt_text", "seed")


@dataclass(frozen=True)
class Options:
    """The fields of a card with `adapter = "http"`.

    `url`: of the request, such as http://localhost:8000/v1/audio/speech. `format`: what is asked for, raw 16-bit
    mono 'pcm' at the card's sample rate, or 'wav'. `key_variable`: the environment variable that holds the key.
    `connect_seconds`, `read_seconds` (longest pause between two pieces), `total_seconds`: time limits.
    `tries`: of status 429, 5xx and broken connections, only while no audio has come. `extra`: more fields of the
    request, whose strings may hold {language} {prompt} {prompt_base64} {prompt_text} {seed} {text}.
    """

    url: str
    model: str = "tts-1"
    voice: str = "alloy"
    format: Literal["pcm", "wav"] = "pcm"
    key_variable: str = ""
    connect_seconds: float = 10.0
    read_seconds: float = 30.0
    total_seconds: float = 120.0
    tries: int = 3
    pause: float = 0.5
    language_names: dict[str, str] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)


class Again(Exception):
    """A fault that a second try may not meet; `pause` in seconds where the server named one."""

    def __init__(self, text: str, pause: float | None = None) -> None:
        super().__init__(text)
        self.pause = pause


def from_url(url: str) -> Server:
    """A server known by its address alone, with the usual model, voice and 24 kHz PCM."""
    return Server(card_of(url), Options(url))


def card_of(url: str) -> Card:
    """The card of a server known by its address alone."""
    parts = urlsplit(url)
    name = f"http-{parts.hostname or ''}" + (f"-{parts.port}" if parts.port else "")
    return Card(name, sample_rate=24000, streaming=True, zero_shot=False, about="an OpenAI-compatible speech server")


class Server:
    """The adapter: `synthesize` sends one request and yields the audio as it comes."""

    def __init__(self, card: Card, options: Options) -> None:
        """Raises ValueError for an address or placeholder that cannot work, or a key that is not set."""
        parts = urlsplit(options.url)
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise UserError(f"card {card.name!r}: url = {options.url!r}; give http://HOST:PORT/v1/audio/speech")
        if options.tries < 1:
            raise UserError(f"card {card.name!r}: tries = {options.tries}; it must be 1 or more")
        for template in _strings(options.extra):
            fill.check(template, f"card {card.name!r}", ALLOWED)
        headers = {}
        if options.key_variable:
            key = os.environ.get(options.key_variable, "")
            if not key:
                raise UserError(f"card {card.name!r}: the environment variable {options.key_variable} is not set")
            headers["Authorization"] = f"Bearer {key}"
        self.card = card
        self.options = options
        self.beside = parts.hostname == "localhost" or parts.hostname.startswith("127.") or parts.hostname == "::1"
        limits = httpx.Timeout(options.read_seconds, connect=options.connect_seconds)
        self.client = httpx.Client(timeout=limits, headers=headers)

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray | Retry]:
        """Yield float32 chunks as they arrive, a Retry before each new try. Raises SpeechError: what the server did."""
        until = time.monotonic() + self.options.total_seconds
        body = self._body(sample, seed)
        for tried in range(1, self.options.tries + 1):
            spoken = False
            try:
                for chunk in self._once(body, until):
                    spoken = True
                    yield chunk
                return
            except Again as fault:
                pause = _pause(fault, tried, self.options.pause)
                last = tried == self.options.tries or time.monotonic() + pause > until
                if spoken or last:
                    times = f" (tried {tried} times)" if tried > 1 else ""
                    raise SpeechError(f"{self.options.url}: {fault}{times}") from fault
                time.sleep(pause)
                yield Retry(str(fault))

    def _body(self, sample: Sample, seed: int) -> dict[str, Any]:
        """The request; the card's extra fields may replace the usual ones."""
        options = self.options
        body: dict[str, Any] = {"model": options.model, "voice": options.voice, "input": sample.text}
        body["response_format"] = options.format
        values = fill.values(sample, seed, options.language_names, tuple(_strings(options.extra)))
        return {**body, **_filled(options.extra, values)}

    def _once(self, body: dict[str, Any], until: float) -> Iterator[np.ndarray]:
        """One try. Raises Again for what may pass, SpeechError for what will not."""
        decoder = sound.Guess(self.card.sample_rate)
        try:
            with self.client.stream("POST", self.options.url, json=body) as answer:
                self._check(answer)
                for data in answer.iter_bytes():
                    chunk = decoder.feed(data)
                    if chunk.size:
                        yield chunk
                    if time.monotonic() > until:
                        raise SpeechError(f"not done after {self.options.total_seconds:g} s (total_seconds)")
                decoder.finish()
        except (SpeechError, UnicodeEncodeError) as fault:
            raise SpeechError(f"{self.options.url}: {fault}") from fault
        except httpx.ReadTimeout as fault:
            raise SpeechError(
                f"{self.options.url}: the server stalled, nothing came for {self.options.read_seconds:g} s"
            ) from fault
        except httpx.ConnectTimeout as fault:
            raise Again(f"no connection within {self.options.connect_seconds:g} s") from fault
        except httpx.RemoteProtocolError as fault:
            raise Again(f"the server closed the connection early ({fault})") from fault
        except httpx.TransportError as fault:
            raise Again(f"the connection failed ({fault or type(fault).__name__})") from fault
        except httpx.HTTPError as fault:
            raise SpeechError(f"{self.options.url}: {fault or type(fault).__name__}") from fault

    def _check(self, answer: httpx.Response) -> None:
        """Raise for anything but audio."""
        kind = answer.headers.get("content-type", "").partition(";")[0].strip().lower()
        if answer.status_code == 200 and not (kind.endswith("json") or kind.startswith("text/")):
            return
        said = _start(answer)
        text = f"status {answer.status_code} {answer.reason_phrase}: {said!r}"
        if answer.status_code == 200:
            raise SpeechError(f"the server sent {kind} in place of audio: {said!r}")
        if answer.status_code == 429 or answer.status_code >= 500:
            with contextlib.suppress(ValueError):
                raise Again(text, float(answer.headers.get("retry-after", "x")))
            raise Again(text)
        raise SpeechError(text)


def _start(answer: httpx.Response, characters: int = 300) -> str:
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
        return max(fault.pause, 0.0)  # the row's own limit ends longer waits
    return min(first * 2 ** (tried - 1) * random.uniform(0.8, 1.2), LONGEST_PAUSE)


def _strings(value: Any) -> Iterator[str]:
    """All strings inside a TOML value."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, dict):
        for item in value.values():
            yield from _strings(item)
    elif isinstance(value, list):
        for item in value:
            yield from _strings(item)


def _filled(value: Any, values: dict[str, str]) -> Any:
    """`value` with the placeholders of its strings filled; a string that is {seed} alone becomes a number."""
    if isinstance(value, str):
        return int(values["seed"]) if value == "{seed}" else fill.fill(value, values)
    if isinstance(value, dict):
        return {name: _filled(item, values) for name, item in value.items()}
    if isinstance(value, list):
        return [_filled(item, values) for item in value]
    return value
