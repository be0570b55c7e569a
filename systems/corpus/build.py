"""Makes the training corpus: synthetic speech with phone ends, Kathleen with forced alignment, LibriSpeech voices.

A corpus folder holds shards and a manifest:

    shard-NAME.pcm.npy   int16 (samples,), the utterances one after the other, each a multiple of 160 samples, 16 kHz
    shard-NAME.mel.npy   float16 (frames, 100), their normalised log-mels
    shard-NAME.jsonl     a line per utterance (`Utterance`)
    manifest.jsonl       all of them

A shard that is there is not made again, so a killed build goes on where it was.
"""

from __future__ import annotations

import json
import math
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np

from ttsbench.audio import AudioError, read_at
from ttsbench.errors import UserError
from ttsbench.systems.corpus.align import align
from ttsbench.systems.corpus.sentences import generated, quotations
from ttsbench.systems.corpus.voices import VOICES, Voice, VoiceError, random_voice, speak
from ttsbench.systems.nn.mel import HOP, RATE, log_mel
from ttsbench.systems.text.dictionary import dictionary
from ttsbench.systems.text.phones import canonical

SPEAKERS = 120
REAL_WARPS = (1.0, 0.9, 1.12)  # resampling of real recordings: more speakers from few


@dataclass(frozen=True)
class Utterance:
    """One line of the manifest. `start` and `frames` count 10 ms frames inside the shard; `ends` are seconds.

    `split` is 'train', 'dev' (voices of training, held-out sentences; LibriSpeech: held-out speakers) or 'test'
    (test-only voices, held-out sentences). `phones` is empty where the recording has no transcript or no alignment.
    """

    id: str
    shard: str
    start: int
    frames: int
    speaker: str
    source: str
    split: str
    text: str
    phones: tuple[str, ...]
    ends: tuple[float, ...]


Spoken = tuple[str, str, str, str, np.ndarray, list[tuple[str, float]]]  # id, speaker, split, text, samples, phones


Task = tuple[Path, str, str, Callable[..., Iterator[Spoken]], tuple[object, ...]]  # what `_make` takes


def write_shard(folder: Path, name: str, source: str, spoken: Iterator[Spoken]) -> int:
    """Write one shard from utterances; returns how many. The manifest part is written last, so it marks the end."""
    import torch

    torch.set_num_threads(1)
    pcm, mels, rows, start = [], [], [], 0
    for key, speaker, split, text, samples, phones in spoken:
        frames = len(samples) // HOP
        if frames < 20:
            continue
        samples = np.clip(samples[: frames * HOP], -1, 1)
        mels.append(log_mel(torch.from_numpy(samples)[None])[0].to(torch.float16).numpy())
        pcm.append((samples * 32767).astype(np.int16))
        marks = [(canonical(phone), round(end, 4)) for phone, end in phones]
        row = Utterance(
            key,
            name,
            start,
            frames,
            speaker,
            source,
            split,
            text,
            tuple(p for p, _ in marks),
            tuple(e for _, e in marks),
        )
        rows.append(json.dumps(asdict(row)))
        start += frames
    np.save(folder / f"shard-{name}.pcm.npy", np.concatenate(pcm))
    np.save(folder / f"shard-{name}.mel.npy", np.concatenate(mels))
    part = folder / f".shard-{name}.part"
    part.write_text("\n".join(rows) + "\n", encoding="utf-8")
    os.replace(part, folder / f"shard-{name}.jsonl")
    return len(rows)


def synthetic(jobs: list[tuple[str, str, str, Voice]]) -> Iterator[Spoken]:
    """Speak (id, split, text, voice) one after the other; what the synthesiser cannot say is left out."""
    for key, split, text, voice in jobs:
        try:
            samples, phones = speak(text, voice)
        except VoiceError:
            continue
        if all(_known(phone) for phone, _ in phones):
            yield key, voice.name, split, text, samples, phones


def plan(hours: float, seed: int) -> list[tuple[str, str, str, Voice]]:
    """What is to be spoken: (id, split, text, voice). Every 40th sentence is held out for 'dev' and 'test'."""
    rng = np.random.default_rng(seed)
    texts = quotations(frozenset(dictionary())) + generated(rng, 2500)
    order = rng.permutation(len(texts))
    held = [texts[i] for i in order if i % 40 == 0]
    kept = [texts[i] for i in order if i % 40]
    voices = [random_voice(rng, f"flite-{number:03d}") for number in range(SPEAKERS)]
    tested = [v for v in VOICES if v.test_only]
    jobs = [(f"dev-{n:05d}", "dev", text, voices[n % SPEAKERS]) for n, text in enumerate(held[:150])]
    jobs += [(f"test-{n:05d}", "test", text, tested[n % len(tested)]) for n, text in enumerate(held[150:230])]
    # 3.3 s is the mean length of these sentences
    jobs += [
        (f"syn-{n:05d}", "train", text, voices[n % SPEAKERS]) for n, text in enumerate(kept[: int(hours * 3600 / 3.3)])
    ]
    return jobs


def kathleen(folder: Path, part: int, parts: int) -> Iterator[Spoken]:
    """The Kathleen recordings (CC0) `part`, `part + parts`, ...; every 50th sentence is 'dev'."""
    rows = [line.split("\t") for line in (folder / "transcripts.tsv").read_text(encoding="utf-8").splitlines()[1:]]
    for key, text in rows[part::parts]:
        samples = _level(read_at(folder / f"{key}.opus", RATE), key)
        phones = align(samples, text)
        split = "dev" if int(key[8:12]) % 50 == 0 else "train"
        for warp in REAL_WARPS:
            speaker = f"kathleen-{warp:.2f}"
            yield f"{key}-{warp:.2f}", speaker, split, text, _warp(samples, warp), [(p, e / warp) for p, e in phones]


def librispeech(folder: Path, part: int, parts: int) -> Iterator[Spoken]:
    """One recording of each of 251 speakers (CC BY 4.0), without text; every 20th speaker is 'dev'."""
    for number, path in enumerate(sorted(folder.rglob("*.opus"))[part::parts]):
        samples = _level(read_at(path, RATE), path.stem)
        split = "dev" if (number * parts + part) % 20 == 0 else "train"
        for warp in REAL_WARPS:
            yield (
                f"{path.stem}-{warp:.2f}",
                f"{path.stem.split('-')[0]}-{warp:.2f}",
                split,
                "",
                _warp(samples, warp),
                [],
            )


def transcribed(folder: Path) -> list[tuple[Path, str]]:
    """(recording, text) of a LibriTTS-like folder: X.wav or X.flac with X.normalized.txt or X.txt beside it.

    ValueError where there is none.
    """
    pairs = []
    for path in sorted(p for p in folder.rglob("*") if p.suffix in {".wav", ".flac", ".opus"}):
        for text in (path.with_suffix(".normalized.txt"), path.with_suffix(".txt")):
            if text.is_file():
                pairs.append((path, " ".join(text.read_text(encoding="utf-8").split())))
                break
    if not pairs:
        raise UserError(f"{folder}: no recording with X.normalized.txt or X.txt beside it")
    return pairs


def recorded(pairs: list[tuple[Path, str]]) -> Iterator[Spoken]:
    """Read and align recordings; the speaker is the part of the name before '_' or '-'; every 50th is 'dev'.

    A file that cannot be used is named on standard error and left out.
    """
    for number, (path, text) in enumerate(pairs):
        try:
            samples = _level(read_at(path, RATE), path.stem)
        except AudioError as fault:
            print(f"left out: {fault}", file=sys.stderr, flush=True)  # noqa: T201
            continue
        speaker = path.stem.replace("-", "_").split("_")[0]
        yield path.stem, f"tts-{speaker}", "dev" if number % 50 == 0 else "train", text, samples, align(samples, text)


def _known(phone: str) -> bool:
    try:
        canonical(phone)
    except KeyError:
        return False
    return True


def _warp(samples: np.ndarray, factor: float) -> np.ndarray:
    from ttsbench.audio import resample

    return samples if factor == 1.0 else resample(samples, round(RATE * factor), RATE)


def _level(samples: np.ndarray, key: str) -> np.ndarray:
    """The recording at a level of 0.035 to 0.12 RMS, drawn from its name: codecs must not expect one loudness."""
    rng = np.random.default_rng(list(key.encode()))
    wanted = 0.035 * (0.12 / 0.035) ** rng.random()
    gain = min(
        wanted / max(1e-5, math.sqrt(float(np.mean(samples**2)))), 0.97 / max(1e-5, float(np.abs(samples).max()))
    )
    return np.asarray(samples * gain, dtype=np.float32)


def _make(task: Task) -> tuple[str, int]:
    folder, name, source, say, arguments = task
    return name, write_shard(folder, name, source, say(*arguments))


def build(
    folder: Path,
    hours: float = 7.5,
    real: Path | None = None,
    libritts: Path | None = None,
    workers: int = 2,
    seed: int = 0,
    progress: Callable[[str], None] = lambda _: None,
) -> int:
    """Make the corpus under `folder`; `real` holds `kathleen/` and `librispeech-train-clean-100-sample/`.

    `libritts`: any folder of recordings with texts, see `transcribed`. With `hours` 0 nothing is synthesised.
    Returns the number of utterances. Raises VoiceError where flite is missing, ValueError where `real` lacks a folder.
    """
    if hours <= 0 and real is None and libritts is None:
        raise UserError("nothing to make a corpus of: give hours above 0, or folders of recordings")
    if hours > 0:
        speak("Is flite here?", VOICES[0])
    folder.mkdir(parents=True, exist_ok=True)
    tasks: list[Task] = []
    if real is not None:
        for name in ("kathleen", "librispeech-train-clean-100-sample"):
            if not (real / name).is_dir():
                raise UserError(f"{real}: no folder {name}/ here; see systems/corpus/README.md, or leave --real out")
        libri = real / "librispeech-train-clean-100-sample"
        tasks += [(folder, f"libri-{n}", "librispeech", librispeech, (libri, n, 2)) for n in range(2)]
        tasks += [(folder, f"kathleen-{n}", "kathleen", kathleen, (real / "kathleen", n, 4)) for n in range(4)]
    if libritts is not None:
        pairs = transcribed(libritts)
        tasks += [
            (folder, f"tts-{n // 700:02d}", "libritts", recorded, (pairs[n : n + 700],))
            for n in range(0, len(pairs), 700)
        ]
    jobs = plan(hours, seed) if hours > 0 else []
    size = 700
    spoken: list[Task] = []
    for n in range(0, len(jobs), size):
        spoken.append((folder, f"syn-{n // size:02d}", "flite", synthetic, (jobs[n : n + size],)))
    tasks = tasks[:2] + spoken[:2] + tasks[2:] + spoken[2:]
    tasks = [task for task in tasks if not (folder / f"shard-{task[1]}.jsonl").is_file()]
    with ProcessPoolExecutor(workers) as pool:
        for name, count in pool.map(_make, tasks):
            progress(f"shard {name}: {count} utterances")
    return collect(folder)


def collect(folder: Path) -> int:
    """Join the shards' lines into manifest.jsonl; returns the number of utterances."""
    parts = sorted(folder.glob("shard-*.jsonl"))
    text = "".join(part.read_text(encoding="utf-8") for part in parts)
    part = folder / ".manifest.part"
    part.write_text(text, encoding="utf-8")
    os.replace(part, folder / "manifest.jsonl")
    return text.count("\n")
