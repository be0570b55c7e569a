"""Scoring as protocol `embedded` does it beside VERSA's per-file way: the same metrics, weights and files, one thread.

    OMP_NUM_THREADS=1 python benchmarks/per_file.py ../shared/data/librispeech-test-other --files 6

VERSA (wavlab-speech/versa 0b35e86) reads one file after another and gives it to every metric in turn: Whisper by
openai-whisper's `transcribe` in float32, its language detected, and DNSMOS by package speechmos, scaled to a peak of 1.
That loop is written out here, as VERSA itself needs packages that exclude ours. Whisper base on both sides; openai's
checkpoint is written from the tensors of the CTranslate2 file. Loading is not counted. Wall and processor time.
"""

from __future__ import annotations

import argparse
import os
import runpy
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import onnxruntime
import soundfile
import torch
import whisper
from speechmos import dnsmos

from ttsbench import metrics
from ttsbench.metrics import weights
from ttsbench.records import Request

HELPERS = Path(__file__).parents[1] / "tests" / "metrics" / "whisper_tensors.py"
HEADS = 8  # of Whisper base
OURS = {
    "Whisper base": (("recognisers.faster_whisper", {"model": "faster-whisper-base", "language": "en"}),),
    "DNSMOS P.835 and P.808": (
        ("quality.dnsmos", {"what": "p835", "resampling": "soxr"}),
        ("quality.dnsmos", {"what": "p808", "resampling": "soxr"}),
    ),
}
Spent = tuple[float, float]


def timed(work: Callable[[], object]) -> Spent:
    """Wall and processor seconds."""
    start, spent = time.perf_counter(), time.process_time()
    work()
    return time.perf_counter() - start, time.process_time() - spent


def ours(paths: list[Path]) -> dict[str, Spent]:
    """All files through each model in batches, as a scoring worker does it."""
    found = {}
    for title, asked in OURS.items():
        jobs = [
            (metrics.extractor(name).load(settings, "cpu"), name, metrics.extractor(name).BATCH)
            for name, settings in asked
        ]

        def work(jobs: list[tuple[metrics.Extract, str, int]] = jobs) -> None:
            for extract, name, size in jobs:
                for at in range(0, len(paths), size):
                    extract([Request(name, path) for path in paths[at : at + size]])

        found[title] = timed(work)
    return found


def versa(paths: list[Path], beam: int) -> dict[str, Spent]:
    """One file after another through every metric."""
    helpers = runpy.run_path(str(HELPERS))
    with tempfile.TemporaryDirectory() as folder:
        checkpoint = Path(folder) / "base.pt"
        tensors = helpers["read"](weights.find("faster-whisper-base") / "model.bin")
        helpers["write_openai"](tensors, checkpoint, HEADS)
        model = whisper.load_model(str(checkpoint), device="cpu")
    dnsmos.run(np.zeros(16000, np.float32) + 1e-3, sr=16000)  # makes its sessions
    total = dict.fromkeys(OURS, (0.0, 0.0))
    for path in paths:
        wave, rate = soundfile.read(path, dtype="float32")
        assert rate == 16000, path
        for title, work in zip(
            OURS,
            (
                lambda wave=wave: model.transcribe(torch.from_numpy(wave), beam_size=beam, fp16=False),
                lambda wave=wave: dnsmos.run(wave / np.abs(wave).max(), sr=16000),
            ),
            strict=True,
        ):
            wall, spent = timed(work)
            total[title] = (total[title][0] + wall, total[title][1] + spent)
    return total


def one_thread() -> None:
    """speechmos asks for no number of threads and would take every core."""
    session = onnxruntime.InferenceSession
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    onnxruntime.InferenceSession = lambda path, **told: session(path, **{"sess_options": options, **told})


def main() -> None:
    """Print seconds and ratios."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="recordings at 16 kHz")
    parser.add_argument("--files", type=int, default=0, metavar="N", help="only the first N (0: all)")
    parser.add_argument("--beam", type=int, default=1, help="VERSA's setting: 1 in its older code, 5 in its newer (1)")
    options = parser.parse_args()
    paths = sorted(options.folder.rglob("*.flac"))[: options.files or None]
    torch.set_num_threads(1)
    one_thread()
    seconds = sum(soundfile.info(path).duration for path in paths)
    load = os.getloadavg()[0]
    here, there = ours(paths), versa(paths, options.beam)
    print(f"{len(paths)} files, {seconds:.0f} s of speech, load {load:.1f}, VERSA with a beam of {options.beam}\n")
    print("| metric | ours: wall, processor s | per file: wall, processor s | ratio of wall | of processor time |")
    print("| --- | --- | --- | --- | --- |")
    rows = [(title, here[title], there[title]) for title in OURS]
    sums = [tuple(sum(each[title][at] for title in OURS) for at in (0, 1)) for each in (here, there)]
    for title, (wall, spent), (other, more) in [*rows, ("both", *sums)]:
        print(
            f"| {title} | {wall:.1f}, {spent:.1f} | {other:.1f}, {more:.1f} | {other / wall:.2f} | {more / spent:.2f} |"
        )


if __name__ == "__main__":
    main()
