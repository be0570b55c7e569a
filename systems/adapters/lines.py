"""A program that stays, and speaks JSON lines: a system in an environment of its own.

We write a line to its standard input for each utterance, it answers on its standard output:

    program  {"ready": true}
    we       {"request": 1, "id": "a1", "text": "Hello.", "language": "en", "task": "zero-shot",
              "prompt": "/path.wav", "prompt_text": "...", "seed": 0, "sample_rate": 16000}
    program  {"request": 1, "pcm": "<base64 of 16-bit little-endian mono samples>"}      any number of times, or
             {"request": 1, "file": "/path/to/audio.wav"}                                once, then
             {"request": 1, "done": true}          or          {"request": 1, "error": "why not"}

`ready` is sent when models are loaded. Lines that are no such object (banners, progress) are passed over, also where
one runs into the front of a message. At the end of its input the program should end.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.errors import UserError
from ttsbench.pcm import AudioError, Format, Pcm
from ttsbench.records import Card, Sample
from ttsbench.systems.adapters import fill
from ttsbench.systems.adapters.command import read_output
from ttsbench.systems.adapters.process import Program as Running
from ttsbench.systems.adapters.process import how_it_ended
from ttsbench.systems.errors import SpeechError

LONGEST_LINE = 128 << 20


@dataclass(frozen=True)
class Options:
    """The fields of a card with `adapter = "json-lines"`.

    `argv`: program and arguments, may hold {python} and {here}. `seconds`: time limit of one utterance.
    `start_seconds`: of loading. `language_names`, `environment`: as for `command`.
    """

    argv: tuple[str, ...]
    seconds: float = 120.0
    start_seconds: float = 300.0
    language_names: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


class Speaker:
    """The adapter. The program starts with it, and again after it died or overran its time."""

    def __init__(self, card: Card, options: Options, folder: Path, rate_known: bool = True) -> None:
        """`rate_known`: the card says the sample rate; else files have their own, and `pcm` is as the request asks."""
        if not options.argv:
            raise UserError(f"card {card.name!r}: argv is empty; give the program and its arguments as a list")
        for template in options.argv:
            fill.check(template, f"card {card.name!r}", ("python", "here"))
        self.card = card
        self.rate = card.sample_rate if rate_known else None
        self.asked_rate = card.sample_rate
        self.options = options
        self.folder = folder
        self.requests = 0
        self.buffer = b""
        self.running: Running | None = None
        self.place = tempfile.TemporaryDirectory(prefix="ttsbench-")
        self._start()

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray]:
        """Yield float32 chunks. Raises SpeechError for the program's own error, silence, death or overrun."""
        if self.running is None:
            self._start()
        self.requests += 1
        until = time.monotonic() + self.options.seconds
        try:
            self._ask(sample, seed)
            yield from self._answers(until)
        except Stopped as fault:
            self.close()
            raise SpeechError(str(fault)) from fault

    def close(self) -> None:
        """End the program and all it started."""
        if self.running is not None:
            self.running.end()
        self.running, self.buffer = None, b""

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.close()

    def _start(self) -> None:
        values = {"python": sys.executable, "here": str(self.folder)}
        argv = [fill.fill(part, values) for part in self.options.argv]
        log = Path(self.place.name) / "errors.txt"
        self.running = Running(argv, log, subprocess.PIPE, subprocess.PIPE, self.folder, self.options.environment)
        until = time.monotonic() + self.options.start_seconds
        try:
            while self._message(until).get("ready") is not True:
                pass
        except Stopped as fault:
            self.close()
            raise SpeechError(f'before it said {{"ready": true}}: {fault}') from fault

    def _ask(self, sample: Sample, seed: int) -> None:
        assert self.running is not None and self.running.process.stdin is not None
        message: dict[str, Any] = {"request": self.requests, "id": sample.id, "task": sample.task}
        values = fill.values(sample, seed, self.options.language_names)
        message.update({name: values[name] for name in ("text", "language", "prompt_text")})
        message.update(prompt=values.get("prompt"), seed=seed, sample_rate=self.asked_rate)
        try:
            self.running.process.stdin.write(json.dumps(message).encode() + b"\n")
            self.running.process.stdin.flush()
        except OSError as fault:
            raise Stopped(self._death()) from fault

    def _answers(self, until: float) -> Iterator[np.ndarray]:
        """The audio of the request now open, up to its `done`."""
        assert self.running is not None
        decoder = Pcm(Format(self.asked_rate), strict=True)
        came = False
        while True:
            message = self._message(until)
            if message.get("request") != self.requests:
                continue  # of an utterance given up before, or a banner that happens to be JSON
            if "error" in message:
                raise SpeechError(f"{self.running.name}: {message['error']}")
            if "pcm" in message:
                chunk = decoder.feed(_bytes(message["pcm"], self.running.name))
                self._learn(self.asked_rate)
                came = came or chunk.size > 0
                if chunk.size:
                    yield chunk
            elif "file" in message:
                came = True
                samples, rate = read_output(self.folder / str(message["file"]), self.rate, self.running)
                self._learn(rate)
                yield samples
            elif message.get("done") is True:
                break
        if not came or decoder.rest:
            try:
                decoder.finish()
            except AudioError as fault:
                raise SpeechError(f"{self.running.name}: {fault}{self.running.last_words()}") from fault

    def _learn(self, rate: int) -> None:
        """The rate of what comes now, where no card said it."""
        if rate != self.card.sample_rate:
            self.card = replace(self.card, sample_rate=rate)

    def _message(self, until: float) -> dict[str, Any]:
        """The next JSON object on standard output, whatever else is printed there."""
        assert self.running is not None
        while True:
            line, mark, rest = self.buffer.partition(b"\n")
            if mark:
                self.buffer = rest
                found = _object(line)
                if found is not None:
                    return found
                continue
            if len(self.buffer) > LONGEST_LINE:
                raise Stopped(f"{self.running.name} printed a line of over {LONGEST_LINE >> 20} MiB")
            try:
                data = self.running.read(until)
            except SpeechError as fault:
                raise Stopped(str(fault)) from fault
            if not data:
                raise Stopped(self._death())
            self.buffer += data

    def _death(self) -> str:
        assert self.running is not None
        try:
            how = how_it_ended(self.running.process.wait(5.0))
        except subprocess.TimeoutExpired:
            how = "closed its standard output"
        return f"{self.running.name} {how}{self.running.last_words()}"


class Stopped(Exception):
    """The program is gone or must go: it has to be started again."""


def _object(line: bytes) -> dict[str, Any] | None:
    """The JSON object on this line, also where a banner without a line end stands before it."""
    at = line.find(b'{"')
    while at >= 0:
        try:
            found = json.loads(line[at:])
        except ValueError:
            found = None
        if isinstance(found, dict):
            return found
        at = line.find(b'{"', at + 1)
    return None


def _bytes(text: Any, name: str) -> bytes:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, TypeError, ValueError) as fault:
        raise SpeechError(f"{name}: pcm is not base64 of 16-bit samples ({fault})") from fault
