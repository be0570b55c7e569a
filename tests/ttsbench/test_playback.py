"""The clock and the player model, by hand: chunks of 0.1 s (1,600 samples at 16 kHz) at times written here."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import soundfile
from hypothesis import given
from hypothesis import strategies as st

from ttsbench.metrics import timing
from ttsbench.playback import first_chunk, gaps, heard_at, playback, real_time_factor, stalls
from ttsbench.records import Card, Chunk, Item, Measure, Retry, Sample, Synthesis
from ttsbench.speaking import Job, speak

RATE = 16000
LATE = (Chunk(0.1, 1600), Chunk(0.15, 1600), Chunk(0.5, 1600))  # plays from 0.1 to 0.3, stands still to 0.5


def test_a_late_chunk_stops_playback_and_delays_what_follows() -> None:
    assert [(p.arrived, p.start, p.waited) for p in playback(LATE, RATE)] == [
        (0.1, 0.1, 0.0), (0.15, 0.2, 0.0), (0.5, 0.5, pytest.approx(0.2))
    ]  # fmt: skip
    assert stalls(LATE, RATE) == pytest.approx([0.2]) and gaps(LATE) == pytest.approx([0.05, 0.35])
    assert heard_at(LATE, RATE, 0) == pytest.approx(0.1)
    assert heard_at(LATE, RATE, 2400) == pytest.approx(0.25)  # half of the second chunk
    assert heard_at(LATE, RATE, 3200 + 160) == pytest.approx(0.51)  # the third chunk begins when it arrives
    assert heard_at(LATE, RATE, 4800) == pytest.approx(0.6)


def test_chunks_without_samples_are_no_chunks() -> None:
    empty_first = (Chunk(0.01, 0), *LATE, Chunk(0.9, 0))
    assert first_chunk(empty_first) == 0.1 and stalls(empty_first, RATE) == stalls(LATE, RATE)
    assert gaps(empty_first) == gaps(LATE) and first_chunk((Chunk(1.0, 0),)) is None
    assert heard_at((), RATE, 0) == 0.0 and playback((), RATE) == []


def test_a_wait_shorter_than_a_millisecond_is_no_stall() -> None:
    assert stalls((Chunk(0.1, 1600), Chunk(0.2009, 1600)), RATE) == []
    assert stalls((Chunk(0.1, 1600), Chunk(0.2011, 1600)), RATE) == pytest.approx([0.0011])


def test_real_time_factor() -> None:
    assert real_time_factor(1.0, 4.0) == 0.25 and real_time_factor(1.0, 0.0) is None


chunk_lists = st.lists(st.tuples(st.integers(0, 5000), st.integers(0, 3200)), max_size=12).map(
    lambda pairs: tuple(Chunk(at / 1000, n) for at, n in sorted(pairs))
)


@given(chunk_lists)
def test_playing_takes_the_first_arrival_the_speech_and_the_stalls(chunks: tuple[Chunk, ...]) -> None:
    played = playback(chunks, RATE)
    if not played:
        return
    speech = sum(chunk.samples for chunk in chunks) / RATE
    waits = sum(p.waited for p in played)
    assert played[-1].start + played[-1].seconds == pytest.approx(played[0].start + speech + waits)
    assert all(p.start >= p.arrived and p.waited >= 0 for p in played)


class FakeClock:
    """Seconds that pass only where a test lets them."""

    def __init__(self) -> None:
        self.now = 100.0

    def __call__(self) -> float:
        return self.now


class Scripted:
    """Yields what the script says: (seconds that pass, chunk or Retry)."""

    def __init__(self, clock: FakeClock, script: list[tuple[float, np.ndarray | Retry]], after: float = 0.0) -> None:
        self.card, self.clock, self.script, self.after = Card("scripted", sample_rate=RATE), clock, script, after

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray | Retry]:
        for seconds, piece in self.script:
            self.clock.now += seconds
            yield piece
        self.clock.now += self.after


def tone(seconds: float) -> np.ndarray:
    return (0.3 * np.sin(np.arange(round(seconds * RATE)) / 10)).astype(np.float32)


def silence(seconds: float) -> np.ndarray:
    return np.zeros(round(seconds * RATE), dtype=np.float32)


def spoken(folder: Path, script: list[tuple[float, np.ndarray | Retry]], sample: Sample, after: float = 0.0) -> Item:
    clock = FakeClock()
    row, _ = speak(Scripted(clock, script, after), Job(sample, 1, folder, "a"), clock)
    assert not row.error, row.error
    return Item(sample, row, Card("scripted"), folder / row.audio)


def value(measure: Measure, item: Item) -> float:
    assert not measure.na(item)
    score = measure.score(item, ())
    assert score.value is not None, score.error
    return score.value


def test_every_timing_of_a_stream(tmp_path: Path) -> None:
    script: list[tuple[float, np.ndarray | Retry]] = [
        (0.2, silence(0.1)), (0.05, silence(0.1)), (0.4, tone(0.3))
    ]  # fmt: skip
    item = spoken(tmp_path, script, Sample("a", "hello"), after=0.35)
    # arrivals 0.2, 0.25, 0.65; played from 0.2 to 0.4, still until 0.65
    assert [chunk.at for chunk in item.synthesis.chunks] == pytest.approx([0.2, 0.25, 0.65])
    assert value(timing.first_chunk(), item) == pytest.approx(0.2)
    assert value(timing.first_audible(), item) == pytest.approx(0.65, abs=0.011)
    assert value(timing.stalled(), item) == pytest.approx(0.25)
    assert value(timing.chunk_gap(), item) == pytest.approx(0.4)
    assert value(timing.rtf(), item) == pytest.approx(1.0 / 0.5)  # 1.0 s of wall time, 0.5 s of speech


def test_an_utterance_in_one_chunk_has_no_gap(tmp_path: Path) -> None:
    item = spoken(tmp_path, [(0.2, tone(0.3))], Sample("a", "hello"))
    assert timing.chunk_gap().na(item) == "all of it came in one chunk"


def test_the_prompt_of_a_continuation_is_no_speech_of_the_system(tmp_path: Path) -> None:
    truth = tmp_path / "truth.wav"
    soundfile.write(truth, tone(3.0), RATE)
    sample = Sample("a", "hello", task="continuation", prompt=truth, truth=truth, prompt_seconds=3.0)
    clip = tmp_path / "prompt.wav"
    soundfile.write(clip, tone(3.0), RATE)
    item = spoken(tmp_path, [(0.5, tone(2.0))], sample)
    assert item.audio is not None and soundfile.info(item.audio).duration == pytest.approx(5.0)
    assert item.synthesis.seconds == pytest.approx(2.0)
    score = timing.rtf().score(item, ())
    assert score.value == pytest.approx(0.25) and score.weight == pytest.approx(2.0)


def test_failed_tries_and_pauses_are_in_no_latency(tmp_path: Path) -> None:
    again = Retry("status 429")
    script: list[tuple[float, np.ndarray | Retry]] = [
        (0.3, tone(0.1)), (2.0, again), (5.0, again), (0.25, tone(1.0))
    ]  # fmt: skip
    item = spoken(tmp_path, script, Sample("a", "hello"))
    assert item.synthesis.retries == 2 and item.synthesis.seconds == pytest.approx(1.0)
    assert value(timing.first_chunk(), item) == pytest.approx(0.25)
    assert value(timing.rtf(), item) == pytest.approx(0.25)


def test_what_was_not_timed_has_no_timing() -> None:
    item = Item(Sample("a", "hello"), Synthesis("a", "audio/a.flac", seconds=1.0), Card("x"), Path("a.flac"))
    for measure in (timing.rtf(), timing.first_chunk(), timing.first_audible(), timing.stalled(), timing.chunk_gap()):
        assert measure.na(item) == timing.UNTIMED
        assert measure.na(replace(item, untimed="recordings are not timed")) == "recordings are not timed"


def test_a_row_that_failed_is_a_failure_of_its_timing_unless_nothing_was_timed() -> None:
    item = Item(Sample("a", "hello"), Synthesis("a", error="out of memory"), Card("x"), None)
    for measure in (timing.rtf(), timing.first_chunk(), timing.first_audible(), timing.stalled(), timing.chunk_gap()):
        assert measure.na(item) == "" and measure.score(item, ()).error == "out of memory"
        assert measure.na(replace(item, untimed="a cluster")) == "a cluster"


def test_a_silent_stream_is_never_heard() -> None:
    clock = FakeClock()
    script: list[tuple[float, np.ndarray | Retry]] = [(0.2, silence(1.0))]
    row, _ = speak(Scripted(clock, script), Job(Sample("a", "x"), 1, Path(os.devnull), "a"), clock)
    item = Item(Sample("a", "x"), row, Card("x"), Path("a.flac"))
    score = timing.first_audible().score(item, ())
    assert score.value is None and "audible" in score.error
