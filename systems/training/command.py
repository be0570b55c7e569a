"""`ttsbench train WHAT`: the corpus, the vocoder, the codecs, their codes, the four systems."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ttsbench.errors import UserError

if TYPE_CHECKING:
    from torch import nn

    from ttsbench.systems.training.listening import Hear
    from ttsbench.systems.training.trainer import Judge, Settings

STAGES = {
    "corpus": "make the training corpus: synthetic speech with phone ends, and real recordings where --real names them",
    "held-out": "write the corpus' held-out voices as recordings: --testset folder=build/held-out,task=resynthesis",
    "vocoder": "train the shared vocoder on true log-mels",
    "rvq": "fit the residual VQ codec to the FSQ codec's latents, and train it where --steps or --minutes say so",
    "fsq": "train the FSQ codec",
    "flowvae": "train the Flow-VAE",
    "decoders": "fine-tune decoders and vocoder together; codes stay as they are",
    "codes": "write every utterance's codes into the corpus, for the systems (shipped codecs, if none were trained)",
    "livespeech": "train the small LiveSpeech",
    "mobilespeech": "train the small MobileSpeech",
    "kalle": "train the small KALL-E",
    "llasa": "train the small Llasa",
}
UNENDING = 10**6
CODECS = ("rvq", "fsq", "flowvae")
STEPS = {"vocoder": 2652, "fsq": 658, "rvq": 0, "flowvae": 313, "decoders": 1351}  # as the shipped ones took
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
        "--steps", type=int, help="end after so many steps (as many as the shipped); exactly repeatable"
    )
    parser.add_argument(
        "--listen",
        type=int,
        default=8,
        metavar="N",
        help="systems: say N held-out sentences every 1000 steps; their word error rate picks the best weights (8)",
    )
    parser.add_argument("--device", default="cpu", help="systems: cpu, cuda, cuda:1 (cpu)")
    parser.add_argument(
        "--preset",
        choices=("small", "paper"),
        default="small",
        help="systems: what is shipped, or the published settings",
    )
    parser.add_argument("--hours", type=float, default=7.5, help="corpus: hours of synthetic speech (7.5; 0: none)")
    parser.add_argument(
        "--real", type=Path, help="corpus: folder with kathleen/ and librispeech-train-clean-100-sample/"
    )
    parser.add_argument(
        "--libritts", type=Path, help="corpus: a LibriTTS-like folder, SPEAKER/.../X.wav with X.normalized.txt"
    )
    parser.add_argument("--workers", type=int, default=2, help="corpus: processes (2)")
    parser.add_argument("--seed", type=int, default=0, help="corpus, and systems of the small preset (0)")


def run(args: argparse.Namespace, hear: Hear | None = None) -> int:
    """Do one stage; returns 0. Raises ValueError and FileNotFoundError with what is missing.

    `hear`: who listens to held-out sentences while a system is being trained (`listening`).
    """
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
        return _paper(args, out / f"{args.what}-paper")
    stages: dict[str, Callable[[Path, Path, int, float | None], None]]
    stages = {"vocoder": _vocoder, "decoders": _decoders, **{name: partial(_codec, name) for name in CODECS}}
    systems: dict[str, Callable[[argparse.Namespace, Path, Judge | None], nn.Module]]
    systems = {"livespeech": _livespeech, "llasa": _llasa, "kalle": _kalle, "mobilespeech": _mobilespeech}
    if args.what in systems:
        listen = _listener(args, out, hear)
        _speakable(args.what, systems[args.what](args, out, listen), out, by_ear=listen is not None)
    else:
        stages[args.what](args.corpus, out, _steps(args, STEPS[args.what]), args.minutes)
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


def _vocoder(corpus: Path, out: Path, steps: int, minutes: float | None) -> None:
    from ttsbench.systems.training.vocoder import train_vocoder

    train_vocoder(corpus, out / "vocoder", steps, minutes)


def _codec(name: str, corpus: Path, out: Path, steps: int, minutes: float | None) -> None:
    from ttsbench.systems.training.codec import train_codec

    fsq = out / "fsq" / "last.safetensors"
    warm = fsq if name == "rvq" and fsq.is_file() else None
    if steps == 0 and warm is None:
        raise UserError(f"{fsq}: not there. Train fsq first, or say how long rvq is trained: --steps or --minutes")
    train_codec(name, corpus, out / name, steps, minutes, warm=warm)


def _decoders(corpus: Path, out: Path, steps: int, minutes: float | None) -> None:
    from ttsbench.systems.training.joint import split_weights, train_joint

    codecs = {name: out / name / "last.safetensors" for name in CODECS if (out / name / "last.safetensors").is_file()}
    train_joint(corpus, out / "decoders", steps, minutes, out / "vocoder" / "last.safetensors", codecs)
    split_weights(out / "decoders" / "last.safetensors", out / "checkpoints")


def _codes(corpus: Path, out: Path) -> int:
    from ttsbench.systems.codecs import load_codec
    from ttsbench.systems.corpus.reader import Corpus
    from ttsbench.systems.training.data import encode_corpus

    data, folder = Corpus(corpus), _codecs(out)
    for name in CODECS:
        if (folder / f"codec-{name}.safetensors").is_file():
            _say(f"codes: {encode_corpus(data, load_codec(name, folder), _say)}")
    return 0


def _codecs(out: Path) -> Path:
    """The codecs that were trained in `out`, else the shipped ones."""
    from ttsbench.systems.codecs import checkpoints

    own = out / "checkpoints"
    return own if (own / "vocoder.safetensors").is_file() else checkpoints()


def _paper(args: argparse.Namespace, folder: Path) -> int:
    from ttsbench.systems.corpus.reader import Corpus
    from ttsbench.systems.training.paper import train_paper

    if args.minutes or args.steps:
        raise UserError("--preset paper: the published settings say how many steps; leave --minutes and --steps out")
    Corpus(args.corpus)
    train_paper(args.what, args.corpus, folder, args.device, _say)
    _say(f"{args.what}: done, in {folder}")
    return 0


def _listener(args: argparse.Namespace, out: Path, hear: Hear | None) -> Judge | None:
    if hear is None or args.listen == 0:
        return None
    from ttsbench.systems.training.listening import listener

    return listener(args.what, args.corpus, out / args.what, _codecs(out), args.listen, hear)


def _speakable(what: str, model: nn.Module, out: Path, by_ear: bool) -> None:
    """Put the weights where the system can speak from them: those heard to be best, or else the last."""
    from safetensors.torch import load_file

    from ttsbench.systems.training import speakable

    best = out / what / "best.safetensors"
    if by_ear and best.is_file():
        model.load_state_dict(load_file(best))
    speakable.write(what, model, out / "checkpoints", _codecs(out))
    _say(f"{what}: to hear it, TTSBENCH_CHECKPOINTS={out / 'checkpoints'} ttsbench run --system {what} --out runs/own")


def _limited(settings: Settings, args: argparse.Namespace) -> Settings:
    """The preset's settings with the end that was asked for: by steps, by the clock, or as many steps as shipped."""
    return replace(settings, steps=_steps(args, settings.steps), minutes=args.minutes, seed=args.seed)


def _steps(args: argparse.Namespace, shipped: int) -> int:
    return args.steps or (UNENDING if args.minutes else shipped)


def _livespeech(args: argparse.Namespace, out: Path, listen: Judge | None) -> nn.Module:
    from ttsbench.systems.livespeech.train import SMALL_RECIPE, small

    recipe = replace(SMALL_RECIPE, settings=_limited(SMALL_RECIPE.settings, args))
    return small(args.corpus, out / "livespeech", recipe, _say, args.device, listen)


def _llasa(args: argparse.Namespace, out: Path, listen: Judge | None) -> nn.Module:
    from ttsbench.systems.llasa.train import SMALL, small

    recipe = replace(SMALL, settings=_limited(SMALL.settings, args))
    return small(args.corpus, out / "llasa", recipe, _say, args.device, listen)


def _kalle(args: argparse.Namespace, out: Path, listen: Judge | None) -> nn.Module:
    from ttsbench.systems.kalle.train import STEPS, train_small

    steps = _steps(args, STEPS)
    return train_small(args.corpus, _codecs(out), out / "kalle", args.minutes, steps, args.device, listen, args.seed)


def _mobilespeech(args: argparse.Namespace, out: Path, listen: Judge | None) -> nn.Module:
    from ttsbench.systems.mobilespeech.train import SETTINGS, Trained, fit

    settings = _limited(SETTINGS, args)
    return Trained(fit(args.corpus, out / "mobilespeech", settings, device=args.device, say=_say, listen=listen))
