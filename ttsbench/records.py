"""The data types that flow through the harness. Frozen, printable, no input or output.

TestSet of Sample  ->  Synthesis  ->  Score  ->  Cell
what to say            what came      value      one number of one system on one test set
"""

from __future__ import annotations

import typing
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, runtime_checkable

if TYPE_CHECKING:
    import numpy as np

Task = Literal["zero-shot", "continuation", "resynthesis"]
Better = Literal["higher", "lower", "neither"]
COPY = "equal to its "  # what a note on an output begins with that is the recording or the prompt


@dataclass(frozen=True)
class Sample:
    """One utterance to be spoken.

    `zero-shot`: say `text` in the voice of `prompt`. `continuation`: `prompt` is the first `prompt_seconds` of
    `truth`; the system yields only what follows, and the harness stores prompt and continuation together, so that
    a metric cuts `prompt_seconds` off the head of output and truth alike. `resynthesis`: a codec round trip of `truth`.
    Where `prompt_text` is known, `text` is what is spoken after the prompt. In a continuation whose prompt
    text is unknown (published LibriSpeech rows), `text` is the transcript of prompt and continuation together.
    """

    id: str
    text: str
    language: str = "en"
    task: Task = "zero-shot"
    prompt: Path | None = None
    prompt_text: str = ""
    truth: Path | None = None
    speaker: str = ""
    category: str = ""
    prompt_seconds: float = 0.0


@dataclass(frozen=True)
class TestSet:
    """Samples and where they come from. `digest` covers every field and every audio file's bytes."""

    __test__ = False  # pytest must not collect it

    name: str
    samples: tuple[Sample, ...]
    licence: str
    source: str
    about: str = ""
    digest: str = ""


@dataclass(frozen=True)
class CodecFacts:
    """A codec's shape: frames a second, codebooks (layers), entries of the largest; 0 entries where continuous."""

    frame_rate: float
    codebooks: int
    codebook_size: int
    bits_per_second: float | None = None


@dataclass(frozen=True)
class Card:
    """What a system says: `sample_rate` in Hz; `languages` as ISO 639-1 codes ("*": any); `parameters` a count.

    `codec`: of a system that is one. `frame_rate`: frames a second that a model writes, where it writes frames.
    `price`: USD for a million characters, as `price_source` (where, when) says it.
    """

    name: str
    version: str = ""
    sample_rate: int = 16000
    languages: tuple[str, ...] = ("*",)
    streaming: bool = False
    zero_shot: bool = True
    licence: str = "unknown"
    paper: str = ""
    about: str = ""
    parameters: int | None = None
    codec: CodecFacts | None = None
    frame_rate: float | None = None
    price: float | None = None
    price_source: str = ""

    def speaks(self, language: str) -> bool:
        """Whether it may be asked for a language; '*' stands for every one."""
        return "*" in self.languages or language in self.languages


@dataclass(frozen=True)
class Retry:
    """What an adapter yields, after its pause, where it has to ask again: what came before is void, and the clock
    starts anew, so that no failed try is part of a latency."""

    reason: str


@runtime_checkable
class System(typing.Protocol):
    """Anything that speaks. A user's class needs these two members and no base class."""

    card: Card

    def synthesize(self, sample: Sample, seed: int) -> Iterator[np.ndarray | Retry | str]:
        """Yield float32 mono chunks in [-1, 1] at `card.sample_rate`, at once; text is a note on the row."""
        ...


@runtime_checkable
class Resynthesizer(typing.Protocol):
    """Optional ability: a codec round trip, for SIM-r and the codec benchmark."""

    def resynthesize(self, audio: np.ndarray, sample_rate: int) -> np.ndarray:
        """`audio` (samples,) at `sample_rate` to the same length at the system's own rate."""
        ...


@runtime_checkable
class Chunked(typing.Protocol):
    """Optional ability: the number of frames in a chunk after the first may be set. Fewer come sooner and cost more."""

    chunk_frames: int


@runtime_checkable
class Batched(typing.Protocol):
    """Optional ability: several readings of one sample, made side by side as one batch."""

    def readings(self, sample: Sample, seed: int, count: int) -> list[np.ndarray]:
        """`count` arrays (samples,), as `synthesize` would give them in one piece."""
        ...


@runtime_checkable
class Beside(typing.Protocol):
    """Optional ability: whether another program of this machine does the work, such as a local server. The harness
    cannot tell it from others then, and does not judge whether the machine is busy."""

    beside: bool


@runtime_checkable
class Recorded(typing.Protocol):
    """The other kind of system: the speech exists already. Nothing is timed."""

    card: Card

    def recording(self, sample: Sample) -> Path | None:
        """The file that holds this sample's output, or None where there is none."""
        ...


@dataclass(frozen=True)
class Chunk:
    """A piece of audio as it arrived: seconds since the request, and its length in samples."""

    at: float
    samples: int


@dataclass(frozen=True)
class Synthesis:
    """What one system gave for one sample. `error` says why there is no audio; then `audio` is empty.

    `audio` is relative to the run folder. `seconds` is the length of what the system made (without the prompt of a
    continuation), `total` the wall time from request to last chunk, `audible` the time from request to the moment the
    first audible sample could be played; both None for recordings, which are not timed. `retries`: tries that failed
    before. `cpu`: seconds of processor time; `others`: the share of all cores' time that other programs used meanwhile,
    None where unknown; `load`: the load average of the last minute. `resynthesis` is the prompt after the system's own
    codec (for SIM-r), in the run folder. `note`: what was unusual but usable, as channels averaged, clipping.
    """

    sample: str
    audio: str = ""
    digest: str = ""
    sample_rate: int = 0
    seconds: float = 0.0
    chunks: tuple[Chunk, ...] = ()
    total: float | None = None
    audible: float | None = None
    retries: int = 0
    cpu: float | None = None
    others: float | None = None
    load: float | None = None
    seed: int = 0
    resynthesis: str = ""
    note: str = ""
    error: str = ""


@dataclass(frozen=True)
class Metric:
    """The card of a metric. `unit` is what is printed: '%', 's', 'MOS', 'cosine', ''. `low`, `high`: its range.

    `shown` picks the headline number: the mean over utterances, or the weighted (corpus) value.
    `family` is the plot family: 'intelligibility', 'similarity', 'quality', 'speed', 'cost'. `headline`: it stands in
    the first table of a page; else in the CSV file and the tables below only.
    """

    name: str
    title: str
    unit: str
    better: Better
    low: float | None
    high: float | None
    family: str
    about: str
    citation: str = ""
    shown: Literal["mean", "corpus"] = "mean"
    version: int = 1
    headline: bool = True


@dataclass(frozen=True)
class Score:
    """One metric of one sample.

    `value` enters the mean. `error` says why it could not be measured: then `value` is the worst case where the
    metric has one (1.0 for WER and CER), else None. `na` says why the question does not apply: such rows are not
    asked. The corpus value is sum(value * weight) / sum(weight). `busy`: a timing taken while other programs used the
    machine: it is kept and shown, and enters no mean, rank or comparison.
    """

    sample: str
    value: float | None = None
    weight: float = 1.0
    error: str = ""
    na: str = ""
    busy: bool = False
    detail: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Cell:
    """One number of one system on one test set: `value` is the headline, `low` and `high` its 95 % interval.

    `asked` counts rows the metric applies to, `scored` those measured without an error, `failed` the others; `reasons`:
    errors with how many rows have each, the commonest first. `na`: why the metric applies to no row of this system.
    `busy` rows were timed while other programs used the machine; where all were, there is no value but `busy_value`,
    which is shown and neither ranked nor drawn. `by_seed`: the headline over each seed's rows, where there are several.
    """

    metric: str
    value: float | None
    low: float | None
    high: float | None
    scored: int
    asked: int
    mean: float | None = None
    corpus: float | None = None
    median: float | None = None
    na: str = ""
    failed: int = 0
    reasons: tuple[tuple[str, int], ...] = ()
    busy: int = 0
    busy_value: float | None = None
    by_seed: tuple[float | None, ...] = ()


@dataclass(frozen=True)
class Item:
    """What a metric sees of one utterance: absolute paths; `audio` is None where the output is missing. `untimed`: why
    no row of the run has timings, or "". `hour`: USD for an hour of the machine, per utterance spoken at once."""

    sample: Sample
    synthesis: Synthesis
    card: Card
    audio: Path | None
    resynthesis: Path | None = None
    untimed: str = ""
    hour: float | None = None


@dataclass(frozen=True)
class Request:
    """One feature of one piece of audio: a transcript, a speaker vector, a quality score.

    `extractor` names a module of `ttsbench.metrics`, e.g. "recognisers.faster_whisper"; `start` cuts seconds off the
    head; `reference` is the second signal of a two-signal measure; `settings` is part of the cache key.
    """

    extractor: str
    audio: Path
    start: float = 0.0
    reference: Path | None = None
    reference_start: float = 0.0
    settings: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Feature:
    """What an extractor found: JSON-able `value`, or the `error` that says why there is none."""

    value: dict[str, Any] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True)
class Measure:
    """One column of a protocol: the metric's card and three plain functions.

    `na(item)` says why the question does not apply ("" where it does); `requests(item)` lists the features wanted;
    `score(item, features)` turns them into a Score, features in the order of the requests.
    """

    metric: Metric
    na: Callable[[Item], str]
    requests: Callable[[Item], tuple[Request, ...]]
    score: Callable[[Item, tuple[Feature, ...]], Score]


@dataclass(frozen=True)
class Protocol:
    """A named, versioned way to compute numbers. `explain` says it in plain words; `models` names the weights."""

    name: str
    version: int
    title: str
    explain: str
    measures: tuple[Measure, ...]
    languages: tuple[str, ...] = ()
    models: tuple[str, ...] = ()
    source: str = ""


@dataclass(frozen=True)
class Cost:
    """What one network of a system costs for one utterance, in multiply-adds.

    With `steps` 0 it runs once and the figures are totals. Else it is autoregressive: it reads `prefix` positions and
    then one a step; `linear` and `norms` are per position, `attention` per pair of query and key. A "head" reads one
    position a step; "unused" is a head that runs although nothing reads it.
    """

    name: str
    role: Literal["model", "head", "codec", "prompt", "unused"]
    linear: int
    attention: int = 0
    norms: int = 0
    prefix: int = 0
    steps: int = 0
