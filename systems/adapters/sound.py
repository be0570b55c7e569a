"""What a server sends, to float32 mono samples as it arrives: WAV, raw PCM, or events that hold one of them.

The first bytes say more than a label does; where they say nothing, `Content-Type` says the rate, the channels and how
samples are written.
"""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ttsbench.containers import mp3_frame
from ttsbench.pcm import EMPTY, AudioError, Format, Pcm
from ttsbench.wav import RIFFS, Wav

_RAW = "pcm x-pcm raw x-raw lpcm l16 x-l16 l24 x-l24 pcm16 octet-stream"
RAW = ("", *(f"audio/{name}" for name in _RAW.split()), "application/octet-stream", "binary/octet-stream")
WAVS = tuple(f"audio/{name}" for name in ("wav", "x-wav", "wave", "x-wave", "vnd.wave", "x-pn-wav"))
EVENTS = "text/event-stream"
RATES = ("rate", "samplerate", "sample_rate", "sample-rate", "sampling_rate", "samplingrate")
RATE_HEADERS = ("x-sample-rate", "x-audio-sample-rate", "x-samplerate", "sample-rate", "audio-sample-rate")
_MARKS = {  # offset, bytes: what begins so
    (0, b"ID3"): "MP3",
    (0, b"OggS"): "Ogg",
    (0, b"fLaC"): "FLAC",
    (0, b"\x1aE\xdf\xa3"): "WebM",
    (4, b"ftyp"): "MP4 or M4A",
    (8, b"AIFF"): "AIFF",
    (8, b"AIFC"): "AIFF",
    (0, b".snd"): "AU",
    (0, b"caff"): "CAF",
    (0, b"#!AMR"): "AMR",
    (0, b"wvpk"): "WavPack",
    (0, b"RIFX"): "RIFX",
    (0, b"\x1f\x8b\x08"): "gzip",
}
LOOK = 16  # bytes that show what a stream is
TEXT_BEHIND = re.compile(rb'\{\s*"(?:error|detail|message|code|status)"[\x20-\x7e\s]*\}\s*\Z')


@dataclass(frozen=True)
class Declared:
    """What is said of a stream. `card`: the rate that a card gives, None where none speaks; `usual`: of raw samples of
    which nobody says it. `kind`: the Content-Type; `headers`: the others."""

    card: int | None
    usual: int = 24000
    kind: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def media(self) -> str:
        return self.kind.partition(";")[0].strip().lower()

    def form(self) -> Format:
        """How raw samples are written. Raises AudioError for what is no PCM, or of another rate than the card says."""
        if self.media not in RAW:
            raise AudioError(f"the server says that it sends {self.media}, and {ASK}")
        said = {name.strip().lower(): value.strip(' "\t') for name, _, value in map(_pair, self.kind.split(";")[1:])}
        coding = " ".join(said.get(name, "") for name in ("encoding", "codec", "codecs", "format", "sample_format"))
        coding = (coding + " " + said.get("endian", said.get("endianness", ""))).lower()
        if law := re.search(r"mu-?law|u-?law|a-?law|adpcm|opus|mp3|flac|aac", coding):
            raise AudioError(f"the server says that it sends {self.kind} ({law[0]}), and {ASK}")
        floats = re.search(r"f(?:loat|p)?_?(32|64)|float", coding)
        found = re.search(r"[su]?(?:int)?_?(8|16|24|32)(?!\d)", coding)
        depth = next((said[name] for name in ("bits", "bitdepth", "bit_depth", "depth") if name in said), "")
        named = {"audio/l24": "24", "audio/x-l24": "24"}.get(self.media, "16")
        bits = int(floats[1] or 32) if floats else _number(depth or (found[1] if found else named), self.kind)
        if bits not in ((32, 64) if floats else (8, 16, 24, 32)):
            raise AudioError(f"the server says {self.kind}: samples of {bits} bits are not known here")
        rates = [said[name] for name in RATES if name in said]
        rates += [self.headers[name] for name in RATE_HEADERS if name in self.headers]
        rate = _number(rates[0], self.kind) if rates else self.card or self.usual
        if self.card is not None and rate != self.card:
            raise AudioError(f"the server says {rate} Hz, the card says {self.card}: correct sample_rate")
        channels = _number(said.get("channels", said.get("channel", "1")), self.kind)
        network = self.media.rpartition("-")[2].rpartition("/")[2] in ("l16", "l24") and "pcm" not in coding
        big = "little" not in coding and bool(network or "big" in coding or re.search(r"\dbe\b", coding))
        return Format(rate, "f" if floats else "u" if bits == 8 and "s8" not in coding else "s", bits, channels, big)


ASK = "the first bytes are of no kind known here; ask for WAV or raw PCM"


class Guess:
    """WAV where the stream begins as one, events, else raw samples; a clear error for text and other kinds of audio.

    `rate` is known once samples have come; `notes` are complete after `finish`.
    """

    def __init__(self, declared: Declared) -> None:
        self.declared = declared
        self.start = b""
        self.inner: Pcm | Wav | Events | None = None
        self.last = b""  # the last bytes of raw samples
        self.rough = np.zeros(2)

    @property
    def rate(self) -> int:
        """Hz of the samples so far."""
        if isinstance(self.inner, Events):
            return self.inner.inner.rate
        pcm = self.inner.pcm if isinstance(self.inner, Wav) else self.inner
        return pcm.form.rate if pcm is not None else self.declared.card or self.declared.usual

    @property
    def notes(self) -> list[str]:
        return self.inner.notes if self.inner is not None else []

    def feed(self, data: bytes) -> np.ndarray:
        """As `Pcm.feed`, once the first bytes show what the stream is."""
        if self.inner is None:
            self.start += data
            if len(self.start) < LOOK or len(self.start) < _wanted(self.start):
                return EMPTY
            self._choose()
            data = self.start
        assert self.inner is not None
        self.last = (self.last + data[-500:])[-500:]
        return self._listen(self.inner.feed(data))

    def finish(self) -> np.ndarray:
        """The last samples. Raises AudioError as the inner decoder; a stream of under 16 bytes is no audio."""
        found = EMPTY
        if not self.start:
            raise AudioError("no audio came")
        if self.inner is None:
            if len(self.start) < LOOK and not looks_like_text(self.start):
                raise AudioError(f"no audio came, only {len(self.start)} bytes")
            self._choose()
            assert self.inner is not None
            found, self.last = self._listen(self.inner.feed(self.start)), self.start[-500:]
        assert self.inner is not None
        if (text := TEXT_BEHIND.search(self.last)) and not isinstance(self.inner, Events):
            raise AudioError(f"text came behind the audio: {text[0].decode()!r}")
        if self.rough[0] > 3 * self.rough[1] > 0:
            raise AudioError(f"{self.declared.kind}: its bytes come in the other order, the lowest first")
        return np.concatenate([found, self.inner.finish()])

    def _listen(self, found: np.ndarray) -> np.ndarray:
        """`found`, after a look at how rough it is, and how rough with the bytes of its samples in the other order."""
        form = self.inner.form if isinstance(self.inner, Pcm) else None
        if form is not None and form.big and (form.bits, form.channels) == (16, 1):
            values = (found * 32768).astype(np.int16)
            self.rough += [float(np.abs(np.diff(v.astype(np.float32))).sum()) for v in (values, values.byteswap())]
        return found

    def _choose(self) -> None:
        start = self.start
        for (at, mark), kind in _MARKS.items():
            if start[at : at + len(mark)] == mark:
                raise AudioError(f"the audio is {kind}; ask for WAV or raw PCM, which can be played as they arrive")
        if kind := _frames(start):
            raise AudioError(f"the audio is {kind}; ask for WAV or raw PCM, which can be played as they arrive")
        if self.declared.media == EVENTS or start.startswith((b"data:", b"event:")):
            self.inner = Events(self.declared)
        elif looks_like_text(start):
            raise AudioError(f"text came in place of audio: {start[:300].decode('utf-8', 'replace')!r}")
        elif start.startswith(RIFFS):
            self.inner = Wav(self.declared.card)
        else:
            self.inner = Pcm(self.declared.form())


class Events:
    """Server-sent events whose data is JSON with base64 audio, as `stream_format=sse` gives them.

    Source: the WHATWG's section on server-sent events; OpenAI's `speech.audio.delta` and `speech.audio.done`.
    """

    def __init__(self, declared: Declared) -> None:
        self.inner = Guess(Declared(declared.card, declared.usual, "", declared.headers))
        self.rest = b""
        self.data: list[bytes] = []
        self.name = ""
        self.done = False
        self.notes: list[str] = []

    def feed(self, data: bytes) -> np.ndarray:
        """The samples of the events that are whole by now. Raises AudioError for an event that says of an error."""
        *lines, self.rest = (self.rest + data).split(b"\n")
        found = [self._line(line.rstrip(b"\r")) for line in lines]
        return np.concatenate([EMPTY, *found])

    def finish(self) -> np.ndarray:
        """The last samples. Raises AudioError where no event held audio."""
        found = [self.feed(b"\n\n"), self.inner.finish()]
        self.notes = [*self.inner.notes]
        if not self.done:
            self.notes.append("the events ended without speech.audio.done: perhaps cut short")
        return np.concatenate(found)

    def _line(self, line: bytes) -> np.ndarray:
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            self.data.append(value)
        elif name == b"event":
            self.name = value.decode("utf-8", "replace")
        elif not line and (self.data or self.name):
            event, kind, self.data, self.name = b"\n".join(self.data), self.name, [], ""
            return self._event(event, kind)
        return EMPTY

    def _event(self, data: bytes, kind: str) -> np.ndarray:
        if data.strip() == b"[DONE]" or self.done:
            self.done = True
            return EMPTY
        shown = data[:300].decode("utf-8", "replace")
        try:
            event = json.loads(data or b"{}")
        except ValueError as fault:
            raise AudioError(f"an event is not JSON ({fault}): {shown!r}") from fault
        if not isinstance(event, dict):
            raise AudioError(f"an event is not a JSON object: {shown!r}")
        kind = str(event.get("type") or kind)
        if "error" in kind or event.get("error"):
            raise AudioError(f"the server sent an error event: {shown!r}")
        if kind.endswith((".done", ".completed")) or kind == "done":
            self.done = True
        audio = _audio_of(event)
        if not audio:
            return EMPTY
        try:
            return self.inner.feed(base64.b64decode(audio, validate=True))
        except ValueError as fault:
            raise AudioError(f"the audio of an event is not base64 ({fault})") from fault


def _audio_of(event: Mapping[str, Any]) -> str:
    """The base64 text of an event: `audio`, `audio.data`, `delta` or `data`."""
    for name in ("audio", "delta", "data"):
        value = event.get(name)
        if isinstance(value, dict):
            value = value.get("data")
        if isinstance(value, str) and value:
            return value
    return ""


def looks_like_text(data: bytes) -> bool:
    """Whether all of the first bytes are printable ASCII and open like JSON or a page; sound hardly ever is."""
    start = data[:64]
    return start.lstrip()[:1] in (b"{", b"[", b"<") and all(32 <= byte < 127 or byte in b"\t\r\n" for byte in start)


def _first_frame(data: bytes) -> tuple[str, int]:
    """("MP3" or "AAC", bytes of the frame) where the stream may begin with one of their frames, else ("", 0)."""
    if frame := mp3_frame(data, 0):
        return "MP3", frame.size
    if data[:1] == b"\xff" and data[1] & 0xF6 == 0xF0:
        return "AAC", (data[3] & 3) << 11 | data[4] << 3 | data[5] >> 5
    return "", 0


def _wanted(data: bytes) -> int:
    """Bytes that are needed to tell a frame from samples that begin like one: to the head of the next."""
    return _first_frame(data)[1] + 6 if len(data) >= LOOK else LOOK


def _frames(data: bytes) -> str:
    """The kind of a stream of bare frames, two of which are seen, or ""."""
    kind, size = _first_frame(data) if len(data) >= LOOK else ("", 0)
    return kind if size > 6 and _first_frame(data[size:].ljust(LOOK, b"\0"))[0] == kind else ""


def _pair(part: str) -> tuple[str, str, str]:
    return part.partition("=")


def _number(text: str, kind: str) -> int:
    digits = re.fullmatch(r"(\d+)(?:\.0*)?(k?)(?:Hz)?", text.strip(), re.IGNORECASE)
    if not digits or not int(digits[1]):
        raise AudioError(f"the server says {kind}: {text!r} is no number")
    return int(digits[1]) * (1000 if digits[2] else 1)
