"""What trains on a GPU, small enough to travel.

Of codecs and vocoder (`write_recordings`), with the weights to start from:

recordings/                 files of real people, and recordings.json

Of the systems (`write_codes`), with the codecs that made the codes: codes and latents in bits.

index.json, index.npz       utterances: phones, lengths of phones in 5 ms, who speaks
fsq.npy                     FSQ codes of all, 64 bits a frame
latents.npz                 Flow-VAE means of some, 6 bits a dimension; each dimension's mean log-deviation
"""

from __future__ import annotations

import json
import shutil
import zlib
from concurrent.futures import ProcessPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import torch
from bits import from_bits, from_steps, to_bits, to_steps

from ttsbench.audio import read_at
from ttsbench.audio import write as write_audio
from ttsbench.systems import packing
from ttsbench.systems.codecs import load_codec
from ttsbench.systems.codecs.mel_codec import build
from ttsbench.systems.codecs.small import SmallCodec
from ttsbench.systems.corpus.clips import SOURCES, clips
from ttsbench.systems.corpus.reader import Corpus
from ttsbench.systems.corpus.recordings import held_out, leveled
from ttsbench.systems.corpus.shards import Spoken, Utterance, collect, write_shard
from ttsbench.systems.kalle.latents import clips_of, load_vae, store
from ttsbench.systems.nn.mel import HOP
from ttsbench.systems.nn.vocoder import Vocoder
from ttsbench.systems.text.phones import IDS, PHONES
from ttsbench.systems.training.data import StoredCodes, encode_corpus

UNIT = 0.005  # seconds: phones' lengths
CODES = 0.4  # of what is free, at most; latents get the rest
FILES = ("codec-fsq.safetensors", "vocoder.safetensors", "codec-flowvae.safetensors")
LATENT_BITS = (6,) * 96
PART = 40  # recordings that a process reads
TOGETHER = 64  # utterances decoded at once
FRAME_BYTES = 8  # an FSQ frame


def write_recordings(real: Path, out: Path, weights: Path, mib: float = 46.0) -> dict[str, float]:
    """Write a pack for codecs and vocoder into OUT (emptied first), at most `mib` in all; returns MiB and hours."""
    room = mib * 2**20 - _begin(out, weights, FILES)
    return {"MiB": mib, "hours": round(_recordings(real, out / "recordings", room), 2)}


def write_codes(corpus: Path, out: Path, weights: Path, mib: float = 46.0) -> dict[str, float]:
    """Write a pack for the systems into OUT (emptied first), at most `mib` in all; returns MiB and hours of each part.

    Everything that has codes is in it until `CODES` of the room are used, warped voices last; latents of the same
    utterances, in the same order, as far as there is room.
    """
    room = mib * 2**20 - _begin(out, weights, FILES[:2])
    data = Corpus(corpus)
    stored = StoredCodes(data, "fsq")
    chosen = sorted((u for u in data.utterances if u.id in stored.index and u.phones), key=_order)
    codes, used = [], 0.0
    for u in chosen:
        used += stored.index[u.id][1] * FRAME_BYTES + 3 * len(u.phones)
        if used > CODES * room:
            break
        codes.append(u)
    levels = load_codec("fsq", weights).levels
    widths = tuple(int(level - 1).bit_length() for level in levels)
    np.save(out / "fsq.npy", to_bits(np.concatenate([stored.of(u).numpy() for u in codes]), widths))
    _index(codes, stored, out)
    left = mib * 2**20 - sum(path.stat().st_size for path in out.iterdir())
    latents = _latents(data, codes, weights, out / "latents.npz", left - 2**16)
    found = {path.name: path.stat().st_size / 2**20 for path in out.iterdir()}
    hours = {"codes_hours": sum(u.frames for u in codes) / 360000, "latents_hours": latents}
    return {name: round(value, 2) for name, value in {**found, **hours}.items()}


def _begin(out: Path, weights: Path, names: tuple[str, ...]) -> int:
    """Empty OUT and put these weights there; returns their bytes."""
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    return sum(Path(shutil.copy(weights / name, out)).stat().st_size for name in names)


def _order(u: Utterance) -> tuple[bool, bool, int]:
    """Held-out ones first, for they are few, then people and synthesisers as they are, then warped voices; mixed."""
    return u.split == "train", "~" in u.speaker, zlib.crc32(u.id.encode())


def _index(utterances: list[Utterance], stored: StoredCodes, out: Path) -> None:
    ends = [np.round(np.array(u.ends) / UNIT) for u in utterances]
    names: dict[str, list[str]] = {
        key: sorted({getattr(u, key) for u in utterances}) for key in ("speaker", "source", "split")
    }
    index = {key: [names[key].index(getattr(u, key)) for u in utterances] for key in names}
    np.savez_compressed(
        out / "index.npz",
        phones=np.concatenate([[IDS[p] for p in u.phones] for u in utterances]).astype(np.uint8),
        lengths=np.concatenate([np.diff(end, prepend=0) for end in ends]).astype(np.uint16),
        counts=np.array([len(u.phones) for u in utterances], np.uint16),
        frames=np.array([u.frames for u in utterances], np.uint32),
        codes=np.array([stored.index[u.id][1] for u in utterances], np.uint32),
        **{key: np.array(value, np.uint16) for key, value in index.items()},
    )  # fmt: skip
    (out / "index.json").write_text(json.dumps(names), encoding="utf-8")


def _latents(data: Corpus, utterances: list[Utterance], weights: Path, path: Path, room: float) -> float:
    """Write the latents that fit into `room` bytes; returns their hours."""
    if not (weights / "codec-flowvae.safetensors").is_file():
        return 0.0
    ids, used = set(), 0.0
    for u in utterances:
        used += u.frames // 8 * sum(LATENT_BITS) / 8
        if used > room:
            break
        ids.add(u.id)
    vae, found = load_vae(weights), {}
    for split in ("train", "dev", "test"):
        found |= {clip.id: clip for clip in clips_of(data.folder, vae, split, ids)}
    places = [(place, found[u.id]) for place, u in enumerate(utterances) if u.id in found]
    means = np.concatenate([clip.mean for _, clip in places]).astype(np.float32)
    logs = np.concatenate([clip.logs for _, clip in places]).astype(np.float32).mean(0)
    mean, deviation = means.mean(0), means.std(0) + 1e-3
    np.savez(
        path, bits=to_bits(to_steps(means, mean, deviation), LATENT_BITS), mean=mean, deviation=deviation, logs=logs,
        places=np.array([place for place, _ in places], np.uint32),
        counts=np.array([len(clip.mean) for _, clip in places], np.uint32),
    )  # fmt: skip
    return float(sum(u.frames for u in utterances if u.id in found) / 360000)


def _recordings(real: Path, out: Path, room: float) -> float:
    """Copy files of people, evenly over sources, until `room` bytes are used; returns about how many hours."""
    out.mkdir()
    rng, pools = np.random.default_rng(0), {}
    for clip in clips(real):
        pools.setdefault(clip.source, []).append(clip)
    order = {source: [pool[i] for i in rng.permutation(len(pool))] for source, pool in pools.items()}
    rows: list[dict[str, Any]] = []
    while room > 0 and any(order.values()):
        for source in list(order):
            if order[source] and room > 0 and not (source == "learners" and len(rows) % 2):
                clip = order[source].pop()
                room -= clip.path.stat().st_size
                name = f"{clip.id}{clip.path.suffix}"
                shutil.copy(clip.path, out / name)
                split = "dev" if held_out(clip) else "train"
                rows.append({"file": name, "speaker": clip.speaker, "source": source, "split": split})
            elif order[source]:
                order[source].pop()
    if not any(row["split"] == "dev" for row in rows):
        rows[0]["split"] = "dev"
    (out / "recordings.json").write_text(json.dumps(rows), encoding="utf-8")
    return sum(len(read_at(out / row["file"], 16000)) for row in rows) / 16000 / 3600


def unpack_codes(pack: Path, work: Path, device: str) -> None:
    """WORK/corpus with codes, latents and log-mels (decoded from the codes)."""
    names, index = json.loads((pack / "index.json").read_text(encoding="utf-8")), np.load(pack / "index.npz")
    (work / "corpus").mkdir(parents=True)
    codec = load_codec("fsq", pack, device)
    widths = tuple(int(level - 1).bit_length() for level in codec.levels)
    total = int(index["codes"].sum())
    codes = from_bits(np.load(pack / "fsq.npy"), widths, total).astype(np.int16)
    np.save(work / "corpus" / "codes-fsq.npy", codes)
    starts, phones = np.cumsum([0, *index["codes"]]), np.cumsum([0, *index["counts"]])
    mels = _mels(codec, codes, index["codes"].tolist())
    rows, frame = [], 0
    for n, mel in enumerate(mels):
        part = slice(phones[n], phones[n + 1])
        ends = np.cumsum(index["lengths"][part].astype(np.float64)) * UNIT
        rows.append({
            "id": f"u{n}", "shard": "pack", "start": frame, "frames": len(mel), "text": "",
            **{key: names[key][int(index[key][n])] for key in names},
            "phones": [PHONES[p] for p in index["phones"][part]], "ends": [round(float(end), 4) for end in ends],
        })  # fmt: skip
        frame += len(mel)
    np.save(work / "corpus" / "shard-pack.mel.npy", np.concatenate(mels))
    ids = {row["id"]: (int(starts[n]), int(index["codes"][n])) for n, row in enumerate(rows)}
    (work / "corpus" / "codes-fsq.json").write_text(json.dumps(ids))
    (work / "corpus" / "manifest.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    if (pack / "latents.npz").is_file():
        _unpack_latents(pack / "latents.npz", work / "corpus")


@torch.inference_mode()
def _mels(codec: SmallCodec, codes: np.ndarray, counts: list[int]) -> list[np.ndarray]:
    """Log-mels (frames, 100), float16, of utterances with so many codes each, decoded in batches of like length."""
    starts, found = np.cumsum([0, *counts]), [np.zeros(0)] * len(counts)
    order = sorted(range(len(counts)), key=counts.__getitem__)
    for group in (order[first : first + TOGETHER] for first in range(0, len(order), TOGETHER)):
        whole = [torch.from_numpy(codes[starts[n] : starts[n] + counts[n]].astype(np.int64)) for n in group]
        mels = codec.decode_mel(torch.nn.utils.rnn.pad_sequence(whole, batch_first=True)).half().cpu().numpy()
        for n, mel in zip(group, mels, strict=True):
            found[n] = mel[: counts[n] * codec.hop // HOP]  # the decoder is causal: what follows changes nothing
    return found


def _unpack_latents(path: Path, corpus: Path) -> None:
    given = np.load(path)
    counts = given["counts"].tolist()
    steps = from_bits(given["bits"], LATENT_BITS, sum(counts))
    means = from_steps(steps, given["mean"], given["deviation"])
    logs = np.broadcast_to(given["logs"], means.shape)
    store(corpus, [f"u{place}" for place in given["places"]], counts, means, logs)


def unpack_recordings(pack: Path, work: Path) -> None:
    """WORK/corpus of people, without texts; `PART` recordings are read by a process of their own."""
    folder, corpus = pack / "recordings", work / "corpus"
    corpus.mkdir(parents=True)
    rows = json.loads((folder / "recordings.json").read_text(encoding="utf-8"))
    sources = {row["source"]: [r for r in rows if r["source"] == row["source"]] for row in rows}
    parts = [
        (corpus, f"{source}-{n:04d}", folder, own[n : n + PART])
        for source, own in sources.items() for n in range(0, len(own), PART)
    ]  # fmt: skip
    with ProcessPoolExecutor() as pool:
        list(pool.map(_shard, parts))
    collect(corpus)


def _shard(part: tuple[Path, str, Path, list[dict[str, str]]]) -> None:
    corpus, name, folder, rows = part
    write_shard(corpus, name, rows[0]["source"], (_recorded(folder, row) for row in rows))


def _recorded(folder: Path, row: dict[str, str]) -> Spoken:
    samples = leveled(read_at(folder / row["file"], 16000), row["file"])
    return Spoken(row["file"], row["speaker"], row["split"], "", samples, [])


def toy(corpus: Path, real: Path, weights: Path) -> None:
    """A corpus of noise with codes, recordings of noise and untrained codecs: enough to go through everything."""
    weights.mkdir(parents=True)
    packing.save(Vocoder().state_dict(), weights / "vocoder.safetensors")
    for name in ("fsq", "flowvae"):
        packing.save(build(name).state_dict(), weights / f"codec-{name}.safetensors")
    rng = np.random.default_rng(0)
    corpus.mkdir(parents=True)
    marks = [("pau", 0.2), ("hh", 0.4), ("ay", 0.7), ("n-", 0.8), ("i-3", 1.0)]
    waves = rng.normal(0, 0.1, (9, 16000)).astype(np.float32)
    spoken = [
        Spoken(f"u{n}", f"s{n % 3}", "dev" if n < 3 else "train", "hi", wave, marks) for n, wave in enumerate(waves)
    ]
    write_shard(corpus, "x", "libritts", spoken)
    collect(corpus)
    encode_corpus(Corpus(corpus), load_codec("fsq", weights))
    for source in SOURCES:
        for n in range(2):
            write_audio(real / source.folder / f"{n}.flac", rng.normal(0, 0.1, 16000).astype(np.float32), 16000)
        lines = "".join(f"{n}.flac\t{source.name}{n}\thello\n" for n in range(2))
        (real / source.folder / "transcripts.tsv").write_text("file\tspeaker\ttext\n" + lines)
