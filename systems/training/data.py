"""Batches for the TTS systems: phones, durations, codes, and a prompt from another utterance of the same speaker."""

from __future__ import annotations

import json
import os
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from torch import Tensor

from ttsbench.audio import resample
from ttsbench.errors import MissingFile, UserError
from ttsbench.systems.codecs import Codec
from ttsbench.systems.codecs.small import SmallCodec
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.shards import Utterance
from ttsbench.systems.text.phones import IDS


@dataclass(frozen=True)
class TtsBatch:
    """`phones` (batch, p) long, 0 pads; `durations` (batch, p) in codec frames, they add up to `lengths`; `target`
    (batch, t, k) codes (long) or latents (float), 0 pads; `prompt` (batch, tp, k) from another utterance of the
    speaker.
    """

    phones: Tensor
    phone_lengths: Tensor
    durations: Tensor
    target: Tensor
    lengths: Tensor
    prompt: Tensor
    prompt_lengths: Tensor
    speakers: tuple[str, ...]
    ids: tuple[str, ...]


def encode_corpus(corpus: Corpus, codec: SmallCodec, say: Callable[[str], None] = lambda _: None) -> Path:
    """Write CORPUS/codes-NAME.npy (int16, or float32 latents) and its index .json for all utterances with phones."""
    chosen = sorted((u for u in corpus.utterances if u.phones), key=lambda u: u.frames)
    patch = codec.hop // 160
    parts: list[np.ndarray] = []
    index: dict[str, tuple[int, int]] = {}
    start = 0
    for first in range(0, len(chosen), 32):
        group = chosen[first : first + 32]
        longest = max(u.frames for u in group)
        longest += -longest % patch
        mels = np.full((len(group), longest, 100), -2.2, np.float32)
        for row, u in enumerate(group):
            mels[row, : u.frames] = corpus.mel(u)
        with torch.autocast(codec.device.type, dtype=torch.bfloat16, enabled=False):
            codes = codec.encode_mel(torch.from_numpy(mels).to(codec.device)).cpu().numpy()
        for row, u in enumerate(group):
            count = u.frames // patch
            parts.append(codes[row, :count].astype(np.float32 if codes.dtype.kind == "f" else np.int16))
            index[u.id] = (start, count)
            start += count
        if first % 3200 == 0:
            say(f"{codec.name}: {first} of {len(chosen)} utterances encoded")
    path = corpus.folder / f"codes-{codec.name}.npy"
    np.save(path, np.concatenate(parts))
    path.with_suffix(".json").write_text(json.dumps(index), encoding="utf-8")
    return path


def encode_recordings(
    corpus: Corpus, codec: Codec, name: str, device: str = "cpu", say: Callable[[str], None] = lambda _: None
) -> Path:
    """As `encode_corpus` with a full-size codec, from audio: CORPUS/codes-NAME.npy (int32) of all with a transcript.

    Shards that are encoded are kept, so a killed run goes on with the next one.
    """
    path = corpus.folder / f"codes-{name}.npy"
    if path.with_suffix(".json").is_file():
        return path
    chosen = [u for u in corpus.utterances if u.text]
    parts, index, start = [], {}, 0
    for shard in sorted({u.shard for u in chosen}):
        group = [u for u in chosen if u.shard == shard]
        counts = [int(u.frames * codec.frame_rate / 100 + 1e-6) for u in group]
        part = corpus.folder / f"codes-{name}.{shard}.npy"
        if not part.is_file():
            rows = [_encoded(corpus, codec, u, device)[:count] for u, count in zip(group, counts, strict=True)]
            whole = np.concatenate(rows)
            np.save(part.with_suffix(".part.npy"), whole)
            os.replace(part.with_suffix(".part.npy"), part)
            say(f"{name}: shard {shard}, {len(group)} utterances encoded")
        parts.append(part)
        for u, count in zip(group, counts, strict=True):
            index[u.id] = (start, count)
            start += count
    np.save(path, np.concatenate([np.load(part, mmap_mode="r") for part in parts]))
    path.with_suffix(".json").write_text(json.dumps(index), encoding="utf-8")
    for part in parts:
        part.unlink()
    return path


@torch.no_grad()
def _encoded(corpus: Corpus, codec: Codec, u: Utterance, device: str) -> np.ndarray:
    """Codes (frames, codebooks), int32, of an utterance."""
    wave = resample(corpus.audio(u), 16000, codec.sample_rate)
    return codec.encode(torch.from_numpy(wave)[None].to(device))[0].cpu().numpy().astype(np.int32)


class StoredCodes:
    """CORPUS/codes-NAME.npy, memory-mapped, by utterance."""

    def __init__(self, corpus: Corpus, name: str) -> None:
        path = corpus.folder / f"codes-{name}.npy"
        if not path.is_file():
            raise MissingFile(f"{path}: codes are missing; encode the corpus first (training.data.encode_corpus)")
        self.codes = np.load(path, mmap_mode="r")
        self.index: dict[str, tuple[int, int]] = {
            k: (v[0], v[1]) for k, v in json.loads(path.with_suffix(".json").read_text(encoding="utf-8")).items()
        }

    def of(self, u: Utterance) -> Tensor:
        """An utterance's codes, long (t, k), or latents, float (t, k)."""
        start, count = self.index[u.id]
        codes = torch.from_numpy(np.array(self.codes[start : start + count]))
        return codes if codes.is_floating_point() else codes.long()


def durations(u: Utterance, frame_rate: float, frames: int) -> np.ndarray:
    """Frames of each phone (phones,): rounded boundaries, so single errors do not add up; the sum is `frames`."""
    ends = np.minimum(np.round(np.asarray(u.ends) * frame_rate), frames).astype(np.int64)
    ends[-1] = frames
    return np.diff(np.maximum.accumulate(ends), prepend=0)


def speaker_shares(speakers: Sequence[str], lengths: Sequence[int]) -> np.ndarray:
    """How often each utterance is drawn: its speaker by the square root of all that they say, so that many people who
    say little outweigh few who say much; then any of the speaker's utterances, longer ones more often. They sum to 1.
    """
    total: dict[str, int] = defaultdict(int)
    for speaker, length in zip(speakers, lengths, strict=True):
        total[speaker] += length
    found = np.array([n / total[s] ** 0.5 for s, n in zip(speakers, lengths, strict=True)])
    return found / found.sum()


class TtsBatches:
    """`batches(step)` gives a `TtsBatch`: similar lengths together, drawn from the seed. In training an epoch draws as
    many utterances as there are by `speaker_shares`; of other splits it takes each once.

    `codec_name` picks CORPUS/codes-NAME.npy. `frames` is the size of a batch in codec frames, padding included.
    In the first `short_first` steps utterances grow from 2.5 s to the longest. `prompt_seconds`: the longest prompt.
    """

    def __init__(
        self,
        corpus: Corpus,
        codec_name: str,
        frame_rate: float,
        split: str = "train",
        frames: int = 3000,
        seed: int = 0,
        prompt_seconds: float = 3.0,
        short_first: int = 0,
        longest: float = 9.0,
        source: str | None = None,
    ) -> None:
        self.stored = StoredCodes(corpus, codec_name)
        self.of, index = self.stored.of, self.stored.index
        self.rate, self.frames, self.seed, self.short_first = frame_rate, frames, seed, short_first
        self.prompt_frames = round(prompt_seconds * frame_rate)
        self.longest = longest
        chosen = [u for u in corpus.select(split, source, phones=True) if u.id in index]
        self.utterances = [u for u in chosen if 0.4 < u.frames / 100 <= longest and index[u.id][1] > 0]
        if not self.utterances:
            raise UserError(f"{corpus.folder}: no utterance with phones in split {split!r}")
        self.by_speaker: dict[str, list[Utterance]] = defaultdict(list)
        for u in self.utterances:
            self.by_speaker[u.speaker].append(u)
        self._shares = (
            None
            if split != "train"
            else speaker_shares([u.speaker for u in self.utterances], [u.frames for u in self.utterances])
        )
        self._plans: dict[tuple[int, int], list[list[Utterance]]] = {}
        # Plans differ by a batch or so; a fixed number of steps for each maps a step to its place without history
        self.steps_per_epoch = max(1, min(len(self.plan(epoch, longest)) for epoch in range(1, 4)) - 2)

    def plan(self, epoch: int, limit: float) -> list[list[Utterance]]:
        """The batches of an epoch over utterances up to `limit` seconds, in order."""
        key = (epoch, round(limit * 10))
        if key not in self._plans:
            rng = np.random.default_rng((self.seed, epoch))
            count = len(self.utterances)
            order = rng.permutation(count) if self._shares is None else rng.choice(count, count, p=self._shares)
            pool = [self.utterances[i] for i in order]
            pool = [u for u in pool if u.frames / 100 <= limit]
            keyed = sorted(pool, key=lambda u: u.frames + int(rng.integers(20)))
            groups: list[list[Utterance]] = [[]]
            for u in keyed:
                if groups[-1] and (len(groups[-1]) + 1) * u.frames * self.rate / 100 > self.frames:
                    groups.append([])
                groups[-1].append(u)
            self._plans = {key: [groups[i] for i in rng.permutation(len(groups))]}
        return self._plans[key]

    def __call__(self, step: int) -> TtsBatch:
        if step < self.short_first:
            limit = 2.5 + np.floor(8 * step / self.short_first) / 8 * (self.longest - 2.5)
            groups = self.plan(0, float(limit))
            return self.collate(groups[int(np.random.default_rng((self.seed, step)).integers(len(groups)))], step)
        epoch, place = divmod(step - self.short_first, self.steps_per_epoch)
        return self.collate(self.plan(1 + epoch, self.longest)[place], step)

    def collate(self, group: list[Utterance], step: int) -> TtsBatch:
        """Utterances to a padded batch; prompts are drawn from the step."""
        rng = np.random.default_rng((self.seed, step, 1))
        targets = [self.of(u) for u in group]
        prompts = [self._prompt(u, rng) for u in group]
        phones = [torch.tensor([IDS[p] for p in u.phones]) for u in group]
        spans = [torch.from_numpy(durations(u, self.rate, len(t))) for u, t in zip(group, targets, strict=True)]
        return TtsBatch(
            phones=_pad(phones),
            phone_lengths=torch.tensor([len(p) for p in phones]),
            durations=_pad(spans),
            target=_pad(targets),
            lengths=torch.tensor([len(t) for t in targets]),
            prompt=_pad(prompts),
            prompt_lengths=torch.tensor([len(p) for p in prompts]),
            speakers=tuple(u.speaker for u in group),
            ids=tuple(u.id for u in group),
        )

    def _prompt(self, u: Utterance, rng: np.random.Generator) -> Tensor:
        """A cut of up to `prompt_frames` of another utterance of the speaker (of this one where it is the only one)."""
        others = self.by_speaker[u.speaker]
        pick = int(rng.integers(len(others)))
        if others[pick].text == u.text and len(others) > 1:
            pick = (pick + 1) % len(others)
        codes = self.of(others[pick])
        first = int(rng.integers(max(1, len(codes) - self.prompt_frames + 1)))
        return codes[first : first + self.prompt_frames]


def _pad(rows: list[Tensor]) -> Tensor:
    return torch.nn.utils.rnn.pad_sequence(rows, batch_first=True)
