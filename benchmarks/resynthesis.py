"""What vocoder and codecs lose of recordings: quality, words, closeness, voice.

    python benchmarks/resynthesis.py ../shared/data/librispeech-test-other --checkpoints systems/checkpoints

The folder holds recordings and transcripts.tsv (name, seconds, text). Rows: the recordings, the vocoder on their
log-mels, and the codecs. Columns: DistillMOS (1 to 5), word error rate of Whisper base in % (faster-whisper, greedy,
Whisper's own English text rules, all errors by all words), wide-band PESQ, STOI, GE2E cosine to the recording. `--keep`
writes the audio.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
import torch
from distillmos import ConvTransformerSQAModel
from faster_whisper import WhisperModel
from jiwer import process_words
from pesq import pesq
from pystoi import stoi
from speaking import RATE, SPEAKER, features
from whisper.normalizers import EnglishTextNormalizer

from ttsbench import audio
from ttsbench.metrics.sim import cosine
from ttsbench.systems.codecs.small import load
from ttsbench.systems.nn.mel import HOP, log_mel

CODECS = ("fsq", "flowvae", "rvq")
Maker = Callable[[torch.Tensor], torch.Tensor]


def makers(checkpoints: Path, codecs: list[str]) -> dict[str, Maker]:
    """By name, what makes audio (1, samples) from audio (1, samples)."""
    loaded = {name: load(name, checkpoints) for name in codecs}
    vocoder = next(iter(loaded.values())).vocoder

    def again(name: str) -> Maker:
        return lambda wave: loaded[name].decode(loaded[name].encode(wave))

    return {"recordings": lambda wave: wave, "vocoder, true mel": lambda wave: vocoder(log_mel(wave))} | {
        name: again(name) for name in loaded
    }


def word_errors(model: WhisperModel, files: list[Path], texts: list[str]) -> float:
    """Of all words, in %."""
    plain = EnglishTextNormalizer()
    heard = []
    for file in files:
        segments, _ = model.transcribe(
            str(file), language="en", beam_size=1, temperature=0.0, condition_on_previous_text=False
        )
        heard.append(plain(" ".join(segment.text for segment in segments)))
    return 100 * float(process_words([plain(text) for text in texts], heard).wer)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--checkpoints", type=Path, default=Path("systems/checkpoints"))
    parser.add_argument("--codecs", nargs="+", default=list(CODECS[:2]), choices=CODECS)
    parser.add_argument("--limit", type=int, help="so many recordings, evenly spread (all)")
    parser.add_argument("--whisper", default="base", help="folder or size; none: no word error rate")
    parser.add_argument("--keep", type=Path, help="write the audio here")
    options = parser.parse_args()
    torch.set_num_threads(1)

    with (options.folder / "transcripts.tsv").open(encoding="utf-8") as handle:
        texts = {row[0]: row[2] for row in list(csv.reader(handle, delimiter="\t"))[1:]}
    paths = [path for path in sorted(options.folder.rglob("*.flac")) if path.stem in texts]
    paths = paths[:: max(1, len(paths) // (options.limit or len(paths)))]
    waves = [audio.read_at(path, RATE) for path in paths]
    waves = [wave[: len(wave) // (8 * HOP) * 8 * HOP] for wave in waves]  # whole patches of every codec
    judge = ConvTransformerSQAModel().eval()
    whisper = (
        None if options.whisper == "none" else WhisperModel(options.whisper, "cpu", compute_type="int8", cpu_threads=1)
    )
    true_voices = features(SPEAKER, paths)

    rows = []
    with tempfile.TemporaryDirectory() as temporary, torch.inference_mode():
        for name, make in makers(options.checkpoints, options.codecs).items():
            made = [make(torch.from_numpy(wave)[None])[0].clamp(-1, 1).numpy() for wave in waves]
            folder = (options.keep or Path(temporary)) / name.replace(", ", "-").replace(" ", "-")
            files = [folder / f"{path.stem}.flac" for path in paths]
            for file, wave in zip(files, made, strict=True):
                audio.write(file, wave, RATE)
            voices = features(SPEAKER, files)
            pairs = list(zip(waves, made, strict=True))
            rows.append({
                "": name,
                "DistillMOS": f"{np.mean([float(judge(torch.from_numpy(wave)[None])) for wave in made]):.2f}",
                "WER": "-" if whisper is None else f"{word_errors(whisper, files, [texts[p.stem] for p in paths]):.1f}",
                "PESQ-wb": f"{np.mean([pesq(RATE, true, wave, 'wb') for true, wave in pairs]):.2f}",
                "STOI": f"{np.mean([stoi(true, wave, RATE) for true, wave in pairs]):.3f}",
                "GE2E": f"{np.mean([cosine(a, b) for a, b in zip(voices, true_voices, strict=True)]):.3f}",
            })  # fmt: skip
            print(rows[-1], flush=True)
    print(f"{len(paths)} recordings, {sum(map(len, waves)) / RATE:.0f} s\n{pd.DataFrame(rows).to_string(index=False)}")


if __name__ == "__main__":
    main()
