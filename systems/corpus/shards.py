"""The files of a corpus folder: shards of audio and log-mels, a manifest, and what was thrown out.

shard-NAME.pcm.npy   int16 (samples,), the utterances one after the other, each a multiple of 160 samples, 16 kHz
shard-NAME.mel.npy   float16 (frames, 100), their normalised log-mels
shard-NAME.jsonl     a line per utterance (`Utterance`)
dropped-NAME.json    what was left out: [source, reason, clips, seconds] each
manifest.jsonl       all utterances
card.md              hours and speakers of each source, what was left out and why
"""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from ttsbench.systems.nn.mel import HOP, log_mel
from ttsbench.systems.text.phones import canonical

LEARNERS, MOST_LEARNERS = "learners", 0.2  # accented adults: at most so much of what is trained on
SYNTHETIC = ("flite", "kokoro", "hibari", "piper")  # nobody spoke these
FLITE, MOST_FLITE = "flite", 0.1  # an old synthesiser, where there is anything better


@dataclass(frozen=True)
class Utterance:
    """One line of the manifest. `start` and `frames` count 10 ms frames inside the shard; `ends` are seconds.

    `split` is 'train', 'dev' (held-out speakers where a source has many, else held-out sentences) or 'test' (test-only
    voices, held-out sentences). `phones` is empty where the recording has no transcript or no alignment.
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
    language: str = "en"


@dataclass(frozen=True)
class Spoken:
    """An utterance on its way into a shard: float32 `samples` (n,) at 16 kHz; `phones` with their ends in seconds."""

    id: str
    speaker: str
    split: str
    text: str
    samples: np.ndarray
    phones: Sequence[tuple[str, float]]
    language: str = "en"


@dataclass(frozen=True)
class Dropped:
    """A recording that is left out, and why."""

    source: str
    why: str
    seconds: float = 0.0


def write_shard(folder: Path, name: str, source: str, spoken: Iterable[Spoken | Dropped]) -> int:
    """Write one shard from utterances; returns how many. The manifest part is written last, so it marks the end."""
    import torch

    torch.set_num_threads(1)
    pcm, mels, rows, start = [np.zeros(0, np.int16)], [np.zeros((0, 100), np.float16)], [], 0
    dropped: dict[tuple[str, str], list[float]] = defaultdict(list)
    for u in spoken:
        if isinstance(u, Dropped):
            dropped[u.source, u.why].append(u.seconds)
            continue
        frames = len(u.samples) // HOP
        if frames < 20:
            dropped[source, "shorter than 0.2 s"].append(frames / 100)
            continue
        samples = np.clip(u.samples[: frames * HOP], -1, 1)
        mels.append(log_mel(torch.from_numpy(samples)[None])[0].to(torch.float16).numpy())
        pcm.append((samples * 32767).astype(np.int16))
        phones = tuple(canonical(phone) for phone, _ in u.phones)
        ends = tuple(round(end, 4) for _, end in u.phones)
        row = Utterance(u.id, name, start, frames, u.speaker, source, u.split, u.text, phones, ends, u.language)
        rows.append(json.dumps(asdict(row), ensure_ascii=False) + "\n")
        start += frames
    np.save(folder / f"shard-{name}.pcm.npy", np.concatenate(pcm))
    np.save(folder / f"shard-{name}.mel.npy", np.concatenate(mels))
    counts = [[*key, len(found), round(sum(found), 2)] for key, found in dropped.items()]
    (folder / f"dropped-{name}.json").write_text(json.dumps(counts), encoding="utf-8")
    _put(folder / f"shard-{name}.jsonl", "".join(rows))
    return len(rows)


def collect(folder: Path) -> int:
    """Join the shards' lines into manifest.jsonl and write the card; returns the number of utterances."""
    rows = [json.loads(line) for part in sorted(folder.glob("shard-*.jsonl")) for line in _lines(part)]
    dropped = [entry for path in sorted(folder.glob("dropped-*.json")) for entry in json.loads(path.read_text())]
    kept, over = limited(rows)
    dropped += over
    _put(folder / "manifest.jsonl", "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in kept))
    _put(folder / "card.md", card(kept, dropped))
    return len(kept)


def limited(rows: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[list[Any]]]:
    """Rows with no more of learners and flite in 'train' than their shares, and what that leaves out.

    Where nothing else is there, all stay. Of each speaker about the same share goes.
    """
    dropped: list[list[Any]] = []
    for source, most in ((FLITE, MOST_FLITE), (LEARNERS, MOST_LEARNERS)):
        own = [row for row in rows if (row["source"], row["split"]) == (source, "train")]
        others = sum(
            row["frames"] for row in rows if row["split"] == "train" and row["source"] not in (source, LEARNERS)
        )
        room, out = round(others * most / (1 - most)), []
        if not others:
            continue
        order = np.random.default_rng(0).permutation(len(own))
        for row in (own[i] for i in order):
            room -= row["frames"]
            if room < 0:
                out.append(row)
        if out:
            ids = {row["id"] for row in out}
            rows = [row for row in rows if row["id"] not in ids]
            why = f"more than {most:.0%} of the corpus"
            dropped.append([source, why, len(out), sum(row["frames"] for row in out) / 100])
    return rows, dropped


def card(rows: list[dict[str, Any]], dropped: list[list[Any]]) -> str:
    """The corpus on one page, Markdown."""
    lines = [
        "# Corpus",
        "",
        "| source | language | speakers, warped ones too | utterances | hours | with phones | held out |",
    ]
    lines.append("| --- | --- | --- | --- | --- | --- | --- |")
    keys = list(dict.fromkeys((row["source"], row["language"]) for row in rows))
    for source, language in [*keys, ("all", "")]:
        own = [row for row in rows if (row["source"], row["language"]) == (source, language) or source == "all"]
        hours = {name: sum(row["frames"] for row in found) / 360000 for name, found in (
            ("all", own), ("phones", [row for row in own if row["phones"]]),
            ("dev", [row for row in own if row["split"] != "train"]),
        )}  # fmt: skip
        speakers = len({row["speaker"] for row in own})
        lines.append(
            f"| {source} | {language} | {speakers} | {len(own)} | {hours['all']:.2f} | {hours['phones']:.2f} "
            f"| {hours['dev']:.2f} |"
        )
    lines += ["", "## Left out", "", "| source | why | clips | hours |", "| --- | --- | --- | --- |"]
    total: dict[tuple[str, str], list[float]] = defaultdict(lambda: [0, 0.0])
    for source, why, count, seconds in dropped:
        total[source, why][0] += count
        total[source, why][1] += seconds
    lines += [f"| {s} | {why} | {count:.0f} | {sec / 3600:.2f} |" for (s, why), (count, sec) in sorted(total.items())]
    return "\n".join(lines) + "\n"


def _lines(path: Path) -> list[str]:
    return path.read_text(encoding="utf-8").splitlines()


def _put(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.part")
    part.write_text(text, encoding="utf-8")
    os.replace(part, path)
