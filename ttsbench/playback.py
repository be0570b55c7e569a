"""The player model: when streamed speech can be heard, and when playback runs dry.

A player begins with the first chunk that holds samples and plays on; where the next chunk is late it stands still until
the chunk arrives. Run, profile, metrics and reports all take their numbers from here. Times in seconds since the
request, lengths in samples.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from ttsbench.records import Chunk

BUSY = 0.10  # share of all cores' time that others may use before a row's times are not the system's alone
AUDIBLE = 0.01  # RMS of 10 ms from which on something is heard
SHORTEST_STALL = 0.001  # s; arrival times are kept to the microsecond and players buffer more than this


@dataclass(frozen=True)
class Played:
    """One chunk in the player: its arrival, when it begins to sound, its length, how long the player waited for it."""

    arrived: float
    start: float
    seconds: float
    waited: float


def playback(chunks: Sequence[Chunk], sample_rate: int) -> list[Played]:
    """Every chunk that holds samples, as it is played. The wait for the first one is the latency, not a stall."""
    played: list[Played] = []
    for chunk in chunks:
        if not chunk.samples:
            continue
        end = played[-1].start + played[-1].seconds if played else chunk.at
        start = max(end, chunk.at)
        played.append(Played(chunk.at, start, chunk.samples / sample_rate, start - end))
    return played


def first_chunk(chunks: Sequence[Chunk]) -> float | None:
    """When the first chunk with samples arrived; None where none did."""
    return next((chunk.at for chunk in chunks if chunk.samples), None)


def heard_at(chunks: Sequence[Chunk], sample_rate: int, index: int) -> float:
    """When sample `index` (from 0, over all chunks) sounds. An index behind the last sample gives the end."""
    played, position = playback(chunks, sample_rate), 0.0
    for chunk in played:
        if position + chunk.seconds > index / sample_rate:
            return chunk.start + index / sample_rate - position
        position += chunk.seconds
    return played[-1].start + played[-1].seconds if played else 0.0


def audible_at(chunks: Sequence[Chunk], sample_rate: int, onset: int) -> float:
    """When the 10 ms frame that begins at sample `onset` sounds, all of it: a stall inside it delays it."""
    last = onset + sample_rate // 100 - 1
    return heard_at(chunks, sample_rate, last) - (last - onset) / sample_rate


def stalls(chunks: Sequence[Chunk], sample_rate: int) -> list[float]:
    """Seconds of each time that playback stood still; waits under 1 ms are none."""
    return [chunk.waited for chunk in playback(chunks, sample_rate) if chunk.waited >= SHORTEST_STALL]


def gaps(chunks: Sequence[Chunk]) -> list[float]:
    """Seconds between the arrivals of consecutive chunks that hold samples."""
    times = [chunk.at for chunk in chunks if chunk.samples]
    return [later - earlier for earlier, later in pairwise(times)]


def real_time_factor(total: float, seconds: float) -> float | None:
    """Seconds from request to last chunk over seconds of speech made; None where no speech was made."""
    return total / seconds if seconds > 0 else None


STREAMED = 0.95  # a first chunk that comes after this share of the whole is no stream, whatever the transport does


def first_share(chunks: Sequence[Chunk], total: float) -> float | None:
    """The share of the time to the last chunk after which the first has come: 1 where all came at once."""
    at = first_chunk(chunks)
    return None if at is None or total <= 0 else min(1.0, at / total)


def streams(shares: Sequence[float]) -> bool | None:
    """Whether a system streams: half of its utterances begin before `STREAMED` of their time. None without utterances.

    The middle is the upper one of two, as the Open TTS Leaderboard takes it.
    """
    return sorted(shares)[len(shares) // 2] < STREAMED if shares else None
