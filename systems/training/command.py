"""`ttsbench train WHAT`: the corpus, the vocoder, the codecs, their codes, the four systems."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

STAGES = {
    "corpus": "make the training corpus: synthetic speech with phone ends, and real recordings where --real names them",
    "held-out": "write the corpus' held-out voices as recordings: --testset folder=build/held-out,task=resynthesis",
    "vocoder": "train the shared vocoder on true log-mels",
    "rvq": "train the residual VQ codec",
    "fsq": "train the FSQ codec",
    "flowvae": "train the Flow-VAE",
    "decoders": "fine-tune decoders and vocoder together; codes stay as they are",
    "codes": "write every utterance's codes into the corpus, for the systems",
    "livespeech": "train the small LiveSpeech",
    "mobilespeech": "train the small MobileSpeech",
    "kalle": "train the small KALL-E",
    "llasa": "train the small Llasa",
}
CODECS = ("rvq", "fsq", "flowvae")
MINUTES = {"vocoder": 60.0, "rvq": 20.0, "fsq": 20.0, "flowvae": 15.0, "decoders": 60.0}
ORDER = (
    "order: corpus, vocoder, rvq / fsq / flowvae, decoders, codes, then any system. Every stage goes on where it was."
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The arguments of `ttsbench train`."""
    parser.description = "\n".join(f"{name:13s} {about}" for name, about in STAGES.items())
    parser.epilog = ORDER
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("what", choices=STAGES, metavar="WHAT", help=", ".join(STAGES))
    parser.add_argument("--corpus", type=Path, default=Path("build/corpus"), help="the corpus folder (build/corpus)")
    parser.add_argument("--out", type=Path, help="where runs are kept (build/training); corpus: the corpus folder")
    parser.add_argument("--minutes", type=float, help="end the run, and its schedule, by the clock")
    parser.add_argument(
        "--preset",
        choices=("small", "paper"),
        default="small",
        help="systems: what is shipped, or the published settings",
    )
    parser.add_argument("--hours", type=float, default=7.5, help="corpus: hours of synthetic speech (7.5)")
    parser.add_argument(
        "--real", type=Path, help="corpus: folder with kathleen/ and librispeech-train-clean-100-sample/"
    )
    parser.add_argument(
        "--libritts", type=Path, help="corpus: a LibriTTS-like folder, SPEAKER/.../X.wav with X.normalized.txt"
    )
    parser.add_argument("--workers", type=int, default=2, help="corpus: processes (2)")
    parser.add_argument("--seed", type=int, default=0)


def run(args: argparse.Namespace) -> int:
    """Do one stage; returns 0. Raises ValueError and FileNotFoundError with what is missing."""
    import torch

    out = args.out or Path("build/training")
    if args.what == "corpus":
        return _corpus(args)
    if args.what == "held-out":
        return _held_out(args.corpus, args.out or Path("build/held-out"))
    torch.set_num_threads(1)  # small models: a second thread costs more than it gives
    if args.what == "codes":
        return _codes(args.corpus, out)
    if args.preset == "paper":
        _paper(args.what, args.corpus, out)
        return 0
    minutes = args.minutes or MINUTES.get(args.what)
    stages: dict[str, Callable[[], Any]] = {
        "vocoder": lambda: _vocoder(args.corpus, out / "vocoder", float(minutes or 0)),
        "decoders": lambda: _decoders(args.corpus, out, float(minutes or 0)),
        **{name: partial(_codec, name, args.corpus, out, float(minutes or 0)) for name in CODECS},
        "livespeech": lambda: _livespeech(args.corpus, out, args.minutes),
        "llasa": lambda: _llasa(args.corpus, out, args.minutes),
        "kalle": lambda: _kalle(args.corpus, out, args.minutes),
        "mobilespeech": lambda: _mobilespeech(args.corpus, out, args.minutes),
    }
    stages[args.what]()
    _say(f"{args.what}: done, in {out / args.what}")
    return 0


def _say(line: str) -> None:
    print(line, file=sys.stderr, flush=True)  # noqa: T201


def _corpus(args: argparse.Namespace) -> int:
    from ttsbench.systems.corpus.build import build

    folder = args.out or args.corpus
    count = build(folder, args.hours, args.real, args.libritts, args.workers, args.seed, _say)
    _say(f"corpus: {count} utterances in {folder}")
    return 0


def _held_out(corpus: Path, folder: Path) -> int:
    from ttsbench.systems.corpus.held_out import write_held_out

    _say(f"held-out: {write_held_out(corpus, folder)} recordings in {folder}")
    return 0


def _vocoder(corpus: Path, folder: Path, minutes: float) -> None:
    from ttsbench.systems.training.vocoder import train_vocoder

    train_vocoder(corpus, folder, minutes)


def _codec(name: str, corpus: Path, out: Path, minutes: float) -> None:
    from ttsbench.systems.training.codec import train_codec

    fsq = out / "fsq" / "last.safetensors"
    train_codec(name, corpus, out / name, minutes, warm=fsq if name == "rvq" and fsq.is_file() else None)


def _decoders(corpus: Path, out: Path, minutes: float) -> None:
    from ttsbench.systems.training.joint import split_weights, train_joint

    codecs = {name: out / name / "last.safetensors" for name in CODECS if (out / name / "last.safetensors").is_file()}
    train_joint(corpus, out / "decoders", minutes, out / "vocoder" / "last.safetensors", codecs)
    split_weights(out / "decoders" / "last.safetensors", out / "checkpoints")


def _codes(corpus: Path, out: Path) -> int:
    from ttsbench.systems.codecs import load_codec
    from ttsbench.systems.corpus.reader import Corpus
    from ttsbench.systems.training.data import encode_corpus

    data = Corpus(corpus)
    for name in CODECS:
        if (out / "checkpoints" / f"codec-{name}.safetensors").is_file():
            _say(f"codes: {encode_corpus(data, load_codec(name, out / 'checkpoints'), _say)}")
    return 0


def _paper(what: str, corpus: Path, out: Path) -> None:
    """Full size with the published settings. Only LiveSpeech has its data path here; others say where theirs is."""
    if what != "livespeech":
        known = {"llasa": "systems/llasa/tuning.py", "kalle": "systems/kalle", "mobilespeech": "systems/mobilespeech"}
        hint = f"; its full size is in {known[what]}" if what in known else ""
        raise ValueError(f"train {what} --preset paper: only livespeech has a paper preset on this command{hint}")
    from ttsbench.systems.codecs.encodec import EnCodec
    from ttsbench.systems.livespeech.paper import train_paper

    train_paper(corpus, out / "livespeech-paper", EnCodec.published(16))


def _livespeech(corpus: Path, out: Path, minutes: float | None) -> None:
    from ttsbench.systems.livespeech.train import SMALL_RECIPE, small

    settings = replace(SMALL_RECIPE.settings, minutes=minutes or SMALL_RECIPE.settings.minutes)
    small(corpus, out / "livespeech", replace(SMALL_RECIPE, settings=settings), _say)


def _llasa(corpus: Path, out: Path, minutes: float | None) -> None:
    from ttsbench.systems.llasa.train import SMALL, small

    settings = replace(SMALL.settings, minutes=minutes or SMALL.settings.minutes)
    small(corpus, out / "llasa", replace(SMALL, settings=settings), _say)


def _kalle(corpus: Path, out: Path, minutes: float | None) -> None:
    from ttsbench.systems.kalle.train import train_small

    train_small(corpus, out / "checkpoints", out / "kalle", minutes)


def _mobilespeech(corpus: Path, out: Path, minutes: float | None) -> None:
    from ttsbench.systems.mobilespeech.train import train

    train(corpus, out / "mobilespeech", minutes or 40.0, say=_say)
