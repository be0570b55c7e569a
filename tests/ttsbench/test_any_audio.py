"""Audio that is cut, joined, or says something else of itself than it holds: files, and streams cut anywhere."""

from __future__ import annotations

import base64
import io
import itertools
import json
import struct
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given, settings
from hypothesis import strategies as st

from ttsbench import audio
from ttsbench.pcm import AudioError, Format, decode
from ttsbench.systems.adapters.sound import Declared, Guess

RATE = 24000
TONE = (0.3 * np.sin(np.arange(12000) ** 1.1 / 30)).astype(np.float32)
INTEGERS = (TONE * 32767).astype("<i2").tobytes()
EXPECTED = decode(INTEGERS, Format(RATE))
LIST = b"LIST" + struct.pack("<I", 26) + b"INFOISFT" + struct.pack("<I", 14) + b"Lavf60.16.100\0"


def wav(body: bytes = INTEGERS, size: int | None = None, rate: int = RATE, bits: int = 16, channels: int = 1) -> bytes:
    form = struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, channels, rate, 0, channels * bits // 8, bits)
    return b"RIFF\0\0\0\0WAVE" + form + struct.pack("<4sI", b"data", len(body) if size is None else size) + body


def file_of(form: str, samples: np.ndarray = TONE, **more: object) -> bytes:
    out = io.BytesIO()
    kind = {"mp3": ("MP3", "MPEG_LAYER_III"), "opus": ("OGG", "OPUS"), "ogg": ("OGG", "VORBIS")}.get(form, (form, None))
    soundfile.write(out, samples, RATE, format=kind[0], subtype=kind[1], **more)
    return out.getvalue()


def loaded(tmp_path: Path, data: bytes, suffix: str) -> audio.Sound:
    path = tmp_path / f"sound.{suffix}"
    path.write_bytes(data)
    return audio.load(path)


def streamed(
    data: bytes, cuts: list[int], kind: str = "", card: int | None = None
) -> tuple[np.ndarray, list[str], int]:
    guess = Guess(Declared(card, RATE, kind))
    edges = [0, *sorted({min(cut, len(data)) for cut in cuts}), len(data)]
    pieces = [guess.feed(data[a:b]) for a, b in itertools.pairwise(edges)]
    pieces.append(guess.finish())
    return np.concatenate(pieces), guess.notes, guess.rate


def events(data: bytes) -> bytes:
    pieces = [data[i : i + 3001] for i in range(0, len(data), 3001)]
    rows = [{"type": "speech.audio.delta", "audio": base64.b64encode(piece).decode()} for piece in pieces]
    rows.append({"type": "speech.audio.done"})
    return b"".join(b"data: " + json.dumps(row).encode() + b"\r\n\r\n" for row in rows) + b"data: [DONE]\n\n"


HALF = len(INTEGERS) // 2
STREAMS = {  # bytes, Content-Type, what the notes say
    "pcm": (INTEGERS, "", ""),
    "pcm odd": (INTEGERS + b"\1", "audio/pcm", "ends inside a sample"),
    "big": (np.frombuffer(INTEGERS, "<i2").astype(">i2").tobytes(), "audio/L16;rate=24000", ""),
    "stereo": (np.repeat(np.frombuffer(INTEGERS, "<i2"), 2).tobytes(), "audio/pcm; channels=2", "2 channels"),
    "floats": (EXPECTED.astype("<f4").tobytes(), "audio/pcm;encoding=pcm_f32le", ""),
    "wav": (wav(), "audio/wav", ""),
    "wav 0": (wav(size=0), "", ""),
    "wav 2e9": (wav(size=2_000_000_000), "audio/wav", ""),
    "wav list": (wav() + LIST, "audio/wav", ""),
    "wav 0 list": (wav(size=0) + LIST, "audio/wav", ""),
    "wav 0 list list": (wav(size=0) + LIST + LIST, "audio/wav", ""),
    "wav odd": (wav(size=0) + b"\1\2\3"[:1], "audio/wav", "ends inside a sample"),
    "wav sizes": (wav(size=0) + struct.pack("<II", len(INTEGERS) + 36, len(INTEGERS)), "audio/wav", "left out"),
    "joined": (wav(INTEGERS[:HALF]) + wav(INTEGERS[HALF:]), "audio/wav", "2 WAVs"),
    "joined 0": (wav(INTEGERS[:HALF], 0) + wav(INTEGERS[HALF:], 0), "audio/wav", "2 WAVs"),
    "joined lists": (wav(INTEGERS[:HALF], 0) + LIST + wav(INTEGERS[HALF:]) + LIST, "audio/wav", "2 WAVs"),
    "events": (events(INTEGERS), "text/event-stream", ""),
    "hidden events": (events(INTEGERS), "audio/pcm", ""),
    "events of wav": (events(wav(size=0)), "text/event-stream", ""),
}


@pytest.mark.parametrize("name", STREAMS)
@settings(max_examples=25, deadline=None)
@given(cuts=st.lists(st.integers(0, len(INTEGERS) + 200), max_size=12), step=st.sampled_from([0, 0, 7, 997]))
def test_any_cutting_of_a_stream_gives_the_same_samples(name: str, cuts: list[int], step: int) -> None:
    data, kind, note = STREAMS[name]
    found, notes, rate = streamed(data, cuts + list(range(0, len(data) if step else 0, step or 1)), kind)
    assert rate == RATE
    assert np.array_equal(found, EXPECTED)
    assert (note in "; ".join(notes)) if note else not notes


@settings(max_examples=60, deadline=None)
@given(at=st.integers(0, len(wav()) - 1), cuts=st.lists(st.integers(0, len(INTEGERS)), max_size=4))
def test_a_wav_cut_anywhere_is_noticed_in_a_stream(at: int, cuts: list[int]) -> None:
    with pytest.raises(AudioError, match=r"cut short|inside the header|no audio came|without samples|no WAV"):
        streamed(wav()[:at], cuts, "audio/wav", RATE)


def test_lowest_byte_first_under_a_label_that_says_otherwise_is_an_error() -> None:
    with pytest.raises(AudioError, match="other order"):
        streamed(INTEGERS, [5, 4001], "audio/L16;rate=24000")
    assert np.array_equal(streamed(INTEGERS, [5], "audio/L16;codec=pcm;rate=24000")[0], EXPECTED)


@pytest.mark.parametrize(("kind", "rate"), [("audio/pcm;rate=16000", 16000), ('audio/pcm; rate="48000"', 48000)])
def test_the_rate_of_the_label_counts_where_no_card_spoke(kind: str, rate: int) -> None:
    assert streamed(INTEGERS, [], kind)[2] == rate
    with pytest.raises(AudioError, match=f"says {rate} Hz, the card says {RATE}"):
        streamed(INTEGERS, [], kind, RATE)


FORMS = ("wav", "flac", "mp3", "opus", "ogg")


@pytest.mark.parametrize("form", FORMS)
def test_joined_files_are_read_to_the_end(tmp_path: Path, form: str) -> None:
    once = loaded(tmp_path, file_of(form), form)
    twice = loaded(tmp_path, file_of(form) * 2, form)
    assert not once.notes and twice.samples.size == 2 * once.samples.size
    assert "2 WAVs in a row" in twice.notes[0] if form == "wav" else twice.notes == ("2 files in one, joined",)
    assert np.abs(twice.samples[-6000:]).max() > 0.2


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("part", [0.2, 0.4, 0.6, 0.8, 0.95])
def test_a_file_cut_anywhere_is_noticed(tmp_path: Path, form: str, part: float) -> None:
    data = file_of(form, np.tile(TONE, 6))
    try:
        found = loaded(tmp_path, data[: int(part * len(data))], form)
    except AudioError:
        return
    assert "cut short" in "; ".join(found.notes)


def test_an_mp3_of_changing_bit_rate_without_its_header_is_read_to_the_end(tmp_path: Path) -> None:
    quiet = np.concatenate([np.tile(TONE, 4), 1e-4 * np.tile(TONE, 12), np.tile(TONE, 4)])
    whole = file_of("mp3", quiet, bitrate_mode="VARIABLE", compression_level=0.2)
    start = next(at for at in range(whole.index(b"Xing"), len(whole)) if whole[at : at + 2] == whole[:2])
    found = loaded(tmp_path, whole[start:], "mp3")
    assert abs(found.samples.size - quiet.size) < 3000 and not found.notes


def test_flac_of_unknown_length_is_read(tmp_path: Path) -> None:
    data = bytearray(file_of("flac"))
    data[21] &= 0xF0
    data[22:26] = bytes(4)
    assert loaded(tmp_path, bytes(data), "flac").samples.size == TONE.size


@pytest.mark.parametrize("size", [0, 0xFFFFFFFF, 2_000_000_000])
def test_a_saved_stream_is_read(tmp_path: Path, size: int) -> None:
    assert np.array_equal(loaded(tmp_path, wav(size=size) + LIST, "wav").samples, EXPECTED)


def test_floats_in_the_range_of_integers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(AudioError, match=r"samples reach 98.*divide by 32768"):
        audio.check(TONE * 32767)
    out = io.BytesIO()
    soundfile.write(out, TONE * 32767, RATE, format="WAV", subtype="FLOAT")
    with pytest.raises(AudioError, match=r"sound.wav: samples reach 98"):
        loaded(tmp_path, out.getvalue(), "wav")
    assert "beyond full scale (peak 1.20)" in audio.peculiarities(TONE * 4, RATE)


def test_silence_before_sound_with_dc_is_not_audible() -> None:
    late = np.concatenate([np.zeros(RATE // 2, np.float32), TONE + 0.05])
    assert 0.48 < (audio.first_audible(late, RATE) or 0) / RATE < 0.51


def test_streams_that_end_before_their_kind_is_seen() -> None:
    with pytest.raises(AudioError, match="text came in place"):
        streamed(b'{"error":1}', [])
    with pytest.raises(AudioError, match="only 3 bytes"):
        streamed(b"abc", [1])
    begins_like_mp3 = b"\xff\xf3\x84\xc4" + INTEGERS[:60]
    assert streamed(begins_like_mp3, [20])[0].size == len(begins_like_mp3) // 2


@pytest.mark.parametrize(
    "data",
    [b"nonsense" * 50, file_of("flac")[:20], file_of("opus")[:40], b"ID3\x03" + bytes(400)],
    ids=["nonsense", "flac", "opus", "mp3"],
)
def test_two_broken_files_give_the_same_reason(tmp_path: Path, data: bytes) -> None:
    """Reasons are counted and compared, so nothing in them may change from one reading to the next."""
    said = []
    for _ in range(2):
        with pytest.raises(AudioError) as fault:
            loaded(tmp_path, data, "wav")
        said.append(str(fault.value))
    assert said[0] == said[1]
    assert " at 0x" not in said[0] and "object" not in said[0]


def test_what_is_audible_is_measured_between_the_silences() -> None:
    sound = np.zeros(16000, np.float32)
    sound[4000:12000] = 0.3 * np.sin(np.arange(8000) / 5)
    assert audio.audible_seconds(sound, 16000) == pytest.approx(0.5, abs=0.02)
    assert audio.audible_seconds(np.zeros(9, np.float32), 16000) == audio.audible_seconds(sound[:0], 16000) == 0.0
