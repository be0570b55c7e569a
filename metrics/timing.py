"""How fast a system spoke, from the harness's own clock. What was not timed has no speed; what failed has an error."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from ttsbench import playback
from ttsbench.metrics import items
from ttsbench.metrics.models import short
from ttsbench.records import Feature, Item, Measure, Metric, Request, Score

UNTIMED = "the row was spoken under other conditions than the run's first"


def _timing(metric: Metric, measure: Callable[[Item], float | str], weight: Callable[[Item], float]) -> Measure:
    """A measure of timing alone; `measure` gives the value, or in words why there is none."""

    def na(item: Item) -> str:
        if item.synthesis.total is not None:
            return ""
        return item.untimed or ("" if item.synthesis.error else UNTIMED)

    def requests(item: Item) -> tuple[Request, ...]:
        return ()

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        value = items.missing(item) or measure(item)
        if isinstance(value, str):
            return Score(item.sample.id, error=value)
        others = item.synthesis.others or 0.0
        detail = {"others": others} if others > playback.BUSY else {}
        return Score(item.sample.id, value=short(value), weight=weight(item), busy=bool(detail), detail=detail)

    return Measure(metric, na, requests, score)


def rtf() -> Measure:
    """Real-time factor: wall time over audio length. Corpus value: ratio of sums; mean: mean of ratios."""
    about = "wall time from request to last chunk over seconds of speech made (without the prompt of a continuation)"

    def measure(item: Item) -> float | str:
        factor = playback.real_time_factor(item.synthesis.total or 0.0, item.synthesis.seconds)
        return "the system made no speech" if factor is None else factor

    metric = Metric("rtf", "RTF", "", "lower", 0.0, None, "speed", about, shown="corpus")
    return _timing(metric, measure, lambda item: item.synthesis.seconds)


def first_chunk() -> Measure:
    """Seconds from request to the arrival of the first chunk, silent or not."""

    def measure(item: Item) -> float | str:
        at = playback.first_chunk(item.synthesis.chunks)
        return "no chunk has arrived" if at is None else at

    about = "from request to arrival of the first chunk that can be played"
    return _timing(
        Metric("first-chunk", "First chunk", "s", "lower", 0.0, None, "speed", about), measure, lambda _: 1.0
    )


def rtfx() -> Measure:
    """Seconds of speech a second of work, the inverse of RTF. Corpus value: ratio of sums, as leaderboards give it."""

    def measure(item: Item) -> float | str:
        total = item.synthesis.total or 0.0
        return item.synthesis.seconds / total if total > 0 else "the row's time is zero"

    about = "seconds of speech made over wall time from request to last chunk"
    metric = Metric("rtfx", "RTFx", "", "higher", 0.0, None, "speed", about, shown="corpus")
    return _timing(metric, measure, lambda item: item.synthesis.total or 0.0)


def ttfa() -> Measure:
    """Seconds from request to the first chunk; to the end where the first chunk is the whole (no stream)."""

    def measure(item: Item) -> float | str:
        at = playback.first_chunk(item.synthesis.chunks)
        return "no chunk has arrived" if at is None else at

    about = "from request to the first chunk, of a system that does not stream to the end; the median is its headline"
    return _chunked(Metric("ttfa", "TTFA", "s", "lower", 0.0, None, "speed", about), measure)


def first_share() -> Measure:
    """Share of an utterance's time that is over when its first chunk arrives: 1 where nothing is streamed."""

    def measure(item: Item) -> float | str:
        share = playback.first_share(item.synthesis.chunks, item.synthesis.total or 0.0)
        return "no chunk has arrived" if share is None else share

    about = (
        f"time to the first chunk over time to the last; a system streams where the median is under "
        f"{playback.STREAMED:g}, however many chunks come at the end"
    )
    return _chunked(Metric("first-share", "First chunk's share", "", "lower", 0.0, 1.0, "speed", about), measure)


def _chunked(metric: Metric, measure: Callable[[Item], float | str]) -> Measure:
    """As `_timing`; rows of a list that keeps whole times alone are not asked for their first chunk."""
    timed = _timing(metric, measure, lambda _: 1.0)

    def na(item: Item) -> str:
        alone = item.audio is not None and not item.synthesis.chunks
        return timed.na(item) or ("the times of single chunks are not kept" if alone else "")

    return replace(timed, na=na)


def first_audible() -> Measure:
    """Seconds from request to the moment the first audible sample (RMS above 0.01 in 10 ms) can be heard."""

    def measure(item: Item) -> float | str:
        audible = item.synthesis.audible
        return "nothing in the output is audible (RMS above 0.01 in 10 ms)" if audible is None else audible

    about = "from request to the first audible sample: arrival plus leading silence"
    return _timing(
        Metric("first-audible", "First sound", "s", "lower", 0.0, None, "speed", about), measure, lambda _: 1.0
    )


def leading_silence() -> Measure:
    """Seconds of the output before its first audible sample: what a short first chunk may hide."""

    def measure(item: Item) -> float | str:
        at, audible = playback.first_chunk(item.synthesis.chunks), item.synthesis.audible
        if at is None or audible is None:
            return "nothing in the output is audible (RMS above 0.01 in 10 ms)"
        return audible - at

    about = "from arrival of the first chunk to the first audible sample: silence at the head, and waits within it"
    return _chunked(Metric("leading-silence", "Silence first", "s", "lower", 0.0, None, "speed", about), measure)


def stalled() -> Measure:
    """Seconds that playback would have stood still, had it begun at the first chunk."""

    def measure(item: Item) -> float | str:
        if not item.synthesis.chunks:
            return "no chunk has arrived"
        return sum(playback.stalls(item.synthesis.chunks, item.synthesis.sample_rate))

    about = "seconds playback would have run dry, had it begun at the first chunk"
    return _timing(Metric("stalls", "Stalls", "s", "lower", 0.0, None, "speed", about), measure, lambda _: 1.0)


def chunk_gap() -> Measure:
    """The longest time between the arrivals of two chunks in a row: what a player has to have buffered."""

    def measure(item: Item) -> float | str:
        return max(playback.gaps(item.synthesis.chunks))

    about = "longest time between the arrivals of two chunks of an utterance; a stall where less was left to play"
    metric = Metric("chunk-gap", "Longest chunk gap", "s", "lower", 0.0, None, "speed", about)
    timed = _chunked(metric, measure)

    def na(item: Item) -> str:
        whole = item.audio is not None and not playback.gaps(item.synthesis.chunks)
        return timed.na(item) or ("all of it came in one chunk" if whole else "")

    return replace(timed, na=na)


def length_ratio() -> Measure:
    """Seconds of output over seconds of the ground-truth recording: a diagnostic, neither good nor bad in itself."""
    about = "seconds of output over seconds of the recording of the same text"
    metric = Metric("length-ratio", "Length ratio", "", "neither", 0.0, None, "speed", about)

    def na(item: Item) -> str:
        return "" if item.sample.truth is not None else "the sample has no recording"

    def requests(item: Item) -> tuple[Request, ...]:
        if item.audio is None or item.sample.truth is None:
            return ()
        cut = items.start(item)
        return tuple(Request("quality.duration", path, start=cut) for path in (item.audio, item.sample.truth))

    def score(item: Item, features: tuple[Feature, ...]) -> Score:
        error = items.missing(item) or next((each.error for each in features if each.error), "")
        if error:
            return Score(item.sample.id, error=error)
        output, truth = (float(each.value["seconds"]) for each in features)
        return Score(item.sample.id, value=short(output / truth), weight=truth)

    return Measure(metric, na, requests, score)


def measures() -> tuple[Measure, ...]:
    """The columns that need neither a model nor the audio's words."""
    return (
        rtf(),
        rtfx(),
        first_chunk(),
        ttfa(),
        first_share(),
        first_audible(),
        leading_silence(),
        stalled(),
        chunk_gap(),
        length_ratio(),
    )
