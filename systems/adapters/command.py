"""A program that is started once for each utterance."""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Literal

import numpy as np

from ttsbench import audio
from ttsbench.errors import UserError
from ttsbench.pcm import AudioError, Format, Pcm
from ttsbench.records import Card, Sample
from ttsbench.systems.adapters import fill
from ttsbench.systems.adapters.process import Program as Running
from ttsbench.systems.errors import SpeechError
from ttsbench.wav import Wav


@dataclass(frozen=True)
class Options:
    """The fields of a card with `adapter = "command"`.

    `argv`: program and arguments, each an item of its own; no shell reads them. `stdin`: what is written to standard
    input. Both may hold {text} {text_file} {language} {prompt} {prompt_text} {output} {seed} {python} {here}.
    `output`: 'file' (the program writes {output}, a file with `suffix`), or standard output as 'wav' or as raw
    16-bit 'pcm'; these two are passed on as they come. `seconds`: time limit of one utterance.
    `language_names`: what the program calls a language, such as zh = "cmn". `environment`: variables to set.
    """

    argv: tuple[str, ...]
    stdin: str = ""
    output: Literal["file", "wav", "pcm"] = "file"
    suffix: str = ".wav"
    seconds: float = 120.0
    language_names: dict[str, str] = field(default_factory=dict)
    environment: dict[str, str] = field(default_factory=dict)


class Program:
    """The adapter: `synthesize` runs the program and yields what it says."""

    def __init__(self, card: Card, options: Options, folder: Path, rate_known: bool = True) -> None:
        """`folder` is the program's working directory and {here}. Raises UserError for a card that cannot work.

        `rate_known`: the card says the sample rate; else it is what the program's files or streams say.
        """
        where = f"card {card.name!r}"
        if not options.argv:
            raise UserError(f"{where}: argv is empty; give the program and its arguments as a list")
        for template in (*options.argv, options.stdin):
            fill.check(template, where, tuple(name for name in fill.NAMES if name != "prompt_base64"))
        if (options.output == "file") != any("{output}" in part for part in options.argv):
            raise UserError(f"{where}: output = {options.output!r}; {{output}} in argv goes with 'file' alone")
        if options.suffix not in audio.SUFFIXES:
            raise UserError(f"{where}: suffix = {options.suffix!r}; it must be one of {', '.join(audio.SUFFIXES)}")
        if options.output == "pcm" and not rate_known:
            raise UserError(f"{where}: output = 'pcm' has no header: give the card's sample_rate")
        self.card = card
        self.rate = card.sample_rate if rate_known else None
        self.options = options
        self.folder = folder

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray | str]:
        """Yield float32 chunks. Raises SpeechError for whatever keeps the utterance from being whole."""
        until = time.monotonic() + self.options.seconds
        with tempfile.TemporaryDirectory(prefix="ttsbench-") as place:
            output = Path(place) / f"output{self.options.suffix}"
            argv, stdin = self._filled(sample, seed, Path(place), output)
            with open(stdin, "rb") as source:
                stdout = None if self.options.output == "file" else subprocess.PIPE
                running = Running(
                    argv, Path(place) / "errors.txt", source, stdout, self.folder, self.options.environment
                )
            try:
                if self.options.output != "file":
                    yield from self._stream(running, until)
                running.wait(until)
                if self.options.output == "file":
                    samples, rate = read_output(output, self.rate, running)
                    self._learn(rate)
                    yield samples
            finally:
                running.end()

    def _filled(self, sample: Sample, seed: int, place: Path, output: Path) -> tuple[list[str], Path]:
        """The argument list, and the file that standard input reads."""
        values = fill.values(sample, seed, self.options.language_names)
        values.update(output=str(output), python=sys.executable, here=str(self.folder))
        values["text_file"] = str(place / "text.txt")
        stdin = place / "stdin.txt"
        try:
            (place / "text.txt").write_text(sample.text, encoding="utf-8")
            stdin.write_text(fill.fill(self.options.stdin, values), encoding="utf-8")
        except UnicodeEncodeError as fault:
            raise SpeechError(f"the text cannot be written as UTF-8: {fault}") from fault
        return [fill.fill(part, values) for part in self.options.argv], stdin

    def _stream(self, running: Running, until: float) -> Iterator[np.ndarray | str]:
        """Standard output, decoded as it comes."""
        raw = Pcm(Format(self.card.sample_rate), strict=True)
        decoder = Wav(self.rate) if self.options.output == "wav" else raw
        try:
            while data := running.read(until):
                chunk = decoder.feed(data)
                if chunk.size:
                    self._learn(decoder.form.rate if decoder.form else self.card.sample_rate)
                    yield chunk
            running.wait(until)  # how it ended says more than what is missing
            chunk = decoder.finish()
            if chunk.size:
                self._learn(decoder.form.rate if decoder.form else self.card.sample_rate)
                yield chunk
            yield from decoder.notes
        except (SpeechError, AudioError) as fault:
            if running.name in str(fault):
                raise
            raise SpeechError(f"{running.name}: {fault}{running.last_words()}") from fault

    def _learn(self, rate: int) -> None:
        """Where no card spoke, the sound says what the sample rate is."""
        if rate != self.card.sample_rate:
            self.card = replace(self.card, sample_rate=rate)


def read_output(path: Path, rate: int | None, running: Running) -> tuple[np.ndarray, int]:
    """The file a program wrote, float32 (n,), and its rate; `rate`: what that must be.

    Raises SpeechError where the file is absent, broken, cut short or of another rate.
    """
    if not path.is_file():
        raise SpeechError(f"{running.name} ended well but wrote no file{running.last_words()}")
    try:
        found = audio.load(path)
    except AudioError as fault:
        why = str(fault).replace(str(path), "its output")
        raise SpeechError(f"{running.name}: {why}{running.last_words()}") from fault
    if cut := [note for note in found.notes if "cut short" in note or "size is wrong" in note]:
        raise SpeechError(f"{running.name}: its output: {cut[0]}{running.last_words()}")
    samples, own = found.samples, found.rate
    if rate is not None and own != rate:
        raise SpeechError(f"{running.name}: the audio has {own} Hz, the card says {rate}: correct sample_rate")
    return samples, own
